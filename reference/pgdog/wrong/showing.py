"""Pages and consoles that show something else than what was counted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from reference.pgdog import readiness
from reference.pgdog.console import Console, Result
from reference.pgdog.metrics.page import Page
from reference.pgdog.metrics.text import Family, Writer
from reference.pgdog.pages import Pages
from reference.pgdog.settings import Thresholds
from reference.pgdog.state import State

_LOCKED_SECONDS = 0.15


class RepeatingWriter(Writer):
    """Writes the head of a family before each of its series."""

    def lines(self, family: Family) -> list[str]:
        """See `Writer.lines`."""
        return [
            line
            for one in family.series
            for line in super(RepeatingWriter, self).lines(Family(family.name, family.kind, family.text, (one,)))
        ]


class FloatWriter(Writer):
    """Writes every number with three decimals."""

    def number(self, value: int | float) -> str:
        """See `Writer.number`."""
        return super().number(float(value))


class RepeatingPage(Page):
    """Has `RepeatingWriter`."""

    writer = RepeatingWriter


class FloatPage(Page):
    """Has `FloatWriter`."""

    writer = FloatWriter


class PromisingPages(Pages):
    """Promise OpenMetrics to a reader that would rather have it, and send what they always send."""

    def kind(self, request: bytes) -> str:
        """See `Pages.kind`."""
        wanted = b"application/openmetrics-text" in request
        return "application/openmetrics-text; version=1.0.0; charset=utf-8" if wanted else super().kind(request)


class KeptPage(Page):
    """Is made once."""

    _kept: str | None = None

    def render(self) -> str:
        """See `Page.render`."""
        if self._kept is None:
            self._kept = super().render()
        return self._kept


class LockedPage(Page):
    """Waits for a lock."""

    async def text(self) -> str:
        """See `Page.text`."""
        await asyncio.sleep(_LOCKED_SECONDS)
        return await super().text()


class StaleConsole(Console):
    """Shows what it read the time before."""

    def __init__(self, state: State, reload: Callable[[], None]) -> None:
        super().__init__(state, reload)
        self._read = super().mirrors() if state.tallies.counting else None

    def mirrors(self) -> Result:
        """See `Console.mirrors`."""
        before, self._read = self._read, super().mirrors()
        return before or self._read


class LenientConsole(Console):
    """Leaves the error rate out of the verdict."""

    def judged(self, seen: readiness.Observed, limits: Thresholds) -> readiness.Verdict:
        """See `Console.judged`."""
        verdict = super().judged(seen, limits)
        others = tuple(reason for reason in verdict.reasons if not reason.startswith("Error rate"))
        if others == verdict.reasons:
            return verdict
        met = ("All migration criteria met",)
        return readiness.Verdict(not others, verdict.score + 30, others or met)


class SecretiveConsole(Console):
    """Keeps its reasons to itself."""

    def judged(self, seen: readiness.Observed, limits: Thresholds) -> readiness.Verdict:
        """See `Console.judged`."""
        verdict = super().judged(seen, limits)
        return verdict if verdict.ready else readiness.Verdict(False, verdict.score, ())


class SimpleConsole(Console):
    """Takes the share of successes for the score."""

    def judged(self, seen: readiness.Observed, limits: Thresholds) -> readiness.Verdict:
        """See `Console.judged`."""
        verdict = super().judged(seen, limits)
        return readiness.Verdict(verdict.ready, 100 * seen.success_rate, verdict.reasons)
