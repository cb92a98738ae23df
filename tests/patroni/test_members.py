from __future__ import annotations

import pytest

from PatroniLibrary import members
from PatroniLibrary.members import Checks, LeaderSamples, Status
from PatroniLibrary.rest import Member

MEMBER = Member("member1", "leader", "running", "http://127.0.0.1:8008", "127.0.0.1", 5432)

# What Patroni 4.1.5 answered on /patroni, shortened to what is read.
PRIMARY = {
    "state": "running",
    "role": "primary",
    "server_version": 180004,
    "timeline": 1,
    "dcs_last_seen": 1795254431,
    "patroni": {"version": "4.1.5", "scope": "acceptance", "name": "member1"},
}
STANDBY = {**PRIMARY, "role": "replica", "replication_state": "streaming"}
OLD_PRIMARY = {"state": "running", "role": "master", "patroni": {"version": "3.0.2", "scope": "acceptance"}}
OLD_STANDBY = {"state": "running", "role": "replica", "patroni": {"version": "3.0.2", "scope": "acceptance"}}


def status(answer, name="member1"):
    return members.parse(Member(name, "", "", "http://h:1", "h", 1), answer)


def test_a_real_answer_is_read():
    found = members.parse(MEMBER, PRIMARY)
    assert (found.name, found.role, found.state, found.timeline) == ("member1", "primary", "running", 1)
    assert found.version == (4, 1, 5)
    assert found.store_seen == 1795254431
    assert found.leads


@pytest.mark.parametrize("answer", [PRIMARY, STANDBY, OLD_PRIMARY, OLD_STANDBY])
def test_healthy_answers_of_both_versions_are_well(answer):
    assert members.unwell([status(answer)]) == []


def test_a_standby_that_does_not_stream_is_unwell_though_it_runs():
    assert members.unwell([status({**STANDBY, "replication_state": ""})]) == [
        "member1: replica, running, which does not stream"
    ]


def test_a_stopped_member_and_a_silent_one_are_unwell():
    silent = Status("member2", "http://h:2", problem="no answer on http://h:2: connection refused")
    assert members.unwell([status({**PRIMARY, "state": "stopped"}), silent]) == [
        "member1: primary, stopped",
        "member2: no answer on http://h:2: connection refused",
    ]


def test_a_standby_leader_is_no_primary():
    assert members.leaders([status({**PRIMARY, "role": "standby_leader"})]) == ()


def test_a_primary_that_is_stopping_does_not_lead():
    assert members.leaders([status({**PRIMARY, "state": "stopping"})]) == ()


def test_an_address_where_another_member_answers_is_told():
    stranger = status({**PRIMARY, "patroni": {"name": "member3"}})
    assert members.address_problem(MEMBER, stranger) == "member1: at http://127.0.0.1:8008 answers 'member3'"
    assert members.address_problem(MEMBER, status(PRIMARY)) is None


def test_before_3_2_a_member_does_not_tell_its_name():
    assert members.address_problem(MEMBER, status(OLD_PRIMARY)) is None


def test_an_address_where_nobody_answers_is_told():
    silent = Status("member1", "http://h:1", problem="no answer on http://h:1: connection refused")
    assert members.address_problem(MEMBER, silent) == "member1: no answer on http://h:1: connection refused"


def test_health_checks_have_to_match_the_role():
    replica = status(STANDBY)
    assert members.check_problems(replica, Checks(200, 503, 200)) == []
    problems = members.check_problems(replica, Checks(503, 200, 200))
    assert [p.partition(": /")[2] for p in problems] == [
        "health answers 503, expected 200 of that role",
        "primary answers 200, expected 503 of that role",
    ]
    assert members.check_problems(status(PRIMARY), Checks(200, 200, 503)) == []


def test_members_are_asked_each_on_its_own_address(patroni):
    one, two = patroni({"GET /patroni": (200, PRIMARY)}), patroni({"GET /patroni": (200, STANDBY)})
    asked = [
        Member("member1", "leader", "running", one.url, "h", 1),
        Member("member2", "replica", "streaming", two.url, "h", 2),
        Member("member3", "replica", "streaming", "http://127.0.0.1:1", "h", 3),
    ]
    found = members.ask_all(asked)
    assert [s.role for s in found] == ["primary", "replica", ""]
    assert found[2].problem == "no answer on http://127.0.0.1:1: connection refused"


def test_one_leader_in_every_round_is_right():
    rounds = [(0.1 * i, (status(PRIMARY), status(STANDBY, "member2"))) for i in range(3)]
    assert LeaderSamples.of(rounds) == LeaderSamples(3, (), ())


def test_a_round_with_two_leaders_and_one_with_none_are_told():
    rounds = [
        (0.0, (status(PRIMARY), status(PRIMARY, "member2"))),
        (0.1, (status(STANDBY), status(STANDBY, "member2"))),
    ]
    seen = LeaderSamples.of(rounds)
    assert [line.partition(":")[0] for line in seen.wrong] == ["2 leaders after 0.0 s", "0 leaders after 0.1 s"]


def test_a_round_without_a_leader_in_which_somebody_is_silent_cannot_tell():
    silent = Status("member2", "http://h:2", problem="no answer")
    seen = LeaderSamples.of([(0.0, (status(STANDBY), silent))])
    assert (len(seen.wrong), len(seen.silent)) == (0, 1)


def test_two_leaders_are_wrong_even_when_somebody_is_silent():
    silent = Status("member3", "http://h:3", problem="no answer")
    seen = LeaderSamples.of([(0.0, (status(PRIMARY), status(PRIMARY, "member2"), silent))])
    assert len(seen.wrong) == 1
