"""The link proxy seen from outside: a client on one side, a server on the other, and a clock."""

from __future__ import annotations

import hashlib
import random
import select
import socket
import struct
import threading
import time
from collections.abc import Callable

import pytest

from environments.embedded.link_proxy.conditions import Condition
from environments.embedded.links import Links, condition_problem
from environments.errors import EnvironmentProblem
from environments.system import Endpoint
from tests.faults.conftest import LOOPBACK, Link, Server, exactly, until

SLACK = 0.25  # seconds a busy machine may add to any time measured here


def round_trip(connection: socket.socket, data: bytes = b"ping") -> float:
    begin = time.monotonic()
    connection.sendall(data)
    assert exactly(connection, len(data)) == data
    return time.monotonic() - begin


def silent(connection: socket.socket, seconds: float = 0.15) -> bool:
    return not select.select([connection], [], [], seconds)[0]


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


def test_half_closed_connections_stay_half_open(proxy: Links, serve: Callable[..., Server]) -> None:
    def answer_after_the_end(connection: socket.socket) -> None:
        total = 0
        while data := connection.recv(65536):
            total += len(data)
        connection.sendall(str(total).encode())

    link = Link(proxy, "half-close", serve(answer_after_the_end))
    with link.connect() as client:
        client.sendall(b"x" * 300_000)
        client.shutdown(socket.SHUT_WR)
        assert exactly(client, 100) == b"300000"


def test_a_receiver_that_does_not_read_stops_the_sender(proxy: Links, serve: Callable[..., Server]) -> None:
    read_on = threading.Event()

    def read_late(connection: socket.socket) -> None:
        read_on.wait(10)
        while connection.recv(1 << 20):
            pass

    link = Link(proxy, "backpressure", serve(read_late))
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


def test_a_target_that_refuses_resets_the_client_and_is_counted(proxy: Links, serve: Callable[..., Server]) -> None:
    server = serve()
    server.close()
    link = Link(proxy, "refusing", server)
    with pytest.raises(ConnectionResetError), link.connect() as client:
        client.recv(1)
    assert link.count("refused") == 1
    serve(port=server.endpoint.port)
    with link.connect() as client:
        assert round_trip(client) < SLACK


def test_a_reset_of_the_client_reaches_the_server(proxy: Links, serve: Callable[..., Server]) -> None:
    outcome: list[str] = []

    def note_the_end(connection: socket.socket) -> None:
        try:
            while connection.recv(100):
                pass
            outcome.append("end")
        except ConnectionResetError:
            outcome.append("reset")

    link = Link(proxy, "client-reset", serve(note_the_end))
    with link.connect() as client:
        client.sendall(b"hello")
        until(lambda: link.count("bytes_to_server") == 5)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    until(lambda: outcome == ["reset"])
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


def test_the_port_of_a_cut_link_stays_taken(link: Link) -> None:
    with link.connect() as client:
        round_trip(client)
        link.set(cut=True)
    with pytest.raises(OSError, match="in use"), socket.socket() as other:
        other.bind((link.endpoint.host, link.endpoint.port))
    with pytest.raises(OSError, match="in use"), socket.create_server((link.endpoint.host, link.endpoint.port)):
        pass


def test_a_cut_link_is_whole_again_at_once_when_healed(link: Link) -> None:
    with link.connect() as client:
        round_trip(client)
        link.set(cut=True)
        link.set(cut=True)
        link.set()  # the ended connection is still known to the kernel
        with link.connect() as again:
            assert round_trip(again) < SLACK


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


# -- latency and bandwidth -------------------------------------------------------------------------------------


def test_latency_delays_each_direction(link: Link) -> None:
    with link.connect() as client:
        round_trip(client)
        link.set(latency_ms=60)
        times = [round_trip(client) for _ in range(3)]
        link.set()
        assert 0.12 <= min(times) < 0.12 + SLACK
        assert min(round_trip(client) for _ in range(3)) < 0.03


def test_latency_in_one_direction_is_counted_once(link: Link) -> None:
    with link.connect() as client:
        link.set(latency_ms=80, direction="to-client")
        taken = min(round_trip(client) for _ in range(3))
        assert 0.08 <= taken < 0.15


def test_latency_is_a_delay_and_not_a_brake(proxy: Links, serve: Callable[..., Server]) -> None:
    size = 12 * 2**20
    arrived: list[float] = []

    def swallow(connection: socket.socket) -> None:
        exactly(connection, size)
        arrived.append(time.monotonic())

    link = Link(proxy, "pipelined", serve(swallow))
    link.set(latency_ms=200, direction="to-server")
    with link.connect() as client:
        begin = time.monotonic()
        client.sendall(b"x" * size)
        until(lambda: bool(arrived))
    taken = arrived[0] - begin
    assert 0.2 <= taken < 1.2, "64 KiB a round trip would have needed 38 s"


def test_latency_delays_every_message_of_a_stream_by_the_same_time(proxy: Links, serve: Callable[..., Server]) -> None:
    late: list[float] = []

    def measure(connection: socket.socket) -> None:
        while len(record := exactly(connection, 8)) == 8:
            late.append(time.monotonic() - struct.unpack("d", record)[0])

    link = Link(proxy, "stream", serve(measure))
    link.set(latency_ms=50)
    with link.connect() as client:
        for _ in range(100):
            client.sendall(struct.pack("d", time.monotonic()))
            time.sleep(0.002)
        until(lambda: len(late) == 100)
    assert min(late) >= 0.05
    assert sorted(late)[50] < 0.07


