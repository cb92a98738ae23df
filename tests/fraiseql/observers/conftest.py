"""Servers that these tests share, and observers of a test's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError

from tests.fraiseql.observers.doubles import Search
from tests.fraiseql.observers.programs import ClickHouse, Nats, Observer
from tests.fraiseql.observers.publishing import DEAD_LETTERS, STREAM, with_jetstream

MakeObserver = Callable[..., Observer]


@pytest.fixture(scope="package")
def one_nats(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nats]:
    server = Nats(tmp_path_factory.mktemp("nats"))
    server.start()
    yield server
    server.end()


@pytest.fixture
def nats(one_nats: Nats) -> Nats:
    """NATS without streams."""

    async def empty(context: JetStreamContext) -> None:
        for name in (STREAM, DEAD_LETTERS):
            with suppress(NotFoundError):
                await context.delete_stream(name)

    if one_nats.process is None or one_nats.process.poll() is not None:
        one_nats.start()
    with_jetstream(one_nats.url, empty)
    return one_nats


@pytest.fixture(scope="package")
def one_clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouse]:
    server = ClickHouse(tmp_path_factory.mktemp("clickhouse"))
    server.start()
    yield server
    server.end()


@pytest.fixture
def clickhouse(one_clickhouse: ClickHouse) -> ClickHouse:
    """ClickHouse with an empty table."""
    one_clickhouse.ask("TRUNCATE TABLE fraiseql_events")
    return one_clickhouse


@pytest.fixture
def search() -> Iterator[Search]:
    server = Search()
    yield server
    server.shut()


@pytest.fixture
def observe(tmp_path: Path, nats: Nats) -> Iterator[MakeObserver]:
    """Start an observer of a sink at a URL; keywords are keys of [batch]."""
    made: list[Observer] = []

    def make(sink: str, url: str, *options: str, name: str = "", **batch: int) -> Observer:
        made.append(Observer(tmp_path, sink, nats.url, url, name, *options, **batch))
        made[-1].start()
        return made[-1]

    yield make
    for observer in made:
        observer.end()
