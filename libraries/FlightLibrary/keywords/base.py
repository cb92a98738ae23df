"""What the keyword classes of this library share: sessions of the environment, its database, and undoing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager

from psycopg2.extensions import connection

from EnvironmentLibrary.context import scaled
from environments.system import FraiseqlAddresses, fraiseql
from FlightLibrary.client import DEADLINE_SECONDS, FlightConnection
from FlightLibrary.graphql_http import HttpConnection
from FlightLibrary.tokens import session_token
from PostgresLibrary.sessions import Target
from PostgresLibrary.sessions import connect as connect_to_database

_at_the_end = ExitStack()


def on_test_end(action: Callable[..., object], *arguments: object) -> None:
    """Do something when the test ends, after what was named later; `Undo What The Test Did` runs it."""
    _at_the_end.callback(action, *arguments)


def undo_all() -> None:
    """Do what was to be done at the end of the test: all of it, even where some of it fails."""
    _at_the_end.pop_all().close()


def addresses() -> FraiseqlAddresses:
    """Return how clients reach the system that runs."""
    return fraiseql().addresses


def declares(capability: str) -> bool:
    """Whether the environment declares something of FraiseQL."""
    return capability in fraiseql().capabilities


def right_token(scopes: Sequence[str] = ()) -> str:
    """Return a new session token that the system must accept."""
    return session_token(addresses().session_secret.value, scopes=scopes)


def flight_connection(token: str | None = None, *, deadline_seconds: float = DEADLINE_SECONDS) -> FlightConnection:
    """Return a new Flight client, whose tokens are right unless another is given; the caller closes it."""
    return FlightConnection(addresses().flight, token or right_token, deadline_seconds=scaled(deadline_seconds))


def http_connection(*, deadline_seconds: float = DEADLINE_SECONDS) -> HttpConnection:
    """Return a new HTTP client; the caller closes it."""
    return HttpConnection(addresses().http, deadline_seconds=scaled(deadline_seconds))


def processes(*services: str) -> Callable[[], list[int]]:
    """Return what tells the process ids of services now; none where the environment does not start them."""

    def ids() -> list[int]:
        controls = (fraiseql().services.get(service) for service in services)
        return [pid for control in controls if control is not None for pid in control.processes()]

    return ids


@contextmanager
def as_owner() -> Iterator[connection]:
    """A session of the owner of the tables, in autocommit, to see what is really stored."""
    where = addresses()
    with closing(connect_to_database(Target(where.database, where.database_name, where.owner))) as session:
        session.autocommit = True
        yield session
