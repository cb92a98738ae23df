"""What took effect on the primary is told from the frames of both sides alone."""

import pytest

from reference.pgdog import protocol
from tests.pgdog.relay.script import (
    COPY_DONE,
    COPY_FAIL,
    FLUSH,
    SYNC,
    Script,
    bind,
    close,
    data,
    describe,
    execute,
    parse,
)  # fmt: skip


@pytest.fixture
def script():
    made = Script()
    yield made
    if made.recorder.status == protocol.IDLE and not made.recorder.pending:
        assert made.budget.held == 0


def test_each_request_outside_a_transaction_is_a_unit(script):
    script.did("select 1", "SELECT 1", "=I")
    script.did("insert into t values (1)", "INSERT 0 1", "=I")
    script.did("", "I", "=I")
    assert script.texts == [["select 1"], ["insert into t values (1)"], [""]]
    assert [unit.wrote for unit in script.units] == [False, True, False]


def test_a_request_that_failed_is_none(script):
    script.did("insert into t values (1)", "!23505", "=I")
    script.did("select pg_sleep(9)", "!57014", "=I")
    assert script.texts == []


def test_a_transaction_is_one_unit(script):
    script.did("begin", "BEGIN", "=T")
    script.did("insert into t values (1)", "INSERT 0 1", "=T")
    assert script.units == []
    script.did("commit", "COMMIT", "=I")
    assert script.texts == [["begin", "insert into t values (1)", "commit"]]
    assert script.units[0].wrote


@pytest.mark.parametrize(("state", "end"), [("=T", "rollback"), ("=E", "rollback"), ("=E", "commit")])
def test_a_transaction_that_was_rolled_back_is_none(script, state, end):
    script.did("begin", "BEGIN", "=T")
    script.did("insert into t values (1)", *(["INSERT 0 1"] if state == "=T" else ["!23505"]), state)
    script.did(end, "ROLLBACK", "=I")
    script.did("select 1", "SELECT 1", "=I")
    assert script.texts == [["select 1"]]


def test_a_commit_that_failed_is_none(script):
    script.did("begin", "BEGIN", "=T")
    script.did("insert into t values (1)", "INSERT 0 1", "=T")
    script.did("commit", "!23503", "=I")
    assert script.texts == []


def test_what_failed_before_a_savepoint_was_returned_to_is_left_out(script):
    for text, *answers in [
        ("begin", "BEGIN", "=T"),
        ("insert 1", "INSERT 0 1", "=T"),
        ("savepoint a", "SAVEPOINT", "=T"),
        ("insert 2", "!23505", "=E"),
        ("insert 3", "!25P02", "=E"),
        ("rollback to a", "ROLLBACK", "=T"),
        ("insert 4", "INSERT 0 1", "=T"),
        ("commit", "COMMIT", "=I"),
    ]:
        script.did(text, *answers)
    assert script.texts == [["begin", "insert 1", "savepoint a", "rollback to a", "insert 4", "commit"]]


def test_of_a_string_in_a_transaction_that_fails_the_completed_part_stays(script):
    script.did("begin", "BEGIN", "=T")
    script.did("savepoint a; insert 1; insert 2", "SAVEPOINT", "INSERT 0 1", "!23505", "=E")
    script.did("rollback to a; insert 3", "ROLLBACK", "INSERT 0 1", "=T")
    script.did("commit", "COMMIT", "=I")
    assert script.texts == [["begin", "savepoint a; insert 1", "rollback to a; insert 3", "commit"]]


