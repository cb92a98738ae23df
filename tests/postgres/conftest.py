"""A server of each major version that is supported."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from psycopg2.extensions import connection

from PostgresLibrary.base import undo_all
from PostgresLibrary.sessions import connect
from tests.one_server import OneServer, one_server


@pytest.fixture(scope="package", params=["18", "16"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OneServer]:
    with one_server(tmp_path_factory.mktemp(f"postgresql-{request.param}"), request.param) as system:
        yield system


@pytest.fixture
def owner(server: OneServer) -> Iterator[connection]:
    """A session of the schema's owner; what the test registered for its end is done afterwards."""
    with closing(connect(server.target)) as session:
        yield session
    undo_all()
