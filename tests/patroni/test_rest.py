from __future__ import annotations

import time

import pytest

from PatroniLibrary.rest import NoLeader, PatroniApi, PatroniUnreachable, Refused, parse_topology, topology

NOBODY = "http://127.0.0.1:1"  # port 1: nothing listens there


def cluster(*members):
    return {"members": list(members), "scope": "acceptance"}


def test_any_address_that_answers_is_enough(patroni, listed):
    fake = patroni({})
    fake.answers["GET /cluster"] = (200, cluster(listed("member1", "leader", "running", fake.url, port=6001)))
    view = topology([NOBODY, f"{fake.url}/patroni"])
    assert (view.leader.name, view.leader.host, view.leader.port) == ("member1", "127.0.0.1", 6001)
    assert view.leader.api_url == fake.url


def test_learned_addresses_serve_when_the_first_is_gone(patroni, listed):
    first, second = patroni({}), patroni({})
    answer = cluster(
        listed("member1", "leader", "running", first.url), listed("member2", "replica", "streaming", second.url)
    )
    first.answers["GET /cluster"] = second.answers["GET /cluster"] = (200, answer)
    api = PatroniApi([first.url])
    api.topology()
    first.close()
    assert api.topology().asked == second.url


def test_a_frozen_member_does_not_hold_up_an_answer(patroni, listed):
    frozen, well = patroni({}), patroni({})
    frozen.silent.set()
    well.answers["GET /cluster"] = (200, cluster(listed("member2", "leader", "running", well.url)))
    begin = time.monotonic()
    assert topology([frozen.url, well.url], timeout_seconds=5).leader.name == "member2"
    assert time.monotonic() - begin < 2


def test_when_nobody_answers_every_address_is_named_with_its_reason(patroni):
    broken = patroni({"GET /cluster": (503, "")})
    with pytest.raises(PatroniUnreachable) as caught:
        topology([NOBODY, broken.url])
    assert f"{NOBODY}: connection refused" in str(caught.value)
    assert f"{broken.url}/cluster answered 503, not JSON" in str(caught.value)


def test_without_an_address_the_message_says_so():
    with pytest.raises(PatroniUnreachable, match="no address known"):
        topology([])


@pytest.mark.parametrize("role", ["replica", "sync_standby", "quorum_standby"])
def test_every_kind_of_standby_is_a_replica(listed, role):
    view = parse_topology(cluster(listed("m1", "leader", "running", "http://h:1"), listed("m2", role, "streaming", "")))
    assert [m.name for m in view.replicas] == ["m2"]
    assert bool(view.synchronous) == (role != "replica")


@pytest.mark.parametrize(
    ("state", "well"), [("running", True), ("streaming", True), ("start failed", False), ("", False)]
)
def test_running_and_streaming_are_the_healthy_states(listed, state, well):
    assert parse_topology(cluster(listed("m1", "replica", state, "")), "x").member("m1").is_well is well


def test_a_lag_that_patroni_does_not_know_is_none_and_a_known_one_a_number(listed):
    view = parse_topology(
        cluster(
            listed("m1", "replica", "streaming", "", lag="unknown"), listed("m2", "replica", "streaming", "", lag=42)
        )
    )
    assert (view.member("m1").lag, view.member("m2").lag) == (None, 42)


def test_an_answer_of_patroni_3_0_without_scope_and_timeline_is_read():
    entry = {
        "name": "m1",
        "role": "leader",
        "state": "running",
        "api_url": "http://h:8008/patroni",
        "host": "h",
        "port": 5,
    }
    view = parse_topology({"members": [entry]})
    assert (view.scope, view.leader.timeline, view.leader.api_url) == ("", None, "http://h:8008")


@pytest.mark.parametrize("roles", [["replica", "replica"], ["leader", "leader"]])
def test_no_leader_or_two_is_no_leader(listed, roles):
    view = parse_topology(
        cluster(*(listed(f"m{i}", role, "running", "") for i, role in enumerate(roles))), "http://asked"
    )
    with pytest.raises(NoLeader, match=f"expected exactly 1 leader, http://asked lists {roles.count('leader')}: m0"):
        _ = view.leader


def test_an_unknown_member_is_named_with_those_there_are(listed):
    view = parse_topology(cluster(listed("m1", "leader", "running", "")), "http://asked")
    with pytest.raises(LookupError, match=r"'m9' is not listed by http://asked: m1 \(leader"):
        view.member("m9")


def test_a_change_that_lost_a_race_is_tried_once_more(patroni):
    fake = patroni({"PATCH /config": [(409, ""), (200, {"ttl": 20})]})
    assert PatroniApi([fake.url]).patch_config({"ttl": 20}) == {"ttl": 20}
    assert [body for _, body in fake.asked] == [{"ttl": 20}] * 2


def test_a_change_that_loses_twice_is_refused(patroni):
    fake = patroni({"PATCH /config": [(409, "lost"), (409, "lost again"), (200, {})]})
    with pytest.raises(Refused, match="PATCH /config answered 409: lost again"):
        PatroniApi([fake.url]).patch_config({"ttl": 20})


@pytest.mark.parametrize(("status", "text"), [(412, "candidate name does not match"), (503, "Switchover failed")])
def test_a_switchover_that_is_not_done_carries_patronis_answer(patroni, status, text):
    fake = patroni({"POST /switchover": (status, text)})
    with pytest.raises(Refused, match=f"answered {status}: {text}") as caught:
        PatroniApi([fake.url]).switchover("m1", "m2")
    assert caught.value.status == status
    assert fake.asked == [("POST /switchover", {"leader": "m1", "candidate": "m2"})]


def test_a_switchover_names_no_candidate_unless_told(patroni):
    fake = patroni({"POST /switchover": (200, "Successfully switched over")})
    assert PatroniApi([fake.url]).switchover("m1") == "Successfully switched over"
    assert fake.asked == [("POST /switchover", {"leader": "m1"})]


def test_a_command_that_may_have_arrived_is_not_repeated_elsewhere(patroni):
    first, second = patroni({"POST /switchover": (0, "")}), patroni({"POST /switchover": (200, "done")})
    with pytest.raises(PatroniUnreachable):
        PatroniApi([first.url, second.url]).switchover("m1")
    assert second.asked == []


def test_a_command_that_never_left_is_given_to_the_next_member(patroni):
    second = patroni({"POST /switchover": (200, "done")})
    assert PatroniApi([NOBODY, second.url]).switchover("m1") == "done"


def test_failsafe_is_empty_while_the_mode_is_off(patroni):
    assert PatroniApi([patroni({"GET /failsafe": (502, "")}).url]).failsafe() == {}


def test_failsafe_names_the_members_while_the_mode_is_on(patroni):
    fake = patroni({"GET /failsafe": (200, {"m1": "http://h:1/patroni"})})
    assert PatroniApi([fake.url]).failsafe() == {"m1": "http://h:1/patroni"}


def test_a_missing_configuration_is_refused(patroni):
    with pytest.raises(Refused, match="GET /config answered 502"):
        PatroniApi([patroni({"GET /config": (502, "")}).url]).config()
