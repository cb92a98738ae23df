from __future__ import annotations

from dataclasses import replace

import pytest

from PatroniLibrary import configuration, health, replication
from PatroniLibrary.members import Status
from PatroniLibrary.replication import Replication, Stream
from PatroniLibrary.rest import Member, Topology

NAMES = ("member1", "member2", "member3")


def view(leader="member1", **changes):
    listed = tuple(
        Member(
            n, "leader" if n == leader else "replica", "running" if n == leader else "streaming", "http://h", "h", 1, 1
        )
        for n in NAMES
    )
    return replace(Topology(listed, asked="http://h"), **changes)


def told(leader="member1"):
    def status(name):
        role, streams = ("primary", "") if name == leader else ("replica", "streaming")
        return Status(name, "http://h", "", name, role, "running", streams, 1)

    return list(map(status, NAMES))


def missing(listed, statuses, seen):
    return str(health.missing(listed, statuses, seen, NAMES))


def primary(leader="member1"):
    standbys = [n for n in NAMES if n != leader]
    return Replication(tuple(Stream(n, "streaming", "async", 0) for n in standbys), dict.fromkeys(standbys, True), "")


def test_a_healthy_cluster_misses_nothing():
    assert health.missing(view(), told(), primary(), NAMES) is None


def test_a_member_that_is_not_listed_any_more_is_missed():
    smaller = view(members=view().members[:2])
    assert missing(smaller, told()[:2], primary()).startswith("member3 is not listed")


def test_a_paused_cluster_is_not_healthy():
    assert "paused" in missing(view(paused=True), told(), primary())


def test_the_view_and_the_members_have_to_agree_on_the_leader():
    assert "'member2'" in missing(view(), told("member2"), primary())


def test_two_members_that_say_to_lead_are_not_healthy():
    statuses = [replace(s, role="primary") if s.member == "member2" else s for s in told()]
    assert "('member1', 'member2') says to lead" in missing(view(), statuses, primary())


def test_different_timelines_are_not_healthy():
    statuses = [replace(s, timeline=2) if s.member == "member3" else s for s in told()]
    assert "member3 on 2" in missing(view(), statuses, primary())


def test_a_standby_the_primary_does_not_see_is_missed():
    nobody = Replication((), {}, "")
    assert missing(view(), told(), nobody) == "member2 is not in pg_stat_replication (nobody streams)"


def test_a_standby_in_catchup_and_an_unused_slot_are_told():
    streams = (Stream("member2", "catchup", "async", 9), Stream("member3", "streaming", "async", 0))
    problems = Replication(streams, {"member2": True, "member3": False}, "").problems(["member2", "member3"])
    assert problems == [
        "member2 is in state 'catchup', expected 'streaming'",
        "the replication slot 'member3' is not in use",
    ]


def test_a_missing_slot_is_told():
    found = Replication((Stream("node-1", "streaming", "async", 0),), {}, "")
    assert found.problems(["node-1"]) == ["the replication slot 'node_1' is missing"]


@pytest.mark.parametrize(
    ("member", "slot"), [("Node-1.example", "node_1_example"), ("ä", "u0228"), ("a" * 70, "a" * 63)]
)
def test_slots_are_named_as_patroni_names_them(member, slot):
    from patroni.dcs import slot_name_from_member_name

    assert replication.slot_name(member) == slot == slot_name_from_member_name(member)


def test_the_greatest_lag_of_all_samples_counts():
    samples = [Replication((Stream("m", "streaming", "", lag),), {}, "") for lag in (3, None, 9, 1)]
    assert replication.greatest_lag(samples, "m") == 9
    assert replication.greatest_lag(samples, "x") is None


class TestSynchronousMode:
    def test_off_needs_no_synchronous_standby_and_no_names(self):
        assert configuration.mode_missing(None, view(), primary()) is None

    def test_off_is_not_reached_while_the_primary_still_waits(self):
        waiting = replace(primary(), synchronous_standby_names="member2")
        assert configuration.mode_missing(False, view(), waiting) == "synchronous_standby_names is still 'member2'"

    def test_on_is_not_reached_by_the_answer_alone(self):
        assert configuration.mode_missing(True, view(), primary()) == "synchronous_standby_names is '' on the leader"

    def test_on_is_reached_when_view_and_primary_show_a_synchronous_standby(self):
        listed = view(members=(view().members[0], replace(view().members[1], role="sync_standby"), view().members[2]))
        streams = (Stream("member2", "streaming", "sync", 0), Stream("member3", "streaming", "async", 0))
        waiting = Replication(streams, {}, "member2")
        assert configuration.mode_missing(True, listed, waiting) is None
        assert "no standby is synchronous yet" in str(configuration.mode_missing(True, view(), waiting))

    def test_names_that_the_servers_always_have_are_no_sign_of_the_mode(self):
        always = replace(primary(), synchronous_standby_names="*")
        assert configuration.mode_missing(None, view(), always, "*") is None
        assert configuration.mode_missing(True, view(), always, "*") == "synchronous_standby_names is '*' on the leader"


def test_a_member_has_read_a_change_in_the_next_full_second():
    statuses = [replace(told()[0], store_seen=101), replace(told()[1], store_seen=100)]
    assert configuration.unread(statuses, 100.4) == "member2 has not read the configuration since it was changed"
    assert configuration.unread(statuses[:1], 100.4) is None


def test_a_silent_member_reads_nothing_and_is_not_waited_for():
    assert configuration.unread([Status("m", "u", problem="frozen")], 100.4) is None
