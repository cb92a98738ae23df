"""Keywords about transactions over several workers."""

from __future__ import annotations

from robot.api import logger
from robot.api.deco import keyword

from CitusLibrary import catalog, commits, transactions
from CitusLibrary.commits import KEY, Rollback
from CitusLibrary.findings import require
from CitusLibrary.namespaces import Namespace
from CitusLibrary.nodes import nodes
from CitusLibrary.transactions import Commit
from PostgresLibrary.refusals import Refusal, check_sqlstate


class TransactionKeywords:
    """See `CitusLibrary`."""

    @keyword(tags=["citus", "transactions"])
    def a_row_in_each_namespace_is_committed(self, places: list[Namespace], *, key: str = KEY) -> Commit:
        """Write a row to each namespace in one transaction, commit it, and note what the coordinator sent for that."""
        commit = commits.commit_rows(places, key)
        logger.info("\n".join(f"{c.phase} {c.transaction} on {c.endpoint}" for c in commit.commands))
        return commit

    @keyword(tags=["citus", "transactions"])
    def commit_should_have_two_phases(self, commit: Commit, *, places: list[Namespace]) -> None:
        """Fail unless each worker of the namespaces was made to prepare, and all of them only then to commit."""
        endpoints = {place.node.endpoint for place in places}
        require(transactions.two_phase_problems(commit, endpoints), f"{len(commit.commands)} commands to workers")

    @keyword(tags=["citus", "transactions"])
    def commit_should_have_one_phase(self, commit: Commit, *, place: Namespace) -> None:
        """Fail unless the only worker that was written to was simply told to commit."""
        problems = transactions.one_phase_problems(commit, place.node.endpoint)
        require(problems, f"{len(commit.commands)} commands to workers")

    @keyword(tags=["citus", "transactions"])
    def decision_should_be_recorded(self, commit: Commit) -> None:
        """Fail unless the coordinator kept, for recovery, that each prepared transaction is to be committed."""
        require(transactions.record_problems(commit), f"{len(commit.recorded)} entries in pg_dist_transaction")

    @keyword(tags=["citus", "transactions"])
    def no_prepared_transaction_should_be_left(self) -> None:
        """Fail if a node has a prepared transaction of Citus."""
        require(transactions.leftover_problems(catalog.prepared_transactions()), f"{len(nodes())} nodes")

    @keyword(tags=["citus", "transactions"])
    def a_row_in_each_namespace_is_rolled_back(self, places: list[Namespace]) -> Rollback:
        """Write a row to each namespace in one transaction, look at it from another session, and roll it back."""
        return commits.roll_back_rows(places)

    @keyword(tags=["citus", "transactions"])
    def other_session_should_have_seen_nothing(self, rollback: Rollback, *, rows: int) -> None:
        """Fail unless the transaction saw its own rows, and another session none of them.

        Args:
            rollback: of `A Row In Each Namespace Is Rolled Back`.
            rows: that the transaction wrote.
        """
        problems = []
        if rollback.written != rows:
            problems.append(f"the transaction itself saw {rollback.written} of its rows, expected {rows}")
        if rollback.seen_meanwhile:
            problems.append(f"another session saw {rollback.seen_meanwhile} uncommitted rows, expected 0")
        require(problems, f"{rows} rows in one transaction")

    @keyword(tags=["citus", "transactions"])
    def no_shard_should_hold_rows(self, places: list[Namespace]) -> None:
        """Fail if any shard's table on any node holds a row of these namespaces."""
        found = catalog.stored_entries([place.name for place in places])
        problems = [f"{row.relation} on {row.node} holds row {row.namespace}/{row.key}" for row in found]
        require(problems, f"all shards on {len(nodes())} nodes, {len(places)} namespaces")

    @keyword(tags=["citus", "transactions"])
    def a_new_row_and_a_duplicate_are_written(self, fresh: Namespace, *, taken: Namespace) -> Refusal:
        """Write a new row to one namespace and a duplicate to another in one transaction, which must be refused."""
        return commits.write_with_duplicate(fresh, taken)

    @keyword(tags=["citus", "transactions"])
    def transaction_should_have_been_refused(self, refusal: Refusal, *, sqlstate: str) -> None:
        """Fail unless the transaction was refused with this SQLSTATE."""
        check_sqlstate(refusal, sqlstate)
