"""The nodes of a Citus cluster, and sessions on each of them as its clients open them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg2
from psycopg2.extensions import connection

from environments.system import CitusAddresses, Endpoint, cluster
from PostgresLibrary.refusals import one_line
from PostgresLibrary.sessions import Parameters, Query, Target, connect, rows

STATEMENT_TIMEOUT = "60s"
"""A bound on every statement, so that a node that hangs ends a criterion instead of the run's patience."""


@dataclass(frozen=True, slots=True, order=True)
class Node:
    """The coordinator or a worker, by the address under which the others know it."""

    name: str
    endpoint: Endpoint

    def __str__(self) -> str:
        return f"{self.name} ({self.endpoint})"


def coordinator() -> Node:
    """Return the node clients talk to.

    Raises:
        RuntimeError: the environment has no Citus.
    """
    return Node("coordinator", _addresses().coordinator)


def workers() -> tuple[Node, ...]:
    """Return the workers the environment names; those that the coordinator lists where it names none."""
    endpoints = _addresses().workers
    if not endpoints:
        listed = ask(coordinator(), "SELECT node_name, node_port FROM citus_get_active_worker_nodes() ORDER BY 1, 2")
        endpoints = tuple(Endpoint(host, port) for host, port in listed)
    return tuple(Node(f"worker {number}", endpoint) for number, endpoint in enumerate(endpoints, 1))


def nodes() -> tuple[Node, ...]:
    """Return the coordinator and its workers."""
    return (coordinator(), *workers())


def by_address() -> dict[Endpoint, Node]:
    """Return the nodes by the address that Citus' own tables use."""
    return {node.endpoint: node for node in nodes()}


def target(node: Node) -> Target:
    """Return where the schema's owner finds the database on a node."""
    addresses = cluster().addresses
    return Target(node.endpoint, addresses.database, addresses.owner)


@contextmanager
def session(node: Node) -> Iterator[connection]:
    """Open a session of the schema's owner, in autocommit mode.

    Raises:
        AssertionError: the node does not let a client in.
    """
    try:
        opened = connect(target(node), settings={"statement_timeout": STATEMENT_TIMEOUT})
    except psycopg2.OperationalError as error:
        raise AssertionError(f"{node} does not let a client in: {one_line(error)}") from None
    with closing(opened):
        opened.autocommit = True
        yield opened


def ask(node: Node, query: Query, parameters: Parameters = ()) -> list[tuple[Any, ...]]:
    """Run one statement in a session of its own and return its rows.

    Raises:
        AssertionError: the node does not let a client in, or refuses the statement.
    """
    with session(node) as opened:
        try:
            return rows(opened, query, parameters)
        except psycopg2.Error as error:
            raise AssertionError(f"{node} refuses: {one_line(error)} (SQLSTATE {error.pgcode})") from error


def _addresses() -> CitusAddresses:
    addresses = cluster().addresses.citus
    if addresses is None:
        raise RuntimeError("this environment has no Citus; declare the capability 'citus'")
    return addresses
