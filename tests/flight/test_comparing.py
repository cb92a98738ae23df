from __future__ import annotations

import time
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from FlightLibrary.comparing import difference, table_of
from tests.flight.tiny import users

INSTANT = pa.timestamp("us", "UTC")


def told(*tables, **how):
    """The difference there is, as text."""
    text = difference(*tables, **how)
    assert text is not None
    return text


def swapped(table, first, second):
    names = [{first: second, second: first}.get(name, name) for name in table.column_names]
    return table.rename_columns(names)


def test_a_table_equals_itself_and_its_columns_in_another_order():
    table = users(100)
    assert difference(table, table) is None
    assert difference(table, table.select(list(reversed(table.column_names)))) is None


def test_chunks_and_kinds_of_the_same_content_do_not_differ():
    a = pa.table({"n": pa.chunked_array([[1], [2, None]], pa.int32()), "s": pa.array(["a", None, "b"])})
    b = pa.table({"n": pa.array([1, 2, None], pa.int64()), "s": pa.array(["a", None, "b"], pa.large_string())})
    c = pa.table({"n": [1, 2, None], "s": pa.array(["a", None, "b"]).dictionary_encode()})
    assert difference(a, b) is None
    assert difference(b, c) is None


def test_instants_are_the_same_as_numbers_of_any_unit_and_as_text():
    a = pa.table({"t": pa.array([1_000_000, None], INSTANT)})
    assert difference(a, pa.table({"t": pa.array([1_000_000_000, None], pa.timestamp("ns", "UTC"))})) is None
    assert difference(a, pa.table({"t": ["1970-01-01T00:00:01+00:00", None]})) is None
    assert difference(pa.table({"t": ["1970-01-01T02:00:01+02:00", None]}), a) is None
    assert "column 't', row 0" in told(a, pa.table({"t": ["1970-01-01T00:00:01.000001+00:00", None]}))


def test_instants_that_both_sides_write_as_text_are_the_same_in_any_writing_of_them():
    a, b = pa.table({"t": ["1970-01-01T00:00:01.000070+00:00"]}), pa.table({"t": ["1970-01-01T02:00:01.00007+02:00"]})
    assert difference(a, b) is None
    later = pa.table({"t": ["1970-01-01T00:00:01.000071+00:00"]})
    assert "01.000070+00:00 in Flight, 1970-01-01T00:00:01.000071+00:00 in HTTP" in told(a, later)
    beside_words = [pa.table({"t": [*table["t"].to_pylist(), "soon"]}) for table in (a, b)]
    assert "row 0" in told(*beside_words)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"n": [1, 2, 4]}, "column 'n', row 2: 3 in Flight, 4 in HTTP (1 of 3 rows differ in it)"),
        ({"n": [1, None, None]}, "column 'n', row 1: 2 in Flight, None in HTTP (2 of 3 rows differ in it)"),
        ({"n": [1, 2]}, "3 rows in Flight, 2 in HTTP"),
        ({"m": [1, 2, 3]}, "columns differ: ['n'] in Flight, ['m'] in HTTP"),
        ({"n": ["1", "2", "3"]}, "column 'n' is int64 in Flight and string in HTTP"),
        ({"n": [1.0, 2.0, 3.0]}, "column 'n' is int64 in Flight and double in HTTP"),
    ],
)
def test_the_first_difference_is_told(wrong, message):
    assert difference(pa.table({"n": [1, 2, 3]}), pa.table(wrong)) == message


def test_big_integers_are_compared_exactly():
    a, b = pa.table({"n": [2**62, 9007199254740993]}), pa.table({"n": [2**62, 9007199254740992]})
    assert "9007199254740993 in Flight, 9007199254740992 in HTTP" in told(a, b)


def test_not_a_number_equals_itself_and_nothing_else():
    a, b = pa.table({"x": [np.nan, 1.0]}), pa.table({"x": [np.nan, 2.0]})
    assert difference(a, a) is None
    assert "row 1: 1.0 in Flight, 2.0 in HTTP (1 of 2" in told(a, b)


