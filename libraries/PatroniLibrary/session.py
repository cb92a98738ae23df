"""A PostgreSQL session whose every step has a deadline, and which knows what a lost answer means.

libpq's blocking calls wait for ever on a frozen server: the kernel keeps acknowledging for it, so no TCP option
helps. An asynchronous connection that is polled here can be given up at any moment.
"""

from __future__ import annotations

import select
import time
from collections.abc import Sequence
from typing import Any

import psycopg2
from psycopg2 import extensions

from environments.system import Endpoint, Login

# A commit that was answered although no standby confirmed it: PostgreSQL says so in a warning only.
UNCONFIRMED = ("canceling wait for synchronous replication", "canceling the wait for synchronous replication")

# Errors after which nobody can tell whether the statement took effect: a backend that is shut down (57P01) may
# already have committed, and connection, system and internal errors say nothing about the transaction.
AMBIGUOUS_CLASSES = frozenset({"08", "57", "58", "XX"})


class NotSent(ConnectionError):
    """Nothing was sent: there is no connection, or the server turned the client away."""


class Refused(RuntimeError):
    """The server answered that it did not carry out the statement.

    Attributes:
        sqlstate: the five characters of the error.
    """

    def __init__(self, sqlstate: str, message: str) -> None:
        super().__init__(f"{sqlstate} {message}")
        self.sqlstate = sqlstate


class OutcomeUnknown(RuntimeError):
    """The statement was sent and no trustworthy answer came."""


class Session:
    """One connection in autocommit; not for use by two threads."""

    def __init__(self, endpoint: Endpoint, login: Login, database: str, application_name: str) -> None:
        self._endpoint, self._login, self._database = endpoint, login, database
        self._application_name = application_name
        self._connection: extensions.connection | None = None

    @property
    def is_open(self) -> bool:
        """Whether there is a connection; its other side may have gone since, see `is_cut`."""
        return self._connection is not None

    def open(self, seconds: float) -> None:
        """Connect, unless connected.

        Raises:
            NotSent: not connected within `seconds`, or refused.
        """
        if self._connection is not None:
            return
        deadline = time.monotonic() + seconds
        try:
            self._connection = psycopg2.connect(
                host=self._endpoint.host,
                port=self._endpoint.port,
                dbname=self._database,
                user=self._login.user,
                password=self._login.password.value,
                application_name=self._application_name,
                async_=1,
            )
            self._wait(deadline)
        except (psycopg2.Error, TimeoutError) as error:
            self.close()
            raise NotSent(_line(error)) from None

    def run(self, statement: str, parameters: Sequence[Any] = (), seconds: float = 5.0) -> list[tuple[Any, ...]]:
        """Send one statement and return its rows.

        Raises:
            NotSent: there is no connection.
            Refused: the server did not carry it out; the session stays open.
            OutcomeUnknown: no answer within `seconds` or connection lost, and the session is closed; or a commit
                that no standby confirmed.
        """
        if self.is_cut():
            raise NotSent("the session had been cut")
        assert self._connection is not None
        self._connection.notices.clear()
        cursor = self._connection.cursor()
        try:
            cursor.execute(statement, parameters or None)
            self._wait(time.monotonic() + seconds)
        except psycopg2.Error as error:
            code = error.pgcode or ""
            if code and code[:2] not in AMBIGUOUS_CLASSES and not self._connection.closed:
                raise Refused(code, _line(error)) from None
            self.close()
            raise OutcomeUnknown(f"{code} {_line(error)}".strip()) from None
        except TimeoutError:
            self.close()
            raise OutcomeUnknown(f"no answer within {seconds:g} s") from None
        if any(text in notice for notice in self._connection.notices for text in UNCONFIRMED):
            raise OutcomeUnknown("committed, but the wait for a synchronous standby was cancelled")
        return cursor.fetchall() if cursor.description else []

    def is_cut(self) -> bool:
        """Tell, without sending anything, whether there is no connection or the other side has closed it."""
        if self._connection is None:
            return True
        closing = select.poll()
        closing.register(self._connection.fileno(), select.POLLRDHUP)  # POLLHUP and POLLERR are always reported
        if not closing.poll(0):
            return False
        self.close()
        return True

    def close(self) -> None:
        """Close the connection; harmless when there is none."""
        connection, self._connection = self._connection, None
        if connection is not None and not connection.closed:
            connection.close()

    def _wait(self, deadline: float) -> None:
        assert self._connection is not None
        while True:
            state = self._connection.poll()
            if state == extensions.POLL_OK:
                return
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("no connection in time")
            ready = select.poll()
            ready.register(
                self._connection.fileno(), select.POLLIN if state == extensions.POLL_READ else select.POLLOUT
            )
            ready.poll(left * 1000)


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
