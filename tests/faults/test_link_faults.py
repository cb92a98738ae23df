"""Bad links, seen by a client that goes through them."""

from __future__ import annotations

import random
import socket
import threading
from collections.abc import Iterator

import pytest

from FaultLibrary.lifecycle import Fault
from FaultLibrary.link_faults import LinkFault
from FaultLibrary.service_faults import Surroundings
from measurement.verdicts import Inconclusive
from PatroniLibrary.rest import Topology
from tests.faults.conftest import connected, seconds_told
from tests.faults.fakes import TinySystem

CONDITIONS: list[tuple[dict[str, float | bool | str], str, float]] = [  # a condition, what is met, and for how long
    ({"cut": True}, "refuses", 0),
    ({"reset": True}, "resets", 0),
    ({"hang": True}, "is silent, nothing passed", 0),
    ({"hang": True, "direction": "to-server"}, "is silent, nothing passed", 0),
    ({"hang": True, "direction": "to-client"}, "is silent, nothing passed", 0),
    ({"latency_ms": 80}, "answers after", 0.16),
    ({"latency_ms": 80, "direction": "to-client"}, "answers after", 0.08),
    ({"latency_ms": 60, "jitter_ms": 30}, "answers after", 0.072),
    ({"bandwidth_bytes_per_second": 40_000}, "answers a request of 8000 bytes after", 0.14),
]


@pytest.fixture
def around(
    system: TinySystem, kind: str, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Surroundings]:
    name = f"{request.node.name}-redis"
    system.add_link(name, tmp_path_factory.mktemp("link") / "socket" if kind == "unix" else None)
    system.links = {"client-redis": system.links[name]}
    proxy = system.proxy
    assert proxy is not None
    real_set, real_count = proxy.set_link, proxy.counters
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            system, "set_link", lambda link, condition: None if system.refuse_links else real_set(name, condition)
        )
        patch.setattr(system, "link_counters", lambda link: real_count(name))
        yield Surroundings(system, lambda: Topology(()), lambda: None, random.Random(1))
        real_set(name, {"cut": True})


def run(around: Surroundings, condition: dict[str, float | bool | str]) -> Fault:
    fault = Fault("link", "client-redis", LinkFault(around, "client-redis", condition))
    fault.prepare()
    fault.inject()
    return fault


@pytest.mark.parametrize(("condition", "met", "seconds"), CONDITIONS)
def test_each_condition_is_met_by_a_client_and_healed(
    around: Surroundings, condition: dict[str, float | bool | str], met: str, seconds: float
) -> None:
    fault = run(around, condition)
    fault.observe(5)
    seen = fault.action.observer
    assert seen.startswith(f"client through client-redis {met}")
    assert seconds <= seconds_told(seen)  # a busy machine answers later still
    assert fault.record()["hit"] == [{"link": "client-redis"}]
    fault.heal()
    fault.become_steady(5)
    fault.clean_up()


@pytest.mark.parametrize("condition", [condition for condition, _, _ in CONDITIONS])
def test_a_condition_that_was_only_promised_is_not_seen_in_effect(
    system: TinySystem, around: Surroundings, condition: dict[str, float | bool | str]
) -> None:
    system.refuse_links = True
    fault = run(around, condition)
    with pytest.raises(Inconclusive, match=r"fault not seen in effect: link client-redis: .*link client-redis: "):
        fault.observe(0.4)


@pytest.mark.parametrize(
    ("wanted", "actual"),
    [
        ({"cut": True}, {"hang": True}),
        ({"hang": True}, {"cut": True}),
        ({"reset": True}, {"cut": True}),
        ({"latency_ms": 80}, {"latency_ms": 30}),
        ({"latency_ms": 80}, {"hang": True}),
        ({"bandwidth_bytes_per_second": 40_000}, {"bandwidth_bytes_per_second": 400_000}),
    ],
)
def test_another_condition_than_the_one_wanted_is_noticed(
    system: TinySystem,
    around: Surroundings,
    wanted: dict[str, float | bool | str],
    actual: dict[str, float | bool | str],
) -> None:
    fault = run(around, wanted)
    system.set_link("client-redis", actual)
    with pytest.raises(Inconclusive, match="fault not seen in effect"):
        fault.observe(0.3)


def test_bandwidth_too_wide_for_one_request_is_counted_while_traffic_fills_it(
    system: TinySystem, around: Surroundings
) -> None:
    fault = run(around, {"bandwidth_bytes_per_second": 2_000_000, "direction": "to-server"})
    with pytest.raises(
        Inconclusive, match="carries 0 bytes/s of the 2000000 allowed, expected that its traffic fills it"
    ):
        fault.observe(0.4)
    with connected(system.links["client-redis"]) as client:
        stop = threading.Event()

        def send() -> None:
            client.settimeout(0.2)
            while not stop.is_set():
                try:
                    client.send(b"x" * 65536)
                except TimeoutError:
                    continue

        def swallow() -> None:
            while client.recv(65536):
                pass

        threads = [threading.Thread(target=send), threading.Thread(target=swallow)]
        for thread in threads:
            thread.start()
        try:
            fault.observe(5)
            fault.stay_in_effect(1.6)
        finally:
            stop.set()
            threads[0].join()
            client.shutdown(socket.SHUT_RDWR)
            threads[1].join()


def test_a_latency_below_what_the_link_usually_needs_cannot_be_seen(around: Surroundings) -> None:
    fault = run(around, {"latency_ms": 0.001})
    with pytest.raises(Inconclusive, match="cannot be told from the"):
        fault.observe(1)


def test_a_link_that_is_bad_already_is_not_made_worse(system: TinySystem, around: Surroundings) -> None:
    system.set_link("client-redis", {"cut": True})
    with pytest.raises(Inconclusive, match=r"link client-redis is not well before the fault: redis on .* refuses"):
        run(around, {"hang": True})


def test_a_link_is_not_steady_while_it_is_slow(system: TinySystem, around: Surroundings) -> None:
    fault = run(around, {"cut": True})
    fault.heal()
    system.set_link("client-redis", {"latency_ms": 100})
    assert "answers after 0.2" in str(fault.action.not_steady())


def test_a_wrong_condition_is_a_mistake_before_anything_happens(around: Surroundings) -> None:
    with pytest.raises(ValueError, match="'slow' is unknown"):
        LinkFault(around, "client-redis", {"slow": True})


def test_without_control_over_links_there_are_no_link_faults(system: TinySystem, around: Surroundings) -> None:
    system.links = {}
    with pytest.raises(ValueError, match="does not declare link-faults"):
        run(around, {"cut": True})
