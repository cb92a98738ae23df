"""A system made of real but tiny processes, so that faults can be seen by the kernel and by clients."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from robot.api.types import Secret

from environments.embedded.links import Links
from environments.embedded.ports import Ports
from environments.sections.cluster import Vector
from environments.system import (
    Address,
    ClusterAddresses,
    Endpoint,
    LinkCondition,
    Login,
    ServiceControl,
    ServiceFacts,
)
from FaultLibrary import observers

ANSWERER = """
import contextlib, os, socket, sys, threading
listeners = [socket.create_server(("127.0.0.1", int(port))) for port in sys.argv[1:]]
if os.fork() == 0:
    threading.Event().wait()
def answer(connection):
    with contextlib.suppress(OSError):
        while connection.recv(65536):
            connection.sendall(b"yes")
def serve(listener):
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=answer, args=(connection,), daemon=True).start()
for listener in listeners:
    threading.Thread(target=serve, args=(listener,)).start()
"""
"""Answers whatever is asked on each port; its child process holds the ports too and does nothing (a "walsender")."""


class TinyService:
    """Two processes under a `ServiceControl`; a "member" when it has two ports."""

    def __init__(self, name: str, ports: Sequence[int]) -> None:
        self.name, self.ports = name, ports
        self.process: subprocess.Popen[bytes] | None = None
        self.starts = 0

    def start(self) -> None:
        self.starts += 1
        command = [sys.executable, "-I", "-S", "-c", ANSWERER, *map(str, self.ports)]
        self.process = subprocess.Popen(command, start_new_session=True)

    def wait(self) -> None:
        for port in self.ports:
            door = observers.Door(observers.Protocol.REDIS, Endpoint("127.0.0.1", port))
            deadline = time.monotonic() + 10
            while door.knock().outcome is not observers.Outcome.ANSWERS:
                assert time.monotonic() < deadline, f"{self.name} does not answer"
                time.sleep(0.01)

    def roots(self) -> Sequence[int]:
        return [] if self.process is None else [self.process.pid]

    def processes(self, part: str = "all") -> Sequence[int]:
        if part not in ("all", "patroni", "postmaster", "walsenders"):
            raise ValueError(f"'{self.name}' has no part '{part}'")
        if self.process is None:
            return []
        found = [pid for pid in [self.process.pid, *children(self.process.pid)] if observers.alive([pid])]
        return found[1:] if part == "walsenders" else found

    def stop(self) -> None:
        self._send(signal.SIGTERM, self.processes())
        self._gone()

    def kill(self, part: str = "all") -> Sequence[int]:
        hit = self._send(signal.SIGKILL, self.processes(part))
        if part == "all":
            self._gone()
        return hit

    def freeze(self, part: str = "all") -> Sequence[int]:
        return self._send(signal.SIGSTOP, self.processes(part))

    def resume(self, part: str = "all") -> Sequence[int]:
        return self._send(signal.SIGCONT, self.processes(part))

    def close(self) -> None:
        if self.process is not None:
            self._send(signal.SIGKILL, self.processes())
            self.process.wait(timeout=5)

    def _gone(self) -> None:
        assert self.process is not None
        self.process.wait(timeout=5)

    def _send(self, number: int, pids: Sequence[int]) -> Sequence[int]:
        for pid in pids:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue
        return pids


def children(pid: int) -> list[int]:
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return [int(child) for child in file.read().split()]
    except OSError:
        return []


class TinySystem:
    """A `ClusterSystem` of tiny services."""

    def __init__(self, links: Links | None = None) -> None:
        ports = Ports()
        self.capabilities = frozenset({"process-faults", "link-faults"})
        self.vector = Vector()
        self.redis = TinyService("redis", [ports.choose()])
        self.member = TinyService("member1", [ports.choose(), ports.choose()])
        self.services: Mapping[str, ServiceControl] = {"redis": self.redis, "member1": self.member}
        self.endpoint = Endpoint("127.0.0.1", self.redis.ports[0])
        self.facts: Sequence[ServiceFacts] = [ServiceFacts("redis", "real", "1", str(self.endpoint), "tiny", "test")]
        owner = Login("owner", Secret("none"))
        self.addresses = ClusterAddresses(self.endpoint, self.endpoint, "none", owner, None)
        self.proxy = links
        self.links: Mapping[str, Address] = {}
        self.refuse_links = False

    def start(self) -> None:
        for service in (self.redis, self.member):
            service.start()
            service.wait()

    def add_link(self, name: str, listen: Path | None = None) -> None:
        assert self.proxy is not None
        near = self.proxy.add(name, self.endpoint, listen) if listen else self.proxy.add(name, self.endpoint)
        self.links = {**self.links, name: near}

    def set_link(self, link: str, condition: LinkCondition | None) -> None:
        assert self.proxy is not None
        if not self.refuse_links:  # an injector that says yes and does nothing
            self.proxy.set_link(link, condition)

    def link_counters(self, link: str) -> Mapping[str, int]:
        assert self.proxy is not None
        return self.proxy.counters(link)

    def stop(self) -> list[str]:
        self.redis.close()
        self.member.close()
        return []

    def keep(self, results: Any) -> str:
        raise NotImplementedError
