"""A client beside any proxy: what it was told of each transaction is what PostgreSQL did."""

from __future__ import annotations

import pytest

from PgDogLibrary.client import clients
from PgDogLibrary.ledger import Fate
from PgDogLibrary.place import COMPARED
from tests.waiting import until

pytestmark = pytest.mark.servers


def stored(proxy):
    """(client, seq) -> values on the primary."""
    query = f"SELECT client, seq, array_agg(value ORDER BY part) FROM {proxy.place.table('entries')} GROUP BY 1, 2"
    return {(client, seq): tuple(values) for client, seq, values in proxy.place.primary.ask("app", query)}


def acknowledged(proxy):
    return {(entry.client, entry.seq): entry.values for entry in proxy.account.written()}


def refuse_part_one(proxy):
    """Let the primary refuse every second row of a transaction."""
    proxy.place.primary.do("app", f"ALTER TABLE {proxy.place.table('entries')} ADD CHECK (part <> 1)")


# -- the place


def test_a_place_is_the_same_on_both_servers_and_goes_away_with_whoever_waits_there(beside):
    place = beside.place
    counts = {name: f"SELECT count(*) FROM {place.table(name)}" for name in COMPARED}
    for server in (place.primary, place.mirror):
        assert {name: server.ask("app", query)[0][0] for name, query in counts.items()} == {
            "entries": 0,
            "accounts": 20,
            "uniques": 0,
        }
    client = beside.client()
    client.run("BEGIN")
    client.run(client.insert(0, "left open"))
    place.remove()
    for server in (place.primary, place.mirror):
        assert server.ask("app", "SELECT FROM pg_namespace WHERE nspname = %s", (place.name,)) == []
    client.close()


def test_the_mirror_alone_is_slowed_down(beside):
    beside.place.slow_down_mirror(0.05)
    triggers = "SELECT count(*) FROM pg_trigger WHERE tgrelid = %s::regclass AND NOT tgisinternal"
    table = (beside.place.table("entries"),)
    assert beside.place.primary.ask("app", triggers, table) == [(0,)]
    assert beside.place.mirror.ask("app", triggers, table) == [(1,)]


# -- what becomes of transactions


def test_what_was_acknowledged_is_stored_and_what_was_rolled_back_is_not(beside):
    with beside.client() as client:
        assert client.write() is Fate.COMMITTED
        assert client.write(3) is Fate.COMMITTED
        assert client.write(2, whole=False) is Fate.UNDONE
        assert client.write(size=1000) is Fate.COMMITTED
    assert stored(beside) == acknowledged(beside)
    assert len(stored(beside)) == 3
    assert len(stored(beside)[client.number, 4][0]) == 1000
    assert (beside.account.committed, beside.account.undone) == (3, 1)


def test_a_refused_transaction_is_undone_and_the_next_one_begins_anew(beside):
    refuse_part_one(beside)
    with beside.client() as client:
        assert client.write(3) is Fate.UNDONE
        assert client.write() is Fate.COMMITTED
        assert client.write(2) is Fate.UNDONE
    assert stored(beside) == acknowledged(beside) == {(client.number, 2): (f"{client.number}/2/0",)}
    assert "violates check constraint" in beside.account.errors[0]
    assert len(beside.account.errors) == 2


def test_a_cancelled_statement_is_an_answer_and_a_lost_session_is_none(beside):
    primary = beside.place.primary
    primary.do("app", "ALTER ROLE app IN DATABASE app SET statement_timeout = 100")
    try:
        with beside.client() as client:
            client.checked("SELECT true FROM pg_sleep(5)", [(True,)])
            assert beside.account.undone == 1
            primary.do("app", f"SELECT pg_terminate_backend({client.session.info.backend_pid})")
            assert client.write() is Fate.UNKNOWN
            assert client.write() is Fate.UNKNOWN
    finally:
        primary.do("app", "ALTER ROLE app IN DATABASE app RESET statement_timeout")
    assert beside.account.undone == 1
    assert "statement timeout" in beside.account.errors[0]


def test_questions_leave_traces_and_wrong_answers_are_kept(beside):
    with beside.client() as client:
        client.ask()
        client.ask()
        client.checked("SELECT 1", [(1,)])
        client.checked("SELECT 2", [(3,)])
    table = beside.place.table("asked")
    assert beside.place.primary.ask("app", f"SELECT last_value FROM {table}") == [(2,)]
    assert beside.account.wrong == ["SELECT 2: expected [(3,)], got [(2,)]"]
    assert (beside.account.committed, len(beside.account.waits)) == (4, 4)


def test_a_statement_that_must_be_refused_is_refused_for_that_reason(beside):
    with beside.client() as client:
        client.refused("SELECT 1/0", "22012")
        assert beside.account.undone == 1
        with pytest.raises(AssertionError, match="expected SQLSTATE 23505 for SELECT 1/0, was 22012: division by zero"):
            client.refused("SELECT 1/0", "23505")
        with pytest.raises(AssertionError, match="it was answered without an error"):
            client.refused("SELECT 1", "22012")


def test_who_vanishes_leaves_nothing_behind(beside):
    client = beside.client()
    client.run("BEGIN")
    client.run(client.insert(0, "vanished"))
    pid = client.session.info.backend_pid
    client.vanish()
    gone = f"SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = {pid}"
    until(lambda: beside.place.primary.ask("app", gone)[0][0], "the session to end")
    assert stored(beside) == {}


def test_sessions_end_together(beside):
    with clients(3, beside.target(), beside.place, beside.account) as opened:
        assert [client.number for client in opened] == [1, 2, 3]
    assert all(client.session.closed for client in opened)


def test_sessions_that_were_open_are_closed_when_one_more_is_refused(beside):
    place = beside.place
    place.primary.do("app", "ALTER ROLE other CONNECTION LIMIT 3")
    sessions = "SELECT count(*) = 0 FROM pg_stat_activity WHERE usename = 'other'"
    try:
        with (
            pytest.raises(Exception, match="too many connections"),
            clients(5, beside.target(user="other"), place, beside.account),
        ):
            pytest.fail("the limit was not held")
        until(lambda: place.primary.ask("app", sessions)[0][0], "all of them to end")
    finally:
        place.primary.do("app", "ALTER ROLE other CONNECTION LIMIT -1")
