"""Two real PostgreSQL servers with a proxy between them, and clients that go past it, for tests that need answers."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

import environments
from environments.config import load_environment
from environments.pgdog import ProxyOptions
from environments.system import Running, use
from PgDogLibrary.keywords.base import place_for, undo_all
from PgDogLibrary.proxied import Proxied


def started(directory, dialect="plan"):
    """Start PgDog's system, with the reference proxy, as a suite does."""
    services = {"proxy": {"dialect": dialect}, "pgbouncer": {}, "prometheus": {}}
    file = load_environment("embedded", {"systems": {"pgdog": {"services": services}}})
    run = Running("embedded", "embedded", "quick", str(directory), 1.0, 7, system_name="pgdog")
    run.system = environments.start_system("pgdog", file, directory)
    use(run)
    return run.system


@pytest.fixture(scope="module", params=["plan"])
def system(request, tmp_path_factory):
    """The system in the dialect that a module asks for by `parametrize(..., indirect=True)`."""
    one = started(tmp_path_factory.mktemp("results"), request.param)
    yield one
    use(None)
    assert one.stop() == []


@pytest.fixture
def beside(system):
    """Clients of a `Proxied` that reaches the primary itself: what they are told is PostgreSQL's own answer."""
    where = system.addresses
    yield Proxied(SimpleNamespace(client=where.primary), ProxyOptions(), where.users, place_for(["app"]), None)
    undo_all()


@pytest.fixture(autouse=True)
def said(monkeypatch):
    """What keywords told, which go into a test's message only in a run of Robot Framework."""
    told = []
    builtin = SimpleNamespace(set_test_message=lambda text, **_: told.append(text))
    monkeypatch.setattr("EnvironmentLibrary.telling.BuiltIn", lambda: builtin)
    return told
