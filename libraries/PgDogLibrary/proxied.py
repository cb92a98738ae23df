"""A proxy as a test sees it: the program, the tables of the test behind it, and what its clients did."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from environments.pgdog.options import ProxyOptions
from environments.system import Login, PgdogInstance, pgdog
from PgDogLibrary.client import Client, clients
from PgDogLibrary.counts import MirrorCounts
from PgDogLibrary.ledger import Account
from PgDogLibrary.place import Place
from PostgresLibrary.sessions import Target

_USERS = ("app", "other")  # what criteria call the users


@dataclass
class Proxied:
    """One proxy with a mirror.

    Attributes:
        instance: the program.
        options: what it was started with.
        users: who may log in: those that criteria call `app` and `other`.
        place: tables of the test, on both servers.
        before: its counters when the test began with it; None: they are not shown.
        began: epoch seconds of that moment.
        account: what its clients did since.
        readings: of its counters, kept before restarts.
    """

    instance: PgdogInstance
    options: ProxyOptions
    users: Sequence[Login]
    place: Place
    before: MirrorCounts | None = None
    began: float = field(default_factory=time.time)
    account: Account = field(default_factory=Account)
    readings: list[MirrorCounts] = field(default_factory=list)

    def target(self, database: str = "app", user: str = "app") -> Target:
        """Where its clients go, by the names that criteria have for a database and a user."""
        name = pgdog().addresses.database if database == "app" else database
        return Target(self.instance.client, name, self.users[_USERS.index(user)])

    def client(self, database: str = "app", user: str = "app", settings: Mapping[str, str] | None = None) -> Client:
        """Open a session, with settings asked for when it connects; the caller closes it."""
        return Client(self.target(database, user), self.place, self.account, settings)

    @contextmanager
    def clients(self, number: int) -> Iterator[list[Client]]:
        """So many sessions, ended together."""
        with clients(number, self.target(), self.place, self.account) as opened:
            yield opened

    @property
    def user_names(self) -> list[str]:
        """Names of its users on both servers."""
        return [login.user for login in self.users]

    def processes(self) -> list[int]:
        """Return the process ids of the proxy now."""
        return list(self.instance.control.processes())
