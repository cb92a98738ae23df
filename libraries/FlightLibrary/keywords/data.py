"""Keywords of data: as many rows as a measurement needs, and away with them again."""

from __future__ import annotations

from robot.api.deco import keyword

from EnvironmentLibrary import context
from EnvironmentLibrary.telling import say
from environments.system import running
from FlightLibrary.keywords.base import as_owner
from PostgresLibrary.sessions import rows, value

FIRST_KEY = 100_000_000
"""Rows made here have keys from this one on, far behind those that criteria compare and those that they insert."""

_USERS = """
    INSERT INTO tb_user (pk_user, id, name, email, bio, score, visits, active, created_at)
    SELECT n, md5('user ' || n)::uuid, 'User ' || n, 'user' || n || '@example.org',
           CASE WHEN n %% 3 = 0 THEN NULL ELSE 'biography of user ' || n END,
           (n * 37 %% 1000) / 8.0, n * 7919 %% 100003, n %% 4 <> 0,
           timestamptz '2026-01-01 00:00:00+00' + n %% 1000000 * interval '17.000013 seconds'
    FROM generate_series(%(first)s::bigint, %(last)s) AS n
"""
_ORDERS = """
    INSERT INTO tb_order (id, fk_user, total, quantity, status, customer_name, created_at)
    SELECT n, 1, (n * 7919 %% 1000000) / 100.0, n %% 17 + 1, (ARRAY['new', 'paid', 'sent', 'returned'])[n %% 4 + 1],
           CASE WHEN n %% 7 = 0 THEN NULL ELSE 'Customer ' || n %% 500 END,
           timestamptz '2026-01-01 00:00:00+00' + n %% 1000000 * interval '13.000007 seconds'
    FROM generate_series(%(first)s::bigint, %(last)s) AS n
"""
_TABLES = {"users": ("tb_user", "pk_user", _USERS), "orders": ("tb_order", "id", _ORDERS)}


class DataKeywords:
    """Rows for measurements."""

    @keyword
    def there_are_at_least(self, number: int, what: str) -> None:
        """Add rows until there are so many; they are made by arithmetic, the same everywhere.

        Args:
            number: of rows.
            what: `users` or `orders`.
        """
        table, key, statement = _TABLES[what]
        with as_owner() as session, context.timed(f"{number} {what}", "startup"):
            missing = number - int(value(session, f"SELECT count(*) FROM {table}"))  # noqa: S608 - names from here
            if missing > 0:
                highest = int(value(session, f"SELECT max({key}) FROM {table}") or 0)  # noqa: S608
                first = max(FIRST_KEY, highest + 1)
                rows(session, statement, {"first": first, "last": first + missing - 1})
                rows(session, f"ANALYZE {table}")
        say(f"{max(missing, 0)} {what} added, {number} there")

    @keyword
    def rows_that_were_added_are_removed(self) -> None:
        """Delete what `There Are At Least` added, where the database stays behind when the run has ended.

        One that was started for the run goes with all its rows.
        """
        if running().system is None or running().driver == "embedded":
            return
        with as_owner() as session:
            for table, key, _ in reversed(_TABLES.values()):
                rows(session, f"DELETE FROM {table} WHERE {key} >= {FIRST_KEY}")  # noqa: S608 - names from here
                rows(session, f"VACUUM (ANALYZE) {table}")
