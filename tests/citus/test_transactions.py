"""Notices of the coordinator, and commits that are not what they should be."""

from __future__ import annotations

from dataclasses import replace

from CitusLibrary.transactions import (
    Commit,
    RemoteCommand,
    leftover_problems,
    one_phase_problems,
    parse_notices,
    record_problems,
    two_phase_problems,
)
from environments.system import Endpoint

WORKER1, WORKER2 = Endpoint("127.0.0.1", 9701), Endpoint("127.0.0.1", 9702)
WORKERS = {WORKER1, WORKER2}


def notice(command: str, worker: int) -> str:
    return f"NOTICE:  issuing {command}\nDETAIL:  on server acceptance@127.0.0.1:970{worker} connectionId: {worker}\n"


NOTICES = [
    notice("BEGIN TRANSACTION ISOLATION LEVEL READ COMMITTED;SELECT assign_distributed_transaction_id(0, 130);", 1),
    notice("INSERT INTO public.memory_entries_102010 (key) VALUES ('NOTICE: issuing COMMIT PREPARED ''x'' '::text)", 1),
    notice("PREPARE TRANSACTION 'citus_0_17_130_9'", 1),
    notice("PREPARE TRANSACTION 'citus_0_17_130_10'", 2),
    notice("COMMIT PREPARED 'citus_0_17_130_9'", 1),
    notice("COMMIT PREPARED 'citus_0_17_130_10'", 2),
]

PREPARED = (
    RemoteCommand("PREPARE TRANSACTION", "citus_0_17_130_9", WORKER1),
    RemoteCommand("PREPARE TRANSACTION", "citus_0_17_130_10", WORKER2),
)
COMMITTED = (
    RemoteCommand("COMMIT PREPARED", "citus_0_17_130_9", WORKER1),
    RemoteCommand("COMMIT PREPARED", "citus_0_17_130_10", WORKER2),
)
GOOD = Commit((("a", "k"), ("b", "k")), PREPARED + COMMITTED, frozenset({"citus_0_17_130_9", "citus_0_17_130_10"}))


def test_notices_give_the_commands_that_end_a_transaction():
    assert tuple(parse_notices(NOTICES)) == GOOD.commands


def test_a_plain_commit_is_read_too():
    assert parse_notices([notice("COMMIT", 1)]) == [RemoteCommand("COMMIT", "", WORKER1)]


def test_a_commit_in_two_phases_is_right():
    assert two_phase_problems(GOOD, WORKERS) == []
    assert record_problems(GOOD) == []


def test_a_worker_that_did_not_prepare_is_told():
    commit = replace(GOOD, commands=(PREPARED[0], COMMITTED[0]))
    assert two_phase_problems(commit, WORKERS) == [
        "prepared on 127.0.0.1:9701, expected on 127.0.0.1:9701, 127.0.0.1:9702"
    ]


def test_plain_commits_are_not_two_phases():
    commit = replace(GOOD, commands=(RemoteCommand("COMMIT", "", WORKER1), RemoteCommand("COMMIT", "", WORKER2)))
    assert two_phase_problems(commit, WORKERS) == ["prepared on no worker, expected on 127.0.0.1:9701, 127.0.0.1:9702"]


def test_a_worker_that_did_not_commit_is_told():
    commit = replace(GOOD, commands=(*PREPARED, COMMITTED[0]))
    assert two_phase_problems(commit, WORKERS) == [
        "prepared on 127.0.0.1:9701, 127.0.0.1:9702, but committed on 127.0.0.1:9701"
    ]


def test_a_commit_before_the_last_prepare_is_told():
    commit = replace(GOOD, commands=(PREPARED[0], COMMITTED[0], PREPARED[1], COMMITTED[1]))
    assert two_phase_problems(commit, WORKERS) == ["a worker was told to commit before every worker had prepared"]


def test_a_decision_that_was_not_kept_is_told():
    commit = replace(GOOD, recorded=frozenset({"citus_0_17_130_9"}))
    assert record_problems(commit) == ["pg_dist_transaction has no entry for citus_0_17_130_10"]


def test_one_worker_needs_one_phase():
    alone = replace(GOOD, commands=(RemoteCommand("COMMIT", "", WORKER1),))
    assert one_phase_problems(alone, WORKER1) == []
    assert one_phase_problems(GOOD, WORKER1)
    assert one_phase_problems(replace(GOOD, commands=()), WORKER1) == [
        "ended by nothing, expected COMMIT on 127.0.0.1:9701"
    ]


def test_prepared_transactions_left_on_a_node_are_told():
    assert leftover_problems({"coordinator": (), "worker 1": ()}) == []
    assert leftover_problems({"coordinator": (), "worker 1": ("citus_0_1_1_1",)}) == [
        "worker 1 still has prepared transactions citus_0_1_1_1"
    ]
