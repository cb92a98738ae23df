"""A tenant is held within its namespace, and each way out of it is found."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from psycopg2.extensions import connection

from PostgresLibrary import entries, tenants
from PostgresLibrary.entries import Entry
from PostgresLibrary.sessions import connect, rows
from PostgresLibrary.tenants import Tenant
from tests.one_server import OWNER, OneServer

pytestmark = pytest.mark.servers

EMBEDDING = tuple([0.5] * 384)


@pytest.fixture
def two(owner: connection) -> Iterator[tuple[Tenant, Tenant]]:
    """Two tenants with an entry each."""
    rows(owner, "DELETE FROM memory_entries")
    made = []
    for name in ("first", "second"):
        entry = Entry(name, f"key of {name}", name, EMBEDDING, {}, ())
        entry = Entry(name, entry.key, name, EMBEDDING, {}, (), entries.insert(owner, entry, "vector"))
        owner.commit()
        tenant = Tenant(tenants.new_login("tenant"), entry)
        tenants.create_role(owner, tenant.login)
        tenants.bind(owner, OWNER.user, tenant)
        made.append(tenant)
    yield made[0], made[1]
    owner.rollback()
    for tenant in made:
        tenants.drop_role(owner, tenant.login.user)


@pytest.fixture
def session(server: OneServer, two: tuple[Tenant, Tenant]) -> Iterator[connection]:
    with closing(connect(server.target.as_role(two[0].login))) as session:
        yield session


@pytest.fixture
def harm(server: OneServer) -> Iterator[list[str]]:
    """Statements that give the superuser's harm back its remedy when the test ends."""
    remedies: list[str] = []
    yield remedies
    for remedy in remedies:
        server.as_superuser(remedy)


def test_a_tenant_stays_in_its_namespace(two: tuple[Tenant, Tenant], session: connection) -> None:
    tenants.check_reads(session, *two)
    tenants.check_writes(session, *two, OWNER.user)


def test_a_table_without_row_security_is_found(
    server: OneServer, two: tuple[Tenant, Tenant], session: connection, harm: list[str]
) -> None:
    harm.append("ALTER TABLE memory_entries ENABLE ROW LEVEL SECURITY")
    server.as_superuser("ALTER TABLE memory_entries DISABLE ROW LEVEL SECURITY")
    with pytest.raises(AssertionError, match=r"sees 'second': its rows by namespace: expected 0 rows, saw 1;"):
        tenants.check_reads(session, *two)
    with pytest.raises(AssertionError, match=r"an update: expected 0 rows, touched 1; .*an insert: .*was allowed"):
        tenants.check_writes(session, *two, OWNER.user)


def test_a_policy_that_only_guards_reading_is_found(
    server: OneServer, two: tuple[Tenant, Tenant], session: connection, harm: list[str]
) -> None:
    harm.append("DROP POLICY careless ON memory_entries")
    server.as_superuser("CREATE POLICY careless ON memory_entries FOR INSERT WITH CHECK (true)")
    tenants.check_reads(session, *two)
    with pytest.raises(AssertionError, match=r"changes 'second': an insert: expected SQLSTATE 42501, was allowed$"):
        tenants.check_writes(session, *two, OWNER.user)


def test_a_tenant_that_may_bind_itself_is_found(
    server: OneServer, two: tuple[Tenant, Tenant], session: connection, harm: list[str]
) -> None:
    harm.append("REVOKE INSERT ON namespace_access FROM PUBLIC")
    server.as_superuser("GRANT INSERT ON namespace_access TO PUBLIC")
    with pytest.raises(
        AssertionError, match=r"changes 'second': binding itself: expected SQLSTATE 42501, was allowed$"
    ):
        tenants.check_writes(session, *two, OWNER.user)


def test_a_role_that_a_tenant_may_take_is_found(two: tuple[Tenant, Tenant], session: connection) -> None:
    own_name = two[0].login.user  # the server itself allows no circle of memberships, but a role may always be itself
    with pytest.raises(AssertionError, match=r"becoming the owner: expected SQLSTATE 42501, was allowed"):
        tenants.check_writes(session, *two, own_name)


def test_a_tenant_locked_out_of_its_own_namespace_is_found(
    two: tuple[Tenant, Tenant], session: connection, owner: connection
) -> None:
    rows(owner, "DELETE FROM namespace_access")
    owner.commit()
    with pytest.raises(AssertionError, match="the tenant of 'first' expected its own entry, was None"):
        tenants.check_reads(session, *two)
