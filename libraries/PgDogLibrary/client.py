"""A client of a proxy: psycopg2 in autocommit (simple protocol), whose every answer is checked, timed and kept."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Self

import psycopg2
from psycopg2.extensions import TRANSACTION_STATUS_IDLE, connection

from PgDogLibrary.ledger import Account, Entry, Fate
from PgDogLibrary.place import Place
from PostgresLibrary.refusals import one_line
from PostgresLibrary.sessions import Target, connect

BROKEN = (psycopg2.OperationalError, psycopg2.InterfaceError)
CONNECT_SECONDS = 10.0


class Client:
    """One session through a proxy.

    Args:
        target: the proxy, a database as clients call it, a user.
        place: the tables of the test.
        account: what is known of all clients of this proxy.
        settings: that it asks for when it connects.
    """

    def __init__(
        self, target: Target, place: Place, account: Account, settings: Mapping[str, str] | None = None
    ) -> None:
        self.target, self.place, self.account = target, place, account
        self.number, self.seq = account.next_client(), 0
        self.session: connection = connect(target, seconds=CONNECT_SECONDS, settings=settings)
        self.session.autocommit = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the session."""
        with suppress(*BROKEN):
            self.session.close()

    def vanish(self) -> None:
        """End the session as a process that dies does: without a word to the server."""
        with socket.socket(fileno=os.dup(self.session.fileno())) as line:
            line.shutdown(socket.SHUT_RDWR)
        self.close()

    def run(self, statement: str) -> list[tuple[object, ...]]:
        """Run a statement and return its rows; the answer is timed. It is not counted as a transaction."""
        begin = time.monotonic()
        try:
            with self.session.cursor() as cursor:
                cursor.execute(statement)
                return list(cursor.fetchall()) if cursor.description else []
        finally:
            self.account.waits.append(time.monotonic() - begin)

    def ask(self) -> None:
        """A query whose running leaves a trace: it takes the next number of the sequence `asked`."""
        self._transaction(lambda: self._checked(f"SELECT nextval('{self.place.table('asked')}') > 0", [(True,)]))

    def checked(self, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
        """A query whose answer is known, as one transaction."""
        self._transaction(lambda: self._checked(statement, rows))

    def write(self, rows: int = 1, *, size: int = 0, whole: bool = True) -> Fate:
        """Write a transaction's rows into `entries`.

        Args:
            rows: one is written in autocommit, more in BEGIN .. COMMIT, a statement each.
            size: bytes of each value; 0: a short one.
            whole: False: it is rolled back in the end.
        """
        self.seq += 1
        values = tuple(f"{self.number}/{self.seq}/{part}".ljust(size, ".") for part in range(rows))
        began = time.time()
        fate = self._fate(lambda: self._write(values, whole), whole)
        entry = Entry(self.number, self.seq, values, fate, began, time.time())
        self.account.add(fate, self.target.database, self.target.login.user, entry)
        return fate

    def refused(self, statement: str, sqlstate: str) -> None:
        """Run a statement that the primary must refuse.

        Raises:
            AssertionError: it did not, or for another reason.
        """
        try:
            self.run(statement)
        except psycopg2.Error as error:
            if error.pgcode != sqlstate:
                raise AssertionError(
                    f"expected SQLSTATE {sqlstate} for {statement[:80]}, was {error.pgcode}: {one_line(error)}"
                ) from None
            self.account.add(Fate.UNDONE, self.target.database, self.target.login.user)
            return
        raise AssertionError(f"expected SQLSTATE {sqlstate} for {statement[:80]}, it was answered without an error")

    def committed(self, *values: str) -> None:
        """Keep that the rows of the transaction that was under way were acknowledged."""
        whose = self.target
        self.account.wrote(self.number, self.seq, *values, database=whose.database, user=whose.login.user)

    def insert(self, part: int, value: str) -> str:
        """Return the statement that writes one row of the transaction that is under way, the first of which is 0."""
        return (
            f"INSERT INTO {self.place.table('entries')} (client, seq, part, value) "
            f"VALUES ({self.number}, {self.seq}, {part}, '{value}')"
        )

    def _write(self, values: Sequence[str], whole: bool) -> None:
        if len(values) == 1 and whole:
            self.run(self.insert(0, values[0]))
            return
        self.run("BEGIN")
        for part, value in enumerate(values):
            self.run(self.insert(part, value))
        self.run("COMMIT" if whole else "ROLLBACK")

    def _transaction(self, work: Callable[[], None]) -> None:
        fate = self._fate(work, True)
        self.account.add(fate, self.target.database, self.target.login.user)

    def _fate(self, work: Callable[[], None], whole: bool) -> Fate:
        """Do the work of a transaction; one that is refused is rolled back, so that the next one can begin."""
        try:
            work()
        except psycopg2.Error as error:
            self.account.errors.append(one_line(error))
            if self.session.closed:  # not by the kind of error: psycopg2 calls a cancelled statement operational, too
                return Fate.UNKNOWN
            if self.session.info.transaction_status != TRANSACTION_STATUS_IDLE:
                with suppress(*BROKEN):
                    self.run("ROLLBACK")
            return Fate.UNDONE
        return Fate.COMMITTED if whole else Fate.UNDONE

    def _checked(self, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
        if (got := self.run(statement)) != list(rows):
            self.account.wrong.append(f"{statement}: expected {list(rows)}, got {got}")


@contextmanager
def clients(number: int, target: Target, place: Place, account: Account) -> Iterator[list[Client]]:
    """So many sessions, ended together."""
    opened: list[Client] = []
    try:
        for _ in range(number):
            opened.append(Client(target, place, account))  # noqa: PERF401 - those already open are closed if one fails
        yield opened
    finally:
        for client in opened:
            client.close()
