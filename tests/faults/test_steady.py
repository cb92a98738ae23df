"""When a cluster is steady, and the sentence for each thing that is missing; answers as the servers give them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from FaultLibrary import steady
from HAProxyLibrary.statistics import Server, Statistics
from PatroniLibrary.members import Status
from PatroniLibrary.replication import Replication, Stream
from PatroniLibrary.rest import Member, Topology
from tests.faults.fakes import TinySystem

NAMES = ("member1", "member2", "member3")
Ask = Callable[[], str | None]


class Cluster:
    """What each source would answer; healthy to begin with, member1 leads."""

    def __init__(self) -> None:
        self.view = Topology(
            tuple(
                Member(name, "leader" if name == "member1" else "replica", "running", f"http://{name}", name, 5432)
                for name in NAMES
            )
        )
        self.statuses = [
            Status(
                name,
                f"http://{name}",
                name=name,
                role="primary" if name == "member1" else "replica",
                state="running",
                replication_state="" if name == "member1" else "streaming",
                timeline=3,
            )
            for name in NAMES
        ]
        self.replication = Replication(
            tuple(Stream(name, "streaming", "async", 0) for name in NAMES[1:]), dict.fromkeys(NAMES[1:], True), ""
        )
        self.up = {"primary": ("member1",), "replicas": ("member2", "member3")}

    @property
    def statistics(self) -> Statistics:
        return Statistics(
            tuple(
                Server(proxy, name, "UP" if name in up else "DOWN", "L7OK" if name in up else "L7STS", 0, 0, 0)
                for proxy, up in self.up.items()
                for name in NAMES
            )
        )


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    one = Cluster()
    monkeypatch.setattr("FaultLibrary.steady.members.ask_all", lambda members: tuple(one.statuses))
    monkeypatch.setattr("FaultLibrary.steady.replication.ask", lambda *_: one.replication)
    monkeypatch.setattr("FaultLibrary.steady.statistics.read", lambda url: one.statistics)
    return one


def missing(answers: Cluster) -> str | None:
    where = dataclasses.replace(TinySystem().addresses, haproxy_statistics="http://127.0.0.1:1/")
    return steady.cluster_unsteady(where, answers.view, NAMES)


def test_a_healthy_cluster_is_steady(answers: Cluster) -> None:
    assert missing(answers) is None


def test_a_member_that_is_still_listed_but_does_not_answer_is_missed(answers: Cluster) -> None:
    answers.statuses[1] = Status("member2", "http://member2", problem="no answer on http://member2: refused")
    assert missing(answers) == "member2: no answer on http://member2: refused"


def test_a_member_that_is_no_longer_listed_is_missed(answers: Cluster) -> None:
    answers.view = Topology(answers.view.members[:2])
    answers.statuses.pop()
    assert str(missing(answers)).startswith("member3 is not listed")


def test_a_standby_that_does_not_stream_is_missed(answers: Cluster) -> None:
    answers.replication = dataclasses.replace(answers.replication, streams=answers.replication.streams[:1])
    assert str(missing(answers)).startswith("member3 is not in pg_stat_replication")


def test_clients_led_to_another_than_the_leader_are_noticed(answers: Cluster) -> None:
    answers.up["primary"] = ("member2",)
    assert missing(answers) == "HAProxy leads writes to ('member2',), expected member1"
    answers.up["primary"] = ()
    assert missing(answers) == "HAProxy leads writes to nobody, expected member1"
    answers.up["primary"] = ("member1", "member2")
    assert "expected member1" in str(missing(answers))


def test_readers_not_led_to_every_standby_are_noticed(answers: Cluster) -> None:
    answers.up["replicas"] = ("member2",)
    assert missing(answers) == "HAProxy leads reads to ('member2',), expected ['member2', 'member3']"


def test_no_leader_is_missed(answers: Cluster) -> None:
    answers.view = Topology(tuple(dataclasses.replace(m, role="replica") for m in answers.view.members))
    answers.statuses[0] = dataclasses.replace(answers.statuses[0], role="replica", replication_state="streaming")
    assert "nobody says to lead" in str(missing(answers))


def test_a_leader_whose_database_does_not_answer_is_missed(answers: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> Replication:
        raise ConnectionError("member1:5432 does not answer")

    monkeypatch.setattr("FaultLibrary.steady.replication.ask", refuse)
    assert missing(answers) == "member1:5432 does not answer"
