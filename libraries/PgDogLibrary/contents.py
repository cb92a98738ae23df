"""The contents of two servers, read with COPY as the servers write them: a million rows are compared in a second."""

from __future__ import annotations

import io
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

import psycopg2
import pyarrow as pa
from psycopg2 import sql
from psycopg2.extensions import connection
from pyarrow import csv

from oracles.mirror import Compared, Difference, Kind, SequenceState, difference_of_sequences, differences

_Read = TypeVar("_Read")

# Every value is written in the same way on both servers, and to its last digit.
_SETTINGS = """SET LOCAL datestyle = 'ISO, YMD'; SET LOCAL timezone = 'UTC'; SET LOCAL intervalstyle = 'iso_8601';
SET LOCAL bytea_output = 'hex'; SET LOCAL extra_float_digits = 1; SET LOCAL client_encoding = 'UTF8';
SET LOCAL row_security = off; SET LOCAL search_path = pg_catalog"""

_TABLES = """
SELECT n.nspname, c.relname, a.attname, format_type(a.atttypid, a.atttypmod),
       array_position(i.indkey::smallint[], a.attnum)
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't'
  AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
ORDER BY n.nspname, c.relname, a.attnum"""

_SEQUENCES = """
SELECT s.schemaname || '.' || s.sequencename, s.last_value, tn.nspname, t.relname, a.attname
FROM pg_sequences s
JOIN pg_namespace n ON n.nspname = s.schemaname
JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = s.sequencename
JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype IN ('a', 'i')
     AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0
JOIN pg_class t ON t.oid = d.refobjid
JOIN pg_namespace tn ON tn.oid = t.relnamespace
JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid
WHERE s.increment_by > 0 ORDER BY 1"""


@dataclass(frozen=True, slots=True)
class Table:
    """A table as the catalogue describes it.

    Attributes:
        schema: it is in.
        name: of it.
        columns: name -> type, in their order.
        key: columns of the primary key, in its order; none where there is none.
    """

    schema: str
    name: str
    columns: Mapping[str, str]
    key: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"


def compare(
    primary: connection,
    mirror: connection,
    *,
    tables: Collection[str] | None = None,
    aside: Mapping[str, Collection[str]] | None = None,
) -> Compared:
    """Compare the contents of a database on two servers, each as it was at one instant.

    Args:
        primary: a session there in autocommit mode, of a role that sees everything.
        mirror: the same of the mirror.
        tables: as `schema.name`; None: every table that either of them has, and the sequences that fill columns.
        aside: table -> columns that each server fills by itself, which are not compared.

    Raises:
        AssertionError: a server cannot be read, saying which.
    """
    with _at_one_instant(primary, "primary"), _at_one_instant(mirror, "mirror"), ThreadPoolExecutor(2) as readers:

        def both(read: Callable[[connection], _Read]) -> tuple[_Read, _Read]:
            ones = readers.submit(_told, read, primary, "primary"), readers.submit(_told, read, mirror, "mirror")
            return ones[0].result(), ones[1].result()

        here, there = both(described)
        found: list[Difference] = []
        rows: dict[str, tuple[int, int]] = {}
        for name in [*here, *(name for name in there if name not in here)]:
            if tables is not None and name not in tables:
                continue
            shape = _difference_of_shapes(name, here.get(name), there.get(name))
            if shape is not None:
                found.append(shape)
                continue
            table, left_out = here[name], set((aside or {}).get(name, ()))
            a, b = both(lambda session, t=table, out=left_out: contents(session, t, out))  # type: ignore[misc]
            rows[name] = a.num_rows, b.num_rows
            found += differences(name, a, b, () if left_out & set(table.key) else table.key)
        if tables is None:
            found += difference_of_sequences(*both(sequences))
    return Compared(tuple(found), rows)


