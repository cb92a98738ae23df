"""Whether two answers hold the same rows: column by column with Arrow's kernels, never row by row.

Columns are found by name. What transports write in different ways is made equal first: widths of integers, kinds of
strings, instants as numbers or as text, nested values as JSON. The values themselves must be the same, every bit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

INSTANT = pa.timestamp("us", "UTC")
_NESTED = {"content": "json"}  # marks a column of JSON text: the order of keys in it means nothing
_SHOWN = 120  # characters of a value in a message


def table_of(rows: Sequence[Mapping[str, Any]], schema: pa.Schema) -> pa.Table:
    """Turn decoded JSON objects into a table with the columns of a schema, nested values as JSON text.

    Raises:
        AssertionError: the objects have other fields, or a value does not fit the type of its column.
    """
    if rows and set(rows[0]) != set(schema.names):
        raise AssertionError(f"columns differ: {sorted(schema.names)} in Arrow, {sorted(rows[0])} in JSON")
    columns = [_column(rows, field) for field in schema]
    fields = [
        pa.field(field.name, column.type, metadata=_NESTED if _is_nested(rows, field) else None)
        for field, column in zip(schema, columns, strict=True)
    ]
    return pa.table(columns, schema=pa.schema(fields))


def difference(
    a: pa.Table, b: pa.Table, names: tuple[str, str] = ("Flight", "HTTP"), *, key: str | None = None
) -> str | None:
    """Say what is the first difference between two tables; None when they hold the same.

    Args:
        a: one.
        b: the other.
        names: what they are called in the message.
        key: column by which rows are matched, in whatever order they come; None: the order counts too.
    """
    if set(a.column_names) != set(b.column_names):
        return f"columns differ: {sorted(a.column_names)} in {names[0]}, {sorted(b.column_names)} in {names[1]}"
    if key is not None:
        a, b = a.sort_by(key), b.sort_by(key)
        if (missing := _missing(a[key], b[key], key, names)) is not None:
            return missing
    if a.num_rows != b.num_rows:
        return f"{a.num_rows} rows in {names[0]}, {b.num_rows} in {names[1]}"
    for name in a.column_names:
        first, second = a[name], b[name]
        if _nested_in(a, name) or _nested_in(b, name):
            first, second = _canonical(first), _canonical(second)
        if (found := _first(name, first, second, names, None if key is None else a[key])) is not None:
            return found
    return None


def normal(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column in the one type that stands for all of its kind."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return normal(column.cast(kind.value_type))
    if pa.types.is_integer(kind):
        return column.cast(pa.int64())
    if pa.types.is_floating(kind):
        return column.cast(pa.float64())
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return column.cast(pa.string())
    if pa.types.is_timestamp(kind):
        return column.cast(pa.timestamp("us", kind.tz)).cast(INSTANT)
    return column


def _column(rows: Sequence[Mapping[str, Any]], field: pa.Field) -> pa.Array:
    """Put the values of one field into an array of a type; a value of another kind is never converted."""
    try:
        values: list[Any] = [row[field.name] for row in rows]
        if _is_nested(rows, field):
            values = [None if value is None else orjson.dumps(value).decode() for value in values]
        found = pa.array(values)
        if found.type == pa.null() or any(kind(found.type) for kind in _fitting(field.type)):
            return found.cast(INSTANT if pa.types.is_timestamp(field.type) else field.type)
        raise AssertionError(f"column '{field.name}' is {field.type} in Arrow and {found.type} in JSON")
    except KeyError:
        raise AssertionError(f"a row in JSON has no field '{field.name}'") from None
    except (pa.ArrowException, OverflowError) as error:
        what = f"column '{field.name}' of type {field.type} does not fit what came as JSON"
        raise AssertionError(f"{what}: {error}") from None


def _fitting(kind: pa.DataType) -> list[Callable[[pa.DataType], bool]]:
    """Return what JSON's values may be for a type of a column."""
    if pa.types.is_integer(kind):
        return [pa.types.is_integer]
    if pa.types.is_floating(kind):
        return [pa.types.is_floating, pa.types.is_integer]  # JSON writes 3.0 as 3
    if pa.types.is_boolean(kind):
        return [pa.types.is_boolean]
    return [pa.types.is_string]


