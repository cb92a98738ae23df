"""What the keyword classes of this library share: proxies of a test's own, the tables behind them, and undoing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from EnvironmentLibrary.context import timed
from environments.embedded.programs import POSTGRESQL, find
from environments.pgdog.options import ProxyOptions
from environments.sections.base import Program
from environments.system import PgdogInstance, pgdog
from PgDogLibrary import rest
from PgDogLibrary.place import Place, Server
from PgDogLibrary.proxied import Proxied

_at_the_end = ExitStack()


def on_test_end(action: Callable[..., object], *arguments: object) -> None:
    """Do something when the test ends, after what was named later; `End What The Test Began` runs it."""
    _at_the_end.callback(action, *arguments)


def undo_all() -> None:
    """Do what was to be done at the end of the test: all of it, even where some of it fails."""
    _at_the_end.pop_all().close()


def declares(capability: str) -> bool:
    """Whether the environment declares something of PgDog."""
    return capability in pgdog().capabilities


def place_for(databases: Sequence[str]) -> Place:
    """Make the tables of a test, which its end removes."""
    where = pgdog().addresses
    primary, mirror = (
        Server(name, endpoint, where.superuser, {"app": where.server_database})
        for name, endpoint in (("primary", where.primary), ("mirror", where.mirror))
    )
    place = Place(primary, mirror, tuple(dict.fromkeys(databases)))
    on_test_end(place.remove)
    place.make()
    return place


def own_proxy(options: ProxyOptions | None = None) -> Proxied:
    """Start a proxy with tables of its own; the test's end stops it and removes them.

    Where the environment starts none, the one that runs must do, if nothing out of the ordinary is wanted.
    """
    wanted = options or ProxyOptions()
    if wanted == ProxyOptions() and not declares("process-faults"):
        return the_proxy()
    place = place_for([one.database for one in wanted.databases])
    with timed("start a proxy of the test's own", "startup"):
        instance = pgdog().launch(wanted)
    on_test_end(pgdog().end, instance)
    proxy = Proxied(instance, wanted, pgdog().addresses.users, place)
    if wanted.metrics:
        proxy.before = rest.read(instance)
    return proxy


def the_proxy() -> Proxied:
    """The proxy of the environment, with tables of the test's own, when it has done what others left it to do.

    What one that runs already is configured with is not known.
    """
    instance = pgdog().proxy
    options = instance.options or ProxyOptions(metrics=pgdog().addresses.metrics is not None)
    proxy = Proxied(instance, options, pgdog().addresses.users, place_for([one.database for one in options.databases]))
    if options.metrics:
        proxy.before = rest.at_rest(proxy)
    return proxy


def programs() -> Path:
    """Return the directory of psql and pgbench: the primary's own, or this machine's where it was not started here."""
    for facts in pgdog().facts:
        if facts.name == "primary":
            return Path(facts.program).parent
    return find(POSTGRESQL, Program(version="18")).path.parent


def logged(instance: PgdogInstance) -> str:
    """Return what a proxy has written so far."""
    return instance.log.read_text(encoding="utf-8", errors="replace").strip() if instance.log.exists() else ""
