"""The planner: what is refused, by which code, and what is held against the limits."""

from __future__ import annotations

import time
from contextlib import suppress

import adbc_driver_postgresql.dbapi as adbc
import pytest

from reference.fraiseql.gateway.config import Limits
from reference.fraiseql.gateway.literals import string
from reference.fraiseql.gateway.planner import PlanProblem, plan
from reference.fraiseql.gateway.schema import load_schema
from tests.fraiseql.gateway.programs import DATA

SCHEMA = load_schema(DATA / "schema.graphql")
ANY = Limits(100, 10**9, 1000, None)


def planned(query, variables=None, name=None, limits=ANY):
    return plan(SCHEMA, query, variables, name, limits)


def refused(query, variables=None, name=None, limits=ANY):
    with pytest.raises(PlanProblem) as caught:
        planned(query, variables, name, limits)
    return caught.value


@pytest.mark.parametrize(
    ("query", "code", "message", "place"),
    [
        ("{", "PARSE_ERROR", "Syntax Error: Expected Name, found <EOF>.", (1, 2)),
        ("{ users {} }", "PARSE_ERROR", "Expected Name, found '}'", (1, 10)),
        ("{ users(limit: 1) {\n id colour } }", "VALIDATION_ERROR", "Cannot query field 'colour'", (2, 5)),
        ("{ users(size: 1) { id } }", "VALIDATION_ERROR", "Unknown argument 'size'", (1, 9)),
        ("{ users }", "VALIDATION_ERROR", "must have a selection of subfields", (1, 3)),
        ("{ users(limit: 1.5) { id } }", "VALIDATION_ERROR", "Int cannot represent non-integer value: 1.5", (1, 16)),
        ("{ users(limit: 2147483648) { id } }", "VALIDATION_ERROR", "Int", (1, 16)),
        ("{ users(where: {visits: {gt: 9223372036854775808}}) { id } }", "VALIDATION_ERROR", "64 bits", (1, 30)),
        ('{ users(where: {createdAt: {gt: "now"}}) { id } }', "VALIDATION_ERROR", "RFC 3339", (1, 33)),
        ('{ users(where: {createdAt: {gt: "2026-01-01T00:00:00"}}) { id } }', "VALIDATION_ERROR", "offset", (1, 33)),
        ("fragment A on User { ...A } { users { ...A } }", "VALIDATION_ERROR", "Cannot spread fragment", (1, 22)),
        ("subscription { users { id } }", "VALIDATION_ERROR", "", None),
        ("{ users(limit: -1) { id } }", "BAD_USER_INPUT", "limit is -1; it cannot be negative", None),
        ("{ users { orders(limit: -2) { id } } }", "BAD_USER_INPUT", "limit is -2", None),
        ('{ user(id: "12") { id } }', "BAD_USER_INPUT", "ID cannot represent '12': it is not a UUID.", None),
        ("{ users(where: {bio: {eq: null}}) { id } }", "BAD_USER_INPUT", "ask for null with isnull", None),
        ("{ users(orderBy: [{id: ASC, name: ASC}]) { id } }", "BAD_USER_INPUT", "An entry of orderBy", None),
        ("{ __schema { types { name } } }", "INTROSPECTION_DISABLED", "Introspection is disabled", None),
        ('{ ...A } fragment A on Query { __type(name: "User") { name } }', "INTROSPECTION_DISABLED", "", None),
        ("query A { __typename } query B { __typename }", "REQUEST_ERROR", "Which operation", None),
        ("fragment A on User { id }", "VALIDATION_ERROR", "never used", (1, 1)),
    ],
)
def test_what_is_wrong_is_told_by_code_message_and_place(query, code, message, place):
    problem = refused(query)
    assert (problem.code, message in problem.message) == (code, True), problem.message
    assert place is None or problem.locations[0] == place


@pytest.mark.parametrize(
    ("declared", "value"),
    [("Int!", None), ("Int", "1"), ("Int", 2**31), ("Int", True), ("Int", -1), ("BigInt", 2**63), ("BigInt", 1.5)],
)
def test_variables_that_do_not_fit_are_bad_input(declared, value):
    use = "limit: $v" if declared.startswith("Int") else "where: {visits: {eq: $v}}"
    query = f"query($v: {declared}) {{ users({use}) {{ id }} }}"
    assert refused(query, {"v": value}).code == "BAD_USER_INPUT"


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
def test_texts_that_postgresql_cannot_hold_are_bad_input(text):
    query = "query($t: String) { users(where: {name: {eq: $t}}) { id } }"
    assert refused(query, {"t": text}).code == "BAD_USER_INPUT"


@pytest.mark.parametrize(
    ("text", "literal"), [("plain", "'plain'"), ("O'Brien", "'O''Brien'"), ("a\\'b", r" E'a\\''b'"), ("", "''")]
)
def test_texts_mean_the_same_whatever_the_session_makes_of_a_backslash(text, literal):
    assert string(text) == literal


