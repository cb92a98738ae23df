"""The schema is there for its owner, may be provisioned again, and keeps what is in it."""

from __future__ import annotations

import pytest
from psycopg2.extensions import connection

from environments.schema import TABLES, VECTOR_INDEX, provision
from PostgresLibrary.sessions import rows, value
from tests.one_server import OWNER, OneServer

pytestmark = pytest.mark.servers


def test_the_owner_owns_every_table_and_is_no_superuser(owner: connection) -> None:
    found = rows(owner, "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tableowner = current_user")
    assert {*TABLES, "namespace_access"} <= {name for (name,) in found}
    assert rows(owner, "SELECT rolsuper, rolcreaterole FROM pg_roles WHERE rolname = current_user") == [(False, True)]


def test_the_embedding_has_its_index(owner: connection) -> None:
    definition = value(owner, "SELECT pg_get_indexdef(%s::regclass)", (VECTOR_INDEX,))
    assert "USING hnsw (embedding vector_cosine_ops)" in definition


def test_provisioning_again_changes_nothing(server: OneServer, owner: connection) -> None:
    rows(owner, "INSERT INTO metadata (key, value) VALUES ('kept', 'yes')")
    owner.commit()
    provision(server.connect_superuser, "acceptance", OWNER.user, OWNER.password, server.vector)
    assert value(owner, "SELECT value FROM metadata WHERE key = 'kept'") == "yes"
    rows(owner, "DELETE FROM metadata")
    owner.commit()


def test_the_password_is_stored_as_a_verifier(server: OneServer) -> None:
    session = server.connect_superuser("postgres")
    stored = value(session, "SELECT rolpassword FROM pg_authid WHERE rolname = %s", (OWNER.user,))
    session.close()
    assert stored.startswith("SCRAM-SHA-256$")