@pytest.mark.parametrize(
    ("text", "answers", "units"),
    [
        ("insert 1; insert 2", "INSERT 0 1|INSERT 0 1|=I", [["insert 1; insert 2"]]),
        ("insert 1; insert 2", "INSERT 0 1|!23505|=I", []),
        ("insert 1; commit; insert 2", "INSERT 0 1|COMMIT|!23505|=I", [["insert 1; commit"]]),
        ("insert ';'; commit; insert 2", "INSERT 0 1|COMMIT|!23505|=I", [["insert ';'; commit"]]),
        ("begin; insert 1; commit; insert 2; x", "BEGIN|INSERT 0 1|COMMIT|INSERT 0 1|!42601|=I",
         [["begin; insert 1; commit"]]),
        ("begin; insert 1; commit", "BEGIN|INSERT 0 1|COMMIT|=I", [["begin; insert 1; commit"]]),
        ("begin; insert 1; rollback", "BEGIN|INSERT 0 1|ROLLBACK|=I", []),
        ("insert 1; rollback; insert 2", "INSERT 0 1|ROLLBACK|INSERT 0 1|=I", [[" insert 2"]]),
        ("begin; savepoint a; insert 1; rollback to a; commit", "BEGIN|SAVEPOINT|INSERT 0 1|ROLLBACK|COMMIT|=I",
         [["begin; savepoint a; insert 1; rollback to a; commit"]]),
    ],
)  # fmt: skip
def test_strings_of_several_statements(script, text, answers, units):
    script.did(text, *answers.split("|"))
    assert script.texts == units


def test_a_string_that_ends_one_transaction_and_begins_the_next(script):
    script.did("begin", "BEGIN", "=T")
    script.did("insert 1; commit; begin; insert 2", "INSERT 0 1", "COMMIT", "BEGIN", "INSERT 0 1", "=T")
    assert script.texts == [["begin", "insert 1; commit"]]
    script.did("rollback; insert 3", "ROLLBACK", "INSERT 0 1", "=I")
    assert script.texts[1:] == [[" insert 3"]]


def test_chained_transactions_begin_by_themselves(script):
    script.did("begin isolation level serializable", "BEGIN", "=T")
    script.did("insert 1", "INSERT 0 1", "=T")
    script.did("commit and chain", "COMMIT", "=T")
    script.did("insert 2", "INSERT 0 1", "=T")
    script.did("rollback and chain", "ROLLBACK", "=T")
    script.did("insert 3", "INSERT 0 1", "=T")
    script.did("commit", "COMMIT", "=I")
    begin = "begin isolation level serializable"
    assert script.texts == [[begin, "insert 1", "commit".upper()], [begin, "insert 3", "commit"]]


def test_pipelined_requests_are_answered_in_order(script):
    script.ask("insert 1", "insert 2", "insert 3")
    script.answer("INSERT 0 1", "=I", "!23505", "=I", "INSERT 0 1", "=I")
    assert script.texts == [["insert 1"], ["insert 3"]]


def test_extended_requests_carry_the_statements_they_need(script):
    script.ask(parse("s", "insert $1"), describe("s"), SYNC)
    script.answer("1", "t", "n", "=I")
    assert script.texts == []
    for _ in range(2):
        script.ask(bind("s"), execute(), SYNC)
        script.answer("2", "INSERT 0 1", "=I")
    script.ask(parse("", "insert 7"), bind(""), describe(""), execute(), FLUSH, SYNC)
    script.answer("1", "2", "n", "INSERT 0 1", "=I")
    assert script.texts == [["<insert $1> + B + E"], ["<insert $1> + B + E"], ["<insert 7> + B + E"]]


def test_of_a_pipeline_nothing_took_effect_when_its_end_failed(script):
    script.ask(parse("", "insert 1"), bind(""), execute(), bind(""), execute(), SYNC)
    script.answer("1", "2", "INSERT 0 1", "2", "!23505", "=I")
    assert script.texts == []


def test_of_a_pipeline_in_a_transaction_the_answered_part_stays(script):
    script.did("begin", "BEGIN", "=T")
    script.ask(parse("a", "savepoint a"), parse("b", "insert"), bind("a"), execute(), bind("b"), execute(), SYNC)
    script.answer("1", "1", "2", "SAVEPOINT", "2", "!23505", "=E")
    script.did("rollback to a", "ROLLBACK", "=T")
    script.did("commit", "COMMIT", "=I")
    assert script.texts == [["begin", "<savepoint a> + B + E", "rollback to a", "commit"]]


