"""Which statement a request's text holds, its format, and where an INSERT's rows begin."""

from __future__ import annotations

import pytest

from reference.clickhouse.errors import QueryError
from reference.clickhouse.statements import Insert, Query, parse


@pytest.mark.parametrize(
    ("text", "statement", "form"),
    [
        ("SELECT 1", "SELECT 1", None),
        ("select 1 format JSON", "select 1 ", "JSON"),
        ("SELECT 1 FORMAT ArrowStream;\n", "SELECT 1 ", "ArrowStream"),
        ("SELECT 1 FORMAT CSV SETTINGS max_threads = 1", "SELECT 1  SETTINGS max_threads = 1", "CSV"),
        ("SELECT 1 -- FORMAT JSON", "SELECT 1 -- FORMAT JSON", None),
        ("SELECT ' FORMAT JSON'", "SELECT ' FORMAT JSON'", None),
        ("SELECT 'it\\' FORMAT JSON'", "SELECT 'it\\' FORMAT JSON'", None),
        ("SELECT (SELECT 1 FORMAT JSON)", "SELECT (SELECT 1 FORMAT JSON)", None),
        ("SELECT format FROM t", "SELECT format FROM t", None),
        ("SELECT format('{}', a) FROM t /* FORMAT\n x */", "SELECT format('{}', a) FROM t /* FORMAT\n x */", None),
        ('SELECT `a;b`, ";" FROM t;', 'SELECT `a;b`, ";" FROM t', None),
        ("(SELECT 1) FORMAT CSV", "(SELECT 1) ", "CSV"),
    ],
)
def test_a_query_and_its_format(text: str, statement: str, form: str | None) -> None:
    assert parse(text.encode()) == Query(statement, form, selects=True)


@pytest.mark.parametrize(
    "text", ["SHOW TABLES", "CREATE TABLE t (a Int8) ENGINE = Memory", "DESCRIBE t", "", "EXPLAIN SELECT 1"]
)
def test_what_is_no_select(text: str) -> None:
    assert parse(text.encode()) == Query(text, None, selects=False)


@pytest.mark.parametrize(
    ("text", "statement", "form", "rows"),
    [
        (b"INSERT INTO t FORMAT CSV\n1,a\n", "INSERT INTO t ", "CSV", b"1,a\n"),
        (b"insert into t format CSV 1,a", "insert into t ", "CSV", b"1,a"),
        (b"INSERT INTO t (a, b) FORMAT Native\n\xff\x00'", "INSERT INTO t (a, b) ", "Native", b"\xff\x00'"),
        (b"INSERT INTO t FORMAT Native\n\n\nx", "INSERT INTO t ", "Native", b"\n\nx"),
        (b"INSERT INTO t FORMAT JSONEachRow\r\n{}", "INSERT INTO t ", "JSONEachRow", b"{}"),
        (b"INSERT INTO t SETTINGS a = 1 FORMAT TSV\n1", "INSERT INTO t SETTINGS a = 1 ", "TSV", b"1"),
        (b"INSERT INTO t VALUES (1, 'x')", "INSERT INTO t ", "Values", b" (1, 'x')"),
        (
            b"/* FORMAT CSV */ INSERT INTO `FORMAT x` VALUES(1)",
            "/* FORMAT CSV */ INSERT INTO `FORMAT x` ",
            "Values",
            b"(1)",
        ),
        (b"INSERT INTO t", "INSERT INTO t", "Values", b""),
    ],
)
def test_an_insert_and_its_rows(text: bytes, statement: str, form: str, rows: bytes) -> None:
    found = parse(text)
    assert isinstance(found, Insert)
    assert (found.text, found.format, text[found.data_at :]) == (statement, form, rows)


def test_rows_that_are_no_text_are_not_looked_at() -> None:
    rows = b"'" * 1_000_000 + b" FORMAT Other\n"
    assert parse(b"INSERT INTO t FORMAT Native\n" + rows) == Insert("INSERT INTO t ", "Native", 28)


def test_an_insert_of_a_query_is_a_statement_like_others() -> None:
    assert parse(b"INSERT INTO t SELECT 1 FORMAT CSV") == Query("INSERT INTO t SELECT 1 ", "CSV", selects=False)


@pytest.mark.parametrize("text", [b"SELECT 1; SELECT 2", b"DROP TABLE t; SELECT ';'", b"SELECT '\xff'"])
def test_what_is_refused(text: bytes) -> None:
    with pytest.raises(QueryError) as refused:
        parse(text)
    assert (refused.value.code, refused.value.name, refused.value.status) == (62, "SYNTAX_ERROR", 400)