def test_an_operation_that_is_not_there_is_named():
    problem = refused("query A { __typename }", name="B")
    assert (problem.code, problem.message) == ("REQUEST_ERROR", "The document has no operation 'B'")


@pytest.mark.parametrize(
    ("query", "score"),
    [
        ("{ users { id name email } }", 4),
        ("{ users(limit: 33) { id name email } }", 100),
        ("{ users(limit: 34) { id name email } }", 103),
        ("{ users(limit: 1000) { id name email } }", 301),
        ("{ users(limit: 0) { id } }", 2),
        ("query($n: Int = 7) { users(limit: $n) { id } }", 8),
        ("query($n: Int) { users(limit: $n) { id } }", 101),
        ("{ users(limit: 2) { orders(limit: 3) { id } } user(id: 1) { id } }", 11),
        ("{ a: users { ...F } b: users { ...F } } fragment F on User { id ... { name } }", 6),
    ],
)
def test_complexity_is_counted_as_in_the_contract(query, score):
    problem = refused(query, limits=Limits(10, score - 1, 30, None))
    assert problem.code == "VALIDATION_ERROR"
    assert problem.message == f"The query's complexity is {score}, which exceeds the maximum of {score - 1}"
    if "user(" not in query:
        assert planned(query, limits=Limits(10, score, 30, None))


def nested(levels):
    """A query of so many levels of fields: an even number."""
    pairs = (levels - 2) // 2
    return "{ users { " + "orders { user { " * pairs + "id" + " } }" * pairs + " } }"


def test_depth_is_limited():
    assert planned(nested(10), limits=Limits())
    problem = refused(nested(12), limits=Limits())
    assert problem.message == "The query's depth is 12, which exceeds the maximum of 10"
    hidden = "{ users { ...A } } fragment A on User { orders { user { name } } }"
    assert refused(hidden, limits=Limits(max_query_depth=3)).code == "VALIDATION_ERROR"


def test_aliases_are_limited():
    def query(aliases):
        return "{ users { " + " ".join(f"a{n}: id" for n in range(aliases)) + " } }"

    assert planned(query(30), limits=Limits())
    assert "number of aliases is 31" in refused(query(31), limits=Limits()).message


@pytest.mark.parametrize("query", ["{ users(limit: 1001) { id } }", "{ users { orders(limit: 1001) { id } } }"])
def test_pages_are_limited(query):
    limits = Limits(max_query_complexity=1000)
    problem = refused(query, limits=limits)
    message = "limit 1001 exceeds the maximum page size of 1000"
    assert (problem.code, problem.message) == ("VALIDATION_ERROR", message)
    assert planned(query.replace("1001", "1000"), limits=limits)


@pytest.mark.parametrize(
    "query",
    [
        "{" * 100_000,
        "{ users { " + "id " * 9_000 + "} }",
        "{ users { ...F0 } } "
        + " ".join(
            f"fragment F{n} on User {{ orders {{ user {{ ...F{n + 1} }} user {{ ...F{n + 1} }} }} }}" for n in range(40)
        )
        + " fragment F40 on User { id }",
        "query(" + " ".join(f"$v{n}: Int" for n in range(3000)) + ") { users { id } }",
        "{ users(where: {visits: {in: [" + "1," * 9_000 + "1]}}) { id } }",
    ],
    ids=["braces", "one field", "fragments", "variables", "values"],
)
def test_no_document_keeps_the_planner_busy(query):
    began = time.process_time()
    with suppress(PlanProblem):
        planned(query, limits=Limits())
    assert time.process_time() - began < 5


def test_columns_are_named_typed_and_ordered_as_the_document_has_them(postgres):
    query = """{ users(limit: 3) { visits __typename Name: name score active bio createdAt id
                 orders(limit: 1) { id user { name } } } }"""
    (field,) = planned(query).fields
    with adbc.connect(postgres.url, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute(field.arrow_sql)
        table = cursor.fetch_arrow_table()
    assert [(f.name, f.type) for f in table.schema] == [tuple(column) for column in field.columns]
    first = table.to_pylist()[0]
    assert (first["visits"], first["__typename"], first["Name"]) == (9007199254740993, "User", "Zoë Ångström")
    assert first["orders"] == '[{"id":1,"user":{"name":"Zoë Ångström"}}]'


def test_a_plan_knows_what_it_reads_and_whether_it_writes():
    assert planned("{ users { id } }").tables == {"tb_user"}
    assert planned("{ users { orders { id } } __typename }").tables == {"tb_user", "tb_order"}
    writes = planned('mutation { createUser(name: "a", email: "b") { id } }')
    assert (writes.operation, [field.is_list for field in writes.fields]) == ("mutation", [False])
