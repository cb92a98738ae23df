"""Keywords of the error criteria: what is refused, with which error, and how soon."""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from datetime import timedelta

import psycopg2
from psycopg2.extensions import connection
from robot.api import logger
from robot.api.deco import keyword

from EnvironmentLibrary.context import record_value, scaled
from environments.system import Endpoint, cluster
from PostgresLibrary import base, entries
from PostgresLibrary.base import on_test_end, primary
from PostgresLibrary.data_keywords import sample_entry
from PostgresLibrary.refusals import Refusal, check_duration, check_sqlstate, check_text, one_line, refusal_of
from PostgresLibrary.sessions import close, connect, value


class ErrorKeywords:
    """Refused statements and unreachable servers."""

    @keyword
    def refused_insert(self, namespace: str, embedding: Sequence[float], key: str = "entry") -> Refusal:
        """Insert an entry that the server must refuse, and return how it did."""
        session = base.session()
        entry = sample_entry(namespace, key, embedding)

        def insert_and_commit() -> None:
            entries.insert(session, entry, cluster().vector.type)
            session.commit()

        refusal = refusal_of(f"inserting '{key}' with {len(embedding)} dimensions", insert_and_commit)
        record_value("refusal", refusal.seconds, "s")
        logger.info(f"refused: {refusal}")
        return refusal

    @keyword
    def refusal_should_have_sqlstate(self, refusal: Refusal, sqlstate: str) -> None:
        """Demand the exact SQLSTATE of a refusal."""
        check_sqlstate(refusal, sqlstate)

    @keyword
    def refusal_should_say(self, refusal: Refusal, text: str) -> None:
        """Demand a text within the message of a refusal, without regard to case."""
        check_text(refusal, text)

    @keyword
    def refusal_should_name_dimensions(self, refusal: Refusal) -> None:
        """Demand what the vector extension says of a wrong number of dimensions, by the environment file's `vector`."""
        check_text(refusal, cluster().vector.dimension_error)

    @keyword
    def refusal_should_name_columns(self, refusal: Refusal, columns: str) -> None:
        """Demand the constraint that was violated to be the one over these columns, such as `namespace, key`."""
        actual = value(base.session(), _CONSTRAINT_COLUMNS, (refusal.constraint,)) if refusal.constraint else None
        if actual != columns:
            raise AssertionError(
                f"expected the constraint over ({columns}) to be named, was {refusal.constraint} ({actual})"
            )

    @keyword
    def refusal_should_take(self, refusal: Refusal, at_least: timedelta, below: timedelta) -> None:
        """Bound the time a refusal took from both sides; the upper bound is longer on a slow machine."""
        check_duration("the refusal", refusal.seconds, at_least.total_seconds(), scaled(below))

    @keyword
    def refused_connection(self, endpoint: Endpoint, timeout: timedelta) -> Refusal:
        """Connect where no session can be had, with a connect time-out, and return how that ended."""
        target = primary().at(endpoint)
        seconds = timeout.total_seconds()
        refusal = refusal_of(f"connecting to {endpoint}", lambda: _kept(connect(target, seconds=seconds)))
        record_value(f"{'refused' if refusal.seconds < seconds else 'timed-out'} connection", refusal.seconds, "s")
        return refusal

    @keyword
    def session_should_open(self, endpoint: Endpoint, within: timedelta) -> None:
        """Demand a session that answers a query, opened within a limit."""
        begin = time.monotonic()
        try:
            session = _kept(connect(primary().at(endpoint)))
            answer = value(session, "SELECT 6 * 7")
        except psycopg2.Error as error:
            raise AssertionError(f"expected a session on {endpoint}, was: {one_line(error)}") from None
        seconds = time.monotonic() - begin
        if answer != 42:
            raise AssertionError(f"expected 42 from {endpoint}, was {answer}")
        check_duration(f"opening a session on {endpoint}", seconds, 0, scaled(within))

    @keyword
    def address_of_link(self, link: str) -> Endpoint:
        """Return where a client of that link connects, such as of `client-primary`."""
        return cluster().links[link]

    @keyword
    def port_without_server(self) -> Endpoint:
        """Return an address of this machine where nobody listens."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return Endpoint("127.0.0.1", probe.getsockname()[1])


def _kept(session: connection) -> connection:
    on_test_end(close, session)
    return session


_CONSTRAINT_COLUMNS = """
    SELECT string_agg(a.attname, ', ' ORDER BY k.place)
    FROM pg_constraint AS c CROSS JOIN unnest(c.conkey) WITH ORDINALITY AS k (number, place)
    JOIN pg_attribute AS a ON a.attrelid = c.conrelid AND a.attnum = k.number
    WHERE c.conname = %s AND c.conrelid = 'memory_entries'::regclass
"""
