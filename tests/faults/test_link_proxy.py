"""The link proxy seen from outside: what a healthy link passes on, and what cut, reset and hang do to it."""

from __future__ import annotations

import select
import socket
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from environments.embedded.links import Links
from environments.system import Endpoint
from tests.faults.conftest import SLACK, Link, Server, connected, exactly, round_trip, silent
from tests.waiting import until

only_tcp = pytest.mark.parametrize("kind", ["tcp"])
only_unix = pytest.mark.parametrize("kind", ["unix"])


# -- healthy ---------------------------------------------------------------------------------------------------


def test_a_healthy_link_passes_bytes_both_ways_and_counts_them(link: Link) -> None:
    with link.connect() as client:
        assert round_trip(client, b"x" * 1000) < SLACK
        assert link.count("open") == 1
    until(lambda: link.count("open") == 0)
    assert link.proxy.counters(link.name) == {
        "open": 0,
        "held_bytes": 0,
        "connections": 1,
        "refused": 0,
        "broken": 0,
        "bytes_to_server": 1000,
        "bytes_to_client": 1000,
    }


def test_half_closed_connections_stay_half_open(lead: Callable[..., Link]) -> None:
    def answer_after_the_end(connection: socket.socket) -> None:
        total = 0
        while data := connection.recv(65536):
            total += len(data)
        connection.sendall(str(total).encode())

    link = lead(answer_after_the_end)
    with link.connect() as client:
        client.sendall(b"x" * 300_000)
        client.shutdown(socket.SHUT_WR)
        assert exactly(client, 100) == b"300000"


def test_a_receiver_that_does_not_read_stops_the_sender(lead: Callable[..., Link]) -> None:
    read_on = threading.Event()

    def read_late(connection: socket.socket) -> None:
        read_on.wait(10)
        while connection.recv(1 << 20):
            pass

    link = lead(read_late)
    with link.connect() as client:
        client.setblocking(False)
        sent, quiet_since = 0, time.monotonic()
        while time.monotonic() - quiet_since < 0.2:
            try:
                sent += client.send(b"x" * 65536)
                quiet_since = time.monotonic()
            except BlockingIOError:
                select.select([], [client], [], 0.05)
        assert sent < 32 * 2**20, "the sender was never stopped"
        assert link.count("held_bytes") < 2 * 2**20
        read_on.set()
        client.shutdown(socket.SHUT_WR)
        until(lambda: link.count("bytes_to_server") == sent)


def test_a_target_that_refuses_resets_the_client_and_is_counted(link: Link, serve: Callable[..., Server]) -> None:
    link.server.close()
    with pytest.raises(ConnectionResetError), link.connect() as client:
        round_trip(client)
    assert link.count("refused") == 1
    serve(where=link.server.endpoint)
    with link.connect() as client:
        assert round_trip(client) < SLACK


@only_unix
def test_a_unix_target_that_is_not_there_is_a_refusal(link: Link) -> None:
    assert isinstance(link.server.endpoint, Path)
    link.server.endpoint.unlink()
    with link.connect() as client:
        assert client.recv(1) == b""
    assert link.count("refused") == 1


