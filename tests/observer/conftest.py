"""Servers for tests of events: NATS with its stream, ClickHouse with its table, a stand-in for a search engine."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import nats
import orjson
import pytest
from nats.js.api import StreamConfig
from robot.api.types import Secret

from environments.embedded.ports import HOST, Ports
from environments.fraiseql import provision_clickhouse
from environments.system import ClickHouseAddress, Login
from ObserverLibrary.event import EntityEvent
from ObserverLibrary.readers import ClickHouseReader, comparable
from runner.children import start, stop
from tests.observer.search_engine import SearchEngine
from tests.waiting import until

ROOT = Path(__file__).resolve().parents[2]
STREAM, SUBJECT = "fraiseql_events", "fraiseql.mutation"
LOGIN = Login("acceptance", Secret("the word: a secret"))


class NatsServer:
    """A NATS that can be killed, frozen and started again on the same files."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.port = directory, Ports().choose()
        self.url = f"nats://{HOST}:{self.port}"

    def start(self) -> None:
        program = Path(sys.executable).with_name("nats-server")
        options = ["-a", HOST, "-p", str(self.port), "-js", "-sd", str(self.directory)]
        self.process = start([program, *options], stderr=subprocess.DEVNULL)
        until(self._listens, "NATS to answer", 20)

    def make_stream(self) -> None:
        configuration = StreamConfig(name=STREAM, subjects=[f"{SUBJECT}.>"], duplicate_window=20)
        asyncio.run(self._with(lambda js: js.add_stream(configuration)))

    def messages(self) -> list[Any]:
        """Everything the stream holds, in its order."""

        async def read(js: Any) -> list[Any]:
            number = (await js.stream_info(STREAM)).state.messages
            reading = await js.subscribe(f"{SUBJECT}.>", ordered_consumer=True)
            return [await reading.next_msg(5) for _ in range(number)]

        return asyncio.run(self._with(read))

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)

    def _listens(self) -> bool:
        with socket.create_connection((HOST, self.port), 1) as connection:
            return connection.recv(4) == b"INFO"

    async def _with(self, action: Any) -> Any:
        client = await nats.connect(self.url)
        try:
            return await action(client.jetstream())
        finally:
            await client.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[NatsServer]:
    """A NATS of the test's own, with the stream of events."""
    nats_server = NatsServer(tmp_path / "nats")
    nats_server.start()
    try:
        nats_server.make_stream()
        yield nats_server
    finally:
        stop(nats_server.process)


@pytest.fixture(scope="session")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseAddress]:
    """A ClickHouse with the table of events."""
    directory, port = tmp_path_factory.mktemp("clickhouse"), Ports().choose()
    password = directory / "password"
    password.write_text(LOGIN.password.value + "\n", encoding="utf-8")
    program = ROOT / "reference" / "clickhouse" / "__main__.py"
    options = {"data": directory / "data", "port": port, "user": LOGIN.user, "password-file": password}
    with (directory / "log").open("w") as log:
        front = start([sys.executable, program, *(f"--{k}={v}" for k, v in options.items())], stderr=log)
    try:
        where = ClickHouseAddress(f"http://{HOST}:{port}", LOGIN, "default", "fraiseql_events")

        def provisioned() -> bool:
            provision_clickhouse(where)
            return True

        until(provisioned, "ClickHouse to take its table", 30)
        yield where
    finally:
        stop(front)


@pytest.fixture
def search() -> Iterator[SearchEngine]:
    """A stand-in for a search engine, empty."""
    with SearchEngine("fraiseql-events") as engine:
        yield engine


def store(reader: ClickHouseReader, events: Sequence[EntityEvent], **changes: Any) -> None:
    """Put events into ClickHouse as a sink would, with changes to all of them."""
    rows = [
        {**comparable(event), "data": orjson.dumps(event.data).decode(), **changes, "timestamp": event.timestamp}
        for event in events
    ]
    body = b"\n".join(orjson.dumps({"event_id": row.pop("id"), **row}) for row in rows)
    token = str(uuid.uuid4())  # the same rows again are other rows
    settings = {"date_time_input_format": "best_effort", "insert_deduplication_token": token}
    reader.client.raw_insert("fraiseql_events", insert_block=body, settings=settings, fmt="JSONEachRow")
