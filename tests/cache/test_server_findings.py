"""What is concluded from Redis's own answers: good ones pass, each kind of bad one is told."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from CacheLibrary.eviction import Pressure
from CacheLibrary.lifetime import Lifetime, Look, watch_life
from CacheLibrary.server import VALUES, Identity, check_answers, entries_with, missing_clients

INFO = {
    "role": "master",
    "server_mode": "standalone",
    "redis_version": "7.2.4",
    "valkey_version": "9.1.2",
    "uptime_in_seconds": 0,
    "run_id": "a" * 40,
}


def test_a_standalone_master_is_what_is_wanted():
    Identity.of(INFO).check("Valkey 9.1.2")
    Identity.of(INFO).check("")
    Identity.of({**INFO, "redis_mode": "standalone", "valkey_version": None}).check("7.2.4")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"role": "slave"}, "role is 'slave', expected 'master'"),
        ({"server_mode": "cluster"}, "mode is 'cluster'"),
        ({"valkey_version": "8.0.1"}, "version is '8.0.1', expected 9.1.2"),
        ({"uptime_in_seconds": -1}, "uptime is -1 s"),
        ({"run_id": ""}, "run_id ''"),
    ],
)
def test_each_wrong_fact_is_named(change, message):
    with pytest.raises(AssertionError, match=re.escape(message)):
        Identity.of({**INFO, **change}).check("9.1.2")


class Server:
    """Answers as a Redis with so many clients."""

    def __init__(self, counted: int, ids: list[int]) -> None:
        self.counted, self.ids = counted, ids

    def info(self, section: str) -> dict[str, int]:
        return {"connected_clients": self.counted}

    def client_list(self) -> list[dict[str, str]]:
        return [{"id": str(number)} for number in self.ids]


class Connection:
    def __init__(self, number: int) -> None:
        self.number = number

    def client_id(self) -> int:
        return self.number


def test_clients_are_counted_and_listed():
    ours = [Connection(7), Connection(8)]
    assert missing_clients(Server(5, [1, 7, 8]), ours, before=3) is None
    assert (
        missing_clients(Server(4, [1, 7, 8]), ours, before=3) == "Redis counts 1 more clients than before, expected 2"
    )
    assert missing_clients(Server(5, [1, 7]), ours, before=3) == "1 of 2 connections are not in Redis's list of clients"
    assert missing_clients(Server(3, [1]), [], before=3) is None


def test_answers_must_be_equal_and_in_order():
    check_answers([b"1", None], [b"1", None], "MGET")
    with pytest.raises(AssertionError, match=r"2 of 2 answers are wrong; first at 0: expected b'1', got b'2'"):
        check_answers([b"1", b"2"], [b"2", b"1"], "MGET")
    with pytest.raises(AssertionError, match="expected 2 answers, got 1"):
        check_answers([b"1", b"2"], [b"1"], "MGET")


def life(*looks: Look, ttl: float = 1.0, acknowledged: float = 0.001) -> Lifetime:
    return Lifetime(ttl, acknowledged, looks)


GOOD = (
    Look(0.1, 0.101, True, 0.9),
    Look(0.5, 0.501, True, 0.5),
    Look(0.9, 0.901, True, 0.1),
    Look(1.005, 1.006, False, -0.002),
)


def test_a_key_that_lives_as_long_as_it_should():
    good = life(*GOOD)
    good.check_readable_until_its_end()
    good.check_counts_down()
    good.check_gone_within(0.5)


def test_a_key_that_is_gone_early():
    with pytest.raises(AssertionError, match=r"gone after 0\.501 s, expected it to live for 1 s"):
        life(GOOD[0], replace(GOOD[1], there=False)).check_readable_until_its_end()
    with pytest.raises(AssertionError, match="nobody looked"):
        life(GOOD[3]).check_readable_until_its_end()


def test_a_key_that_stays():
    with pytest.raises(AssertionError, match=r"still there after 1\.600 s, expected it gone after 1 s"):
        life(*GOOD[:3], Look(1.6, 1.601, True, -0.001)).check_gone_within(0.5)
    with pytest.raises(AssertionError, match=r"seen gone only 0\.699 s after its 1 s were over, limit 0\.5 s"):
        life(*GOOD[:3], Look(1.7, 1.701, False, -0.002)).check_gone_within(0.5)


@pytest.mark.parametrize(
    ("looks", "message"),
    [
        ((*GOOD[:2], replace(GOOD[2], remaining=-0.001)), "names no remaining time"),
        (GOOD[:2], "names no remaining time"),
        ((GOOD[0], replace(GOOD[1], remaining=0.95), GOOD[2]), "rose from 0.900 s to 0.950 s"),
        ((GOOD[0], replace(GOOD[1], remaining=0.3), GOOD[2]), "0.300 s after 0.500 s, expected 0.499 s to 0.501 s"),
    ],
)
def test_a_remaining_time_that_does_not_count_down(looks, message):
    with pytest.raises(AssertionError, match=re.escape(message)):
        life(*looks).check_counts_down()


PRESSURE = Pressure(
    limit=1000, written=256, refused=(), evicted=200, most_used=1010, in_use=50, in_use_left=50, idle=256, idle_left=90
)


def check_eviction(pressure):
    pressure.check_accepted()
    pressure.check_limit(allowance=16)
    pressure.check_kept_what_is_used(0.9)


def test_eviction_as_it_should_be():
    check_eviction(PRESSURE)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"refused": ("OOM",)}, "1 of 256 writes were refused at the memory limit; first: OOM"),
        ({"evicted": 0}, "evicted nothing"),
        ({"most_used": 1017}, "used 1017 bytes, limit 1000"),
        ({"in_use_left": 44}, "44 of 50 keys in use"),
        ({"idle_left": 256}, "256 of 256 idle keys are left"),
    ],
)
def test_each_fault_of_eviction_is_told(change, message):
    with pytest.raises(AssertionError, match=re.escape(message)):
        check_eviction(replace(PRESSURE, **change))


@pytest.mark.servers
def test_a_real_key_lives_as_long_as_it_should(redis_server):
    watched = watch_life(redis_server.client, "k", 0.2, 0.5)
    watched.check_readable_until_its_end()
    watched.check_counts_down()
    watched.check_gone_within(0.5)
    assert len(watched.looks) > 10


@pytest.mark.servers
def test_entries_are_found_by_what_they_contain(redis_server):
    client = redis_server.client
    client.set("a", "around the needle", px=5000)
    client.set("b", "needle")
    client.lpush("c", "needle in a list")
    for number in range(1500):
        client.set(f"hay {number}", "hay")
    found = entries_with(client, "needle")
    assert set(found) == {b"a", b"b"}
    assert 0 < found[b"a"] <= 5000
    assert found[b"b"] == -1


def test_values_are_of_every_kind():
    assert len(VALUES) == len(set(VALUES.values()))
    assert b"" in VALUES.values()
