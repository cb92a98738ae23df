"""The GraphQL schema, and what its directives say about where its types are in PostgreSQL."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pyarrow as pa
from graphql import (
    GraphQLError,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLObjectType,
    GraphQLSchema,
    StringValueNode,
    assert_valid_schema,
    build_schema,
    get_named_type,
    get_nullable_type,
    is_list_type,
)

from reference.fraiseql.gateway.scalars import SCALARS, Scalar, equip

PAGE_ARGUMENTS = frozenset({"limit", "offset", "where", "orderBy"})
_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


class SchemaProblem(Exception):
    """Why a schema cannot be served; one line."""


@dataclass(frozen=True, slots=True)
class Link:
    """How a field leads to other rows.

    Args:
        target: name of the type of those rows.
        column: the foreign key: of the other rows where there are many, of this row where there is one.
        many: whether there is a list of them.
    """

    target: str
    column: str
    many: bool


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a type: a column (`scalar` is set), or a way to other rows (`link` is set)."""

    name: str
    column: str
    scalar: Scalar | None = None
    link: Link | None = None

    @property
    def arrow(self) -> pa.DataType:
        """The type of this field's column in Arrow; rows inside rows are JSON text."""
        return self.scalar.arrow if self.scalar else pa.string()


@dataclass(frozen=True, slots=True)
class Table:
    """A type of the schema and the table that holds its rows, one by one told apart by a key."""

    name: str
    table: str
    key: str
    fields: Mapping[str, Field]


@dataclass(frozen=True, eq=False)
class Schema:
    """What is served."""

    graphql: GraphQLSchema
    tables: Mapping[str, Table]


def load_schema(path: Path) -> Schema:
    """Read a schema in the schema definition language.

    Raises:
        SchemaProblem: it cannot be read or served.
    """
    try:
        graphql = build_schema(path.read_text(encoding="utf-8"))
        assert_valid_schema(graphql)
    except (OSError, UnicodeDecodeError) as error:
        raise SchemaProblem(f"{path} cannot be read ({error}); name a file that can") from None
    except (GraphQLError, TypeError) as error:
        reason = str(error).split("\n")[0]
        raise SchemaProblem(f"{path} is no valid schema ({reason}); correct it there") from None
    equip(graphql)
    return _Reader(path, graphql).schema()


class _Reader:
    """Turns the directives of one schema into tables."""

    def __init__(self, path: Path, graphql: GraphQLSchema) -> None:
        self._path, self._graphql = path, graphql

    def schema(self) -> Schema:
        roots = [root for root in (self._graphql.query_type, self._graphql.mutation_type) if root]
        kinds = {
            name: kind
            for name, kind in self._graphql.type_map.items()
            if isinstance(kind, GraphQLObjectType) and not name.startswith("__") and kind not in roots
        }
        tables = {name: self._table(kind) for name, kind in kinds.items()}
        for kind in (*roots, *kinds.values()):
            for name, field in kind.fields.items():
                place, target = f"{kind.name}.{name}", tables.get(get_named_type(field.type).name)
                if target is None and kind in roots:
                    self._refuse(place, "does not answer with rows", "let it answer with a type that has a @table")
                if target is not None:
                    self._check_arguments(place, field, target, kind is self._graphql.mutation_type)
        return Schema(self._graphql, tables)

    def _table(self, kind: GraphQLObjectType) -> Table:
        name, key = self._directive(kind, "table", "name"), self._directive(kind, "table", "key")
        if not name or not key:
            self._refuse(kind.name, "has no table", 'add @table(name: "...", key: "...")')
        return Table(kind.name, name, key, {n: self._field(kind, n, f) for n, f in kind.fields.items()})

    def _field(self, owner: GraphQLObjectType, name: str, definition: GraphQLField) -> Field:
        place, target = f"{owner.name}.{name}", get_named_type(definition.type)
        listed = is_list_type(get_nullable_type(definition.type))
        if isinstance(target, GraphQLObjectType):
            way = "many" if listed else "one"
            column = self._directive(definition, way, "column")
            if not column:
                self._refuse(place, "leads nowhere", f'add @{way}(column: "...")')
            return Field(name, column, link=Link(target.name, column, listed))
        if listed or target.name not in SCALARS:
            self._refuse(
                place, f"is of type {definition.type}", f"use {', '.join(SCALARS)} or a type that has a @table"
            )
        column = self._directive(definition, "column", "name") or snake_case(name)
        return Field(name, column, scalar=SCALARS[target.name])

    def _check_arguments(self, place: str, field: GraphQLField, table: Table, inserts: bool) -> None:
        """Every argument, and every field of where and orderBy, is a column (or userId, for the field user)."""
        for name, argument in field.args.items():
            kind = get_named_type(argument.type)
            asked = [name]
            if not inserts and name in PAGE_ARGUMENTS:
                asked = list(kind.fields) if isinstance(kind, GraphQLInputObjectType) else []
            for one in asked:
                known = table.fields.get(one) or (table.fields.get(one.removesuffix("Id")) if inserts else None)
                if known is None or (known.scalar is None and (not inserts or one == known.name)):
                    self._refuse(f"{place}({name})", f"names {one}", f"name a column of {table.name}")

    def _directive(self, owner: GraphQLObjectType | GraphQLField, name: str, argument: str) -> str | None:
        """Return the value of a directive's argument, where the directive is there."""
        nodes = (owner.ast_node.directives if owner.ast_node else None) or ()
        values = {a.name.value: a.value for node in nodes if node.name.value == name for a in node.arguments or ()}
        value = values.get(argument)
        return value.value if isinstance(value, StringValueNode) else None

    def _refuse(self, what: str, problem: str, cure: str) -> NoReturn:
        raise SchemaProblem(f"{self._path}: {what} {problem}; {cure}")


def snake_case(name: str) -> str:
    """Return the column of a field that names none: createdAt -> created_at."""
    return _WORD_START.sub("_", name).lower()
