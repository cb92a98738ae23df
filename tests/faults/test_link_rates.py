"""Links that are slow or narrow, with a clock on the client's side."""

from __future__ import annotations

import hashlib
import random
import socket
import struct
import threading
import time
from collections.abc import Callable

from tests.faults.conftest import SLACK, Link, exactly, round_trip, silent
from tests.waiting import until


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


def test_latency_is_a_delay_and_not_a_brake(lead: Callable[..., Link]) -> None:
    size = 12 * 2**20
    arrived: list[float] = []

    def swallow(connection: socket.socket) -> None:
        exactly(connection, size)
        arrived.append(time.monotonic())

    link = lead(swallow)
    link.set(latency_ms=200, direction="to-server")
    with link.connect() as client:
        begin = time.monotonic()
        client.sendall(b"x" * size)
        until(lambda: bool(arrived))
    taken = arrived[0] - begin
    assert 0.2 <= taken < 1.2, "64 KiB a round trip would have needed 38 s"


def test_latency_delays_every_message_of_a_stream_by_the_same_time(lead: Callable[..., Link]) -> None:
    late: list[float] = []

    def measure(connection: socket.socket) -> None:
        while len(record := exactly(connection, 8)) == 8:
            late.append(time.monotonic() - struct.unpack("d", record)[0])

    link = lead(measure)
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
