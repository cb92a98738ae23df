"""SQL that asks for something else than the document does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reference.fraiseql.gateway.schema import Field, Link, Table
from reference.fraiseql.gateway.selection import Root, Selected, Selection
from reference.fraiseql.gateway.statements import Statements


class Unlimited(Statements):
    """Leaves the limit out."""

    def _pages(self, arguments: Mapping[str, Any], word: str) -> bool:
        return word != "limit" and super()._pages(arguments, word)


class SwappedColumns(Statements):
    """Gives two columns of one type each other's values, over Flight."""

    def _columns(self, selection: Selection, alias: str) -> Iterator[tuple[str, str]]:
        return _swapped(selection, list(super()._columns(selection, alias)))


class SwappedMembers(Statements):
    """Gives two fields of one type each other's values, over HTTP."""

    def _members(self, selection: Selection, alias: str) -> Iterator[tuple[str, str]]:
        return _swapped(selection, list(super()._members(selection, alias)))


class WithoutAliases(Statements):
    """Calls every field what the schema calls it."""

    def name_of(self, one: Root | Selected) -> str:
        """See `Statements.name_of`."""
        if isinstance(one, Root):
            return one.name
        return one.field.name if one.field else one.name


class MixedUp(Statements):
    """Gives a row the list of nested rows of the one after it."""

    def _linked(self, link: Link, table: Table, other: Table, alias: str, below: str) -> str:
        return super()._linked(link, table, other, alias, below) + (" + 1" if link.many else "")


class NumbersAsText(Statements):
    """Writes numbers of 64 bits in quotes."""

    def _scalar(self, field: Field, value: str) -> str:
        assert field.scalar
        if field.scalar.name != "BigInt":
            return super()._scalar(field, value)
        return f"""coalesce('"'||{value}||'"','null')"""


def _swapped(selection: Selection, given: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Yield names with the values of the other where the first two of one scalar type are."""
    kinds = [one.field.scalar.name if one.field and one.field.scalar else "" for one in selection.fields]
    first = next((n for n, kind in enumerate(kinds) if kind and kind in kinds[n + 1 :]), None)
    if first is not None:
        second = kinds.index(kinds[first], first + 1)
        (one, a), (other, b) = given[first], given[second]
        given[first], given[second] = (one, b), (other, a)
    return iter(given)
