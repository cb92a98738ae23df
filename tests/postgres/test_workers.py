"""Workers are all there at once, and what any of them misses is found."""

from __future__ import annotations

import time
from contextlib import closing

import pytest
from psycopg2.extensions import connection

from PostgresLibrary import tenants, workers
from PostgresLibrary.sessions import connect, rows, value
from PostgresLibrary.workers import (
    Together,
    Work,
    check_backends,
    check_stored_once,
    check_work,
    echo,
    entry_key,
    work_together,
    writer,
)
from tests.one_server import OneServer


def done(workers: int = 3, operations: int = 2) -> Together:
    return Together(workers, operations, [Work(n, 100 + n, list(range(operations))) for n in range(workers)])


def keys(together: Together) -> list[str]:
    return [entry_key(w.worker, n) for w in together.work for n in w.done]


def test_all_work_done_passes() -> None:
    check_work(done())
    check_backends(done())
    check_stored_once(done(), keys(done()))


def test_a_problem_is_told() -> None:
    together = done()
    together.work[1].done.pop()
    together.work[1].problems.append("worker 1, operation 1: 40001: could not serialize access")
    with pytest.raises(AssertionError, match=r"expected 6 good operations of 3 workers, were 5: .* 40001"):
        check_work(together)


def test_the_cause_is_told_before_its_consequences() -> None:
    together = done()
    together.work[0].problems.append("worker 0 stopped because another did not keep up for 30 s")
    together.work[2].problems.append("worker 2 got no session: too many connections")
    with pytest.raises(AssertionError, match=r"were 6: worker 2 got no session: too many connections; worker 0"):
        check_work(together)


def test_no_work_at_all_is_no_success() -> None:
    with pytest.raises(AssertionError, match="expected 6 good operations of 3 workers, were 0"):
        check_work(Together(3, 2, [Work(n) for n in range(3)]))


@pytest.mark.parametrize("backend", [100, None])
def test_a_shared_or_missing_backend_is_found(backend: int | None) -> None:
    together = done()
    together.work[2].backend = backend
    with pytest.raises(AssertionError, match="expected 3 backends for 3 workers, were 2"):
        check_backends(together)


def test_a_lost_write_is_found() -> None:
    with pytest.raises(AssertionError, match=r"found 5 rows: lost 1 \['writer-0-entry-0'\], not acknowledged 0"):
        check_stored_once(done(), keys(done())[1:])


def test_a_write_nobody_acknowledged_is_found() -> None:
    with pytest.raises(AssertionError, match=r"found 7 rows: lost 0 \[\], not acknowledged 1 \['stranger'\]"):
        check_stored_once(done(), [*keys(done()), "stranger"])


def test_a_write_stored_twice_is_found() -> None:
    with pytest.raises(AssertionError, match="expected 6 acknowledged entries once each, found 7 rows"):
        check_stored_once(done(), [*keys(done()), keys(done())[0]])


@pytest.mark.servers
class TestOnAServer:
    def test_each_worker_gets_its_own_answers(self, server: OneServer) -> None:
        together = work_together(server.target, 5, 4, echo, 10)
        check_work(together)
        check_backends(together)

    def test_a_wrong_answer_is_found(self, server: OneServer, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(workers, "_ECHO", "SELECT %s::int, %s::int, upper(%s::text)")
        with closing(connect(server.target)) as session:
            answer = echo(session, 3, 1)
        assert answer is not None
        assert "was [(3, 1, 'WORKER 3 ASKS 1')]" in answer

    def test_a_worker_without_a_session_stops_the_others_at_once(self, server: OneServer, owner: connection) -> None:
        login = tenants.new_login("limited")
        tenants.create_role(owner, login, 2)
        begin = time.monotonic()
        together = work_together(server.target.as_role(login), 3, 2, echo, 20)
        took = time.monotonic() - begin
        tenants.drop_role(owner, login.user)
        assert took < 10
        with pytest.raises(AssertionError, match=r"were 0: worker \d got no session: .*too many connections for role"):
            check_work(together)

    def test_writers_store_and_count(self, server: OneServer, owner: connection) -> None:
        rows(owner, "INSERT INTO metadata (key, value) VALUES ('counter', '0')")
        owner.commit()
        together = work_together(server.target, 4, 5, writer("writers", "counter"), 10)
        check_work(together)
        stored = [key for (key,) in rows(owner, "SELECT key FROM memory_entries WHERE namespace = 'writers'")]
        counted = value(owner, "SELECT value FROM metadata WHERE key = 'counter'")
        rows(owner, "DELETE FROM memory_entries")
        rows(owner, "DELETE FROM metadata")
        owner.commit()
        check_stored_once(together, stored)
        assert counted == "20"
