"""Column-oriented views as PostgreSQL defines them, and how one block of their rows is read."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pyarrow as pa

from reference.fraiseql.gateway.flight.database import Session
from reference.fraiseql.gateway.flight.errors import Unknown
from reference.fraiseql.gateway.flight.patience import Patience
from reference.fraiseql.gateway.literals import string

BLOCK_KEYS = 10_000  # keys of one block, as in core.block_version
# As PostgreSQL prints a plain selection from one table in the order of its key: three spaces, two spaces.
_PLAIN = re.compile(
    r"(?P<rows> SELECT .*\n   FROM (?P<table>(?:\w+\.)?\w+)(?: \w+)?)\n  ORDER BY (?P<key>(?:\w+\.)?\w+);", re.DOTALL
)


class ViewProblem(Exception):
    """Why a view cannot be kept as blocks."""


@dataclass(frozen=True, slots=True)
class View:
    """One view.

    Args:
        name: of the view.
        table: whose rows it shows.
        selection: its SELECT, up to where a WHERE belongs.
        key: the table's key, as that SELECT may name it.
        schema: its columns.
    """

    name: str
    table: str
    selection: str
    key: str
    schema: pa.Schema

    def block(self, number: int) -> str:
        """Return the statement that reads the rows of one block: of one key / 10 000, rounded towards zero."""
        first = number * BLOCK_KEYS if number > 0 else (number - 1) * BLOCK_KEYS + 1
        last = number * BLOCK_KEYS if number < 0 else (number + 1) * BLOCK_KEYS - 1
        return f"{self.selection}\n  WHERE {self.key} BETWEEN {first} AND {last}\n  ORDER BY {self.key}"


def find(name: str, session: Session, patience: Patience) -> View:
    """Look a view up.

    Raises:
        Unknown: there is none.
        ViewProblem: it is no plain selection from one table in the order of the key its blocks are counted by.
    """
    found = session.run(_DEFINITION.format(name=string(name)), patience).to_pylist()
    if not found:
        raise Unknown(f"There is no view {name}")
    plain = _PLAIN.fullmatch(found[0]["definition"])
    if plain is None:
        raise ViewProblem(f"view {name} is no plain selection from one table in the order of its key")
    table, key = plain["table"], plain["key"]
    counted = session.run(_COUNTED.format(table=string(table)), patience).to_pylist()
    if not counted or counted[0]["key"] != key.rpartition(".")[2]:
        raise ViewProblem(f"view {name}: changes of table {table} are not counted in blocks of {key}")
    schema = session.whole(f"{plain['rows']}\n  WHERE false", patience).schema
    return View(name, table.rpartition(".")[2], plain["rows"], key, schema)


_DEFINITION = """
SELECT pg_get_viewdef(oid, true) AS definition FROM pg_class
WHERE relname = {name} AND relkind = 'v' AND pg_table_is_visible(oid)"""
_COUNTED = """
SELECT trim(trailing '\\000' FROM encode(tgargs, 'escape')) AS key FROM pg_trigger
WHERE tgrelid = {table}::regclass AND tgname = 'blocks_changed'"""