def test_a_pipeline_may_hold_transactions(script):
    script.ask(parse("b", "begin"), parse("c", "commit"), parse("i", "insert"), SYNC)
    script.answer("1", "1", "1", "=I")
    for name in "bicbi":
        script.ask(bind(name), execute())
    script.ask(SYNC)
    script.answer("2", "BEGIN", "2", "INSERT 0 1", "2", "COMMIT", "2", "BEGIN", "2", "INSERT 0 1", "=T")
    script.did("rollback", "ROLLBACK", "=I")
    assert script.texts == [["<begin> + B + E + <insert> + B + E + <commit> + B + E"]]


def test_a_statement_whose_preparation_failed_is_not_the_one_meant(script):
    script.ask(parse("s", "insert 1"), SYNC)
    script.answer("1", "=I")
    script.ask(parse("s", "insert 2"), SYNC)
    script.answer("!42P05", "=I")
    script.ask(bind("s"), execute(), close("s"), SYNC)
    script.answer("2", "INSERT 0 1", "3", "=I")
    assert script.texts == [["<insert 1> + B + E"]]
    assert script.recorder.prepared.statements == {}


def test_a_query_may_follow_messages_without_a_sync(script):
    script.ask(parse("s", "insert 1"), describe("s"), FLUSH)
    script.answer("1", "t", "n")
    script.ask("copy t from stdin", data("1\n"), COPY_DONE)
    script.answer("G", "COPY 1", "=I")
    script.ask(bind("s"), execute(), SYNC)
    script.answer("2", "INSERT 0 1", "=I")
    assert script.texts == [["copy t from stdin + d + c"], ["<insert 1> + B + E"]]


def test_copied_data_belongs_to_its_request(script):
    script.ask("copy t from stdin")
    script.answer("G")
    script.ask(data("1\n"), data("2\n"), COPY_DONE)
    script.answer("COPY 2", "=I")
    script.ask("copy t from stdin")
    script.answer("G")
    script.ask(data("1\n"), COPY_FAIL)
    script.answer("!57014", "=I")
    script.did("copy t to stdout", "H", "d", "d", "c", "COPY 2", "=I")
    assert script.texts == [["copy t from stdin + d + d + c"], ["copy t to stdout"]]
    assert [unit.wrote for unit in script.units] == [True, False]


def test_copied_data_of_the_part_that_took_effect(script):
    script.ask("copy a from stdin; commit; copy b from stdin")
    script.answer("G")
    script.ask(data("1\n"), COPY_DONE)
    script.answer("COPY 1", "COMMIT", "G")
    script.ask(data("2\n"), data("3\n"), COPY_DONE)
    script.answer("!22P02", "=I")
    assert script.texts == [["copy a from stdin; commit + d + c"]]


def test_a_sync_that_came_before_the_data_of_an_extended_copy_has_no_effect(script):
    script.ask(parse("", "copy t from stdin"), bind(""), execute(), SYNC)
    script.answer("1", "2", "G")
    script.ask(data("1\n"), COPY_DONE, SYNC)
    script.answer("COPY 1", "=I")
    script.did("select 1", "SELECT 1", "=I")
    assert script.texts == [["<copy t from stdin> + B + E + d + c"], ["select 1"]]


def test_settings_are_known_to_what_follows(script):
    script.did("set search_path = a", "SET", "=I")
    script.did("set  search_path = b", "SET", "=I")
    script.did("select set_config('work_mem', '1MB', false)", "SELECT 1", "=I")
    script.did("prepare x as select 1", "PREPARE", "=I")
    script.did("set local work_mem = 1", "SET", "=I")
    script.did("select 1", "SELECT 1", "=I")
    kept = [Script.text_of(setting.step) for setting in script.units[-1].before]
    assert kept == [
        "set  search_path = b", "select set_config('work_mem', '1MB', false)", "prepare x as select 1",
    ]  # fmt: skip
    script.did("discard all", "DISCARD ALL", "=I")
    script.did("select 1", "SELECT 1", "=I")
    assert [Script.text_of(setting.step) for setting in script.units[-1].before] == ["discard all"]


