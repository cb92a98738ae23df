"""Broker programs of these tests' own, each with a directory and a configuration of its own."""

from __future__ import annotations

import ctypes
import http.client
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from environments.embedded.ports import Ports
from tests.mycelium.client import Client, Closed
from tests.waiting import until

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "reference" / "mycelium" / "__main__.py"


def topic(name: str, routing: str = "Fanout", buffer: int = 1000, largest: int = 1024, overflow: str = "") -> str:
    lines = [f'name = "{name}"', f'routing = "{routing}"', f"buffer_size = {buffer}", f"max_message_size = {largest}"]
    return "\n".join(["[[topics]]", *lines, *([f'overflow = "{overflow}"'] if overflow else []), ""])


def configuration(directory: Path, *topics: str, server: str = "", **changed: object) -> str:
    """A whole configuration; `changed` replaces values of [server] and [performance] by key."""
    values: dict[str, object] = {
        "bind_address": '"127.0.0.1"',
        "socket_path": f'"{directory / "broker.sock"}"',
        "max_connections": 100,
        "connection_timeout_ms": 1000,
        "worker_threads": 2,
        "channel_capacity": 1000,
        "batch_size": 1000,
        "flush_interval_ms": 1,
    } | changed
    lines = [f"{key} = {value}" for key, value in values.items()]
    return "\n".join(["[server]", *lines[:4], server, "[performance]", *lines[4:8], *lines[8:], "", *topics])


STANDARD = (
    topic("market_data", buffer=100_000, largest=65_536),
    topic("signals", buffer=50_000, largest=32_768),
    topic("execution", "Queue", buffer=25_000, largest=16_384),
)


class Broker:
    """One broker process."""

    def __init__(self, directory: Path, text: str, *options: str, **environment: str) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory, self.options = directory, options
        self.path = directory / "broker.sock"
        self.file, self.log = directory / "broker.toml", directory / "broker.log"
        self.metrics_port: int | None = None
        self.clients: list[Client] = []
        self.file.write_text(text, encoding="utf-8")

        def die_with_us() -> None:
            ctypes.CDLL(None).prctl(1, signal.SIGKILL)

        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, str(PROGRAM), "--config", str(self.file), *options],
                stdout=output, stderr=output, env={**os.environ, **environment}, preexec_fn=die_with_us,
            )  # fmt: skip

    def until_ready(self) -> Broker:
        def answers() -> bool:
            assert self.process.poll() is None, self.log.read_text()
            with closing(Client(self.path)) as client:
                return client.until_pong() == []

        until(answers, f"the broker to answer; {self.log.read_text()}", seconds=30)  # compiling takes 4 s undisturbed
        return self

    def client(self) -> Client:
        self.clients.append(Client(self.path))
        return self.clients[-1]

    def admitted(self) -> Client:
        """A client that is served, as soon as there is a place for one."""

        def served() -> Client | None:
            client = self.client()
            try:
                return client if client.until_pong() == [] else None
            except Closed:
                return None

        client: Client = until(served, "a place for one more")
        return client

    def subscriber(self, *topics: str) -> Client:
        client = self.client()
        client.subscribe(*topics)
        return client

    def stats(self) -> dict[str, Any]:
        with closing(Client(self.path)) as client:
            return client.stats()

    def topic(self, name: str) -> dict[str, Any]:
        content: dict[str, Any] = self.stats()["topics"][name]
        return content

    def get(self, path: str) -> tuple[int, str]:
        assert self.metrics_port
        with closing(http.client.HTTPConnection("127.0.0.1", self.metrics_port, timeout=10)) as connection:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode()

    def rss(self) -> int:
        """Resident memory in bytes."""
        fields = Path(f"/proc/{self.process.pid}/statm").read_text().split()
        return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(20)

    def end(self) -> None:
        for client in self.clients:
            client.close()
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(5)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Broker]]:
    """Start a broker with these topics; keywords as in `configuration`, options of the program as `options`."""
    started: list[Broker] = []

    def go(
        *topics: str,
        options: tuple[str, ...] = (),
        environment: dict[str, str] | None = None,
        metrics: bool = False,
        ready: bool = True,
        server: str = "",
        **changed: object,
    ) -> Broker:
        directory = tmp_path / str(len(started))
        port = Ports().choose() if metrics else None
        server += f"\nmetrics_port = {port}" if port else ""
        text = configuration(directory, *(topics or STANDARD), server=server, **changed)
        broker = Broker(directory, text, *options, **(environment or {}))
        broker.metrics_port = port
        started.append(broker)
        return broker.until_ready() if ready else broker

    yield go
    for broker in started:
        broker.end()
        assert "Traceback" not in broker.log.read_text(), broker.log.read_text()


@pytest.fixture
def broker(start: Callable[..., Broker]) -> Broker:
    """A broker with the three topics of the tickets."""
    return start()
