"""Keywords of the criteria about cache and database together: equality, invalidation, misses and strategies."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import timedelta

from robot.api import logger
from robot.api.deco import keyword

from CacheLibrary.base import cache_client, new_cache_client, redis_client, shown, store, stored_values
from CacheLibrary.rows import Comparison, Counted, Row, deleted_keys, write_of_every_kind
from CacheLibrary.server import Client, entries_with
from CacheLibrary.wire import CacheClient, Read, Refused, Strategy
from EnvironmentLibrary.context import record_value
from measurement.verdicts import Inconclusive
from PostgresLibrary.base import as_owner
from PostgresLibrary.sessions import rows

LOCKED_SECONDS = 1.0  # a read that has no answer by then waits for the database; a hit takes a millisecond


class RowKeywords:
    """Rows in the database and their entries in the cache."""

    @keyword
    def write_rows_of_every_kind(self, namespace: str) -> Mapping[str, str | None]:
        """Insert, update and delete rows through the cache, singly and many at once, with both strategies.

        Each row is read before it is changed, so that there is an entry that could be left behind.

        Returns:
            What each key must hold at the end.
        """
        return write_of_every_kind(cache_client(), namespace)

    @keyword
    def cache_and_database_should_agree(self, namespace: str, written: Mapping[str, str | None]) -> None:
        """Compare for each key what was written, what the database holds and what three reads through the cache say.

        Raises:
            AssertionError: with the first difference and the number of keys that differ.
            Inconclusive: the cache answered none of the last reads, so only the database was compared with itself.
        """
        client, stored = cache_client(), stored_values(namespace)
        keys = [*written, *deleted_keys()]
        at_once = client.read_many(namespace, keys)
        compared = []
        for key in keys:
            reads = (at_once.get(key), client.read(namespace, key), client.read(namespace, key))
            expected = (written[key],) if key in written else None
            compared.append(Comparison(key, expected, (stored[key],) if key in stored else None, reads))
        differences = [text for one in compared if (text := one.difference())]
        if differences:
            raise AssertionError(f"{len(differences)} of {len(keys)} keys differ; first: {differences[0]}")
        hits = sum(one.from_cache for one in compared)
        logger.info(f"{len(keys)} keys agree; the cache answered the last read of {hits} of {len(written)} rows")
        if hits == 0:
            raise Inconclusive("the cache answered no read, so nothing is known about what it holds")

    # -- one row -------------------------------------------------------------------------------------------

    @keyword
    def put_a_row_into_the_database(self, namespace: str) -> Row:
        """Insert a row by plain SQL, of which the cache knows nothing."""
        row = Row(namespace, f"row-{secrets.token_hex(4)}", _new_value())
        store(row.namespace, row.key, row.value)
        return row

    @keyword
    def change_behind_the_cache(self, row: Row) -> Row:
        """Update the row by plain SQL and return it as it is now."""
        changed = row.changed(_new_value())
        store(row.namespace, row.key, changed.value)
        return changed

    @keyword
    def write_through_the_cache(self, row: Row, strategy: Strategy = "invalidate") -> Row:
        """Have the cache program update the row and return it as it is now.

        Args:
            row: as it was.
            strategy: what becomes of its entry, `invalidate` or `write-through`.
        """
        changed = row.changed(_new_value())
        try:
            cache_client().write(row.namespace, row.key, changed.value, strategy)
        except Refused as error:
            raise AssertionError(f"the write was not acknowledged: {error}") from None
        return changed

    @keyword
    def read_through_the_cache(self, row: Row, keep_for: timedelta | None = None) -> Read:
        """Read the row as a client does; its entry may be kept for `keep_for`, or as long as the program keeps any."""
        return self._read(cache_client(), row, keep_for.total_seconds() if keep_for else None)

    @keyword
    def read_should_return(self, row: Row, source: str = "") -> None:
        """Read the row through the cache and demand its value, and where it came from.

        Args:
            row: as it must be.
            source: `cache` or `database`; either when left out.
        """
        check_read(self._read(cache_client(), row), row, source)

    @keyword
    def read_and_count(self, row: Row) -> Counted:
        """Read the row through the cache; return what it said with what the program and Redis counted meanwhile."""
        client, server = cache_client(), redis_client()
        before, hits_before = client.metrics(), _keyspace(server)
        read = self._read(client, row)
        after, hits_after = client.metrics(), _keyspace(server)
        counted = Counted(row, read, _grown(before, after), _grown(hits_before, hits_after))
        logger.info(str(counted))
        return counted

    @keyword
    def read_should_have_loaded_the_row(self, counted: Counted) -> None:
        """Demand the right value, one miss, one read of the database and one fill, by the program's own counts."""
        counted.check_miss()

    @keyword
    def read_should_have_hit(self, counted: Counted) -> None:
        """Demand the right value and one hit by the counts of the program and of Redis, and no read of the database."""
        counted.check_hit()

    @keyword
    def read_should_need_no_database(self, row: Row) -> None:
        """Read the row while nobody can read the table, and demand its value within a second.

        Raises:
            AssertionError: another value, or no answer.
            Inconclusive: a read past the cache did have an answer, so the table was not locked.
        """
        with _locked_table():
            with closing(new_cache_client(LOCKED_SECONDS / 2)) as past:
                try:
                    past.read(row.namespace, row.key, past_cache=True)
                except (TimeoutError, Refused):
                    pass
                else:
                    raise Inconclusive("the table was locked, and still a read past the cache had an answer")
            with closing(new_cache_client(LOCKED_SECONDS)) as client:
                try:
                    read = client.read(row.namespace, row.key)
                except (TimeoutError, Refused):
                    raise AssertionError(
                        f"the read had no answer within {LOCKED_SECONDS:g} s while nobody could read the table: "
                        "it needs the database, expected an answer from the cache"
                    ) from None
        check_read(read, row, "cache")

    @keyword
    def database_should_hold(self, row: Row) -> None:
        """Ask the primary itself for the row's value."""
        stored = stored_values(row.namespace)
        if row.key not in stored:
            raise AssertionError(f"the database has no row '{row.key}', expected {shown(row.value)}")
        if stored[row.key] != row.value:
            raise AssertionError(f"the database holds {shown(stored[row.key])}, expected {shown(row.value)}")

    # -- entries, as Redis itself knows them ---------------------------------------------------------------

    @keyword
    def redis_should_hold_an_entry_of(self, row: Row, at_most: timedelta) -> None:
        """Look through all string values of Redis: one must contain the row's value, and all must expire in time.

        Args:
            row: its value is unique in the run.
            at_most: the longest time to live an entry may have.
        """
        entries = entries_with(redis_client(), row.value)
        if not entries:
            raise AssertionError(f"no value in Redis contains {shown(row.value)}, expected an entry of the row")
        if min(entries.values()) >= 0:
            record_value("time to live", max(entries.values()) / 1000, "s")
        for name, milliseconds in entries.items():
            if not 0 <= milliseconds <= at_most.total_seconds() * 1000:
                lives = "for ever" if milliseconds < 0 else f"for {milliseconds / 1000:.1f} s more"
                raise AssertionError(
                    f"the entry {name!r} lives {lives}, expected at most {at_most.total_seconds():g} s"
                )

    @keyword
    def redis_should_hold_no_entry_of(self, row: Row) -> None:
        """Look through all string values of Redis: none may contain the row's value."""
        entries = entries_with(redis_client(), row.value)
        if entries:
            raise AssertionError(f"Redis still holds {shown(row.value)} in {', '.join(map(repr, entries))}")

    @staticmethod
    def _read(client: CacheClient, row: Row, ttl: float | None = None) -> Read:
        try:
            read = client.read(row.namespace, row.key, ttl=ttl)
        except (Refused, OSError) as error:
            raise AssertionError(f"the read of '{row.key}' had no answer: {error}") from None
        if read is None:
            raise AssertionError(f"the read of '{row.key}' found no row, expected {shown(row.value)}")
        return read


def check_read(read: Read | None, row: Row, source: str = "") -> None:
    """Demand a row's value, and where it came from unless that is left open.

    Raises:
        AssertionError: another value or source.
    """
    expected = f"expected {shown(row.value)}" + (f" from the {source}" if source else "")
    if read is None:
        raise AssertionError(f"the read found no row, {expected}")
    if read.value != row.value or source not in ("", read.source):
        raise AssertionError(f"the read returned {shown(read.value)} from the {read.source}, {expected}")


def _new_value() -> str:
    return f"value {secrets.token_hex(12)}"


def _keyspace(server: Client) -> dict[str, float]:
    statistics = server.info("stats")
    return {name: float(statistics[name]) for name in ("keyspace_hits", "keyspace_misses")}


def _grown(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, int]:
    return {name: int(after[name] - before.get(name, 0)) for name in after}


@contextmanager
def _locked_table() -> Iterator[None]:
    """Nobody else can read `memory_entries` in here."""
    with as_owner() as session:
        session.autocommit = False
        rows(session, "LOCK TABLE memory_entries IN ACCESS EXCLUSIVE MODE")
        try:
            yield
        finally:
            session.rollback()
