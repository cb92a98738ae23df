"""Start, second start, reload and end of the program."""

from __future__ import annotations

import signal
import socket
import stat
import subprocess
import sys
import time

import pytest

from tests.mycelium.client import (
    SHUTTING_DOWN,
    TOO_LARGE,
    TOO_MANY,
    UNKNOWN_TOPIC,
    Client,
)
from tests.mycelium.conftest import PROGRAM, ROOT, STANDARD, Broker, configuration, topic
from tests.mycelium.test_topics import numbered
from tests.waiting import until

pytestmark = pytest.mark.servers


def refused(broker):
    """Return the one line on standard error with which a start was refused."""
    assert broker.process.wait(10) == 2
    (line,) = broker.log.read_text().splitlines()
    assert line.startswith("error: ")
    return line


def test_the_socket_has_its_mode_and_disappears(broker):
    mode = broker.path.stat().st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o660
    assert broker.stop() == 0
    assert sorted(path.name for path in broker.directory.iterdir()) == ["broker.log", "broker.toml"]


def test_a_wrong_configuration_is_refused_in_one_line_that_names_the_key(start):
    broker = start(ready=False, max_connections=0)
    line = refused(broker)
    assert line == f"error: {broker.file}: server.max_connections: 0 is out of range; use at least 1"
    assert not broker.path.exists()


def test_a_second_broker_is_refused_and_the_first_goes_on(broker, tmp_path):
    subscriber = broker.subscriber("signals")
    second = Broker(tmp_path / "second", broker.file.read_text())
    line = refused(second)
    assert line == (
        f"error: {second.file}: server.socket_path: a broker is already running at {broker.path}; "
        "stop it or choose another path"
    )
    broker.client().publish("signals", b"still here")
    assert subscriber.deliveries(1) == [b"still here"]
    assert broker.stop() == 0
    assert not broker.path.exists()


def test_a_listener_of_another_kind_is_not_replaced_either(start, tmp_path):
    path = tmp_path / "taken.sock"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        assert "already running" in refused(start(ready=False, socket_path=f'"{path}"'))
        other.setblocking(False)
        other.accept()
    assert path.exists()


def test_a_file_in_the_way_is_not_removed(start, tmp_path):
    path = tmp_path / "precious"
    path.write_text("data")
    assert "is no socket" in refused(start(ready=False, socket_path=f'"{path}"'))
    assert path.read_text() == "data"


def test_the_socket_of_a_killed_broker_is_replaced(broker, tmp_path):
    broker.process.kill()
    broker.process.wait()
    assert broker.path.exists()
    second = Broker(tmp_path / "second", broker.file.read_text())
    try:
        second.path = broker.path
        second.until_ready()
        assert second.stop() == 0
    finally:
        second.end()
    assert not broker.path.exists()


def until_one_ended(brokers):
    until(lambda: any(one.process.poll() is not None for one in brokers), "one to be refused")


def test_of_two_that_start_at_once_one_is_refused(tmp_path):
    directory = tmp_path / "shared"
    directory.mkdir()
    text = configuration(directory, *STANDARD)
    for number in range(3):
        both = [Broker(tmp_path / f"{number}-{name}", text) for name in "ab"]
        try:
            for one in both:
                one.path = directory / "broker.sock"
            until_one_ended(both)
            (winner,) = [one for one in both if one.process.poll() is None]
            winner.until_ready()
            assert winner.stop() == 0
        finally:
            for one in both:
                one.end()


def test_an_occupied_metrics_port_is_named(start):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        broker = start(ready=False, server=f"metrics_port = {port}")
        assert f"server.metrics_port: cannot listen on 127.0.0.1:{port}" in refused(broker)
    assert not broker.path.exists()


def test_the_environment_beats_the_file(start, tmp_path):
    elsewhere = tmp_path / "elsewhere.sock"
    environment = {"MYCELIUM_SERVER_SOCKET_PATH": str(elsewhere), "MYCELIUM_SERVER_MAX_CONNECTIONS": "1"}
    broker = start(ready=False, environment=environment)
    broker.path = elsewhere
    broker.until_ready()
    first = broker.admitted()
    (error,) = broker.client().until_closed()
    assert error.code == TOO_MANY
    assert first.until_pong() == []


