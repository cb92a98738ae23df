"""What criteria call users and databases, and what these are called where the proxy runs."""

from __future__ import annotations

from typing import cast

import pytest
from robot.api.types import Secret

from environments.pgdog.options import ProxyOptions
from environments.system import Endpoint, Login, PgdogAddresses, PgdogInstance
from PgDogLibrary import proxied
from PgDogLibrary.place import Place, Server
from PgDogLibrary.proxied import Proxied

CLIENT, PRIMARY, MIRROR = (Endpoint("127.0.0.1", port) for port in (6432, 5432, 5433))
SHOP, CLERK, ROOT = (Login(name, Secret(name)) for name in ("shop_user", "clerk", "root"))
ADDRESSES = PgdogAddresses(CLIENT, "shop", "shop_db", (SHOP, CLERK), ROOT, PRIMARY, MIRROR, "upstream", None, None)


class System:
    addresses = ADDRESSES


class Instance:
    client = CLIENT


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Proxied:
    monkeypatch.setattr(proxied, "pgdog", System)
    primary, mirror = (
        Server(name, where, ROOT, {"app": ADDRESSES.server_database})
        for name, where in (("primary", PRIMARY), ("mirror", MIRROR))
    )
    place = Place(primary, mirror, ("app",))
    return Proxied(cast("PgdogInstance", Instance()), ProxyOptions(), ADDRESSES.users, place)


def test_clients_ask_for_the_database_and_as_the_users_that_the_environment_names(proxy: Proxied) -> None:
    assert (proxy.target().database, proxy.target().login) == ("shop", SHOP)
    assert proxy.target("db_3", "other").database == "db_3"
    assert proxy.target("app", "other").login == CLERK
    assert proxy.user_names == ["shop_user", "clerk"]


def test_both_servers_are_asked_by_the_name_that_the_database_has_there(proxy: Proxied) -> None:
    for server in (proxy.place.primary, proxy.place.mirror):
        assert server.target("app").database == "shop_db"
        assert server.target("other").database == "other"
