"""What is answered over HTTP: every value as it stands in the tables, in the order and by the names of the document."""

from __future__ import annotations

import json
import threading
from contextlib import closing
from uuid import uuid4

import pytest

EVERYTHING = "{ users(limit: 60) { id name email bio score visits active createdAt } }"


def test_values_are_those_of_the_tables(gateway, postgres):
    rows = postgres.value("""
        SELECT json_agg(json_build_object('id', id, 'name', name, 'email', email, 'bio', bio, 'score', score,
            'visits', visits, 'active', active, 'createdAt', created_at AT TIME ZONE 'UTC')) FROM
            (SELECT * FROM tb_user ORDER BY pk_user LIMIT 60) AS u
    """)
    for row in rows:
        row["createdAt"] += "+00:00"
    assert gateway.data(EVERYTHING)["users"] == rows
    first = rows[0]
    assert (first["name"], first["visits"]) == ("Zoë Ångström", 9007199254740993)
    assert (rows[1]["visits"], rows[2]["visits"]) == (2**63 - 1, -(2**63))
    assert {row["bio"] is None for row in rows} == {True, False}


def test_the_text_is_compact_and_in_the_order_of_the_document(gateway):
    text = gateway.post("{ users(limit: 2) { visits email id: name } }").text
    assert text == (
        '{"data":{"users":[{"visits":9007199254740993,"email":"user1@example.org","id":"Zoë Ångström"},'
        '{"visits":9223372036854775807,"email":"user2@example.org","id":"日本 語"}]}}'
    )


def test_a_list_may_be_empty_and_an_object_null(gateway):
    none = f'{{ user(id: "{uuid4()}") {{ id }} users(limit: 0) {{ id }} }}'
    assert gateway.post(none).text == '{"data":{"user":null,"users":[]}}'


def test_aliases_fragments_and_directives_are_followed(gateway):
    query = """
        query Q($yes: Boolean!, $no: Boolean = false) {
          first: users(limit: 1) { ...Part ... on User { score @skip(if: $yes) active @include(if: $yes) } }
          other: users(limit: 1, offset: 1) { what: __typename ...Part bio @include(if: $no) }
          __typename
        }
        fragment Part on User { called: name  name }
    """
    assert gateway.post(query, yes=True).text == (
        '{"data":{"first":[{"called":"Zoë Ångström","name":"Zoë Ångström","active":true}],'
        '"other":[{"what":"User","called":"日本 語","name":"日本 語"}],"__typename":"Query"}}'
    )


def test_fields_asked_for_twice_are_one(gateway):
    found = gateway.data("{ users(limit: 1) { name } users(limit: 1) { visits name } }")
    assert found == {"users": [{"name": "Zoë Ångström", "visits": 9007199254740993}]}


def test_rows_inside_rows_are_those_of_their_parent(gateway, postgres):
    found = gateway.data("{ users(limit: 40) { id orders { id total user { id orders(limit: 1) { id } } } } }")["users"]
    for user in found:
        rows = postgres.rows(
            "SELECT o.id, total FROM tb_order o JOIN tb_user u ON fk_user = pk_user WHERE u.id = %s ORDER BY o.id",
            user["id"],
        )
        assert [(order["id"], order["total"]) for order in user["orders"]] == rows
        assert {order["user"]["id"] for order in user["orders"]} == {user["id"]}
        assert all(order["user"]["orders"] == [{"id": rows[0][0]}] for order in user["orders"])
    assert [len(user["orders"]) for user in found[:2]] == [3, 3]


