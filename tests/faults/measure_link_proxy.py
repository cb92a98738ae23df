"""Measure what a healthy link costs: `python -m tests.faults.measure_link_proxy` (about 5 s).

Echo round trips of 64 bytes and one large transfer over TCP and over Unix sockets, straight and through a link in turn,
with the server and the proxy in processes of their own. The figures in the documentation of
`environments.embedded.link_proxy` come from here.
"""

from __future__ import annotations

import multiprocessing
import shutil
import socket
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import psutil

from environments.embedded.links import Links, proxy_command
from environments.system import Address, Endpoint
from runner.children import start
from tests.faults.conftest import connected

BLOCKS, TRIPS, TRANSFER = 20, 1000, 512 * 2**20


def server(where: Address, ready: multiprocessing.Queue[Address]) -> None:
    if isinstance(where, Path):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(where))
        listener.listen()
    else:
        listener = socket.create_server((where.host, where.port))
        where = Endpoint(*listener.getsockname())
    ready.put(where)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(connection,), daemon=True).start()


def serve(connection: socket.socket) -> None:
    at_once(connection)
    kind = connection.recv(1)
    if kind == b"e":
        while data := connection.recv(65536):
            connection.sendall(data)
        return
    buffer, total = bytearray(1 << 20), 0
    while count := connection.recv_into(buffer):
        total += count
    connection.sendall(str(total).encode())


def connect(where: Address, kind: bytes) -> socket.socket:
    connection = connected(where, 60)
    at_once(connection)
    connection.sendall(kind)
    return connection


def at_once(connection: socket.socket) -> None:
    if connection.family == socket.AF_INET:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def round_trips(connection: socket.socket) -> list[float]:
    data, times = b"x" * 64, []
    for _ in range(TRIPS):
        begin = time.perf_counter()
        connection.sendall(data)
        connection.recv(64)
        times.append(time.perf_counter() - begin)
    return times


def transfer(where: Address) -> float:
    chunk = b"x" * (1 << 20)
    with connect(where, b"t") as connection:
        begin = time.perf_counter()
        for _ in range(TRANSFER // len(chunk)):
            connection.sendall(chunk)
        connection.shutdown(socket.SHUT_WR)
        assert int(connection.recv(100)) == TRANSFER
        return TRANSFER / (time.perf_counter() - begin) / 1e6


def measure(what: str, direct: Address, through: Address, proxy: psutil.Process) -> None:
    times: dict[str, list[float]] = {"straight": [], "link": []}
    straight, linked = connect(direct, b"e"), connect(through, b"e")
    round_trips(straight), round_trips(linked)
    begin = proxy.cpu_times()
    for _ in range(BLOCKS):
        times["straight"] += round_trips(straight)
        times["link"] += round_trips(linked)
    end = proxy.cpu_times()
    for name, values in times.items():
        p50, p99, p999 = np.percentile(np.array(values) * 1e6, [50, 99, 99.9])
        print(f"{what} {name:9} 64-byte round trip: p50 {p50:.0f} us, p99 {p99:.0f} us, p99.9 {p999:.0f} us")
    used = (end.user + end.system - begin.user - begin.system) / len(times["link"])
    print(f"{what} proxy CPU a round trip: {used * 1e6:.0f} us")
    for name, where in (("straight", direct), ("link", through), ("straight", direct), ("link", through)):
        print(f"{what} {name:9} transfer: {transfer(where):.0f} MB/s")


def main() -> None:
    directory = Path(tempfile.mkdtemp(prefix="links-"))
    begin = time.perf_counter()
    process = start(proxy_command(directory / "control.json"))
    links = Links(directory / "control.json")
    while links.missing():
        time.sleep(0.002)
    print(f"proxy ready after {(time.perf_counter() - begin) * 1000:.0f} ms")
    proxy = psutil.Process(process.pid)
    places: dict[str, tuple[Address, Path | None]] = {
        "TCP ": (Endpoint("127.0.0.1", 0), None),
        "Unix": (directory / "server", directory / "link"),
    }
    for what, (where, near) in places.items():
        ready: multiprocessing.Queue[Address] = multiprocessing.Queue()
        echo = multiprocessing.Process(target=server, args=(where, ready), daemon=True)
        echo.start()
        direct = ready.get()
        measure(what, direct, links.add(what, direct, near) if near else links.add(what, direct), proxy)
        echo.terminate()
    print(f"proxy RSS {proxy.memory_info().rss / 2**20:.0f} MiB")
    process.terminate()
    process.wait()
    shutil.rmtree(directory)


if __name__ == "__main__":
    main()
