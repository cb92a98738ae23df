"""Where HAProxy's two ports lead: which server answers a new connection, and whether it is a standby."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TypeVar

from environments.system import Endpoint, Login
from PatroniLibrary.session import Refused, Session

T = TypeVar("T")

CONNECT_SECONDS = 5.0
READ_ONLY = "25006"  # SQLSTATE read_only_sql_transaction, which every standby answers to a write

_WHO = "SELECT inet_server_port(), pg_is_in_recovery()"
_INSERT = "INSERT INTO acknowledged_writes (id, writer) VALUES (%s, 'port check') RETURNING inet_server_port()"
_SELECT = "SELECT inet_server_port(), pg_is_in_recovery() FROM acknowledged_writes WHERE id = %s"
_DELETE = "DELETE FROM acknowledged_writes WHERE writer = 'port check'"


@dataclass(frozen=True, slots=True)
class Answer:
    """Who answered one new connection."""

    port: int  # of PostgreSQL itself
    is_standby: bool


@dataclass(frozen=True, slots=True)
class Port:
    """One of HAProxy's ports, as a client uses it; every call opens a connection of its own."""

    endpoint: Endpoint
    login: Login
    database: str

    def who(self) -> Answer:
        """Ask who answers.

        Raises:
            ConnectionError: nobody.
        """
        return self._with(lambda session: Answer(*session.run(_WHO)[0]))

    def write(self) -> tuple[int, int]:
        """Insert one row; returns its id and the PostgreSQL port of the server that took it.

        Raises:
            ConnectionError: nobody answers.
            Refused: the server does not take it.
        """
        row = time.time_ns() // 1000
        return row, self._with(lambda session: int(session.run(_INSERT, (row,))[0][0]))

    def read(self, row: int) -> Answer | None:
        """Look for a row by its id; None: the server that answered does not have it."""
        found = self._with(lambda session: session.run(_SELECT, (row,)))
        return Answer(*found[0]) if found else None

    def sweep(self) -> None:
        """Remove the rows that `write` made."""
        self._with(lambda session: session.run(_DELETE))

    def _with(self, use: Callable[[Session], T]) -> T:
        session = Session(self.endpoint, self.login, self.database, "port check")
        try:
            session.open(CONNECT_SECONDS)
            return use(session)
        finally:
            session.close()


def wrong_answers(answers: Collection[Answer], members: dict[int, str], expected: Collection[str]) -> str | None:
    """Say which connections reached a server other than those expected, and which expected server was never reached.

    Args:
        answers: one for each connection.
        members: PostgreSQL port -> member.
        expected: the members that should have answered, each at least once.
    """
    reached = Counter(members.get(answer.port, f"port {answer.port}") for answer in answers)
    counts = ", ".join(f"{name} {count}" for name, count in sorted(reached.items()))
    strangers = sorted(set(reached) - set(expected))
    if strangers:
        wrong = sum(reached[name] for name in strangers)
        return f"{wrong} of {len(answers)} connections reached {', '.join(strangers)}, expected only {_list(expected)}"
    absent = sorted(set(expected) - set(reached))
    if absent:
        return f"none of {len(answers)} connections reached {', '.join(absent)} ({counts})"
    return None


def refusal(write: Callable[[], object]) -> str:
    """Return the SQLSTATE with which a write is refused, "" when it is not."""
    try:
        write()
    except Refused as refused:
        return refused.sqlstate
    return ""


def _list(names: Collection[str]) -> str:
    return ", ".join(sorted(names))
