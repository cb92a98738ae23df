"""The proxy as a whole: its listener, its clients, and what they share."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from reference.pgdog.memory import Budget
from reference.pgdog.mirror.lane import Lane
from reference.pgdog.mirror.order import Order
from reference.pgdog.parts import Parts
from reference.pgdog.relay.client import Client
from reference.pgdog.settings import Destination, Settings, Source
from reference.pgdog.tally import Tallies, Tally

if TYPE_CHECKING:
    from reference.pgdog.wrong.switch import Defect

_LOOK = 0.02  # seconds between two looks for what takes too long
_BACKLOG = 1024


class Admin(Protocol):
    """A session of the admin console, on a client's connection."""

    def begin(self) -> None:
        """The startup message has come."""

    def received(self, data: bytes) -> None:
        """More has come."""


AdminMaker = Callable[[Callable[[bytes], None], Callable[[], None], Mapping[str, str]], Admin]


class MirrorProxy:
    """Accepts clients.

    Args:
        settings: of the whole proxy.
        tallies: where everything is counted.
        defect: one wrong behaviour, or none.
        admin: makes a session of the admin console: it is told how to write, how to close, and the startup message's
            parameters.
    """

    def __init__(
        self, settings: Settings, tallies: Tallies, defect: Defect | None = None, admin: AdminMaker | None = None
    ) -> None:
        self.settings, self.tallies, self.admin = settings, tallies, admin
        self.parts = _parts(defect)
        self.budget = Budget(settings.queue_bytes)
        self.clients: set[Client] = set()
        self.lanes: set[Lane] = set()
        self.running: set[Lane] = set()  # lanes whose session has something to do
        self.keys: dict[bytes, Source] = {}
        self._orders: dict[tuple[str, int, str], Order] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._drained = asyncio.Event()
        self._server: asyncio.Server | None = None

    @property
    def mirror_sessions(self) -> int:
        """Sessions on mirrors."""
        return sum(lane.session is not None for lane in self.lanes)

    @property
    def bytes_held(self) -> int:
        """Bytes of what is recorded and what waits."""
        return self.budget.held

    async def start(self) -> None:
        """Accept clients.

        Raises:
            OSError: it cannot listen there.
        """
        loop = asyncio.get_running_loop()
        where = self.settings
        self._server = await loop.create_server(
            lambda: self.parts.client(self), where.host, where.port, backlog=_BACKLOG
        )
        self.background(self._look())

    def adopt(self, settings: Settings) -> None:
        """Follow a change of the configuration: each client from its next transaction on."""
        self.settings = settings
        self.budget.limit = settings.queue_bytes

    async def stop(self, drain: float) -> None:
        """Stop accepting, end the clients, and let what waits be replayed for some seconds at most."""
        if self._server is not None:
            self._server.close()
        for client in tuple(self.clients):
            client.refuse("57P01", "the proxy is shutting down")
        if self.lanes:
            try:
                await asyncio.wait_for(self._drained.wait(), drain)
            except TimeoutError:
                for lane in tuple(self.lanes):
                    lane.abandon()
        for task in tuple(self._tasks):
            task.cancel()

    def order_of(self, destination: Destination) -> Order:
        """Return the order in which a mirror database is written to."""
        key = (destination.host, destination.port, destination.database)
        if key not in self._orders:
            self._orders[key] = self.parts.order()
        return self._orders[key]

    def tally(self, source: str, destination: str, user: str) -> Tally:
        """Return where to count; when nothing is to be counted, that is a place nobody reads."""
        return self.tallies.of(source, destination, user) if self.settings.metrics_enabled else Tally()

    def left(self, lane: Lane) -> None:
        """A lane has nothing left to do, and its client is gone."""
        self.lanes.discard(lane)
        if not self.lanes:
            self._drained.set()

    def background(self, work: Coroutine[Any, Any, None]) -> None:
        """Have something done meanwhile."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(_LOOK)
            now = time.perf_counter()
            for lane in tuple(self.running):
                lane.expire(now)


def _parts(defect: Defect | None) -> Parts:
    if defect is None:
        return Parts()
    from reference.pgdog.wrong.replaced import parts_with

    return parts_with(defect)
