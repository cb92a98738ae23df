"""A running proxy: its listeners, what signals do to it, and its end."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from reference.pgdog.admin import AdminSession, Write
from reference.pgdog.config import load
from reference.pgdog.door import Door, MakeSession
from reference.pgdog.settings import Settings
from reference.pgdog.state import Held, State
from reference.pgdog.tally import Tallies
from reference.toml_file import ConfigError

if TYPE_CHECKING:
    from reference.pgdog.controls import Controls

_FIXED = {  # what needs a restart: attribute of the settings -> key in the plan's dialect, and in upstream's
    "host": ("general.host", "general.host"),
    "port": ("general.port", "general.port"),
    "admin_port": ("general.admin_port", "general.port"),
    "metrics_host": ("general.host", "general.openmetrics_host"),
    "metrics_port": ("general.metrics_port", "general.openmetrics_port"),
    "metrics_enabled": ("general.mirror_metrics_enabled", ""),
}
_Listener = TypeVar("_Listener")
_log = logging.getLogger("pgdog")


class DataPlane(Held, Protocol):
    """What relays and replays."""

    async def start(self) -> None:
        """Listen for clients."""

    def adopt(self, settings: Settings) -> None:
        """Hold new settings from each client's next transaction on."""

    async def stop(self, drain: float) -> None:
        """Accept no more, end the clients, and give what waits for the mirror this many seconds."""


MakeProxy = Callable[[Settings, Tallies, MakeSession], DataPlane]
"""Makes the data plane of settings, counters, and what serves a client that asks for the console's database."""


class Program:
    """One proxy from its start to its end.

    Args:
        file: its configuration.
        users: users.toml, None where there is none.
        controls: its classes.
        make_proxy: makes the data plane.
    """

    def __init__(self, file: Path, users: Path | None, controls: Controls, make_proxy: MakeProxy) -> None:
        self.file, self.users, self.controls, self.make_proxy = file, users, controls, make_proxy
        settings = self.read()
        tallies = controls.tallies(counting=settings.metrics_enabled)
        self.proxy = make_proxy(settings, tallies, self.session)
        self.state = State(settings, tallies, self.proxy)
        self.console = controls.console(self.state, self.reload)
        self.pages = controls.pages(controls.page(self.state).text, any_path=settings.dialect == "upstream")
        self._admin: asyncio.Server | None = None

    def read(self) -> Settings:
        """Read the configuration.

        Raises:
            ConfigError: it cannot be used.
        """
        return load(self.file, self.users, self.controls.section)

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT.

        Raises:
            ConfigError: a port cannot be had.
        """
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, self._reload_and_log)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, ended.set)
        await self.start()
        settings = self.state.settings
        for note in settings.notes:
            _log.warning("%s", note)
        for source in settings.sources.values():
            for mirror in source.mirrors:
                _log.info('enabling mirroring of database "%s" into "%s"', source.name, mirror.name)
        _log.info("ready: %s:%d, dialect %s", settings.host, settings.port, settings.dialect)
        await ended.wait()
        await self.stop()
        _log.info("stopped")

    async def start(self) -> None:
        """Listen on every port.

        Raises:
            ConfigError: one of them cannot be had.
        """
        settings = self.state.settings
        if settings.metrics_port is not None:
            await self._listen("metrics_port", self.pages.start(settings.metrics_host, settings.metrics_port))
        if settings.admin_port is not None:
            loop = asyncio.get_running_loop()
            listening = loop.create_server(lambda: Door(self.session), settings.host, settings.admin_port)
            self._admin = await self._listen("admin_port", listening)
        await self._listen("port", self.proxy.start())

    async def stop(self) -> None:
        """End the clients and let the mirrors have what waits for them; the page is there until then."""
        if self._admin is not None:
            self._admin.close()
        await self.proxy.stop(self.state.settings.drain)
        await self.pages.stop()

    def session(self, write: Write, close: Callable[[], None], startup: Mapping[str, str]) -> AdminSession:
        """Make a session of the console."""
        return AdminSession(write, close, startup, self.console, self.state.settings)

    def reload(self) -> None:
        """Read the configuration again; one that cannot be used changes nothing.

        Raises:
            ConfigError: it cannot be used.
        """
        settings = self.read()
        self._check(settings)
        self.adopt(settings)
        for note in settings.notes:
            _log.warning("%s", note)
        _log.info("reloaded %s", self.file)

    def adopt(self, settings: Settings) -> None:
        """Change to settings that have been checked; counters stay."""
        self.state.settings = settings
        self.proxy.adopt(settings)

    def _reload_and_log(self) -> None:
        try:
            self.reload()
        except ConfigError as problem:
            _log.error("reload refused, the configuration stays as it was: %s", problem)

    def _check(self, new: Settings) -> None:
        old = self.state.settings
        if new.dialect != old.dialect:
            raise ConfigError(f"{self.file}: its dialect cannot change while running; restart the proxy")
        for name in _FIXED:
            if getattr(new, name) != getattr(old, name):
                raise ConfigError(f"{self.file}: {self._key(name)}: cannot change while running; restart the proxy")

    def _key(self, name: str) -> str:
        """What the file calls an attribute of the settings."""
        of_plan, of_upstream = _FIXED[name]
        return of_plan if self.state.settings.dialect == "plan" else of_upstream

    async def _listen(self, name: str, listening: Awaitable[_Listener]) -> _Listener:
        try:
            return await listening
        except OSError as error:
            what = f"cannot listen on {getattr(self.state.settings, name)} ({error.strerror or error})"
            raise ConfigError(f"{self.file}: {self._key(name)}: {what}; choose a free port") from None