def test_clients_wait_with_those_that_a_full_server_keeps_waiting(proxy: Links, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        server.listen(0)  # one may wait
        server.settimeout(5)
        proxy.add("full", tmp_path / "s", tmp_path / "l")
        clients = [connected(tmp_path / "l") for _ in range(4)]
        for number, client in enumerate(clients):
            client.sendall(bytes([number]))
        until(lambda: proxy.counters("full")["bytes_to_server"] == 1)
        accepted = [server.accept()[0] for _ in clients]
        assert {connection.recv(1)[0] for connection in accepted} == {0, 1, 2, 3}
        assert proxy.counters("full")["refused"] == 0
        for connection in (*clients, *accepted):
            connection.close()


@only_tcp
def test_a_reset_of_the_client_reaches_the_server(lead: Callable[..., Link]) -> None:
    outcome: list[str] = []

    def note_the_end(connection: socket.socket) -> None:
        try:
            while connection.recv(100):
                pass
            outcome.append("end")
        except ConnectionResetError:
            outcome.append("reset")

    link = lead(note_the_end)
    with link.connect() as client:
        client.sendall(b"hello")
        until(lambda: link.count("bytes_to_server") == 5)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    until(lambda: outcome == ["reset"])
    until(lambda: link.count("open") == 0)


@only_unix
def test_the_end_of_a_unix_client_reaches_a_server_that_goes_on_sending(lead: Callable[..., Link]) -> None:
    ended = threading.Event()

    def send_until_it_fails(connection: socket.socket) -> None:
        try:
            while True:
                connection.sendall(b"x" * 1000)
        except (BrokenPipeError, ConnectionResetError):
            ended.set()

    link = lead(send_until_it_fails)
    with link.connect() as client:
        exactly(client, 1000)
    assert ended.wait(5)
    until(lambda: link.count("open") == 0)


# -- cut and reset ---------------------------------------------------------------------------------------------


def test_a_cut_link_refuses_new_connections_and_closes_open_ones(link: Link) -> None:
    with link.connect() as client:
        round_trip(client)
        link.set(cut=True)
        assert client.recv(1) == b""
        until(lambda: all(server.fileno() < 0 for server in link.server.accepted))
    with pytest.raises(ConnectionRefusedError):
        link.connect()
    assert link.count("broken") == 1


@only_tcp
def test_the_port_of_a_cut_link_stays_taken(link: Link) -> None:
    assert isinstance(link.endpoint, Endpoint)
    with link.connect() as client:
        round_trip(client)
        link.set(cut=True)
    with pytest.raises(OSError, match="in use"), socket.socket() as other:
        other.bind((link.endpoint.host, link.endpoint.port))
    with pytest.raises(OSError, match="in use"), socket.create_server((link.endpoint.host, link.endpoint.port)):
        pass


@only_unix
def test_the_file_of_a_cut_link_stays_taken(link: Link) -> None:
    link.set(cut=True)
    with pytest.raises(OSError, match="in use"), socket.socket(socket.AF_UNIX) as other:
        other.bind(str(link.endpoint))


def test_a_cut_link_is_whole_again_at_once_when_healed(link: Link) -> None:
    with link.connect() as client:
        round_trip(client)
        link.set(cut=True)
        link.set(cut=True)
        link.set()  # the ended connection is still known to the kernel
        with link.connect() as again:
            assert round_trip(again) < SLACK


@only_tcp
def test_reset_answers_open_and_new_connections_with_rst(link: Link) -> None:
    with link.connect() as client:
        round_trip(client)
        link.set(reset=True)
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    with pytest.raises(ConnectionResetError), link.connect() as client:
        client.recv(1)
    assert link.count("broken") == 2
    link.set()
    with link.connect() as client:
        assert round_trip(client) < SLACK


@only_unix
def test_reset_ends_open_unix_connections_and_resets_those_that_send(link: Link) -> None:
    with link.connect() as idle, link.connect(timeout=0.2) as busy:
        round_trip(idle)
        link.set(hang=True)  # so that what this one sends stays unread
        with pytest.raises(TimeoutError):
            busy.sendall(b"x" * 2**22)
        link.set(reset=True)
        assert idle.recv(1) == b""
        with pytest.raises(BrokenPipeError):
            idle.sendall(b"x")
        with pytest.raises(ConnectionResetError):
            busy.recv(1)
    assert link.count("broken") == 2


@only_unix
def test_reset_answers_new_unix_clients_when_they_send_and_ends_those_that_do_not(link: Link) -> None:
    link.set(reset=True)
    with link.connect() as client:
        client.sendall(b"hello")
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    with link.connect() as client:
        assert client.recv(1) == b""
    assert link.count("broken") == 2
    assert link.server.accepted == []
    link.set()
    with link.connect() as client:
        assert round_trip(client) < SLACK


# -- hang ------------------------------------------------------------------------------------------------------


def test_a_hanging_link_accepts_but_the_server_sees_nothing(link: Link) -> None:
    link.set(hang=True)
    with link.connect(timeout=1) as client:
        client.sendall(b"hello")
        assert silent(client)
        assert link.server.accepted == []
        link.set()
        assert exactly(client, 5) == b"hello"


def test_a_hang_holds_back_what_open_connections_send_until_healed(link: Link) -> None:
    with link.connect() as client:
        round_trip(client)
        link.set(hang=True)
        client.sendall(b"later")
        client.shutdown(socket.SHUT_WR)
        assert silent(client)
        assert link.count("bytes_to_server") == 4
        assert link.count("held_bytes") == 5
        link.set()
        assert exactly(client, 100) == b"later"


@pytest.mark.parametrize(("direction", "reaches_server"), [("to-client", True), ("to-server", False)])
def test_a_one_way_hang_lets_the_other_direction_pass(link: Link, direction: str, reaches_server: bool) -> None:
    with link.connect() as client:
        round_trip(client)
        link.set(hang=True, direction=direction)
        client.sendall(b"more")
        assert silent(client)
        assert (link.count("bytes_to_server") == 8) is reaches_server
        link.set()
        assert exactly(client, 4) == b"more"


def test_healing_a_hang_ends_what_its_clients_have_left(link: Link) -> None:
    with link.connect() as client:
        round_trip(client)
        link.set(hang=True, direction="to-client")
        client.sendall(b"more")
        until(lambda: link.count("held_bytes") == 4)
    until(lambda: all(server.fileno() < 0 for server in link.server.accepted))
    link.set()
    until(lambda: link.count("open") == 0)
    with link.connect() as client:
        assert round_trip(client) < SLACK


def test_a_hanging_link_stops_the_sender(link: Link) -> None:
    with link.connect() as client:
        round_trip(client)
        link.set(hang=True)
        client.settimeout(0.3)
        with pytest.raises(TimeoutError):
            client.sendall(b"x" * 64 * 2**20)
        assert link.count("held_bytes") < 2**20


def test_a_cut_ends_connections_that_wait_in_a_hang(link: Link) -> None:
    link.set(hang=True)
    with link.connect() as client:
        client.sendall(b"hello")
        until(lambda: link.count("open") == 1)
        link.set(cut=True)
        with pytest.raises(ConnectionResetError):  # the kernel's answer when a close leaves bytes unread
            client.recv(1)
    assert link.count("open") == 0
