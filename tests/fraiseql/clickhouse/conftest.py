"""Fronts of ClickHouse's engine, started as the programs they are, each on a directory of its own."""

from __future__ import annotations

import copy
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from environments.embedded.ports import Ports
from runner.children import start, stop
from tests.waiting import until

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = ROOT / "reference" / "clickhouse" / "__main__.py"
USER, PASSWORD = "acceptance", "päss: word'\\"


def client() -> requests.Session:
    session = requests.Session()
    session.headers.update({"X-ClickHouse-User": USER, "X-ClickHouse-Key": PASSWORD.encode()})
    return session


class Front:
    """One server, and a connection of an HTTP client to it."""

    def __init__(self, directory: Path) -> None:
        self.data, self.log = directory / "data", directory / "log"
        self.port = Ports().choose()
        self.secret = directory / "password"
        self.secret.write_text(PASSWORD + "\n", encoding="utf-8")
        self.http = client()

    def another_client(self) -> Front:
        """The same server over a connection of its own."""
        other = copy.copy(self)
        other.http = client()
        return other

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    @property
    def command(self) -> list[str]:
        options = {"data": self.data, "port": self.port, "user": USER, "password-file": self.secret}
        return [sys.executable, str(PROGRAM), *(f"--{name}={value}" for name, value in options.items())]

    def start(self) -> None:
        with self.log.open("ab") as output:
            self.process = start(self.command, stdout=output, stderr=output)
        until(lambda: requests.get(self.url + "ping", timeout=1).ok, "the front to answer", 20)

    def post(self, data: Any = b"", headers: Any = None, **arguments: Any) -> requests.Response:
        return self.http.post(self.url, params=arguments, data=data, headers=headers, timeout=30)

    def ask(self, text: str, **arguments: Any) -> str:
        """The answer of a query that must succeed, without its last newline."""
        answer = self.post(text.encode(), **arguments)
        assert answer.status_code == 200, answer.text
        return answer.text.removesuffix("\n")

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def end(self, seconds: float = 15) -> int:
        """Ask it to end; return its exit status."""
        self.process.terminate()
        return self.process.wait(seconds)


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    server = Front(tmp_path_factory.mktemp("front"))
    server.start()
    yield server
    assert server.process.poll() is None, server.log.read_text(encoding="utf-8")
    stop(server.process)


@pytest.fixture
def front(shared: Front) -> Front:
    """One server for all that leave it as it was; the table `t` is empty."""
    shared.ask("DROP TABLE IF EXISTS t SYNC")
    shared.ask("CREATE TABLE t (a UInt64, b String) ENGINE = MergeTree ORDER BY a")
    return shared


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Callable[[], Front]]:
    """Make servers of a test's own."""
    made: list[Front] = []

    def make() -> Front:
        directory = tmp_path / f"front{len(made)}"
        directory.mkdir()
        made.append(Front(directory))
        made[-1].start()
        return made[-1]

    yield make
    for server in made:
        stop(server.process, 15)


def run_to_end(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a program that must end by itself."""
    return subprocess.run(command, capture_output=True, text=True, timeout=30)
