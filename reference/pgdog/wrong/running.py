"""Programs that read, reload or end wrongly."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from reference.pgdog.config.section import Section
from reference.pgdog.controls import Controls
from reference.pgdog.program import MakeProxy, Program
from reference.pgdog.settings import Settings
from reference.pgdog.wrong.counting import forget

_COUNTERS = ("attempted", "sampled_out", "overflowed", "mirrored", "connection", "query", "timeout")


class LenientSection(Section):
    """Passes over keys that nobody knows."""

    def check_keys(self) -> None:
        """See `Section.check_keys`."""


class ForgettingProgram(Program):
    """Begins its counters at zero with each reload."""

    def adopt(self, settings: Settings) -> None:
        """See `Program.adopt`."""
        super().adopt(settings)
        forget(self.state.tallies)


class ReplacingProgram(Program):
    """Replaces the proxy with each reload."""

    _replacing: asyncio.Task[None] | None = None

    def adopt(self, settings: Settings) -> None:
        """See `Program.adopt`."""
        self.state.settings = settings
        self._replacing = asyncio.get_running_loop().create_task(self._replace())

    async def _replace(self) -> None:
        await self.proxy.stop(0)
        self.proxy = self.state.held = self.make_proxy(self.state.settings, self.state.tallies, self.session)
        await self.proxy.start()


class RememberingProgram(Program):
    """Keeps its counters in a file beside the configuration."""

    def __init__(self, file: Path, users: Path | None, controls: Controls, make_proxy: MakeProxy) -> None:
        super().__init__(file, users, controls, make_proxy)
        self._kept = file.with_suffix(".counters")
        if self._kept.exists():
            for label, counters in json.loads(self._kept.read_text(encoding="utf-8")):
                tally = self.state.tallies.of(*label)
                for name, value in zip(_COUNTERS, counters, strict=True):
                    setattr(tally, name, value)

    async def stop(self) -> None:
        """See `Program.stop`."""
        await super().stop()
        content = [
            ((one.source, one.destination, one.user), [getattr(one, name) for name in _COUNTERS])
            for one in self.state.tallies.all()
        ]
        self._kept.write_text(json.dumps(content), encoding="utf-8")
