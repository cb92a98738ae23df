"""Observers: what a client meets at a door, and what the kernel says of a process."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from pyarrow import flight

from environments.system import Endpoint
from FaultLibrary import observers
from FaultLibrary.observers import Door, Outcome, Protocol
from runner.children import start
from tests.faults.conftest import LOOPBACK, Link, Server
from tests.waiting import until


def door(server: Server, protocol: Protocol = Protocol.REDIS) -> Door:
    return Door(protocol, server.endpoint)


def test_an_answer_is_seen_with_its_time(serve: Callable[..., Server]) -> None:
    def answer_late(connection: socket.socket) -> None:
        connection.recv(100)
        time.sleep(0.1)
        connection.sendall(b"+PONG\r\n")

    seen = door(serve(answer_late)).knock()
    assert seen.outcome is Outcome.ANSWERS
    assert 0.1 <= seen.seconds < 0.4


def test_nobody_there_is_a_refusal(serve: Callable[..., Server]) -> None:
    server = serve()
    server.close()
    assert door(server).knock().outcome is Outcome.REFUSES


def test_silence_is_told_from_refusal_and_takes_the_patience(serve: Callable[..., Server]) -> None:
    server = serve(lambda connection: time.sleep(2))
    begin = time.monotonic()
    assert door(server).knock(patience=0.2).outcome is Outcome.SILENT
    assert 0.2 <= time.monotonic() - begin < 0.6


def test_a_close_without_an_answer_is_no_answer(serve: Callable[..., Server]) -> None:
    def read_and_close(connection: socket.socket) -> None:
        connection.recv(100)

    assert door(serve(read_and_close)).knock().outcome is Outcome.CLOSES


def test_a_server_that_speaks_first_is_waited_for(serve: Callable[..., Server]) -> None:
    greeting = serve(lambda connection: connection.sendall(b"INFO {}\r\n"))
    silent = serve(lambda connection: time.sleep(2))
    assert door(greeting, Protocol.NATS).knock().outcome is Outcome.ANSWERS
    assert door(silent, Protocol.NATS).knock(patience=0.2).outcome is Outcome.SILENT
    assert door(silent, Protocol.TCP).knock(patience=0.2).outcome is Outcome.ANSWERS


def test_a_flight_server_answers_the_preface_of_a_client(serve: Callable[..., Server]) -> None:
    class Idle(flight.FlightServerBase):
        pass

    with Idle("grpc://127.0.0.1:0") as server:
        one = Door(Protocol.GRPC, Endpoint(LOOPBACK, server.port))
        assert one.knock(3).outcome is Outcome.ANSWERS
        assert one.knock(3, padding=8000).outcome is Outcome.ANSWERS
    deaf = serve(lambda connection: time.sleep(2))
    assert door(deaf, Protocol.GRPC).knock(patience=0.2).outcome is Outcome.SILENT


def test_a_unix_socket_is_a_door_too(tmp_path: Path) -> None:
    path = tmp_path / "broker.sock"
    one = Door(Protocol.MYCELIUM, path)
    assert one.knock().outcome is Outcome.REFUSES, "there is no such file"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        assert one.knock().outcome is Outcome.REFUSES, "nobody listens"
        listener.listen()
        assert one.knock(patience=0.1).outcome is Outcome.SILENT
        asked, answer = [], bytes.fromhex("04000000 0a000000")

        def pong() -> None:
            for _ in range(2):  # the connection that was given up, and the next
                connection, _address = listener.accept()
                with connection:
                    asked.append(connection.recv(100))
                    with suppress(BrokenPipeError):
                        connection.sendall(answer)

        server = threading.Thread(target=pong)
        server.start()
        assert one.knock().outcome is Outcome.ANSWERS
        server.join()
    assert asked == [bytes.fromhex("04000000 09000000")] * 2
    assert str(one) == f"mycelium on {path}"


def test_a_reset_is_told_from_a_close(link: Link) -> None:
    link.set(reset=True)
    assert Door(Protocol.REDIS, link.endpoint).knock().outcome is Outcome.RESETS


@pytest.mark.parametrize(
    ("protocol", "padding", "begins"),
    [
        (Protocol.POSTGRESQL, 0, b"\x00\x00\x00\x08\x04\xd2\x16\x2f"),
        (Protocol.POSTGRESQL, 100, b"\x00\x00\x00\x99\x00\x03\x00\x00user\x00"),
        (Protocol.REDIS, 0, b"PING\r\n"),
        (Protocol.REDIS, 100, b"PING xxx"),
        (Protocol.HTTP, 0, b"GET /health HTTP/1.1\r\n"),
        (Protocol.HTTP, 100, b"GET /health HTTP/1.1\r\n"),
    ],
)
def test_requests_speak_the_protocol(
    serve: Callable[..., Server], protocol: Protocol, padding: int, begins: bytes
) -> None:
    asked: list[bytes] = []

    def note(connection: socket.socket) -> None:
        asked.append(connection.recv(20000))
        connection.sendall(b"x")

    assert door(serve(note), protocol).knock(padding=padding).outcome is Outcome.ANSWERS
    assert asked[0].startswith(begins)
    assert padding <= len(asked[0]) < padding + 120
    if protocol is Protocol.POSTGRESQL:
        assert int.from_bytes(asked[0][:4], "big") == len(asked[0])


def test_of_tcp_only_the_connection_is_asked(serve: Callable[..., Server]) -> None:
    assert door(serve(lambda connection: time.sleep(1)), Protocol.TCP).knock(0.5).outcome is Outcome.ANSWERS


def test_the_kernel_tells_running_stopped_and_dead() -> None:
    process = start([sys.executable, "-I", "-S", "-c", "import threading; threading.Event().wait()"])
    try:
        pid = process.pid
        begun = observers.started(pid)
        assert begun > 0
        assert observers.alive([pid]) == [pid]
        assert observers.awake([pid]) == [pid]
        os.kill(pid, signal.SIGSTOP)
        until(lambda: observers.state(pid) == "T")
        assert observers.alive([pid]) == [pid]
        assert observers.awake([pid]) == []
        process.kill()
        until(lambda: observers.state(pid) == "Z")
        assert observers.alive([pid]) == [], "a process nobody has waited for is gone all the same"
        assert observers.started(pid) == begun
    finally:
        process.kill()
        process.wait()
    assert observers.state(pid) == ""
    assert observers.started(pid) == -1


def test_a_door_reads_well() -> None:
    assert str(Door(Protocol.HTTP, Endpoint(LOOPBACK, 80))) == "http on 127.0.0.1:80"
