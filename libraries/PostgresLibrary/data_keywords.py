"""Keywords of the data criteria: entries, bulk loads, transactions, tenants and writers."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta

from robot.api import logger
from robot.api.deco import keyword

from EnvironmentLibrary.context import criterion, record_value, scaled
from environments.system import cluster
from LoadLibrary.measure import Measurement, measure_open_loop
from LoadLibrary.rate import Rate
from PostgresLibrary import base, entries, operations, tenants
from PostgresLibrary.base import as_owner, number_of_replicas, on_test_end, primary, replicas
from PostgresLibrary.connection_keywords import WORKER_PATIENCE, drop_role
from PostgresLibrary.entries import Entry, Load
from PostgresLibrary.replication import Sight, seen_by_replicas
from PostgresLibrary.sessions import close, rows, value
from PostgresLibrary.tenants import Tenant
from PostgresLibrary.workers import Together, check_stored_once, work_together, writer

_CLEAN_UP = "DELETE FROM memory_entries WHERE namespace = %s"


class DataKeywords:
    """Entries, bulk loads, transactions, tenants and writers."""

    @keyword
    def a_new_namespace(self) -> str:
        """Return a namespace no other test or run uses; what it holds is deleted when the test ends."""
        namespace = f"{criterion().lower() or 'test'}-{secrets.token_hex(6)}"
        on_test_end(_delete_namespace, namespace)
        return namespace

    # -- one entry -----------------------------------------------------------------------------------------

    @keyword
    def insert_an_entry(self, namespace: str, embedding: Sequence[float], key: str = "entry") -> Entry:
        """Insert and commit one entry with every field set, and return it with the id the server gave."""
        entry = sample_entry(namespace, key, embedding)
        session = base.session()
        identity = entries.insert(session, entry, cluster().vector.type)
        session.commit()
        return replace(entry, id=identity)

    @keyword
    def entry_should_read_back_unchanged(self, written: Entry) -> None:
        """Read an entry by namespace and key in a new session and compare every field.

        Raises:
            AssertionError: it is not there, or naming each field that differs.
        """
        read = entries.read(base.session(), written.namespace, written.key)
        if read is None:
            raise AssertionError(f"expected the entry '{written.key}' with id {written.id}, found none")
        differences = written.differences(read)
        if differences:
            raise AssertionError(f"the entry reads back changed: {'; '.join(differences)}")

    # -- bulk ----------------------------------------------------------------------------------------------

    @keyword
    def bulk_load(self, namespace: str, embeddings: Iterable[Sequence[float]]) -> Load:
        """Load one entry for each embedding by COPY, PostgreSQL's bulk path, and commit."""
        loaded = entries.load(base.session(), namespace, map(entries.vector_text, embeddings))
        logger.info(f"{loaded.number} rows loaded and committed in {loaded.seconds:.3f} s")
        return loaded

    @keyword
    def bulk_load_should_have_taken_less_than(self, loaded: Load, limit: timedelta) -> None:
        """Demand that loading and committing stayed below a limit."""
        record_value("bulk load", loaded.seconds, "s")
        if loaded.seconds >= limit.total_seconds():
            raise AssertionError(
                f"expected {loaded.number} rows in less than {limit.total_seconds():g} s, took {loaded.seconds:.3f} s"
            )

    @keyword
    def bulk_load_should_be_stored(self, loaded: Load) -> None:
        """Demand every loaded row in a new session on the primary port."""
        entries.check_stored(base.session(), loaded, "primary port")

    @keyword
    def bulk_load_should_reach_every_replica(self, loaded: Load, within: timedelta) -> None:
        """Demand every loaded row on every standby before a deadline."""
        sights = _seen(loaded.namespace, loaded.number, within)
        on_test_end(close, *(sight.session for sight in sights))
        for sight in sights:
            entries.check_stored(sight.session, loaded, f"replica {sight.server}")

    # -- visibility ----------------------------------------------------------------------------------------

    @keyword
    def every_replica_should_see(self, namespace: str, number: int, within: timedelta) -> None:
        """Demand that each standby, asked through the replica port, sees so many entries before a deadline."""
        close(*(sight.session for sight in _seen(namespace, number, within)))

    @keyword
    def namespace_should_hold(self, namespace: str, number: int) -> None:
        """Demand so many entries of a namespace in a new session."""
        found = value(base.session(), entries.COUNT, (namespace,))
        if found != number:
            raise AssertionError(f"expected {number} entries in the namespace, found {found}")

    # -- load ----------------------------------------------------------------------------------------------

    @keyword(tags=["load"])
    def entries_are_looked_up(self, loaded: Load, rate: Rate, duration: timedelta, p99: timedelta) -> Measurement:
        """Offer look-ups by primary key through HAProxy, open loop, each answer checked.

        Args:
            loaded: the entries to look up, one after the other.
            rate: offered, evenly spaced.
            duration: of the measured part.
            p99: the budget.
        """
        factory = operations.repeated(primary(), operations.LOOKUP, operations.lookups(loaded))
        return measure_open_loop(
            "look-up by key", factory, rate.per_second, duration, operations.WORKERS, p99.total_seconds()
        )

    # -- tenants -------------------------------------------------------------------------------------------

    @keyword
    def create_a_tenant(self, entry: Entry) -> Tenant:
        """Create a role bound to the namespace of an entry; it is removed when the test ends."""
        tenant = Tenant(tenants.new_login("tenant"), entry)
        with as_owner() as owner:
            tenants.create_role(owner, tenant.login)
            on_test_end(drop_role, tenant.login.user)
            tenants.bind(owner, cluster().addresses.owner.user, tenant)
        return tenant

    @keyword
    def tenant_should_read_only_its_own(self, tenant: Tenant, other: Tenant) -> None:
        """Log in as a tenant: its own entry is there, and no way of asking shows the other's."""
        tenants.check_reads(base.session(tenant.login), tenant, other)

    @keyword
    def tenant_should_write_only_its_own(self, tenant: Tenant, other: Tenant) -> None:
        """Log in as a tenant: it writes into its own namespace, and in no way into the other's.

        Updates and deletes must reach no row. Inserting, moving a row, binding itself and becoming the owner must be
        refused with SQLSTATE 42501.
        """
        tenants.check_writes(base.session(tenant.login), tenant, other, cluster().addresses.owner.user)

    # -- writers -------------------------------------------------------------------------------------------

    @keyword
    def a_new_counter(self) -> str:
        """Make a row of `metadata` that counts from 0; it is deleted when the test ends."""
        key = f"counter-{secrets.token_hex(6)}"
        with as_owner() as owner:
            rows(owner, "INSERT INTO metadata (key, value) VALUES (%s, '0')", (key,))
        on_test_end(_delete_counter, key)
        return key

    @keyword
    def writers_write(self, namespace: str, counter: str, writers: int, writes: int) -> Together:
        """Let writers with a session each commit their n-th entry at the same time, for each n.

        Each transaction inserts an entry of its own and adds one to the row all writers share.
        """
        return work_together(primary(), writers, writes, writer(namespace, counter), scaled(WORKER_PATIENCE))

    @keyword
    def acknowledged_writes_should_be_stored_once(self, work: Together, namespace: str) -> None:
        """Compare the keys of acknowledged writes with those a new session finds."""
        stored = rows(base.session(), "SELECT key FROM memory_entries WHERE namespace = %s", (namespace,))
        check_stored_once(work, [key for (key,) in stored])

    @keyword
    def counter_should_be(self, counter: str, expected: int) -> None:
        """Demand the value of a shared counter; less means that updates were lost."""
        actual = int(value(base.session(), "SELECT value FROM metadata WHERE key = %s", (counter,)))
        if actual != expected:
            raise AssertionError(f"expected the shared counter at {expected}, was {actual}")


def sample_entry(namespace: str, key: str, embedding: Sequence[float]) -> Entry:
    """Return an entry with text beyond ASCII, nested metadata and tags."""
    return Entry(
        namespace,
        key,
        f"naïve café, 記憶, 'quoted' and \\ {secrets.token_hex(4)}",
        tuple(embedding),
        {"source": "acceptance", "nested": {"score": 0.25, "list": [1, None, True]}},
        ("alpha", "with space", "ünï"),
    )


def _seen(namespace: str, number: int, within: timedelta) -> list[Sight]:
    sights = seen_by_replicas(replicas(), number_of_replicas(), namespace, number, scaled(within))
    record_value("on every replica", max(sight.seconds for sight in sights), "s")
    for sight in sights:
        logger.info(f"replica {sight.server} showed {number} entries after {sight.seconds:.3f} s")
    return sights


def _delete_namespace(namespace: str) -> None:
    with as_owner() as owner:
        rows(owner, _CLEAN_UP, (namespace,))


def _delete_counter(key: str) -> None:
    with as_owner() as owner:
        rows(owner, "DELETE FROM metadata WHERE key = %s", (key,))
