"""What the keyword classes of this library share: the cluster's ports, and undoing what a test made."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager

from psycopg2.extensions import connection

from environments.system import Login, cluster
from PatroniLibrary import rest
from PostgresLibrary.sessions import Target, close, connect, opened

_HOUSEKEEPING = {"lock_timeout": "10000"}  # ms; a forgotten session must not stop the run

_at_the_end = ExitStack()


def on_test_end(action: Callable[..., object], *arguments: object) -> None:
    """Do something when the test ends, after what was named later; `Undo What The Test Made` runs it."""
    _at_the_end.callback(action, *arguments)


def undo_all() -> None:
    """Do what was to be done at the end of the test: all of it, even where some of it fails."""
    _at_the_end.pop_all().close()


def session(login: Login | None = None, settings: Mapping[str, str] | None = None) -> connection:
    """Open a session on the primary port that the test's end closes."""
    opened_ = opened(primary(login), settings)
    on_test_end(close, opened_)
    return opened_


def primary(login: Login | None = None) -> Target:
    """Return the primary port, for the owner of the schema unless told otherwise."""
    addresses = cluster().addresses
    return Target(addresses.primary, addresses.database, login or addresses.owner)


def replicas(login: Login | None = None) -> Target:
    """Return the replica port, for the owner of the schema unless told otherwise."""
    return primary(login).at(cluster().addresses.replicas)


def number_of_replicas() -> int | None:
    """Ask Patroni how many standbys there are; None where the environment has no Patroni to ask."""
    system = cluster()
    if "patroni" not in system.capabilities:
        return None
    return len(rest.topology(system.addresses.patroni).replicas)


@contextmanager
def as_owner() -> Iterator[connection]:
    """A session of the owner for the library's own housekeeping, in autocommit."""
    with closing(connect(primary(), settings=_HOUSEKEEPING)) as owner:
        owner.autocommit = True
        yield owner
