"""The scalar types: how each is taken in, stored in PostgreSQL, written as JSON, and typed in Arrow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
from graphql import (
    ConstValueNode,
    GraphQLError,
    GraphQLScalarType,
    GraphQLSchema,
    IntValueNode,
    StringValueNode,
)

_LARGEST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Scalar:
    """One scalar type.

    Args:
        name: its name in GraphQL.
        sql: its type in PostgreSQL.
        arrow: its type in Arrow.
        json: SQL that writes a value as JSON, null as null; {} stands for the value.
        column: SQL that gives a value as Arrow is to have it; {} stands for the value.
    """

    name: str
    sql: str
    arrow: pa.DataType
    json: str
    column: str = "{}"


SCALARS: Mapping[str, Scalar] = {
    scalar.name: scalar
    for scalar in (
        Scalar("ID", "uuid", pa.string(), """'"'||{}||'"'""", "{}::text"),
        Scalar("String", "text", pa.string(), "to_json({})::text"),
        Scalar("Int", "integer", pa.int32(), "{}::text"),
        Scalar("BigInt", "bigint", pa.int64(), "{}::text"),
        Scalar("Float", "double precision", pa.float64(), "to_json({})::text"),  # not NaN as it is: that is no JSON
        Scalar("Boolean", "boolean", pa.bool_(), "{}::text"),
        Scalar("DateTime", "timestamptz", pa.timestamp("us", "UTC"), "to_json({})::text"),
    )
}


def equip(schema: GraphQLSchema) -> None:
    """Let the scalars of a schema that GraphQL does not have, and its ids, take only what their columns can."""
    for name, (of_value, of_literal) in _INPUTS.items():
        scalar = schema.type_map.get(name)
        if isinstance(scalar, GraphQLScalarType):
            scalar.coerce_input_value = of_value
            scalar.coerce_input_literal = of_literal


def _big_int(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not -_LARGEST - 1 <= value <= _LARGEST:
        raise GraphQLError(f"BigInt cannot represent {value!r:.60}: it is not a whole number of 64 bits.")
    return value


def _big_int_literal(node: ConstValueNode) -> Any:
    if not isinstance(node, IntValueNode) or len(node.value) > len(str(-_LARGEST)):
        raise GraphQLError("BigInt takes a whole number of 64 bits.", node)
    return _located(_big_int, int(node.value), node)


def _date_time(value: Any) -> str:
    try:
        instant = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise GraphQLError(f"DateTime cannot represent {value!r:.60}: it is not an RFC 3339 instant.") from None
    if instant.tzinfo is None:
        raise GraphQLError(f"DateTime cannot represent {value!r:.60}: it has no offset from UTC.")
    return instant.isoformat()


def _date_time_literal(node: ConstValueNode) -> Any:
    return _located(_date_time, node.value if isinstance(node, StringValueNode) else None, node)


def _located(read: Callable[[Any], Any], value: object, node: ConstValueNode) -> Any:
    try:
        return read(value)
    except GraphQLError as error:
        raise GraphQLError(error.message, node) from None


_INPUTS: Mapping[str, tuple[Callable[[Any], Any], Callable[[ConstValueNode], Any]]] = {
    "BigInt": (_big_int, _big_int_literal),
    "DateTime": (_date_time, _date_time_literal),
}
