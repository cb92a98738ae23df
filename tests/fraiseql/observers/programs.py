"""What these tests start: NATS, ClickHouse's engine behind its front, an observer; each can be killed and come back."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import requests

from environments.embedded.ports import Ports
from runner.children import start, stop
from tests.waiting import until

HOST = "127.0.0.1"
ROOT = Path(__file__).resolve().parents[3]
REFERENCE = ROOT / "reference"
PASSWORD = "pä'ss"
PORTS = Ports()


class Program:
    """A program with a directory and a log of its own."""

    def __init__(self, directory: Path, name: str) -> None:
        self.directory, self.log = directory / name, directory / f"{name}.log"
        self.directory.mkdir()
        self.port = PORTS.choose()
        self.process: subprocess.Popen[str] | None = None

    def command(self) -> list[str]:
        raise NotImplementedError

    def launch(self) -> None:
        with self.log.open("ab") as output:
            self.process = start(self.command(), stdout=output, stderr=output)

    def text(self) -> str:
        return self.log.read_text(encoding="utf-8")

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)

    def freeze(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def terminate(self, seconds: float = 20) -> int:
        """Ask it to end; return its exit status."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(seconds)

    def end(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.thaw()
            stop(self.process, 5)


class Nats(Program):
    """A server with JetStream."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, "nats")
        self.monitor = PORTS.choose()

    @property
    def url(self) -> str:
        return f"nats://{HOST}:{self.port}"

    def command(self) -> list[str]:
        program = str(Path(sys.executable).parent / "nats-server")
        return [program, "-a", HOST, "-p", str(self.port), "-m", str(self.monitor), "-js", "-sd", str(self.directory)]

    def start(self) -> None:
        self.launch()
        until(lambda: requests.get(f"http://{HOST}:{self.monitor}/healthz", timeout=1).ok, "NATS to answer")


class ClickHouse(Program):
    """The engine behind its front, with the table of events."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, "clickhouse")

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def command(self) -> list[str]:
        password = self.directory / "password"
        password.write_text(PASSWORD, encoding="utf-8")
        options = {"user": "sink", "password-file": password, "data": self.directory / "data", "port": self.port}
        program = [sys.executable, str(REFERENCE / "clickhouse" / "__main__.py")]
        return [*program, *(f"--{name}={value}" for name, value in options.items())]

    def start(self) -> None:
        self.launch()
        until(lambda: requests.get(f"{self.url}/ping", timeout=1).ok, "ClickHouse to answer", 20)
        self.ask((ROOT / "environments" / "fraiseql" / "events.sql").read_text(encoding="utf-8"))

    def ask(self, statement: str) -> list[list[str]]:
        """The rows of an answer."""
        headers: dict[str, str | bytes] = {"X-ClickHouse-User": "sink", "X-ClickHouse-Key": PASSWORD.encode()}
        answer = requests.post(self.url, statement.encode(), headers=headers, timeout=20)
        assert answer.ok, answer.text
        return [line.split("\t") for line in answer.text.splitlines()]

    def ids(self) -> list[str]:
        """The id of each row, in the order of ids."""
        return [event_id for (event_id,) in self.ask("SELECT event_id FROM fraiseql_events ORDER BY event_id")]


class Observer(Program):
    """The observer of one sink."""

    def __init__(
        self, directory: Path, sink: str, nats_url: str, sink_url: str, name: str = "", *options: str, **batch: int
    ) -> None:
        super().__init__(directory, name or f"observer-{sink}")
        self.sink, self.options = sink, options
        self.file = self.directory / "observers.toml"
        login = f'user = "sink"\npassword = "{PASSWORD}"\n' if sink == "clickhouse" else ""
        lines = "\n".join(f"{key} = {value}" for key, value in ({"size": 200, "linger_ms": 50} | batch).items())
        self.file.write_text(
            f'[nats]\nurl = "{nats_url}"\nduplicate_window_seconds = 1\n[{sink}]\nurl = "{sink_url}"\n{login}'
            f"[batch]\n{lines}\n[retry]\nfirst_ms = 20\nmost_ms = 200\n",
            encoding="utf-8",
        )

    def arguments(self, action: str) -> list[str]:
        program = str(REFERENCE / "fraiseql" / "observers" / "__main__.py")
        return [sys.executable, program, action, "--config", str(self.file), "--sink", self.sink]

    def command(self) -> list[str]:
        return [*self.arguments("run"), "--metrics-port", str(self.port), *self.options]

    def start(self) -> None:
        self.launch()
        until(lambda: self.get("/health").ok, "the observer to read the stream")

    def replay(self) -> str:
        done = subprocess.run(self.arguments("replay"), capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def get(self, path: str) -> requests.Response:
        return requests.get(f"http://{HOST}:{self.port}{path}", timeout=5)

    def metrics(self) -> Mapping[str, float]:
        """Each metric by the last part of its name."""
        lines = [line for line in self.get("/metrics").text.splitlines() if not line.startswith("#")]
        parts = [line.removeprefix("fraiseql_observer_").rsplit(" ", 1) for line in lines]
        return {name.split("{")[0].removesuffix("_total"): float(value) for name, value in parts}

    def rss(self) -> int:
        """Resident memory in bytes."""
        assert self.process is not None
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")
        return int(status.split("VmRSS:")[1].split()[0]) * 1024
