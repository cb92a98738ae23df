"""The keywords of rows that change while they are read, against PostgreSQL and a small gateway in front of it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from robot.api.types import Secret

from environments.fraiseql import provision_database
from environments.system import Endpoint, FraiseqlAddresses, Login, Running, use
from FlightLibrary.keywords.base import undo_all
from GatewayLibrary import GatewayLibrary
from GatewayLibrary.changing import Traffic
from LoadLibrary.rate import Rate
from measurement.records import read_records
from measurement.verdicts import Inconclusive
from oracles.history import History
from PostgresLibrary.sessions import Target, connect, rows, value
from tests.one_server import one_server

OWNER = Login("fraiseql", Secret("the owner's secret"))
SOON = timedelta(seconds=10)
library = GatewayLibrary()


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    with one_server(tmp_path_factory.mktemp("postgresql"), "18") as server:
        provision_database(server.connect_superuser, "fraiseql", OWNER)
        yield server.endpoint


class SmallGateway(ThreadingHTTPServer):
    """Answers the one query; keeps answers only where a test makes it."""

    daemon_threads = True

    def __init__(self, database: Endpoint) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.target = Target(database, "fraiseql", OWNER)
        self.kept: dict[str, tuple[object, ...]] | None = None
        self.hits = 0
        self.status = 200
        self.lock = threading.Lock()
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def user(self, session: Any, identity: str) -> tuple[object, ...]:
        with self.lock:
            if self.kept is not None and identity in self.kept:
                self.hits += 1
                return self.kept[identity]
        ((*found,),) = rows(session, "SELECT id::text, name, visits FROM tb_user WHERE id = %s", (identity,))
        if self.kept is not None:
            self.kept[identity] = tuple(found)
        return tuple(found)


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: SmallGateway

    def setup(self) -> None:
        super().setup()
        self.session = connect(self.server.target)
        self.session.autocommit = True

    def finish(self) -> None:
        self.session.close()
        super().finish()

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        user = self.server.user(self.session, asked["variables"]["id"])
        answer = {"data": {"user": dict(zip(("id", "name", "visits"), user, strict=True))}}
        self._send(self.server.status, json.dumps(answer))

    def do_GET(self) -> None:
        assert self.headers["Authorization"] == "Bearer of metrics"
        self._send(200, f"# TYPE fraiseql_cache_hits gauge\nfraiseql_cache_hits {self.server.hits}\n")

    def _send(self, status: int, body: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *arguments: object) -> None:
        """Nobody wants to know."""


@dataclass
class System:
    """Enough of a `FraiseqlSystem`."""

    addresses: FraiseqlAddresses
    capabilities: frozenset[str] = frozenset()
    services: dict[str, object] = field(default_factory=dict)
    facts: tuple[object, ...] = ()


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    told: list[str] = []
    monkeypatch.setattr("GatewayLibrary.keywords.reading.say", told.append)
    monkeypatch.setattr("EnvironmentLibrary.telling.say", told.append)
    monkeypatch.setattr("GatewayLibrary.keywords.reading.CHANGES", 6)  # so that tests are short
    return told


@pytest.fixture
def gateway(database: Endpoint, tmp_path: Path, said: list[str]) -> Iterator[SmallGateway]:
    with SmallGateway(database) as server:
        where = FraiseqlAddresses(
            http=f"http://127.0.0.1:{server.server_address[1]}",
            flight="grpc://127.0.0.1:1",
            session_secret=Secret("secret"),
            metrics_token=Secret("of metrics"),
            identity=None,
            database=database,
            database_name="fraiseql",
            owner=OWNER,
            views=(),
            upload_table="tb_import",
            stream="none",
            subject="none",
        )
        running = Running("small", "embedded", "quick", str(tmp_path), 1.0, 7, system_name="fraiseql")
        running.system = System(where)  # type: ignore[assignment]
        use(running)
        yield server
        try:
            undo_all()
        finally:
            use(None)
            server.shutdown()


def read(window: Callable[[Traffic], object] = lambda _: None) -> Traffic:
    readers = library.rows_are_read_while_they_are_changed(Rate(200))
    library.window_begins(readers, "a fault", "fault")
    window(readers)
    library.enough_should_be_answered(readers, SOON)
    return readers


def test_answers_of_the_rows_themselves_are_the_newest_and_quick(
    gateway: SmallGateway, tmp_path: Path, said: list[str]
) -> None:
    readers = read()
    library.every_answer_should_have_been_the_newest(readers)
    library.every_answer_should_have_come_within(readers, timedelta(seconds=5))
    history = History.read(tmp_path / "histories" / "none-answers.jsonl")
    assert [mark.label for mark in history.marks] == ["before", "a fault"]
    (record,) = read_records(tmp_path / "measurements.jsonl")
    assert [sample["label"] for sample in record["samples"]] == ["before", "a fault"]
    assert record["verdict"]["value"] == "pass"
    assert [text.partition(":")[0] for text in said[1:3]] == ["before", "a fault"]
    with closing(connect(gateway.target)) as session:
        assert value(session, "SELECT count(*) FROM tb_user WHERE email LIKE '%changing.example'") == 6
        session.rollback()
        undo_all()
        assert value(session, "SELECT count(*) FROM tb_user WHERE email LIKE '%changing.example'") == 0


def test_a_gateway_that_keeps_answers_is_found(gateway: SmallGateway) -> None:
    def keep(_: Traffic) -> None:
        gateway.kept = {}

    with pytest.raises(AssertionError, match=r"stale reads: \d+ of \d+ .* first: key .* after a fault"):
        library.every_answer_should_have_been_the_newest(read(keep))


def test_answers_that_are_errors_end_the_wait(gateway: SmallGateway) -> None:
    def fail(_: Traffic) -> None:
        gateway.status = 503

    with pytest.raises(AssertionError, match=r"operations had no right answer; first: read of .*HTTP 503"):
        read(fail)


def test_a_slow_answer_is_seen(gateway: SmallGateway) -> None:
    def stall(readers: Traffic) -> None:
        with gateway.lock:
            library.window_begins(readers, "stalled", "fault")
            since = readers.now()
            threading.Event().wait(0.3)
            assert not readers.seen(since)["reads"]

    readers = read(stall)
    with pytest.raises(AssertionError, match=r"the slowest of \d+ answers took .*; less than 100 ms wanted"):
        library.every_answer_should_have_come_within(readers, timedelta(seconds=0.1))


def test_a_window_with_few_answers_settles_nothing(gateway: SmallGateway) -> None:
    readers = read()
    library.window_begins(readers, "the last")
    with pytest.raises(Inconclusive, match=r"window 'the last': \d+ times '(reads|acked)', at least \d+ needed"):
        library.every_answer_should_have_been_the_newest(readers)


def test_too_few_answers_in_time_settle_nothing(gateway: SmallGateway) -> None:
    readers = library.rows_are_read_while_they_are_changed(Rate(200))
    with pytest.raises(Inconclusive, match=r"waited for enough answers: .* of 100 'reads', \d+ of 6 'acked'"):
        library.enough_should_be_answered(readers, timedelta(milliseconds=200))


def test_a_cache_that_nobody_uses_settles_nothing(gateway: SmallGateway) -> None:
    readers = library.rows_are_read_while_they_are_changed(Rate(200))
    with pytest.raises(Inconclusive, match="the gateway counts 0 answers from its cache, 20 wanted"):
        library.answers_should_come_from_the_cache(readers, timedelta(seconds=2))
    gateway.kept = {}
    library.answers_should_come_from_the_cache(readers, SOON)