def _first(name: str, a: pa.ChunkedArray, b: pa.ChunkedArray, names: tuple[str, str], key: Any) -> str | None:
    """Say where two columns of the same length differ for the first time."""
    try:
        a, b = _alike(normal(a), normal(b))
    except pa.ArrowException as error:
        return f"column '{name}' is {a.type} in {names[0]} and {b.type} in {names[1]}: {error}"
    if a.type != b.type:
        return f"column '{name}' is {a.type} in {names[0]} and {b.type} in {names[1]}"
    if a.equals(b):
        return None
    rows = np.flatnonzero(_differing(a, b))
    if not rows.size:
        return None  # NaN on both sides
    row = int(rows[0])
    where = f"row {row}" if key is None else f"the row {key[row].as_py()!r}"
    first, second = (_shown(column[row].as_py()) for column in (a, b))
    also = f" ({rows.size} of {len(a)} rows differ in it)"
    return f"column '{name}', {where}: {first} in {names[0]}, {second} in {names[1]}{also}"


def _alike(a: pa.ChunkedArray, b: pa.ChunkedArray) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
    """Read text as instants where the other side has instants, or where both write the same ones in two ways."""
    if pa.types.is_timestamp(a.type) and pa.types.is_string(b.type):
        return a, b.cast(INSTANT)
    if pa.types.is_timestamp(b.type) and pa.types.is_string(a.type):
        return a.cast(INSTANT), b
    if pa.types.is_string(a.type) and pa.types.is_string(b.type) and not a.equals(b):
        with suppress(pa.ArrowException):  # not all of it is instants: then it is compared as the text it is
            return a.cast(INSTANT), b.cast(INSTANT)
    return a, b


def _differing(a: pa.ChunkedArray, b: pa.ChunkedArray) -> Any:
    unequal = pc.fill_null(pc.not_equal(a, b), False)
    if pa.types.is_floating(a.type):
        unequal = pc.and_not(unequal, pc.fill_null(pc.and_(pc.is_nan(a), pc.is_nan(b)), False))
    one_is_null = pc.xor(pc.is_null(a), pc.is_null(b))
    return pc.or_(unequal, one_is_null).to_numpy()


def _missing(a: pa.ChunkedArray, b: pa.ChunkedArray, key: str, names: tuple[str, str]) -> str | None:
    for side, other, has, lacks in ((a, b, *names), (b, a, *reversed(names))):
        without = pc.invert(pc.is_in(side, value_set=pc.unique(other)))
        if (number := pc.sum(without).as_py() or 0) > 0:
            first = side.filter(without)[0].as_py()
            return f"{number} rows are in {has} and not in {lacks}, first by {key}: {first!r}"
    return None


def _is_nested(rows: Sequence[Mapping[str, Any]], field: pa.Field) -> bool:
    """Whether a field of the objects holds objects or lists; the first value that is not null tells."""
    if not pa.types.is_string(field.type):
        return False
    first = next((row[field.name] for row in rows if row.get(field.name) is not None), None)
    return isinstance(first, dict | list)


def _nested_in(table: pa.Table, name: str) -> bool:
    return (table.field(name).metadata or {}).get(b"content") == b"json"


def _canonical(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Write the JSON text of a column with its keys in order; what is no JSON stays as it is."""
    return pa.chunked_array([[None if text is None else _sorted(text) for text in column.to_pylist()]], pa.string())


def _sorted(text: str) -> str:
    try:
        return orjson.dumps(orjson.loads(text), option=orjson.OPT_SORT_KEYS).decode()
    except orjson.JSONDecodeError:
        return text


def _shown(value: object) -> str:
    text = value.isoformat() if isinstance(value, datetime) else repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}... ({len(text)} characters)"
