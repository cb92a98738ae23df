"""Keywords clean up after themselves and do not take a primary for a standby."""

from __future__ import annotations

from datetime import timedelta

import pytest
from psycopg2.extensions import connection

from environments.sections.cluster import Vector
from PostgresLibrary import PostgresLibrary, base
from PostgresLibrary.sessions import rows, value
from tests.one_server import OneServer

SECOND = timedelta(seconds=1)
EMBEDDING = [0.5] * 384


def test_the_end_of_a_test_undoes_all_even_when_some_of_it_fails() -> None:
    done: list[str] = []

    def fail() -> None:
        raise RuntimeError("could not be undone")

    base.on_test_end(done.append, "first made")
    base.on_test_end(fail)
    base.on_test_end(done.append, "last made")
    with pytest.raises(RuntimeError, match="could not be undone"):
        base.undo_all()
    assert done == ["last made", "first made"]
    base.undo_all()
    assert done == ["last made", "first made"]


@pytest.mark.servers
class TestOnAServer:
    @pytest.fixture
    def library(self, server: OneServer) -> PostgresLibrary:
        return PostgresLibrary()

    def test_nothing_is_left_of_a_test(self, library: PostgresLibrary, owner: connection) -> None:
        entry = library.insert_an_entry(library.a_new_namespace(), EMBEDDING)
        tenant = library.create_a_tenant(entry)
        library.use_up_the_connections_of_a_role(2)
        library.a_new_counter()
        library.undo_what_the_test_made()
        assert value(owner, "SELECT count(*) FROM memory_entries WHERE namespace = %s", (entry.namespace,)) == 0
        assert value(owner, "SELECT count(*) FROM metadata") == 0
        assert rows(owner, "SELECT rolname FROM pg_roles WHERE rolname ~ '^(tenant|limited)_'") == []
        assert rows(owner, "SELECT * FROM namespace_access WHERE role_name = %s", (tenant.login.user,)) == []
        others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        assert value(owner, others) == 0

    def test_a_primary_is_not_taken_for_a_standby(self, library: PostgresLibrary, owner: connection) -> None:
        with pytest.raises(AssertionError, match=r"the replica port .* led to .*, which is not a standby"):
            library.every_replica_should_see("nowhere", 0, SECOND)

    def test_what_a_wrong_size_is_refused_with_is_the_environments(
        self, library: PostgresLibrary, server: OneServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        refusal = library.refused_insert(library.a_new_namespace(), EMBEDDING[:128])
        library.undo_what_the_test_made()
        library.refusal_should_name_dimensions(refusal)
        monkeypatch.setattr(server, "vector", Vector(dimension_error="size must be 384"))
        with pytest.raises(AssertionError, match="expected an error that says 'size must be 384', was 22000 after"):
            library.refusal_should_name_dimensions(refusal)

    def test_a_cancelled_statement_leaves_its_session_usable(self, library: PostgresLibrary, owner: connection) -> None:
        session = library.a_session_with_statement_timeout(timedelta(milliseconds=100))
        refusal = library.a_statement_of_30_seconds_runs(session)
        library.refusal_should_have_sqlstate(refusal, "57014")
        library.refusal_should_take(refusal, timedelta(milliseconds=100), SECOND)
        library.session_should_be_usable(session)

    def test_a_statement_that_nobody_cancels_is_told(
        self, library: PostgresLibrary, owner: connection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("PostgresLibrary.connection_keywords.STATEMENT_SECONDS", 0)
        with pytest.raises(AssertionError, match="expected a refusal, but it was accepted"):
            library.a_statement_of_30_seconds_runs(base.session())

    def test_a_role_with_room_is_told(self, library: PostgresLibrary, owner: connection, server: OneServer) -> None:
        library.use_up_the_connections_of_a_role(2)
        library.one_more_connection_should_be_refused_by_the_server("53300", SECOND)
        server.as_superuser(f"ALTER ROLE {library._limited.user} CONNECTION LIMIT 3")  # type: ignore[union-attr]
        with pytest.raises(AssertionError, match="a role with 2 of its connections in use got one more"):
            library.one_more_connection_should_be_refused_by_the_server("53300", SECOND)

    def test_a_place_that_stays_taken_is_told(
        self, library: PostgresLibrary, owner: connection, server: OneServer
    ) -> None:
        library.use_up_the_connections_of_a_role(2)
        server.as_superuser(f"ALTER ROLE {library._limited.user} CONNECTION LIMIT 1")  # type: ignore[union-attr]
        with pytest.raises(AssertionError, match="expected a free place after a session was closed, was 53300"):
            library.connection_should_be_granted_after_one_is_closed(timedelta(milliseconds=200))

    def test_the_violated_constraint_is_named_by_its_columns(self, library: PostgresLibrary, owner: connection) -> None:
        entry = library.insert_an_entry(library.a_new_namespace(), EMBEDDING)
        refusal = library.refused_insert(entry.namespace, EMBEDDING)
        library.refusal_should_have_sqlstate(refusal, "23505")
        library.refusal_should_name_columns(refusal, "namespace, key")
        with pytest.raises(AssertionError, match=r"expected the constraint over \(namespace, id\) to be named"):
            library.refusal_should_name_columns(refusal, "namespace, id")
