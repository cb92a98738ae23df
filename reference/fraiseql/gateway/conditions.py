"""Arguments that choose and order rows, as SQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from reference.fraiseql.gateway.literals import array, identifier, literal
from reference.fraiseql.gateway.problems import PlanProblem
from reference.fraiseql.gateway.schema import Table

_Operator = Callable[[str, Any, str], str]  # (column, value, type) -> condition


def _comparison(sign: str) -> _Operator:
    return lambda column, value, sql_type: f"{column} {sign} {literal(value, sql_type)}"


_OPERATORS: Mapping[str, _Operator] = {
    "eq": _comparison("="),
    "neq": _comparison("<>"),
    "gt": _comparison(">"),
    "gte": _comparison(">="),
    "lt": _comparison("<"),
    "lte": _comparison("<="),
    "in": lambda column, value, sql_type: f"{column} = ANY ({array(value, sql_type)})",
    "isnull": lambda column, value, _: f"{column} IS {'' if value else 'NOT '}NULL",
    "contains": lambda column, value, sql_type: f"strpos({column}, {literal(value, sql_type)}) > 0",
    "startswith": lambda column, value, sql_type: f"starts_with({column}, {literal(value, sql_type)})",
}


def condition(table: Table, alias: str, where: Mapping[str, Mapping[str, Any] | None]) -> list[str]:
    """Return what must all be true of a row: {field: {operator: value}}.

    Raises:
        PlanProblem: a value is null, which only isnull asks for.
    """
    return [part for name, asked in where.items() for part in _asked(table, alias, name, asked or {})]


def _asked(table: Table, alias: str, name: str, asked: Mapping[str, Any]) -> Iterator[str]:
    field = table.fields[name]
    assert field.scalar, "load_schema lets only columns be filters"
    for operator, value in asked.items():
        if value is None:
            raise PlanProblem("BAD_USER_INPUT", f"{name}.{operator} is null; ask for null with isnull")
        yield _OPERATORS[operator](f"{alias}.{identifier(field.column)}", value, field.scalar.sql)


def order(table: Table, alias: str, asked: Sequence[Mapping[str, str | None]]) -> str:
    """Return the order of rows: what was asked for, then the key of the table.

    Raises:
        PlanProblem: an entry does not name exactly one field, so that the order is not known.
    """
    parts = []
    for entry in asked:
        named = [(name, direction) for name, direction in entry.items() if direction]
        if len(named) != 1:
            raise PlanProblem("BAD_USER_INPUT", "An entry of orderBy names one field; put each in an entry of its own")
        ((name, direction),) = named
        parts.append(f"{alias}.{identifier(table.fields[name].column)} {direction}")
    return ", ".join([*parts, f"{alias}.{identifier(table.key)}"])
