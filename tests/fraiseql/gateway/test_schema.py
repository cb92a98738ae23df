"""The schema: what its directives mean, and what is refused."""

from __future__ import annotations

import pyarrow as pa
import pytest

from reference.fraiseql.gateway.schema import SchemaProblem, load_schema, snake_case
from tests.fraiseql.gateway.programs import DATA

HEAD = """
directive @table(name: String!, key: String!) on OBJECT
directive @column(name: String!) on FIELD_DEFINITION
directive @many(column: String!) on FIELD_DEFINITION
directive @one(column: String!) on FIELD_DEFINITION
scalar BigInt
scalar DateTime
scalar Colour
"""
THING = 'type Thing @table(name: "tb_thing", key: "pk") { id: ID! size: Int colour: Colour }\n'


def refusal(tmp_path, text):
    file = tmp_path / "schema.graphql"
    file.write_text(HEAD + text)
    with pytest.raises(SchemaProblem) as caught:
        load_schema(file)
    line = str(caught.value)
    assert line.startswith(str(file))
    assert "\n" not in line
    return line.removeprefix(f"{file}: ")


def test_the_schema_of_the_criteria_is_read():
    schema = load_schema(DATA / "schema.graphql")
    user, order = schema.tables["User"], schema.tables["Order"]
    assert (user.table, user.key, order.table, order.key) == ("tb_user", "pk_user", "tb_order", "id")
    assert user.fields["createdAt"].column == "created_at"
    assert user.fields["createdAt"].arrow == pa.timestamp("us", "UTC")
    assert [order.fields[name].arrow for name in ("id", "quantity", "total", "status", "user")] == [
        pa.int64(), pa.int32(), pa.float64(), pa.string(), pa.string(),
    ]  # fmt: skip
    many, one = user.fields["orders"].link, order.fields["user"].link
    assert many is not None
    assert one is not None
    assert (many.target, many.column, many.many) == ("Order", "fk_user", True)
    assert (one.target, one.column, one.many) == ("User", "fk_user", False)


def test_a_column_may_have_another_name(tmp_path):
    file = tmp_path / "schema.graphql"
    file.write_text(HEAD + """
        type Thing @table(name: "s.tb_thing", key: "pk") { id: ID! size: Int @column(name: "Größe") }
        type Query { things: [Thing!]! }""")  # fmt: skip
    assert load_schema(file).tables["Thing"].fields["size"].column == "Größe"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("type Query { a: Thing }", "is no valid schema (Unknown type 'Thing'"),
        ("type Thing { id: ID! }", "is no valid schema (Query root type must be provided.)"),
        ("type Query {", "is no valid schema (Syntax Error: Expected Name, found <EOF>.)"),
        ("type Query { a: Int }", "Query.a does not answer with rows; let it answer with a type that has a @table"),
        ("type Thing { id: ID! } type Query { a: Thing }", 'Thing has no table; add @table(name: "...", key: "...")'),
        (THING + "type Query { a: Thing }", "Thing.colour is of type Colour; use ID, String, Int, BigInt, Float,"),
        ('type T @table(name: "t", key: "k") { b: [Int] } type Query { a: T }', "T.b is of type [Int]; use ID,"),
        ('type T @table(name: "t", key: "k") { b: T } type Query { a: T }', "T.b leads nowhere; add @one(column:"),
        ('type T @table(name: "t", key: "k") { b: [T] } type Query { a: T }', "T.b leads nowhere; add @many(column:"),
        ('type T @table(name: "t", key: "k") { b: Int } type Query { a(c: Int): T }',
         "Query.a(c) names c; name a column of T"),
        ('type T @table(name: "t", key: "k") { b: Int } input W { d: Int } type Query { a(where: W): [T] }',
         "Query.a(where) names d; name a column of T"),
        ('type T @table(name: "t", key: "k") { b: Int o: T @one(column: "c") } type Query { a(o: Int): T }',
         "Query.a(o) names o; name a column of T"),
        ('type T @table(name: "t", key: "k") { b: Int } type Query { a: T } type Mutation { c(tId: ID): T }',
         "Mutation.c(tId) names tId; name a column of T"),
    ],
)  # fmt: skip
def test_a_mistake_is_named(tmp_path, text, says):
    assert says in refusal(tmp_path, text)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(SchemaProblem, match=r"none\.graphql cannot be read"):
        load_schema(tmp_path / "none.graphql")


@pytest.mark.parametrize(
    ("name", "column"),
    [("id", "id"), ("createdAt", "created_at"), ("a1B2c", "a1_b2c"), ("customerName", "customer_name")],
)
def test_the_column_of_a_field_is_its_name_in_snake_case(name, column):
    assert snake_case(name) == column
