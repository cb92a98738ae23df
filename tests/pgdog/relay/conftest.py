"""Two servers for the package, and proxies between them."""

from contextlib import ExitStack

import pytest

from tests.pgdog.relay.running import proxy, server


@pytest.fixture(scope="package")
def servers(tmp_path_factory):
    directory = tmp_path_factory.mktemp("pgdog")
    with server(directory / "primary") as primary, server(directory / "mirror") as mirror:
        yield primary, mirror


@pytest.fixture
def primary(servers):
    return servers[0]


@pytest.fixture
def mirror(servers):
    return servers[1]


@pytest.fixture
def table(servers):
    """The table `t`, empty on both."""
    for one in servers:
        one.run("drop table if exists t; create table t (a int primary key, b text)")
        one.run("grant all on t to public")
    return "t"


@pytest.fixture
def make(servers, table):
    """Start a proxy, with options of `running.proxy`; it is stopped after the test."""
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(proxy(*servers, **options).running())


@pytest.fixture
def same(servers):
    """Tell whether the table holds the same on both, and what."""

    def look(rows=None):
        here, there = (one.run("select a, b from t order by a") for one in servers)
        assert here == there
        assert rows is None or here == rows

    return look
