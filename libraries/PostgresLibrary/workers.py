"""Several clients at once, each in a thread with a session of its own."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from psycopg2 import Error
from psycopg2.extensions import connection

from PostgresLibrary.refusals import one_line
from PostgresLibrary.sessions import Target, backend, close, connect, rows

_ECHO = "SELECT %s::int, %s::int, md5(%s::text)"

_WRITE = "INSERT INTO memory_entries (namespace, key, value) VALUES (%s, %s, %s)"
_COUNT = "UPDATE metadata SET value = (value::bigint + 1)::text, updated_at = clock_timestamp() WHERE key = %s"


@dataclass
class Work:
    """What one worker did.

    Attributes:
        worker: its number, from 0.
        backend: process id of the server's backend that served it, None when it got no session.
        done: number of each operation that ended as it should.
        problems: one line for each that did not.
    """

    worker: int
    backend: int | None = None
    done: list[int] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Together:
    """What all workers did."""

    workers: int
    operations: int  # of each worker
    work: list[Work]


Operation = Callable[[connection, int, int], str | None]
"""One operation of a worker: session, worker, number of the operation; returns what was wrong."""


def work_together(target: Target, workers: int, operations: int, operation: Operation, seconds: float) -> Together:
    """Let all workers do their n-th operation at the same time, for each n.

    Args:
        target: where and as whom.
        workers: sessions, each with a thread of its own.
        operations: of each worker.
        operation: what each does; `psycopg2.Error` is recorded as a problem of that operation.
        seconds: how long the slowest worker may keep the others waiting.
    """
    together = threading.Barrier(workers)

    def work(number: int) -> Work:
        mine = Work(number)
        session = None
        try:
            session = connect(target)
            mine.backend = backend(session)
            session.commit()
            for n in range(operations):
                together.wait(timeout=seconds)
                _one(operation, session, mine, n)
        except Error as error:
            mine.problems.append(f"worker {number} got no session: {one_line(error)}")
            together.abort()
        except threading.BrokenBarrierError:
            mine.problems.append(f"worker {number} stopped because another did not keep up for {seconds:g} s")
        finally:
            if session is not None:
                close(session)
        return mine

    with ThreadPoolExecutor(max_workers=workers, thread_name_prefix="worker") as threads:
        return Together(workers, operations, list(threads.map(work, range(workers))))


def _one(operation: Operation, session: connection, mine: Work, n: int) -> None:
    what = f"worker {mine.worker}, operation {n}"
    try:
        problem = operation(session, mine.worker, n)
    except Error as error:
        session.rollback()
        problem = f"{error.pgcode}: {one_line(error)}"
    if problem is None:
        mine.done.append(n)
    else:
        mine.problems.append(f"{what}: {problem}")


def echo(session: connection, worker: int, n: int) -> str | None:
    """Ask a question only this worker asks, and compare the answer with what Python computes."""
    text = f"worker {worker} asks {n}"
    answer = rows(session, _ECHO, (worker, n, text))
    session.commit()
    expected = [(worker, n, hashlib.md5(text.encode(), usedforsecurity=False).hexdigest())]
    return None if answer == expected else f"expected {expected}, was {answer}"


def entry_key(worker: int, n: int) -> str:
    """Return the key of the entry that a writer's n-th operation inserts."""
    return f"writer-{worker}-entry-{n}"


def writer(namespace: str, counter: str) -> Operation:
    """Return an operation that commits one entry of its own and adds one to a row all writers share."""

    def write(session: connection, worker: int, n: int) -> str | None:
        rows(session, _WRITE, (namespace, entry_key(worker, n), f"{worker}/{n}"))
        rows(session, _COUNT, (counter,))
        session.commit()
        return None

    return write


def check_work(together: Together) -> None:
    """Demand that every operation of every worker ended well.

    Raises:
        AssertionError: with the number of good operations and the first problems.
    """
    workers, work = together.workers, together.work
    wanted = workers * together.operations
    good = sum(len(w.done) for w in work)
    problems = [problem for w in work for problem in w.problems]
    if good != wanted or problems:
        shown = "; ".join(sorted(problems, key=_cause_first)[:3])
        raise AssertionError(f"expected {wanted} good operations of {workers} workers, were {good}: {shown}")


def check_backends(together: Together) -> None:
    """Demand that each worker was served by a backend of its own.

    Raises:
        AssertionError: with the number of backends.
    """
    workers = together.workers
    backends = {w.backend for w in together.work} - {None}
    if len(backends) != workers:
        raise AssertionError(f"expected {workers} backends for {workers} workers, were {len(backends)}")


def check_stored_once(together: Together, stored: Sequence[str]) -> None:
    """Demand that exactly the acknowledged writes are stored, each once.

    Args:
        together: work of `writer` operations.
        stored: keys found afterwards.

    Raises:
        AssertionError: naming the first keys that are lost or not acknowledged.
    """
    acknowledged = {entry_key(w.worker, n) for w in together.work for n in w.done}
    lost, extra = sorted(acknowledged - set(stored)), sorted(set(stored) - acknowledged)
    if lost or extra or len(stored) != len(acknowledged):
        raise AssertionError(
            f"expected {len(acknowledged)} acknowledged entries once each, found {len(stored)} rows: "
            f"lost {len(lost)} {lost[:3]}, not acknowledged {len(extra)} {extra[:3]}"
        )


def _cause_first(problem: str) -> bool:
    return "because another" in problem
