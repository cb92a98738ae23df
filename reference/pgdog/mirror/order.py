"""The order in which what was written reaches a mirror: that of the commits on the primary, across all clients.

Each client's queue alone would let two clients' changes of one row arrive either way round.
"""

from __future__ import annotations

import asyncio
from collections import deque

from reference.pgdog.mirror.unit import Unit


class Order:
    """Of one mirror database."""

    def __init__(self) -> None:
        self._units: deque[Unit] = deque()

    def enter(self, unit: Unit) -> None:
        """A unit that wrote was queued."""
        self._units.append(unit)

    def turn(self, unit: Unit, place: int = 0) -> bool:
        """Tell whether a unit may be replayed now, or right behind as many others."""
        return len(self._units) > place and self._units[place] is unit

    def leave(self, unit: Unit) -> None:
        """A unit has its outcome, in its turn or before; whose turn it is now is told."""
        unit.done = True
        units = self._units
        if units[0] is not unit:
            return
        while units and units[0].done:
            units.popleft()
        if units and units[0].lane is not unit.lane and (lane := units[0].lane) is not None:
            asyncio.get_running_loop().call_soon(lane.pump)
