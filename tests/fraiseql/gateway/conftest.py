"""One PostgreSQL with the data of the criteria, and a gateway in front of it, for all tests that break neither."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.fraiseql.gateway.programs import Gateway, Postgres, Redis

ROOMY = "[validation]\nmax_query_complexity = 1000000000\n"
"""Limits of a gateway that is asked for many rows; the environment lifts that of a page."""


@pytest.fixture(scope="package")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    server = Postgres(tmp_path_factory.mktemp("postgres"))
    yield server.with_data()
    server.end()


@pytest.fixture(scope="package")
def gateway(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway whose limits are out of the way."""
    started = Gateway(tmp_path_factory.mktemp("gateway"), postgres.url, sections=ROOMY, FRAISEQL_MAX_PAGE_SIZE="0")
    yield started.ready()
    started.end()


@pytest.fixture
def start(tmp_path: Path, postgres: Postgres) -> Iterator[Callable[..., Gateway]]:
    """Start further gateways, which end with the test."""
    with ExitStack() as ending:
        number = iter(range(100))

        def started(*arguments: str, database: str = "", **options: Any) -> Gateway:
            directory = tmp_path / f"gateway-{next(number)}"
            made = Gateway(directory, database or postgres.url, *arguments, **options)
            ending.callback(made.end)
            return made

        yield started


@pytest.fixture
def own_postgres(tmp_path: Path) -> Iterator[Postgres]:
    """A server that a test may stop."""
    directory = tmp_path / "own postgres"
    directory.mkdir()
    server = Postgres(directory)
    yield server.with_data()
    server.end()


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    server = Redis(tmp_path)
    yield server
    server.end()
