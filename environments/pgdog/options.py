"""What a mirror proxy can be asked for, whichever program it is; each dialect writes it in words of its own."""

from __future__ import annotations

from dataclasses import dataclass, field

from environments.addresses import Endpoint


@dataclass(frozen=True, slots=True)
class Mirrored:
    """One database that clients reach through the proxy, and its mirror."""

    name: str = "app"  # as clients name it
    database: str = "app"  # on the primary
    mirror: Endpoint | None = None  # None: the mirror of the environment, through the link `proxy-mirror`
    exposure: float = 1.0  # share of the transactions, 0 to 1
    queue: int | None = None  # transactions of one client that wait for the mirror; None: the program's own default
    mirror_database: str | None = None  # on the mirror; None: as on the primary

    @property
    def mirror_name(self) -> str:
        """What the proxy calls the mirror of this database."""
        return f"{self.name}_mirror"


@dataclass(frozen=True, slots=True)
class Readiness:
    """From when on a mirror may be cut over to."""

    max_error_rate: float = 0.05
    max_latency_ms: int = 1000
    min_runtime_hours: float = 0.0
    min_requests: int = 100


@dataclass(frozen=True, slots=True)
class ProxyOptions:
    """A proxy's whole configuration, but for where it listens and with which passwords.

    Upstream has one limit of each kind for both servers: there `connect_timeout_ms` holds for clients, too, that wait
    for a connection to the primary, and a hundred that come at once need more than a second of it.
    """

    databases: tuple[Mirrored, ...] = (Mirrored(),)
    metrics: bool = True
    readiness: Readiness = field(default_factory=Readiness)  # the dialect `upstream` has no words for it
    connect_timeout_ms: int = 500  # of a connection to the mirror
    query_timeout_ms: int | None = None  # of a replay on the mirror; None: the program's own default
    mirror_users: tuple[str, ...] | None = None  # who has a login for the mirror; None: all users
