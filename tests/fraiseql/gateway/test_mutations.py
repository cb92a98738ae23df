"""Mutations: stored and answered, all of a request or none of it."""

from __future__ import annotations

from uuid import uuid4

import pytest

CREATE = """mutation($name: String!, $email: String!, $bio: String) {
  createUser(name: $name, email: $email, bio: $bio) { id name email bio visits active orders { id } } }"""
ORDER = """mutation($user: ID!, $quantity: Int!) {
  createOrder(userId: $user, total: 9.75, quantity: $quantity, status: "new") {
    id total customerName user { name } } }"""


@pytest.fixture
def email(postgres):
    """An address of this test's own, whose rows go away with it."""
    address = f"{uuid4()}@example.org"
    yield address
    postgres.run("DELETE FROM tb_order WHERE fk_user IN (SELECT pk_user FROM tb_user WHERE email = %s)", address)
    postgres.run("DELETE FROM tb_user WHERE email = %s", address)


def test_a_row_is_stored_and_answered(gateway, postgres, email):
    made = gateway.data(CREATE, name='Zoë "the\\new" 🚀', email=email)["createUser"]
    stored = postgres.rows("SELECT id::text, name, bio, visits, active FROM tb_user WHERE email = %s", email)
    assert stored == [(made["id"], 'Zoë "the\\new" 🚀', None, 0, True)]
    assert made == {
        "id": made["id"], "name": 'Zoë "the\\new" 🚀', "email": email, "bio": None, "visits": 0, "active": True,
        "orders": [],
    }  # fmt: skip


def test_a_row_may_belong_to_another(gateway, postgres, email):
    user = gateway.data(CREATE, name="owner", email=email, bio="b")["createUser"]["id"]
    made = gateway.data(ORDER, user=user, quantity=3)["createOrder"]
    assert made == {"id": made["id"], "total": 9.75, "customerName": None, "user": {"name": "owner"}}
    query = "SELECT quantity, status FROM tb_order JOIN tb_user u ON fk_user = pk_user WHERE u.id = %s"
    assert postgres.rows(query, user) == [(3, "new")]


def test_what_belongs_to_nobody_violates_a_constraint(gateway):
    assert gateway.refused(ORDER, user=str(uuid4()), quantity=3) == (400, "CONSTRAINT_VIOLATION")


def test_all_of_a_request_is_stored_or_none(gateway, postgres, email):
    query = f"""mutation {{
      first: createUser(name: "a", email: "{email}") {{ id }}
      second: createOrder(userId: "{uuid4()}", total: 1, quantity: 1, status: "new") {{ id }} }}"""
    assert gateway.refused(query) == (400, "CONSTRAINT_VIOLATION")
    assert postgres.value("SELECT count(*) FROM tb_user WHERE email = %s", email) == 0
    both = f"""mutation {{
      first: createUser(name: "a", email: "{email}") {{ name }}
      second: createUser(name: "b", email: "{email}") {{ name }} }}"""
    assert gateway.post(both).text == '{"data":{"first":{"name":"a"},"second":{"name":"b"}}}'
    assert postgres.rows("SELECT name FROM tb_user WHERE email = %s ORDER BY pk_user", email) == [("a",), ("b",)]


def test_a_connection_is_as_before_after_a_mutation_that_failed(gateway):
    for _ in range(12):  # more than there are connections
        assert gateway.refused(ORDER, user=str(uuid4()), quantity=3)[1] == "CONSTRAINT_VIOLATION"
        assert gateway.data("{ users(limit: 1) { visits } orders(limit: 1) { id } }")["orders"] == [{"id": 1}]


def test_null_is_stored_as_null(gateway, email):
    assert gateway.data(CREATE, name="n", email=email, bio=None)["createUser"]["bio"] is None
