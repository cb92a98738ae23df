"""How an observer starts, is watched and ends."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.fraiseql.observers.conftest import MakeObserver
from tests.fraiseql.observers.doubles import Gate, Search
from tests.fraiseql.observers.programs import ClickHouse, Nats, Observer
from tests.fraiseql.observers.publishing import event, pending, publish
from tests.waiting import until

pytestmark = pytest.mark.servers


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_observer_ends_at_once(
    nats: Nats, search: Search, observe: MakeObserver, number: signal.Signals
) -> None:
    observer = observe("search", search.url)
    assert observer.process is not None
    observer.process.send_signal(number)
    assert observer.process.wait(3) == 0
    assert observer.text().endswith("stopped\n")


def test_what_is_under_way_is_finished_and_the_next_is_left(nats: Nats, search: Search, observe: MakeObserver) -> None:
    tried = set[bytes]()

    def refuse(request: int, body: bytes) -> int:
        tried.add(body)
        return 503

    search.whole = refuse
    observer = observe("search", search.url, size=10, linger_ms=1000)
    ids = publish(nats.url, [event() for _ in range(30)])
    until(lambda: len(tried) == 2, "two batches to be under way")
    assert observer.process is not None
    observer.process.terminate()
    until(lambda: "stopping" in observer.text(), "it to be asked to end")
    search.whole = lambda request, body: None
    assert observer.process.wait(10) == 0
    assert sorted(search.documents) == sorted(ids[:20])
    assert pending(nats.url, "search") == 10
    observe("search", search.url, name="successor")
    until(lambda: sorted(search.documents) == sorted(ids), "all to arrive")


def test_a_batch_that_cannot_be_finished_is_left_for_the_next_observer(
    nats: Nats, clickhouse: ClickHouse, observe: MakeObserver
) -> None:
    gate, asked = Gate(clickhouse.url), list[str]()
    gate.stops = lambda path, body: bool(asked.append(path))  # type: ignore[func-returns-value]
    clickhouse.freeze()
    try:
        observer = observe("clickhouse", gate.url)
        ids = publish(nats.url, [event() for _ in range(30)])
        until(lambda: asked, "the batch to be under way")
        began = time.monotonic()
        assert observer.terminate(15) == 0
        assert 9 < time.monotonic() - began < 13
    finally:
        clickhouse.thaw()
    observe("clickhouse", clickhouse.url, name="successor")
    until(lambda: pending(nats.url, "clickhouse") == 0, "all to be acknowledged")
    assert clickhouse.ids() == sorted(ids)
    gate.shut()


def test_an_observer_that_waits_for_nats_ends_at_once(nats: Nats, search: Search, tmp_path: Path) -> None:
    nats.kill()
    observer = Observer(tmp_path, "search", nats.url, search.url)
    observer.launch()
    until(lambda: "nats is away" in observer.text(), "it to wait for NATS")
    assert observer.terminate(3) == 0


def test_the_pages(nats: Nats, search: Search, observe: MakeObserver) -> None:
    observer = observe("search", search.url)
    assert observer.get("/health").json() == {"status": "ok", "sink": "search", "waits_for": {}}
    assert observer.get("/").status_code == 404
    page = observer.get("/metrics")
    assert page.headers["Content-Type"].startswith("text/plain")
    names = ("received", "written", "redelivered", "already_there", "retries", "dead_letters")
    for name in (*(f"{name}_total" for name in names), "pending", "lag_seconds"):
        assert f'fraiseql_observer_{name}{{sink="search"}} 0.0' in page.text


def test_batches_are_cut_by_size_and_age(nats: Nats, clickhouse: ClickHouse, observe: MakeObserver) -> None:
    gate = Gate(clickhouse.url)
    observe("clickhouse", gate.url, size=100, linger_ms=2000)
    began = time.monotonic()
    publish(nats.url, [event() for _ in range(250)])
    until(lambda: len(clickhouse.ids()) == 250, "all to arrive")
    assert time.monotonic() - began > 2.0, "the last batch waits for more"
    assert [body.count(b"\n") + 1 for path, body in gate.passed if "INSERT" in path] == [100, 100, 50]
    gate.shut()


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = Path(__file__).resolve().parents[3] / "reference" / "fraiseql" / "observers" / "__main__.py"
    return subprocess.run([sys.executable, str(program), *arguments], capture_output=True, text=True, timeout=20)


def test_wrong_use_is_told_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "observers.toml"
    file.write_text('[nats]\nurl = "nats://127.0.0.1:1"\n[search]\nurl = "http://127.0.0.1:1"\n')
    wrong = run("run", "--config", str(file), "--sink", "clickhouse")
    assert wrong.returncode == 2
    assert wrong.stderr == f"error: {file}: clickhouse: is missing; add the section [clickhouse]\n"
    unknown = run("run", "--config", str(file), "--sink", "search", "--defect", "no-such")
    assert unknown.returncode == 2
    assert "'no-such' is none of acks-first" in unknown.stderr.splitlines()[-1]


def test_a_port_that_is_taken_is_told_in_one_line(tmp_path: Path, search: Search) -> None:
    observer = Observer(tmp_path, "search", "nats://127.0.0.1:1", search.url)
    observer.port = search.port
    observer.launch()
    assert observer.process is not None
    assert observer.process.wait(10) == 2
    assert f"error: --metrics-port: cannot listen on 127.0.0.1:{search.port}" in observer.text()


def test_a_replay_without_nats_is_told_in_one_line(tmp_path: Path) -> None:
    observer = Observer(tmp_path, "search", "nats://127.0.0.1:1", "http://127.0.0.1:1")
    failed = subprocess.run(observer.arguments("replay"), capture_output=True, text=True, timeout=20)
    assert failed.returncode == 1
    assert failed.stderr.startswith("error: nats: ")
    assert failed.stderr.count("\n") == 1