def test_jitter_varies_the_delay_within_its_bounds_and_keeps_the_order(link: Link) -> None:
    link.set(latency_ms=20, jitter_ms=15, direction="to-server")
    with link.connect() as client:
        times = [round_trip(client) for _ in range(30)]
        numbers = b"".join(struct.pack(">I", number) for number in range(2000))
        client.sendall(numbers)
        assert exactly(client, len(numbers)) == numbers
    assert min(times) >= 0.005
    assert max(times) - min(times) > 0.008
    assert sorted(times)[15] < 0.035 + 0.02


def test_bandwidth_is_met_and_not_exceeded(link: Link) -> None:
    link.set(bandwidth_bytes_per_second=400_000, direction="to-server")
    with link.connect() as client:
        begin = time.monotonic()
        client.sendall(b"x" * 200_000)
        exactly(client, 200_000)
        taken = time.monotonic() - begin
    assert 0.40 <= taken < 0.55 + SLACK  # 0.5 s, less what the catching-up may save


def test_connections_of_a_link_share_its_bandwidth(link: Link) -> None:
    link.set(bandwidth_bytes_per_second=400_000, direction="to-server")
    begin = time.monotonic()
    clients = [link.connect() for _ in range(4)]
    threads = [threading.Thread(target=client.sendall, args=(b"x" * 50_000,)) for client in clients]
    for thread in threads:
        thread.start()
    ends = []
    for client, thread in zip(clients, threads, strict=True):
        thread.join()
        exactly(client, 50_000)
        ends.append(time.monotonic() - begin)
        client.close()
    assert 0.40 <= max(ends) < 0.55 + SLACK


def test_a_healed_link_passes_on_at_once_what_it_delayed(link: Link) -> None:
    with link.connect() as client:
        round_trip(client)
        link.set(latency_ms=60_000)
        client.sendall(b"late")
        assert silent(client)
        link.set()
        begin = time.monotonic()
        assert exactly(client, 4) == b"late"
        assert time.monotonic() - begin < SLACK


def test_no_byte_is_lost_or_moved_while_conditions_change(link: Link) -> None:
    data = random.Random(3).randbytes(6 * 2**20)
    conditions: list[dict[str, float | bool | str]] = [
        {"latency_ms": 10, "jitter_ms": 10},
        {"hang": True},
        {"bandwidth_bytes_per_second": 3_000_000},
        {},
        {"hang": True, "direction": "to-client"},
        {"latency_ms": 3, "bandwidth_bytes_per_second": 20_000_000},
    ]
    with link.connect(timeout=20) as client:

        def change() -> None:
            for number in range(24):
                link.set(**conditions[number % len(conditions)])
                time.sleep(0.02)
            link.set()

        def send() -> None:
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)

        threads = [threading.Thread(target=change), threading.Thread(target=send)]
        for thread in threads:
            thread.start()
        back = exactly(client, len(data) + 1)
        for thread in threads:
            thread.join()
    assert len(back) == len(data)
    assert hashlib.sha256(back).digest() == hashlib.sha256(data).digest()


# -- the control port ------------------------------------------------------------------------------------------


def test_a_taken_port_is_one_clear_line(proxy: Links, serve: Callable[..., Server]) -> None:
    taken = serve().endpoint
    with pytest.raises(EnvironmentProblem, match=rf"link taken: cannot listen on {taken} \(Address already in use\)"):
        proxy.add("taken", Endpoint(LOOPBACK, 1), listen=taken)


def test_a_second_link_of_the_same_name_is_refused(link: Link) -> None:
    with pytest.raises(EnvironmentProblem, match="is there already"):
        link.proxy.add(link.name, link.server.endpoint)


def test_an_unknown_link_is_named(proxy: Links) -> None:
    with pytest.raises(ValueError, match="'nowhere' is unknown; there are:"):
        proxy.set_link("nowhere", {"cut": True})


def test_a_bad_condition_is_refused_and_changes_nothing(link: Link) -> None:
    link.set(latency_ms=5)
    with pytest.raises(ValueError, match="'latency' is unknown"):
        link.set(latency=5)
    state = link.proxy.states()[link.name]
    assert state.condition is not None
    assert state.condition["latency_ms"] == 5


def test_a_proxy_that_is_not_there_is_one_clear_line(tmp_path) -> None:
    links = Links(tmp_path / "nothing.json")
    assert "the link proxy does not answer" in str(links.missing())
    with pytest.raises(EnvironmentProblem, match="the link proxy does not answer"):
        links.set_link("any", None)


@pytest.mark.parametrize(
    ("condition", "line"),
    [
        ({}, "leaves the link healthy"),
        ({"cut": False}, "leaves the link healthy"),
        ({"cut": True, "hang": True}, "cut and hang do not go together"),
        ({"hang": True, "latency_ms": 3}, "hang and latency_ms do not go together"),
        ({"latency_ms": -1}, "'latency_ms' must be a number of at least 0, not -1"),
        ({"latency_ms": True}, "'latency_ms' must be a number of at least 0, not True"),
        ({"latency_ms": "5"}, "'latency_ms' must be a number of at least 0, not '5'"),
        ({"latency_ms": 5, "jitter_ms": 6}, "jitter_ms 6 is more than latency_ms 5"),
        ({"cut": "yes"}, "'cut' must be true or false"),
        ({"hang": True, "direction": "up"}, "direction 'up' is unknown"),
        ({"cut": True, "direction": "to-client"}, "cut always concerns both directions"),
        ({"delay": 3}, "condition 'delay' is unknown"),
    ],
)
def test_each_mistake_in_a_condition_is_one_line(condition: dict[str, object], line: str) -> None:
    assert line in str(condition_problem(condition))


def test_good_conditions_have_no_problem() -> None:
    assert condition_problem({"latency_ms": 150}) is None
    assert condition_problem({"latency_ms": 5, "jitter_ms": 5, "bandwidth_bytes_per_second": 1000}) is None
    assert Condition.parse(None) == Condition()