@pytest.mark.parametrize(
    ("where", "condition"),
    [
        ("visits: {eq: 9223372036854775807}", "visits = 9223372036854775807"),
        ("visits: {gt: 100, lte: 5000}", "visits > 100 AND visits <= 5000"),
        ("visits: {gte: 100, lt: 5000, neq: 2001}", "visits >= 100 AND visits < 5000 AND visits <> 2001"),
        ("visits: {in: [1, 2, 3, -1]}", "visits IN (1, 2, 3, -1)"),
        ("visits: {in: []}", "false"),
        ("score: {isnull: true}", "score IS NULL"),
        ("score: {isnull: false, lt: 0.5}", "score < 0.5"),
        ("active: {eq: false}, bio: {isnull: true}", "NOT active AND bio IS NULL"),
        ('name: {startswith: "User 1"}', "name LIKE 'User 1%'"),
        (r'name: {contains: "\\"}', r"name LIKE '%\\%'"),
        ('bio: {contains: "%s"}', r"bio LIKE '%\%s%'"),
        ('createdAt: {lt: "1970-01-01T01:00:00+01:00"}', "created_at < '1970-01-01 00:00:00+00'"),
        ('createdAt: {gte: "2026-01-25T12:39:00.123456Z", lt: "2026-02-01T00:00:00Z"}',
         "created_at >= '2026-01-25 12:39:00.123456+00' AND created_at < '2026-02-01 00:00:00+00'"),
        ('id: {eq: "bb9836f5-e2ce-756d-059b-9a4556283bc0"}', "pk_user = 1"),
        ('id: {in: ["bb9836f5-e2ce-756d-059b-9a4556283bc0"]}', "pk_user = 1"),
    ],
)  # fmt: skip
def test_rows_are_chosen(gateway, postgres, where, condition):
    wanted = [name for (name,) in postgres.rows(f"SELECT name FROM tb_user WHERE {condition} ORDER BY pk_user")]
    assert [row["name"] for row in gateway.data(f"{{ users(where: {{{where}}}) {{ name }} }}")["users"]] == wanted
    assert condition == "false" or 0 < len(wanted) < 2000


def test_rows_are_ordered_then_by_their_key(gateway, postgres):
    wanted = postgres.rows("SELECT id FROM tb_order ORDER BY quantity DESC, status, id LIMIT 50 OFFSET 7")
    found = gateway.data("{ orders(orderBy: [{quantity: DESC}, {status: ASC}], limit: 50, offset: 7) { id } }")
    assert [(row["id"],) for row in found["orders"]] == wanted


HOSTILE = ["'", "''", "\\", "\\'", "'; DROP TABLE tb_user; --", "$1", "%s", "{0}", "\n\t\x01\x7f", "\u2028", "🚀", "E'"]


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_no_text_is_taken_for_sql(gateway, text):
    query = "query($t: String!) { users(where: {name: {eq: $t}}) { name } }"
    assert gateway.data(query, t=text) == {"users": []}
    literal = json.dumps(text)
    assert gateway.data(f"{{ users(where: {{name: {{contains: {literal}}}}}, limit: 3) {{ id }} }}")


def test_variables_may_be_whole_filters_and_have_defaults(gateway):
    query = "query($w: UserWhereInput, $n: Int = 2) { users(where: $w, limit: $n) { visits } }"
    found = gateway.data(query, w={"visits": {"in": [9007199254740993, 0, 1, 2]}})
    assert [row["visits"] for row in found["users"]] == [9007199254740993, 0]
    assert len(gateway.data(query, n=None)["users"]) == 2000
    assert len(gateway.data(query, n=5, w=None)["users"]) == 5


def test_several_root_fields_see_one_snapshot(gateway, postgres):
    query = '{ a: users(limit: 1, where: {email: {eq: "user77@example.org"}}) { visits } ' + " ".join(
        f'{name}: users(limit: 1, where: {{email: {{eq: "user77@example.org"}}}}) {{ visits }}' for name in "bcdefgh"
    ) + "}"  # fmt: skip
    stop = threading.Event()

    def write():
        with closing(postgres.connect()) as session, session.cursor() as cursor:
            while not stop.is_set():
                cursor.execute("UPDATE tb_user SET visits = visits + 1 WHERE email = 'user77@example.org'")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        answers = [gateway.data(query) for _ in range(100)]
    finally:
        stop.set()
        writer.join()
    assert len({answer["a"][0]["visits"] for answer in answers}) > 5, "nothing was written meanwhile"
    assert all(len({rows[0]["visits"] for rows in answer.values()}) == 1 for answer in answers)


def test_one_of_several_operations_is_named(gateway):
    body = {"query": "query A { users(limit: 1) { id } } query B { orders(limit: 1) { quantity } }"}
    assert gateway.send(json={**body, "operationName": "B"}).json() == {"data": {"orders": [{"quantity": 2}]}}
