"""The running gateway: HTTP and Flight in one process, from a configuration to an orderly end."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import hashlib
import logging
import os
import signal
import socket
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import uvicorn
import uvloop
from starlette.types import ASGIApp

from reference.fraiseql.gateway.config import Settings
from reference.fraiseql.gateway.defects import Defect
from reference.fraiseql.gateway.flight.parts import Parts as FlightParts
from reference.fraiseql.gateway.flight.server import FlightServer
from reference.fraiseql.gateway.flight.upstream import UpstreamServer, upstream_parts
from reference.fraiseql.gateway.flight.wrong.switch import parts_with as flight_parts_with
from reference.fraiseql.gateway.schema import Schema
from reference.fraiseql.gateway.values import Address
from reference.fraiseql.gateway.web.application import application
from reference.fraiseql.gateway.web.database import Database
from reference.fraiseql.gateway.web.graphql import GraphQL
from reference.fraiseql.gateway.web.protocol import Protocol
from reference.fraiseql.gateway.web.upstream import UpstreamGraphQL
from reference.fraiseql.gateway.wrong.switch import parts_with
from reference.toml_file import ConfigError

DRAIN_SECONDS = 10
_KEEP_ALIVE_SECONDS = 75  # longer than clients keep a connection that is idle, so that none is closed under a request
_BACKLOG = 2048
_log = logging.getLogger("fraiseql.gateway")


def run(settings: Settings, schema: Schema, file: Path, defect: Defect | None) -> None:
    """Serve until SIGTERM or SIGINT; answers that run then have DRAIN_SECONDS to end.

    Raises:
        ConfigError: it cannot listen where it is told to.
    """
    listener = _listen(file, "bind_addr", settings.bind_addr)
    # Flight would share the port of another gateway without a word.
    _listen(file, "flight_bind_addr", settings.flight_bind_addr).close()
    ended = uvloop.run(_Gateway(settings, schema, defect).serve(listener))
    _log.info("stopped%s", "" if ended else "; clients of Flight were still reading")
    if not ended:
        logging.shutdown()
        os._exit(0)  # threads that wait for those clients would hold up any other end


class _Gateway:
    """One gateway and its parts."""

    def __init__(self, settings: Settings, schema: Schema, defect: Defect | None) -> None:
        self._settings, self._schema, self._defect = settings, schema, defect
        self._parts = parts_with(defect)
        self._metrics = self._parts.metrics()
        self._database = Database(settings.database_url, settings.query_timeout_seconds)
        self._cache = self._parts.cache(settings.cache) if settings.cache else None

    async def serve(self, listener: socket.socket) -> bool:
        """Serve until a signal comes; return whether all calls have ended."""
        await self._database.open()
        self._metrics.watch_pool(lambda: self._database.connections, lambda: self._database.waiting)
        server = _Server(_configuration(self._application()))
        signalled = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, signalled.set)
        flight_parts = replace(flight_parts_with(self._defect), statements=self._parts.statements)
        flight = self._flight(flight_parts)
        gc.freeze()  # what is there now is never looked through again
        where = self._settings.bind_addr, self._settings.flight_bind_addr
        _log.info("ready: HTTP at %s, Flight at %s, defect %s", *where, self._defect)
        serving = asyncio.ensure_future(server.serve([listener]))
        await signalled.wait()
        server.should_exit = True
        ended: bool = await asyncio.to_thread(flight.stop, DRAIN_SECONDS)
        await serving
        await self._database.close()
        if self._cache is not None:
            await self._cache.close()
        return ended

    def _flight(self, parts: FlightParts) -> FlightServer:
        if self._settings.compat == "upstream":
            return UpstreamServer(self._settings, self._schema, self._metrics.registry, upstream_parts(parts))
        return FlightServer(self._settings, self._schema, self._metrics.registry, parts)

    def _application(self) -> ASGIApp:
        settings, parts = self._settings, self._parts
        endpoint = UpstreamGraphQL if settings.compat == "upstream" and parts.graphql is GraphQL else parts.graphql
        graphql = endpoint(
            self._schema,
            settings.validation,
            self._database,
            self._cache,
            self._metrics,
            parts.reader(),
            parts.web_statements,
            parts.rows,
        )
        token = settings.metrics_token if settings.metrics_enabled else None
        schema_hash = hashlib.sha256(settings.schema_path.read_bytes()).hexdigest()
        pages = parts.pages(self._database, self._cache, self._metrics, token, schema_hash)
        return application(graphql, pages, self._metrics)


class _Server(uvicorn.Server):
    """Leaves signals to the gateway, which has more to end than this."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """See `uvicorn.Server.capture_signals`."""
        yield


def _configuration(served: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        served,
        http=Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        headers=[("X-Content-Type-Options", "nosniff"), ("Cache-Control", "no-store")],
        backlog=_BACKLOG,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )


def _listen(file: Path, key: str, address: Address) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        return socket.create_server(address, family=family, backlog=_BACKLOG)
    except OSError as error:
        why = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
        raise ConfigError(f"{file}: {key}: cannot listen at {address} ({why}); choose another address") from None
