"""What the control port of the link proxy does and refuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from environments.embedded.link_proxy.conditions import Condition
from environments.embedded.links import Links, condition_problem, proxy_command
from environments.errors import EnvironmentProblem
from environments.system import Endpoint
from runner.children import start
from tests.faults.conftest import LOOPBACK, SLACK, Link, Server, connected, round_trip
from tests.waiting import until


def test_a_taken_port_is_one_clear_line(proxy: Links, serve: Callable[..., Server]) -> None:
    taken = serve().endpoint
    with pytest.raises(EnvironmentProblem, match=rf"link taken: cannot listen on {taken} \(Address already in use\)"):
        proxy.add("taken", Endpoint(LOOPBACK, 1), listen=taken)


def test_a_taken_file_is_one_clear_line(proxy: Links, tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    with pytest.raises(EnvironmentProblem, match=r"link taken: cannot listen on .*/taken \(Address already in use\)"):
        proxy.add("taken", tmp_path / "server", tmp_path / "taken")


def test_a_file_in_no_directory_is_one_clear_line(proxy: Links, tmp_path: Path) -> None:
    with pytest.raises(EnvironmentProblem, match=r"cannot listen on .*/no/link \(No such file or directory\)"):
        proxy.add("nowhere", tmp_path / "server", tmp_path / "no" / "link")


def test_a_path_that_no_socket_can_have_is_one_clear_line(proxy: Links, tmp_path: Path) -> None:
    with pytest.raises(EnvironmentProblem, match=r"link long: cannot listen .*ppp \(longer than 106 bytes\); choose"):
        proxy.add("long", tmp_path / "server", tmp_path / ("p" * 100))


def test_a_link_may_lead_from_one_kind_of_address_to_the_other(
    proxy: Links, serve: Callable[..., Server], tmp_path: Path
) -> None:
    near = proxy.add("to-tcp", serve().endpoint, tmp_path / "near")
    far = proxy.add("to-unix", near)
    with connected(far) as client:
        assert round_trip(client) < SLACK
    states = proxy.states()
    assert states["to-unix"].target == states["to-tcp"].listen == near == tmp_path / "near"
    assert states["to-unix"].listen == far


def test_a_proxy_that_ends_takes_its_files_along(tmp_path: Path) -> None:
    links = Links(tmp_path / "control.json")
    process = start(proxy_command(tmp_path / "control.json"))
    until(lambda: links.missing() is None)
    links.add("one", tmp_path / "server", tmp_path / "link")
    links.add("cut", tmp_path / "server", tmp_path / "cut")
    links.set_link("cut", {"cut": True})
    assert (tmp_path / "link").is_socket()
    process.terminate()
    assert process.wait(5) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["control.json"]


@pytest.mark.parametrize("listen", [["127.0.0.1"], ["127.0.0.1", "80"], 80, None])
def test_what_is_no_address_is_refused(proxy: Links, listen: object) -> None:
    answer = proxy._ask("add", {"name": "odd", "listen": listen, "target": "/nowhere"})
    assert "is no address; give [host, port] or the path of a Unix socket" in answer["error"]
    assert "odd" not in proxy.states()


def test_a_second_link_of_the_same_name_is_refused(link: Link) -> None:
    with pytest.raises(EnvironmentProblem, match="is there already"):
        link.proxy.add(link.name, link.server.endpoint)


def test_an_unknown_link_is_named(proxy: Links) -> None:
    with pytest.raises(ValueError, match="'nowhere' is unknown; there are:"):
        proxy.set_link("nowhere", {"cut": True})


def test_a_bad_condition_is_refused_and_changes_nothing(link: Link) -> None:
    link.set(latency_ms=5)
    with pytest.raises(ValueError, match="'latency' is unknown"):
        link.set(latency=5)
    state = link.proxy.states()[link.name]
    assert state.condition is not None
    assert state.condition["latency_ms"] == 5


def test_a_proxy_that_is_not_there_is_one_clear_line(tmp_path) -> None:
    links = Links(tmp_path / "nothing.json")
    assert "the link proxy does not answer" in str(links.missing())
    with pytest.raises(EnvironmentProblem, match="the link proxy does not answer"):
        links.set_link("any", None)


@pytest.mark.parametrize(
    ("condition", "line"),
    [
        ({}, "leaves the link healthy"),
        ({"cut": False}, "leaves the link healthy"),
        ({"cut": True, "hang": True}, "cut and hang do not go together"),
        ({"hang": True, "latency_ms": 3}, "hang and latency_ms do not go together"),
        ({"latency_ms": -1}, "'latency_ms' must be a number of at least 0, not -1"),
        ({"latency_ms": True}, "'latency_ms' must be a number of at least 0, not True"),
        ({"latency_ms": "5"}, "'latency_ms' must be a number of at least 0, not '5'"),
        ({"latency_ms": 5, "jitter_ms": 6}, "jitter_ms 6 is more than latency_ms 5"),
        ({"cut": "yes"}, "'cut' must be true or false"),
        ({"hang": True, "direction": "up"}, "direction 'up' is unknown"),
        ({"cut": True, "direction": "to-client"}, "cut always concerns both directions"),
        ({"delay": 3}, "condition 'delay' is unknown"),
    ],
)
def test_each_mistake_in_a_condition_is_one_line(condition: dict[str, object], line: str) -> None:
    assert line in str(condition_problem(condition))


def test_good_conditions_have_no_problem() -> None:
    assert condition_problem({"latency_ms": 150}) is None
    assert condition_problem({"latency_ms": 5, "jitter_ms": 5, "bandwidth_bytes_per_second": 1000}) is None
    assert Condition.parse(None) == Condition()