def test_texts_that_only_look_alike_differ():
    a, b = pa.table({"s": ["\u00e9", "a "]}), pa.table({"s": ["e\u0301", "a"]})
    assert "(2 of 2 rows differ in it)" in told(a, b)


def test_swapped_columns_are_seen():
    table = users(10)
    assert "column 'name', row 0: 'Zoë 🚀 0' in Flight" in told(table, swapped(table, "name", "email"))


def test_rows_are_matched_by_key_in_whatever_order():
    table = users(50)
    shuffled = table.take(np.random.default_rng(7).permutation(50))
    assert difference(table, shuffled) is not None
    assert difference(table, shuffled, key="id") is None
    changed = shuffled.set_column(1, "name", pa.array(["x"] * 50))
    assert "column 'name', the row '00000000-0000-4000-8000-000000000000'" in told(table, changed, key="id")


def test_missing_and_repeated_rows_are_told_by_their_key():
    table = users(5)
    less, twice = table.slice(1), pa.concat_tables([table, table.slice(0, 1)])
    missing = "1 rows are in {} and not in {}, first by id: '00000000-0000-4000-8000-000000000000'"
    assert difference(table, less, key="id") == missing.format("Flight", "HTTP")
    assert difference(less, table, key="id") == missing.format("HTTP", "Flight")
    assert difference(table, twice, key="id") == "5 rows in Flight, 6 in HTTP"


def test_json_becomes_a_table_of_the_same_types():
    rows: list[dict[str, Any]] = [
        {"n": 2**62, "x": 1, "s": "Zoë", "t": "2026-01-25T12:39:00.5+00:00", "b": True},
        {"n": None, "x": None, "s": None, "t": None, "b": None},
    ]
    schema = pa.schema([("b", pa.bool_()), ("n", pa.int64()), ("x", pa.float64()), ("s", pa.string()), ("t", INSTANT)])
    table = table_of(rows, schema)
    assert table.schema.equals(schema)
    assert table["t"].to_pylist()[0].isoformat() == "2026-01-25T12:39:00.500000+00:00"
    assert table["x"].to_pylist() == [1.0, None]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"n": "1"}], "column 'n' is int64 in Arrow and string in JSON"),
        ([{"n": 1.5}], "column 'n' is int64 in Arrow and double in JSON"),
        ([{"n": True}], "column 'n' is int64 in Arrow and bool in JSON"),
        ([{"n": 1}, {"n": "1"}], "column 'n' of type int64 does not fit"),
        ([{"n": 2**64}], "column 'n' of type int64 does not fit"),
        ([{"m": 1}], r"columns differ: \['n'\] in Arrow, \['m'\] in JSON"),
        ([{"n": 1}, {}], "a row in JSON has no field 'n'"),
    ],
)
def test_json_that_does_not_fit_is_told(rows, message):
    with pytest.raises(AssertionError, match=message):
        table_of(rows, pa.schema([("n", pa.int64())]))


def test_nested_values_are_the_same_in_any_order_of_their_keys():
    schema = pa.schema([("id", pa.int64()), ("orders", pa.string())])
    json = table_of([{"id": 1, "orders": [{"id": 7, "total": 1.5}]}, {"id": 2, "orders": []}], schema)
    same = pa.table({"id": [1, 2], "orders": ['[{"total": 1.5, "id": 7}]', "[]"]})
    other = pa.table({"id": [1, 2], "orders": ['[{"total": 1.5, "id": 8}]', "[]"]})
    assert difference(same, json) is None
    assert "column 'orders', row 0" in told(other, json)


def test_text_that_happens_to_be_json_is_text():
    assert difference(pa.table({"s": ['{"id": 1}']}), pa.table({"s": ['{"id":1}']})) is not None


def test_a_million_rows_take_moments():
    table = users(100_000)
    table = pa.concat_tables([table] * 10)
    begin = time.process_time()
    assert difference(table, table.slice(0)) is None
    other = table.set_column(5, "visits", pa.compute.add(table["visits"], 1))
    assert "1000000 of 1000000" in told(table, other)
    assert time.process_time() - begin < 3