def test_a_wrong_variable_is_named(start):
    line = refused(start(ready=False, environment={"MYCELIUM_PERFORMANCE_BATCH_SIZE": "many"}))
    assert "performance.batch_size (from MYCELIUM_PERFORMANCE_BATCH_SIZE): 'many' is not a whole number" in line


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_drain_delivers_what_was_accepted_and_says_so(start, number):
    broker = start(topic("t", buffer=50_000), topic("work", "Queue", buffer=5000), drain_timeout_ms=5000)
    subscriber, worker, publisher = broker.subscriber("t"), broker.subscriber("work"), broker.client()
    messages = numbered(20_000, 1000)
    publisher.publish("t", *messages)
    publisher.publish("work", *messages[:3000], ack=True)
    while publisher.receive().accepted < 23_000:
        pass
    assert broker.topic("t")["depth"] > 10_000
    broker.process.send_signal(number)
    until(lambda: "draining" in broker.log.read_text(), "the drain to begin")
    with pytest.raises(OSError, match="refused"):
        Client(broker.path)
    assert subscriber.deliveries(20_000) == messages
    assert worker.deliveries(3000) == messages[:3000]
    for client in (subscriber, worker, publisher):
        (last,) = client.until_closed()
        assert last.code == SHUTTING_DOWN
    assert broker.process.wait(5) == 0
    assert not broker.path.exists()


def test_the_drain_takes_what_had_arrived_however_many_turns_that_takes(start):
    broker = start(topic("t", buffer=50_000), batch_size=3)
    subscriber, publisher = broker.subscriber("t"), broker.client()
    publisher.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    publisher.until_pong()
    broker.process.send_signal(signal.SIGSTOP)
    messages = numbered(1000, 1000)
    publisher.publish("t", *messages)
    broker.process.send_signal(signal.SIGTERM)
    broker.process.send_signal(signal.SIGCONT)
    assert subscriber.deliveries(1000) == messages
    assert subscriber.until_closed()[0].code == SHUTTING_DOWN
    assert broker.process.wait(5) == 0


def test_a_file_that_took_the_sockets_place_stays(broker):
    broker.path.unlink()
    broker.path.write_text("another's")
    assert broker.stop() == 0
    assert broker.path.read_text() == "another's"


def test_the_drain_lets_a_publisher_finish_what_was_received_from_it(start):
    broker = start(topic("t", buffer=50, overflow="block"))
    subscriber, publisher = broker.subscriber("t"), broker.client()
    publisher.publish("t", *numbered(800, 1000))
    until(lambda: broker.topic("t")["depth"] == 50, "the topic to be full")
    broker.process.send_signal(signal.SIGTERM)
    until(lambda: "draining" in broker.log.read_text(), "the drain to begin")
    got = subscriber.until_closed()
    assert [one.payload for one in got[:-1]] == numbered(800, 1000)[: len(got) - 1]
    assert len(got) - 1 > 600  # more than the kernel, and the topic, had room for
    assert broker.process.wait(5) == 0


def test_the_drain_has_an_end_even_when_somebody_does_not_read(start):
    broker = start(topic("t", buffer=50_000), server="drain_timeout_ms = 300")
    broker.subscriber("t")
    reading, publisher = broker.client(), broker.client()
    publisher.publish("t", *numbered(5000, 1000))
    publisher.until_pong()
    begun = time.monotonic()
    assert broker.stop() == 0
    assert 0.3 <= time.monotonic() - begun < 2
    assert reading.until_closed()[0].code == SHUTTING_DOWN
    assert "messages were not delivered" in broker.log.read_text()


def test_a_second_signal_ends_the_drain(start):
    broker = start(topic("t", buffer=50_000))
    broker.subscriber("t")
    publisher = broker.client()
    publisher.publish("t", *numbered(5000, 1000))
    publisher.until_pong()
    broker.process.send_signal(signal.SIGTERM)
    until(lambda: "draining" in broker.log.read_text(), "the drain to begin")
    begun = time.monotonic()
    assert broker.stop() == 0
    assert time.monotonic() - begun < 2


def test_clients_can_come_back_after_a_restart(broker, tmp_path):
    subscriber = broker.subscriber("signals")
    assert broker.stop() == 0
    assert subscriber.until_closed()[0].code == SHUTTING_DOWN
    second = Broker(tmp_path / "second", broker.file.read_text())
    second.path = broker.path
    try:
        second.until_ready()
        subscriber, publisher = second.subscriber("signals"), second.client()
        publisher.publish("signals", b"new")
        assert subscriber.deliveries(1) == [b"new"]
    finally:
        second.end()


