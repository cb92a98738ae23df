"""From a GraphQL document to SQL: parsed, validated, held against the limits, resolved, written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import pyarrow as pa
from graphql import (
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLError,
    get_operation_ast,
    parse,
    validate,
)
from graphql.execution.values import get_variable_values

from reference.fraiseql.gateway import limits as measuring
from reference.fraiseql.gateway.config import Limits
from reference.fraiseql.gateway.problems import Location, PlanProblem, refuse
from reference.fraiseql.gateway.schema import Schema
from reference.fraiseql.gateway.selection import Resolver, Root, Selected
from reference.fraiseql.gateway.statements import Statements

__all__ = ["Column", "Location", "Plan", "PlanProblem", "RootField", "plan"]

_MOST_TOKENS = 10_000  # of a document; parsing takes about 10 microseconds for each
_LONGEST_KEPT = 8192  # characters of a document that is worth keeping parsed


class Column(NamedTuple):
    """One column of a root field's rows."""

    name: str
    arrow: pa.DataType


@dataclass(frozen=True, slots=True)
class RootField:
    """One root field, and the statements that answer it.

    Args:
        name: the field.
        response_name: its name in the answer.
        is_list: whether it answers with a list of rows, or with one row or none.
        columns: what its rows have, in the order of the document.
        arrow_sql: gives the rows with typed columns of these names, which PostgreSQL cuts after 63 bytes.
        json_sql: gives each row as one JSON text without a line end.
        tables: names of the tables that are read or written.
    """

    name: str
    response_name: str
    is_list: bool
    columns: tuple[Column, ...]
    arrow_sql: str
    json_sql: str
    tables: frozenset[str]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be run for a request; `operation` is "query" or "mutation"."""

    operation: str
    fields: tuple[RootField, ...]

    @property
    def tables(self) -> frozenset[str]:
        """The tables that are read or written."""
        return frozenset().union(*(root.tables for root in self.fields))


def plan(
    schema: Schema,
    query: str,
    variables: Mapping[str, Any] | None,
    operation_name: str | None,
    limits: Limits,
    statements: type[Statements] = Statements,
) -> Plan:
    """Plan one operation of a document.

    Args:
        schema: what is served.
        query: the document.
        variables: values of the operation's variables.
        operation_name: which operation; None where the document has one.
        limits: what a document may ask for.
        statements: what writes the SQL.

    Raises:
        PlanProblem: it cannot be; the code says whose kind of mistake it is.
    """
    parsed = _kept(schema, query) if len(query) <= _LONGEST_KEPT else _parsed(schema, query)
    operation = get_operation_ast(parsed.document, operation_name)
    if operation is None:
        raise PlanProblem("REQUEST_ERROR", _no_operation(operation_name))
    wanted = operation.variable_definitions or ()
    values = get_variable_values(schema.graphql, wanted, dict(variables or {}), max_errors=1)
    if isinstance(values, list):
        refuse("BAD_USER_INPUT", values[0])
    resolver = Resolver(schema, parsed.fragments, operation, values)
    measuring.check(operation, parsed.fragments, values.coerced, limits)
    write = statements(schema)
    roots = tuple(_root_field(root, write) for root in resolver.roots(limits.page_size))
    return Plan(operation.operation.value, roots)


class _Parsed(NamedTuple):
    document: DocumentNode
    fragments: dict[str, FragmentDefinitionNode]


def _parsed(schema: Schema, query: str) -> _Parsed:
    try:
        document = parse(query, max_tokens=_MOST_TOKENS, allow_empty_selection_sets=False)
    except GraphQLError as error:
        refuse("PARSE_ERROR", error)
    problems = validate(schema.graphql, document, max_errors=1, allow_empty_selection_sets=False)
    if problems:
        refuse("VALIDATION_ERROR", problems[0])
    fragments = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}
    return _Parsed(document, fragments)


_kept = lru_cache(maxsize=256)(_parsed)


def _no_operation(name: str | None) -> str:
    return f"The document has no operation '{name}'" if name else "Which operation of the document is to be run?"


def _root_field(root: Root, write: Statements) -> RootField:
    if root.selection is None:
        columns: tuple[Column, ...] = (Column(root.response_name, pa.string()),)
        tables = frozenset[str]()
    else:
        columns = tuple(Column(write.name_of(one), _arrow(one)) for one in root.selection.fields)
        tables = root.selection.tables
    return RootField(root.name, write.name_of(root), root.is_list, columns, write.arrow(root), write.json(root), tables)


def _arrow(one: Selected) -> pa.DataType:
    return one.field.arrow if one.field else pa.string()
