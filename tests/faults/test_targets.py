"""Targets by role: who is chosen, and the line that a mistake gets."""

from __future__ import annotations

import random

import pytest

from FaultLibrary.targets import resolve_links, resolve_services
from measurement.verdicts import Inconclusive
from PatroniLibrary.rest import Member, PatroniUnreachable, Topology

SERVICES = ("etcd", "member1", "member2", "member3", "redis")
LINKS = ("client-primary", "member1-etcd", "member2-etcd", "member3-etcd")


def topology(*roles: str, state: str = "streaming") -> Topology:
    return Topology(
        tuple(
            Member(
                f"member{n}",
                role,
                "running" if role == "leader" else state,
                f"http://127.0.0.1:{8000 + n}",
                "127.0.0.1",
                n,
            )
            for n, role in enumerate(roles, start=1)
        ),
        asked="http://127.0.0.1:8001",
    )


def services(spec: str, view: Topology, seed: int = 1) -> list[str]:
    return [target.name for target in resolve_services(spec, SERVICES, lambda: view, random.Random(seed))]


def test_the_leader_is_who_leads_now() -> None:
    assert services("leader", topology("replica", "leader", "replica")) == ["member2"]
    assert services("leader", topology("leader", "replica", "replica")) == ["member1"]
    assert services("  The Leader  ".replace("The", ""), topology("leader", "replica")) == ["member1"]


def test_the_view_is_asked_at_the_time_of_resolution_and_the_role_is_kept() -> None:
    (target,) = resolve_services("leader", SERVICES, lambda: topology("replica", "leader"), random.Random(1))
    assert target.role == "leader"
    assert target.member is not None
    assert target.member.port == 2


def test_all_replicas_are_all_but_the_leader() -> None:
    assert services("all replicas", topology("replica", "leader", "sync_standby")) == ["member1", "member3"]


def test_any_replica_is_chosen_by_the_seed() -> None:
    view = topology("replica", "leader", "replica")
    chosen = {tuple(services("any replica", view, seed)) for seed in range(20)}
    assert chosen == {("member1",), ("member3",)}
    assert services("any replica", view, 5) == services("any replica", view, 5)


def test_any_replica_is_one_that_is_well() -> None:
    with pytest.raises(Inconclusive, match="there is no 'any replica' to hit"):
        services("any replica", topology("leader", "replica", state="starting"))


def test_the_sync_standby_is_one_a_commit_waits_for() -> None:
    assert services("sync standby", topology("replica", "leader", "sync_standby")) == ["member3"]
    assert services("sync standby", topology("leader", "quorum_standby")) == ["member2"]
    with pytest.raises(Inconclusive, match="there is no 'sync standby' to hit: member1"):
        services("sync standby", topology("leader", "replica"))


def test_no_leader_is_inconclusive() -> None:
    with pytest.raises(Inconclusive, match="there is no 'leader' to hit: expected exactly 1 leader"):
        services("leader", topology("replica", "replica"))


def test_services_go_by_their_name() -> None:
    assert services("redis", topology("leader")) == ["redis"]
    (target,) = resolve_services("member2", SERVICES, lambda: topology("leader", "replica"), random.Random(1))
    assert target.role == "replica"


def test_an_unknown_target_is_one_line_with_what_there_is() -> None:
    with pytest.raises(
        ValueError, match=r"target 'primary' is unknown; use leader, any replica, .*, or a service: etcd, member1"
    ):
        services("primary", topology("leader"))


def test_a_member_the_environment_does_not_control_is_named() -> None:
    with pytest.raises(ValueError, match="member1: the environment has no such service; it has etcd"):
        resolve_services("leader", ("etcd",), lambda: topology("leader"), random.Random(1))


def test_links_go_by_name_or_by_the_role_of_their_member() -> None:
    view = topology("replica", "leader", "replica")

    def links(spec: str) -> list[str]:
        return [target.name for target in resolve_links(spec, LINKS, lambda: view, random.Random(1))]

    assert links("client-primary") == ["client-primary"]
    assert links("leader-etcd") == ["member2-etcd"]
    assert links("all members-etcd") == ["member1-etcd", "member2-etcd", "member3-etcd"]
    with pytest.raises(ValueError, match="link 'client-redis' is unknown; use client-primary, member1-etcd"):
        links("client-redis")


def test_a_name_can_be_resolved_while_no_member_answers_and_a_role_cannot() -> None:
    def silence() -> Topology:
        raise PatroniUnreachable("nobody answers")

    known = {member.name: member for member in topology("leader", "replica").members}
    (redis,) = resolve_services("redis", SERVICES, silence, random.Random(1), known)
    assert redis.member is None
    (member,) = resolve_services("member2", SERVICES, silence, random.Random(1), known)
    assert member.member is known["member2"]
    with pytest.raises(PatroniUnreachable):
        resolve_services("leader", SERVICES, silence, random.Random(1), known)
