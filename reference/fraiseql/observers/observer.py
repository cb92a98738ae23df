"""An observer's life: sessions with NATS, one after the other, until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from typing import Any

import nats.errors

from reference.fraiseql.observers.config import Settings
from reference.fraiseql.observers.delivery import Delivery, Pauses
from reference.fraiseql.observers.feed import FeedClient
from reference.fraiseql.observers.metrics import Metrics
from reference.fraiseql.observers.parts import Parts
from reference.fraiseql.observers.sinks import Sink
from reference.fraiseql.observers.stream import Lost, open_source

STOP_SECONDS = 10.0  # for the batches that are under way
_NATS = "nats"
_WATCH_SECONDS = 1.0
_PING_SECONDS = 2
_GONE = (Lost, nats.errors.Error, OSError)  # a timeout is an OSError
_log = logging.getLogger("observers")


class Observer:
    """Brings the events of the stream into one sink."""

    def __init__(self, settings: Settings, sink: Sink, metrics: Metrics, parts: Parts) -> None:
        self._settings, self._sink, self._metrics, self._parts = settings, sink, metrics, parts
        self._worker = ThreadPoolExecutor(sink.at_once, "sink")
        self._delivery: Delivery = parts.delivery(sink, self._worker, settings.retry, metrics)
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Run until SIGTERM or SIGINT."""
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._stopping.set)
        pauses = Pauses(self._settings.retry)
        while not self._stopping.is_set():
            try:
                await self._session(pauses)
            except _GONE as problem:
                why = str(problem) or type(problem).__name__
                if self._metrics.wait_for(_NATS, why):
                    _log.warning("nats is away, tried again until it is back: %s", why)
                await self._unless_stopped(pauses.next())
        self._worker.shutdown(wait=False, cancel_futures=True)

    async def _session(self, pauses: Pauses) -> None:
        async with connected(self._settings.nats.url, f"observer of {self._sink.name}") as (client, trouble):
            source = await open_source(client, self._settings.nats, self._sink.name, self._parts.first)
            joins = not self._sink.knows_batches
            intake = self._parts.intake(client, source, self._settings.batch, self._metrics, joins=joins)
            letters = self._parts.letters(client, source, self._sink.name)
            await intake.start()
            self._metrics.has(_NATS)
            self._metrics.begun = True
            pauses.start_again()
            _log.info("%s: reading %s after the last acknowledgement", self._sink.name, source.stream)
            await self._until_over(
                self._delivery.run(intake, letters, source.identity), self._watched(intake.watch), _end_of(trouble)
            )

    async def _until_over(self, delivery: Coroutine[Any, Any, None], *others: Coroutine[Any, Any, Any]) -> None:
        """Deliver until the session is over, or until it is time to stop: then to the end of what is under way."""
        delivering = asyncio.create_task(delivery)
        tasks = {delivering, *(asyncio.create_task(other) for other in others)}
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            done, _ = await asyncio.wait({*tasks, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if stopping in done:
                _log.info("stopping: what is under way has %g s", STOP_SECONDS)
                await self._delivery.finish(STOP_SECONDS)
            for task in done - {stopping}:
                task.result()
        finally:
            for task in {*tasks, stopping}:
                task.cancel()
            await asyncio.gather(*tasks, stopping, return_exceptions=True)

    async def _watched(self, watch: Any) -> None:
        while not self._stopping.is_set():
            await watch()
            await self._unless_stopped(_WATCH_SECONDS)

    async def _unless_stopped(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()


async def _end_of(trouble: asyncio.Queue[Exception]) -> None:
    raise Lost(str(await trouble.get()))


@asynccontextmanager
async def connected(url: str, name: str) -> AsyncIterator[tuple[FeedClient, asyncio.Queue[Exception]]]:
    """Connect to NATS for one session; what goes into the queue ends it, the connection is never made again here.

    Raises:
        nats.errors.Error: there is no server, or it does not answer.
    """
    trouble: asyncio.Queue[Exception] = asyncio.Queue()

    async def note(problem: Exception) -> None:
        trouble.put_nowait(problem)  # of everything outside of requests, also that the connection is gone

    client = FeedClient()
    await client.connect(
        url,
        name=name,
        allow_reconnect=False,
        max_reconnect_attempts=1,
        reconnect_time_wait=0,
        connect_timeout=_PING_SECONDS,
        ping_interval=_PING_SECONDS,
        max_outstanding_pings=2,
        error_cb=note,
    )
    trouble = asyncio.Queue()  # without attempts that failed before
    try:
        yield client, trouble
    finally:
        with suppress(*_GONE):  # a link that hangs takes no farewell
            async with asyncio.timeout(_PING_SECONDS):
                await client.close()
