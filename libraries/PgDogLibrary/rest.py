"""What a proxy has counted since a test began with it, and when it and its mirror have come to rest."""

from __future__ import annotations

import time
from contextlib import suppress

import psycopg2

from EnvironmentLibrary.context import scaled
from environments.system import PgdogInstance, pgdog
from PgDogLibrary import dialect
from PgDogLibrary.admin import Answer, Console
from PgDogLibrary.counts import MirrorCounts, moved
from PgDogLibrary.proxied import Proxied
from PgDogLibrary.scrape import Scrape, scrape
from TemporalLibrary.core import wait_until

POLL_SECONDS = 0.1
LONG_REST_SECONDS = 60.0  # for mirrors that are slow or were away
STILL_SECONDS = 0.6  # counters that did not move for so long, with nothing at work on the mirror, have come to rest

_ACTIVE = (
    "SELECT count(*) FROM pg_stat_activity "
    "WHERE usename = ANY(%s) AND state IN ('active', 'idle in transaction', 'idle in transaction (aborted)')"
)
_END = "SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = ANY(%s)"
_LEFT = "SELECT count(*) FROM pg_stat_activity WHERE pid = ANY(%s)"


def page(instance: PgdogInstance) -> Scrape:
    """Scrape a proxy's metrics page."""
    return scrape(instance.metrics)


def read(instance: PgdogInstance) -> MirrorCounts:
    """Scrape a proxy and read its page in the dialect of the environment."""
    options = instance.options
    destinations = {one.mirror_name: one.name for one in options.databases} if options else None
    return dialect.counts(page(instance), pgdog().addresses.dialect, destinations)


def counted(proxy: Proxied) -> MirrorCounts:
    """Return what a proxy has counted since the test began with it."""
    now = read(proxy.instance)
    return now if proxy.before is None else moved([proxy.before, now]).counts


def at_rest(proxy: Proxied, within: float = 30.0) -> MirrorCounts:
    """Wait until a proxy and its mirror have come to rest; return what was counted.

    An empty queue is not rest: what is being replayed may be in none. So nothing of the clients' users may be at work
    on the mirror, and the counters must stand still.

    Raises:
        AssertionError: they did not.
    """
    last = [counted(proxy)]
    since = time.monotonic()

    def missing() -> str | None:
        nonlocal since
        now, busy = counted(proxy), active_on_mirror(proxy)
        if str(now.total) != str(last[-1].total) or busy or now.total.backlog:  # the counts alone: ages always move
            since = time.monotonic()
        last.append(now)
        if now.total.backlog:
            return f"{now.total.backlog} transactions wait to be replayed"
        if busy:
            return f"{busy} sessions are at work on the mirror"
        still = time.monotonic() - since
        return None if still >= STILL_SECONDS else f"counters moved {still:.1f} s ago"

    wait_until(missing, scaled(within), "the proxy to come to rest", interval=POLL_SECONDS)
    return last[-1]


def asked(instance: PgdogInstance, command: str) -> Answer:
    """Give a command to the admin console of a proxy."""
    where = instance.admin
    return Console(where.endpoint, where.database, where.login).ask(command)


def await_work(proxy: Proxied) -> None:
    """Wait until the mirror is at work for a client."""
    wait_until(
        lambda: None if active_on_mirror(proxy) else "nothing runs on the mirror", 5.0, "a replay", interval=0.02
    )


def active_on_mirror(proxy: Proxied) -> int:
    """Return how many sessions of the clients' users are at work on the mirror; 0 when it is away."""
    with suppress(psycopg2.OperationalError):
        rows = proxy.place.mirror.ask(proxy.place.databases[0], _ACTIVE, (proxy.user_names,))
        return int(str(rows[0][0]))
    return 0


def end_sessions_on_mirror(proxy: Proxied) -> None:
    """Let the mirror end the clients' sessions once it has come to rest, as a time-out or an operator would."""
    at_rest(proxy)
    database = proxy.place.databases[0]
    ended = proxy.place.mirror.ask(database, _END, (proxy.user_names,))
    pids = [pid for pid, _ in ended]

    def missing() -> str | None:
        left = proxy.place.mirror.ask(database, _LEFT, (pids,))[0][0]
        return f"{left} sessions are still there" if left else None

    wait_until(missing, 5.0, "sessions on the mirror to end", interval=0.02)
