"""Pages that do not say what is true."""

from __future__ import annotations

import asyncio

from reference.fraiseql.gateway.metrics import Metrics
from reference.fraiseql.gateway.web.pages import Pages


class HealthyPages(Pages):
    """Is always healthy."""

    async def healthy(self) -> bool:
        """See `Pages.healthy`."""
        return True


class ReadyPages(Pages):
    """Is always ready."""

    async def ready(self) -> bool:
        """See `Pages.ready`."""
        return True


class WaitingPages(Pages):
    """Says something when the database does."""

    async def healthy(self) -> bool:
        """See `Pages.healthy`."""
        if not await self._database.answers():
            await asyncio.Event().wait()
        return True

    async def ready(self) -> bool:
        """See `Pages.ready`."""
        return await self.healthy()


class StandingMetrics(Metrics):
    """Counts nothing."""

    def request(self, status: int, seconds: float) -> None:
        """See `Metrics.request`."""

    def query(self, operation: str, seconds: float, code: str | None) -> None:
        """See `Metrics.query`."""

    def statements(self, number: int) -> None:
        """See `Metrics.statements`."""

    def looked_up(self, found: bool) -> None:
        """See `Metrics.looked_up`."""
