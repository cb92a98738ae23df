"""What the server keeps when it dies, how it ends, and what it refuses to start with."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable

import psutil
import pyarrow as pa
import pytest
import requests

from runner.children import start
from tests.fraiseql.clickhouse.conftest import Front, run_to_end
from tests.waiting import until

Fresh = Callable[[], Front]
TABLE = "CREATE TABLE t (a UInt64, b String) ENGINE = MergeTree ORDER BY a"


def test_what_was_acknowledged_survives_a_kill(fresh: Fresh) -> None:
    front = fresh()
    front.ask(TABLE)
    acknowledged: list[int] = []

    def insert() -> None:
        mine = front.another_client()
        try:
            for number in range(100_000):
                mine.post(f"{number},x\n".encode(), query="INSERT INTO t FORMAT CSV").raise_for_status()
                acknowledged.append(number)
        except requests.RequestException:
            pass  # it has been killed

    writer = threading.Thread(target=insert)
    writer.start()
    until(lambda: len(acknowledged) > 100, "100 inserts")
    front.kill()
    writer.join(30)
    front.start()
    rows = [int(line) for line in front.ask("SELECT a FROM t ORDER BY a").split("\n")]
    assert rows[: len(acknowledged)] == acknowledged
    assert len(rows) - len(acknowledged) in (0, 1), "only the insert that was cut off may be there as well"


def test_running_queries_are_let_finish(fresh: Fresh) -> None:
    front = fresh()
    other = front.another_client()
    other.ask("SELECT 1")
    text = "SELECT number FROM numbers(5000000) FORMAT RowBinary"
    with front.http.post(front.url, data=text, stream=True, timeout=10) as answer:
        read = len(answer.raw.read(100))
        front.process.send_signal(signal.SIGTERM)
        until(lambda: _refuses(front.port), "the port to be closed")
        with pytest.raises(requests.ConnectionError):
            other.ask("SELECT 1")  # on the connection that it has kept
        assert front.process.poll() is None
        while piece := answer.raw.read(1 << 20):
            read += len(piece)
    assert read == 5_000_000 * 8
    assert front.process.wait(10) == 0
    assert "stopped" in front.log.read_text(encoding="utf-8")


def test_an_idle_connection_does_not_hold_up_its_end(fresh: Fresh) -> None:
    front = fresh()
    front.ask("SELECT 1")  # the client keeps the connection
    assert front.end(5) == 0


def test_a_second_server_on_the_same_data_is_refused(fresh: Fresh) -> None:
    front = fresh()
    front.ask(TABLE)
    second = Front(front.data.parent)
    refused = run_to_end(second.command)
    assert refused.returncode == 2
    assert refused.stderr == f"error: --data: {front.data} cannot be opened: another process has it\n"
    assert front.ask("SELECT count() FROM t") == "0"


def test_a_taken_port_is_refused(fresh: Fresh) -> None:
    front = fresh()
    front.end()
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", front.port))
        holder.listen()
        refused = run_to_end(front.command)
    assert refused.returncode == 2
    assert refused.stderr == f"error: --port: cannot listen on 127.0.0.1:{front.port} (Address already in use)\n"


def test_a_missing_password_is_refused(fresh: Fresh) -> None:
    front = fresh()
    front.end()
    front.secret.unlink()
    refused = run_to_end(front.command)
    assert (refused.returncode, refused.stderr) == (
        2,
        f"error: --password-file: {front.secret} cannot be read (No such file or directory)\n",
    )


def test_memory_does_not_grow_with_the_answer(fresh: Fresh) -> None:
    front = fresh()
    process = psutil.Process(front.process.pid)
    most = before = process.memory_info().rss
    text = "SELECT number, toString(number) AS s FROM numbers(8000000) FORMAT ArrowStream"
    rows = 0
    with front.http.post(front.url, data=text, stream=True, timeout=30) as answer:
        for batch in pa.ipc.open_stream(answer.raw):
            rows += batch.num_rows
            most = max(most, process.memory_info().rss)
    assert rows == 8_000_000  # 180 MB and more
    assert most - before < 100_000_000


def test_nothing_of_the_environment_is_needed(fresh: Fresh) -> None:
    """Started by its path, from any directory, it finds its own package."""
    front = fresh()
    front.end()
    front.process = start(front.command, cwd="/", env={"PATH": os.defpath})
    until(lambda: requests.get(front.url + "ping", timeout=1).ok, "the front to answer", 20)


def _refuses(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0