def test_what_a_transaction_set_is_kept_when_it_commits(script):
    for end, tag in [("rollback", "ROLLBACK"), ("commit", "COMMIT")]:
        script.did("begin", "BEGIN", "=T")
        script.did(f"set search_path = {end}", "SET", "=T")
        script.did(f"prepare {end} as select 1", "PREPARE", "=T")
        script.did(end, tag, "=I")
    kept = [Script.text_of(setting.step) for setting in script.recorder.kept]
    assert kept == ["prepare rollback as select 1", "set search_path = commit", "prepare commit as select 1"]


def test_a_statement_that_sql_deallocates_is_prepared_first(script):
    script.ask(parse("s", "insert 1"), SYNC)
    script.answer("1", "=I")
    script.did("deallocate s", "DEALLOCATE", "=I")
    assert script.texts == [["<insert 1>", "deallocate s"]]
    assert script.recorder.prepared.statements == {}


def test_what_is_too_big_is_freed_and_said_to_be_lost():
    script = Script(limit=1000)
    script.did("begin", "BEGIN", "=T")
    script.did("insert '" + "x" * 600 + "'", "INSERT 0 1", "=T")
    assert script.budget.held > 600
    script.did("insert '" + "x" * 600 + "'", "INSERT 0 1", "=T")
    assert script.budget.held < 100
    script.did("commit", "COMMIT", "=I")
    script.did("insert '" + "x" * 2000 + "'", "INSERT 0 1", "=I")
    script.did("insert 1", "INSERT 0 1", "=I")
    assert [unit.lost for unit in script.units] == [True, True, False]
    assert script.budget.held == 0


def test_a_statement_that_was_too_big_to_keep_is_not_replayed_as_another():
    script = Script(limit=1000)
    script.ask(parse("s", "insert 1"), SYNC)
    script.answer("1", "=I")
    script.ask(close("s"), parse("s", "insert '" + "x" * 2000 + "'"), SYNC)
    script.answer("3", "1", "=I")
    script.ask(bind("s"), execute(), SYNC)
    script.answer("2", "INSERT 0 1", "=I")
    assert [unit.lost for unit in script.units] == [True]


def test_the_primary_is_lost_with_something_unanswered(script):
    script.ask("insert 1")
    script.recorder.gone()
    assert [(unit.steps, unit.verdict) for unit in script.units] == [([], "connection")]
    assert script.budget.held == 0


@pytest.mark.parametrize(("last", "verdicts"), [("insert 2", []), ("commit", ["connection"]), ("end", ["connection"])])
def test_the_primary_is_lost_in_a_transaction(script, last, verdicts):
    script.did("begin", "BEGIN", "=T")
    script.did("insert 1", "INSERT 0 1", "=T")
    script.ask(last)
    script.recorder.gone()
    assert [unit.verdict for unit in script.units] == verdicts
    assert script.budget.held == 0


def test_the_primary_says_why_it_leaves(script):
    script.did("insert 1", "!57P01")
    script.recorder.gone()
    assert script.units == []


def test_answers_may_come_in_any_pieces(script):
    script.ask("select 1")
    stream = protocol.frame(b"T", b"x" * 50) + protocol.frame(b"D", b"x" * 100) * 3
    stream += protocol.frame(b"C", b"SELECT 3\0") + protocol.frame(b"Z", b"I")
    for size in (1, 3, 7, 64):
        for at in range(0, len(stream), size):
            script.primary.data_received(stream[at : at + size])
        script.ask("select 1")
    assert [unit.steps[0].tags for unit in script.units] == [[b"SELECT 3"]] * 4
    script.recorder.gone()
