"""The admin console of a proxy, asked as its own tools ask it: simple queries, nothing before the first one.

Drivers send statements of their own when they connect or before the first query, which the vendor's console refuses.
psycopg2's connections for replication send none and ask in the simple protocol alone.
"""

from __future__ import annotations

import math
from contextlib import closing
from dataclasses import dataclass

import psycopg2
from psycopg2.extras import LogicalReplicationConnection

from environments.system import Endpoint, Login

CONNECT_SECONDS = 5.0


class ConsoleError(AssertionError):
    """The console refused a command, or did not answer.

    Attributes:
        sqlstate: five characters; "" where there was no answer at all.
        message: what it said.
    """

    def __init__(self, command: str, sqlstate: str, message: str) -> None:
        super().__init__(f"the admin console answers '{command}' with {sqlstate or 'no answer'}: {message}")
        self.sqlstate, self.message = sqlstate, message


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command brought.

    Attributes:
        columns: their names; none where the command has no rows.
        rows: every value as text, None where it is null.
        status: the command's tag, such as `RELOAD`.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str | None, ...], ...]
    status: str

    def records(self) -> list[dict[str, str | None]]:
        """Return each row by the names of its columns."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]

    def lines(self) -> list[str]:
        """Return the lines of an answer that is a text, however many rows it came in.

        Raises:
            AssertionError: it has not one column.
        """
        if len(self.columns) != 1:
            raise AssertionError(f"expected one column of text, there are {', '.join(self.columns) or 'none'}")
        return [line for (value,) in self.rows for line in (value or "").split("\n")]


@dataclass(frozen=True, slots=True)
class Console:
    """Where a console is and as whom it is asked; each command has a session of its own."""

    endpoint: Endpoint
    database: str
    login: Login

    def ask(self, command: str, seconds: float = CONNECT_SECONDS) -> Answer:
        """Give a command and return its answer.

        Args:
            command: such as `SHOW MIRRORS`.
            seconds: to connect; libpq counts whole ones.

        Raises:
            ConsoleError: it is refused, or there is no answer.
        """
        try:
            with closing(self._connect(seconds)) as session, session.cursor() as cursor:
                cursor.execute(command)
                if cursor.description is None:
                    return Answer((), (), cursor.statusmessage or "")
                rows = tuple(tuple(None if v is None else str(v) for v in row) for row in cursor.fetchall())
                return Answer(tuple(column.name for column in cursor.description), rows, cursor.statusmessage or "")
        except psycopg2.Error as error:
            message = error.diag.message_primary or str(error).strip()
            raise ConsoleError(command, error.pgcode or "", message) from None

    def _connect(self, seconds: float) -> LogicalReplicationConnection:
        return psycopg2.connect(
            host=self.endpoint.host,
            port=self.endpoint.port,
            dbname=self.database,
            user=self.login.user,
            password=self.login.password.value,
            connect_timeout=max(2, math.ceil(seconds)),
            connection_factory=LogicalReplicationConnection,
        )
