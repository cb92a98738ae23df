"""The page as a whole: what every proxy has, and the mirror's family or families in the words of the dialect."""

from __future__ import annotations

from reference.pgdog.metrics import plan, process, upstream
from reference.pgdog.metrics.text import Family, Writer
from reference.pgdog.state import State


class Page:
    """Makes the page anew each time it is asked for."""

    writer: type[Writer] = Writer

    def __init__(self, state: State) -> None:
        self.state = state

    async def text(self) -> str:
        """Return the page."""
        return self.render()

    def render(self) -> str:
        """Write what stands on it."""
        clients, *others = process.families(self.state.held)
        return self.writer().page([clients, *self.mirror(), *others])

    def mirror(self) -> list[Family]:
        """Return what is told of mirroring, nothing where that is switched off."""
        settings, tallies = self.state.settings, self.state.tallies
        if not tallies.counting:
            return []
        if settings.dialect == "plan":
            return [plan.family(tallies)]
        return upstream.families(settings, tallies)
