"""Servers for tests of events: NATS with its stream, ClickHouse with its table, a stand-in for a search engine, and
a system of them that the keywords can be asked of."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import nats
import orjson
import pytest
from nats.js.api import StreamConfig

from environments.embedded.ports import HOST, Ports
from environments.fraiseql import provision_clickhouse
from environments.system import ClickHouseAddress, Running
from LoadLibrary.rate import Rate
from ObserverLibrary import ObserverLibrary
from ObserverLibrary.event import EntityEvent, lone_event
from ObserverLibrary.keywords.base import MARKER, EventLoad, next_seed
from ObserverLibrary.readers import ClickHouseReader, comparable
from runner.children import start, stop
from tests.observer.search_engine import SearchEngine
from tests.observer.system import LOGIN, STREAM, SUBJECT, Pipeline, running
from tests.waiting import until

ROOT = Path(__file__).resolve().parents[2]
MODULES = ("account", "flow", "lone", "pipeline", "stress")  # of keywords that say something


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


@dataclass
class Sinks:
    """Both sinks, and what the keywords said."""

    run: Running
    table: ClickHouseReader
    index: SearchEngine
    said: list[str]

    def put(self, events: list[EntityEvent], **changes: Any) -> None:
        store(self.table, events, **changes)
        for event in events:
            self.index.put({**asdict(event), **changes})


@pytest.fixture
def sinks(
    server: NatsServer,
    clickhouse: ClickHouseAddress,
    search: SearchEngine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Sinks]:
    """A system whose markers arrive at once and whose other events only when the test puts them."""
    table = ClickHouseReader(clickhouse)
    table.client.command("TRUNCATE TABLE fraiseql_events")
    said: list[str] = []
    with running(Pipeline(server.url, clickhouse, search.address), tmp_path) as run:
        both = Sinks(run, table, search, said)
        monkeypatch.setattr("EnvironmentLibrary.telling.say", said.append)
        for name in MODULES:
            monkeypatch.setattr(f"ObserverLibrary.keywords.{name}.say", said.append)

        def marker() -> EntityEvent:
            made = lone_event("CUSTOM", MARKER, {}, seed=next_seed(), intended_us=time.time_ns() // 1000)
            both.put([made])
            return made

        for name in ("account", "lone"):
            monkeypatch.setattr(f"ObserverLibrary.keywords.{name}.publish_marker", marker)
        monkeypatch.setattr("ObserverLibrary.keywords.base.QUIET_SECONDS", 0.3)
        yield both
    table.close()


@pytest.fixture
def library() -> ObserverLibrary:
    return ObserverLibrary()


@pytest.fixture
def load(sinks: Sinks, library: ObserverLibrary) -> EventLoad:
    """A hundred events at 1 000 a second, all of them acknowledged, none of them in a sink."""
    return library.events_are_published(100, Rate(1000.0))