def described(session: connection) -> dict[str, Table]:
    """Return every table of a database by its name with its schema."""
    found: dict[tuple[str, str], list[tuple[str, str, int | None]]] = {}
    for schema, table, column, kind, place in _rows(session, _TABLES):
        found.setdefault((schema, table), []).append((column, kind, place))
    made = {}
    for (schema, name), columns in found.items():
        key = sorted((place, column) for column, _, place in columns if place is not None)
        table = Table(schema, name, {column: kind for column, kind, _ in columns}, tuple(column for _, column in key))
        made[str(table)] = table
    return made


def contents(session: connection, table: Table, aside: Collection[str] = ()) -> pa.Table:
    """Read a table: every column as text, in the order of its key.

    Args:
        session: in which values are written as `compare` does.
        table: as the catalogue describes it.
        aside: columns that are left out.
    """
    names = [name for name in table.columns if name not in aside]
    query = sql.SQL("SELECT {} FROM {}").format(
        sql.SQL(", ").join(map(sql.Identifier, names)), sql.Identifier(table.schema, table.name)
    )
    if table.key:
        query += sql.SQL(" ORDER BY {}").format(sql.SQL(", ").join(map(sql.Identifier, table.key)))
    return copied(session, query, names)


def copied(session: connection, query: sql.Composable, names: Sequence[str]) -> pa.Table:
    """Read the answer of a query with COPY, every column as text.

    Args:
        session: where it is asked.
        query: without parameters.
        names: of its columns.
    """
    buffer = io.BytesIO()
    with session.cursor() as cursor:
        cursor.copy_expert(sql.SQL("COPY ({}) TO STDOUT (FORMAT csv)").format(query), buffer)
    schema = pa.schema([(name, pa.string()) for name in names])
    if not buffer.tell():
        return schema.empty_table()
    buffer.seek(0)
    return csv.read_csv(
        buffer,
        csv.ReadOptions(column_names=list(names)),
        csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
        csv.ConvertOptions(
            column_types=schema, null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=False
        ),
    )


def sequences(session: connection) -> dict[str, SequenceState]:
    """Return the sequences that fill columns, with the largest value of each such column."""
    found = {}
    for name, last, schema, table, column in list(_rows(session, _SEQUENCES)):
        query = sql.SQL("SELECT max({})::bigint FROM {}").format(sql.Identifier(column), sql.Identifier(schema, table))
        [(highest,)] = _rows(session, query)
        found[name] = SequenceState(last, f"{schema}.{table}.{column}", highest)
    return found


def _difference_of_shapes(name: str, primary: Table | None, mirror: Table | None) -> Difference | None:
    if primary is None or mirror is None:
        only = "the mirror" if primary is None else "the primary"
        return Difference(name, Kind.TABLE, 1, f"it is only on {only}")
    if dict(primary.columns) != dict(mirror.columns) or primary.key != mirror.key:
        return Difference(name, Kind.TABLE, 1, f"{_shape(primary)} on the primary, {_shape(mirror)} on the mirror")
    return None


def _shape(table: Table) -> str:
    columns = ", ".join(f"{name} {kind}" for name, kind in table.columns.items())
    return f"({columns}) with key ({', '.join(table.key)})"


def _told(read: Callable[[connection], _Read], session: connection, whose: str) -> _Read:
    try:
        return read(session)
    except psycopg2.Error as error:
        raise AssertionError(f"the {whose} cannot be read: {str(error).strip()}") from None


@contextmanager
def _at_one_instant(session: connection, whose: str) -> Iterator[None]:
    """Read in one transaction, which sees everything as it was at its beginning, and end it."""
    _told(
        lambda own: own.cursor().execute(f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {_SETTINGS}"),
        session,
        whose,
    )
    try:
        yield
    finally:
        with suppress(psycopg2.Error):  # a session that is lost has told so already
            session.cursor().execute("ROLLBACK")


def _rows(session: connection, query: str | sql.Composable) -> Iterator[tuple[Any, ...]]:
    with session.cursor() as cursor:
        cursor.execute(query)
        yield from cursor.fetchall()
