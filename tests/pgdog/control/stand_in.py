"""A proxy program whose data plane is a stand-in: it counts what a test tells it on the clients' port.

Run with the options of `reference/pgdog`. A connection that begins as PostgreSQL's do is one of the console; another
sends lines, each answered with `ok`: `attempt|sample_out|overflow SOURCE DESTINATION USER`, `succeed ... SECONDS`,
`fail ... KIND`, `wait ...` (one that is still in the queue).
"""

from __future__ import annotations

import asyncio
import sys
from types import ModuleType

from reference.pgdog.door import Door
from reference.pgdog.tally import Tally


class StandIn:
    """The data plane as the control plane sees it."""

    def __init__(self, settings, tallies, defect, session):
        self.settings, self.tallies, self.session = settings, tallies, session
        self.clients, self.mirror_sessions, self.bytes_held = set(), 2, 345

    async def start(self):
        loop = asyncio.get_running_loop()
        self.server = await loop.create_server(lambda: Client(self), self.settings.host, self.settings.port)

    def adopt(self, settings):
        self.settings = settings

    async def stop(self, drain):
        self.server.close()
        for transport in tuple(self.clients):
            transport.close()


class Client(asyncio.Protocol):
    """One connection."""

    def __init__(self, proxy):
        self.proxy, self.door, self.text = proxy, None, ""

    def connection_made(self, transport):
        self.transport = transport
        self.proxy.clients.add(transport)

    def connection_lost(self, error):
        self.proxy.clients.discard(self.transport)

    def data_received(self, data):
        if self.door is None and not self.text and data[:1] == b"\0":
            self.door = Door(self.proxy.session)
            self.door.connection_made(self.transport)
        if self.door is not None:
            self.door.data_received(data)
            return
        self.text += data.decode()
        *lines, self.text = self.text.split("\n")
        for line in lines:
            what, source, destination, user, *rest = line.split()
            count(self.proxy.tallies.of(source, destination, user), what, rest)
            self.transport.write(b"ok\n")


def count(tally: Tally, what: str, rest: list[str]) -> None:
    tally.attempt()
    if what == "wait":
        tally.backlog += 1
    elif what == "succeed":
        tally.succeed(float(rest[0]))
    elif what != "attempt":
        getattr(tally, what)(*rest)


if __name__ == "__main__":
    relay = ModuleType("reference.pgdog.relay.server")
    vars(relay)["MirrorProxy"] = StandIn
    sys.modules["reference.pgdog.relay"], sys.modules[relay.__name__] = ModuleType("reference.pgdog.relay"), relay
    from reference.pgdog.__main__ import main

    sys.exit(main())