class TestReload:
    def reload(self, broker, *topics, failed=0, server="", asking=None, **changed):
        asking = asking or broker.client()
        before = asking.stats()["reloads"]
        broker.file.write_text(configuration(broker.directory, *topics, server=server, **changed))
        broker.process.send_signal(signal.SIGHUP)
        until(lambda: asking.stats()["reloads"] != before, "the reload")
        after = asking.stats()["reloads"]
        assert after == {"ok": before["ok"] + (not failed), "failed": before["failed"] + failed}

    def test_it_adds_topics_and_changes_limits_and_loses_nothing(self, start):
        broker = start(topic("t", buffer=5000), topic("work", "Queue", buffer=5000))
        slow, publisher = broker.subscriber("t"), broker.client()
        messages = numbered(3000, 1000)
        publisher.publish("t", *messages)
        publisher.publish("work", *messages)
        publisher.until_pong()
        self.reload(
            broker,
            topic("t", buffer=5000, largest=2000),
            topic("work", "Queue", buffer=4000, largest=500),
            topic("new"),
        )
        publisher.publish("t", bytes(2000), bytes(2001))
        assert publisher.receive().code == TOO_LARGE
        publisher.publish("work", bytes(501))
        assert publisher.receive().code == TOO_LARGE
        assert slow.deliveries(3001) == [*messages, bytes(2000)]
        assert broker.subscriber("work").deliveries(3000) == messages
        subscriber = broker.subscriber("new")
        publisher.publish("new", b"x")
        assert subscriber.deliveries(1) == [b"x"]

    def test_a_larger_buffer_lets_a_waiting_publisher_go_on(self, start):
        broker = start(topic("work", "Queue", buffer=10))
        publisher = broker.client()
        publisher.publish("work", *numbered(100))
        until(lambda: broker.topic("work")["depth"] == 10, "the queue to be full")
        self.reload(broker, topic("work", "Queue", buffer=1000))
        assert publisher.until_pong() == []
        assert broker.topic("work")["depth"] == 100

    def test_a_lower_limit_of_connections_closes_none(self, start):
        broker = start(max_connections=50)
        clients = [broker.client() for _ in range(5)]
        self.reload(broker, *STANDARD, max_connections=3, asking=clients[0])
        assert all(client.until_pong() == [] for client in clients)
        (error,) = broker.client().until_closed()
        assert error.code == TOO_MANY

    @pytest.mark.parametrize(
        ("topics", "changed", "says"),
        [
            ((topic("t"), "nonsense ="), {}, "is not valid TOML"),
            ((topic("t", buffer=0),), {}, "topics[0].buffer_size: 0 is out of range"),
            ((topic("new"),), {}, "topics: 't' is gone"),
            ((topic("t", "Queue"),), {}, "topics.routing: of 't' cannot change"),
            ((topic("t"),), {"socket_path": '"/elsewhere.sock"'}, "server.socket_path: cannot change"),
            ((topic("t"),), {"bind_address": '"127.0.0.2"'}, "server.bind_address: cannot change"),
        ],
    )
    def test_a_file_that_cannot_be_used_changes_nothing(self, start, topics, changed, says):
        broker = start(topic("t"))
        subscriber, publisher = broker.subscriber("t"), broker.client()
        self.reload(broker, *topics, failed=1, **changed)
        assert says in broker.log.read_text()
        publisher.publish("new", b"x")
        assert publisher.receive().code == UNKNOWN_TOPIC
        publisher.publish("t", b"x")
        assert subscriber.deliveries(1) == [b"x"]
        self.reload(broker, topic("t"), topic("new"))


def test_the_launcher_starts_it_and_says_what_it_takes(tmp_path):
    launcher = ROOT / "reference" / "mycelium-broker"
    text = subprocess.run([launcher, "--help"], capture_output=True, text=True, timeout=20, check=True).stdout
    assert "--config" in text
    assert subprocess.run([launcher], capture_output=True, timeout=20, check=False).returncode == 2


def test_it_lets_itself_open_as_many_files_as_its_connections_need(start, tmp_path):
    file = tmp_path / "broker.toml"
    file.write_text(configuration(tmp_path, *STANDARD, max_connections=200))
    broker = start(ready=False, max_connections=0)  # only to have something to reach the other by
    argv = ["bash", "-c", 'ulimit -Sn 64; exec "$@"', "-", sys.executable, str(PROGRAM), "--config", str(file)]
    with subprocess.Popen(argv) as process:
        try:
            broker.process, broker.path = process, tmp_path / "broker.sock"
            broker.until_ready()
            clients = [broker.client() for _ in range(150)]
            assert all(client.until_pong() == [] for client in clients)
        finally:
            process.terminate()


def test_it_is_ready_soon(start):
    start().end()  # whatever had to be compiled now is

    def seconds(begin):
        begun = time.monotonic()
        begin()
        return time.monotonic() - begun

    imports = seconds(lambda: subprocess.run([sys.executable, "-c", "import numba"], check=True))
    assert seconds(start) < 4 * imports  # side by side, for a busy machine slows down both; compiling takes 10
