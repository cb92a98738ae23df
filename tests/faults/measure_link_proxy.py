"""Measure what a healthy link costs: `python tests/faults/measure_link_proxy.py` (about 20 s).

Echo round trips of 64 bytes and one large transfer, straight and through a link in turn, with the server and the
proxy in processes of their own. The figures in `environments/embedded/link_proxy` come from here.
"""

from __future__ import annotations

import multiprocessing
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import psutil

from environments.embedded.links import Links, proxy_command
from environments.system import Endpoint

BLOCKS, TRIPS, TRANSFER = 20, 1000, 512 * 2**20


def server(port: multiprocessing.Queue[int]) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    port.put(listener.getsockname()[1])
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(connection,), daemon=True).start()


def serve(connection: socket.socket) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    kind = connection.recv(1)
    if kind == b"e":
        while data := connection.recv(65536):
            connection.sendall(data)
    buffer, total = bytearray(1 << 20), 0
    while count := connection.recv_into(buffer):
        total += count
    connection.sendall(str(total).encode())


def connect(where: Endpoint, kind: bytes) -> socket.socket:
    connection = socket.create_connection((where.host, where.port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.sendall(kind)
    return connection


def round_trips(connection: socket.socket) -> list[float]:
    data, times = b"x" * 64, []
    for _ in range(TRIPS):
        begin = time.perf_counter()
        connection.sendall(data)
        connection.recv(64)
        times.append(time.perf_counter() - begin)
    return times


def transfer(where: Endpoint) -> float:
    chunk = b"x" * (1 << 20)
    with connect(where, b"t") as connection:
        begin = time.perf_counter()
        for _ in range(TRANSFER // len(chunk)):
            connection.sendall(chunk)
        connection.shutdown(socket.SHUT_WR)
        assert int(connection.recv(100)) == TRANSFER
        return TRANSFER / (time.perf_counter() - begin) / 1e6


def main() -> None:
    queue: multiprocessing.Queue[int] = multiprocessing.Queue()
    echo = multiprocessing.Process(target=server, args=(queue,), daemon=True)
    echo.start()
    direct = Endpoint("127.0.0.1", queue.get())
    announce = Path(tempfile.mkdtemp()) / "control.json"
    begin = time.perf_counter()
    proxy = subprocess.Popen(proxy_command(announce))
    links = Links(announce)
    while links.missing():
        time.sleep(0.002)
    print(f"proxy ready after {(time.perf_counter() - begin) * 1000:.0f} ms")
    through = links.add("measured", direct)
    times: dict[str, list[float]] = {"straight": [], "link": []}
    straight, linked = connect(direct, b"e"), connect(through, b"e")
    round_trips(straight), round_trips(linked)
    for _ in range(BLOCKS):
        times["straight"] += round_trips(straight)
        times["link"] += round_trips(linked)
    used = psutil.Process(proxy.pid).cpu_times()
    for name, values in times.items():
        p50, p99, p999 = np.percentile(np.array(values) * 1e6, [50, 99, 99.9])
        print(f"{name:9} 64-byte round trip: p50 {p50:.0f} us, p99 {p99:.0f} us, p99.9 {p999:.0f} us, n {len(values)}")
    print(f"proxy CPU a round trip: {(used.user + used.system) / (len(times['link']) + TRIPS) * 1e6:.0f} us")
    for name, where in (("straight", direct), ("link", through), ("straight", direct), ("link", through)):
        print(f"{name:9} transfer: {transfer(where):.0f} MB/s")
    print(f"proxy RSS {psutil.Process(proxy.pid).memory_info().rss / 2**20:.0f} MiB")
    proxy.terminate()
    echo.terminate()


if __name__ == "__main__":
    main()
