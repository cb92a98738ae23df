"""The order in which what was written reaches a mirror: that of the commits on the primary, across all clients.

Each client's queue alone would let two clients' changes of one row arrive either way round. The primary's answers tell
the order, but not exactly: a server process lets go of its locks before it answers, and the one that waited for them
may answer first. Of a transaction with a COMMIT of its own more is known: whoever waited for its locks had not got the
answer to the waiting statement when that COMMIT was sent. So its place is taken when the COMMIT is sent, and what comes
behind waits until the primary has answered it. Of two autocommit statements that overlap nothing more can be known.
"""

from __future__ import annotations

import asyncio
from collections import deque

from reference.pgdog.mirror.unit import Unit


class Place:
    """A place in the order; nobody's until its transaction has an outcome on the primary."""

    __slots__ = ("done", "order", "unit")

    def __init__(self, order: Order) -> None:
        self.order = order
        self.unit: Unit | None = None
        self.done = False

    def release(self) -> None:
        """It is not needed any more."""
        self.done = True
        self.order.advance()


class Order:
    """Of one mirror database."""

    def __init__(self) -> None:
        self._places: deque[Place] = deque()

    def reserve(self) -> Place:
        """Take the next place for what may come."""
        place = Place(self)
        self._places.append(place)
        return place

    def enter(self, unit: Unit) -> None:
        """A unit that wrote was queued: it gets its place, or the last."""
        if unit.place is None:
            unit.place = self.reserve()
        unit.place.unit = unit

    def turn(self, unit: Unit, place: int = 0) -> bool:
        """Tell whether a unit may be replayed now, or right behind as many others."""
        return len(self._places) > place and self._places[place].unit is unit

    def advance(self) -> None:
        """Pass over the places that are done with, and tell whose turn it is."""
        places = self._places
        if not places or not places[0].done:
            return
        while places and places[0].done:
            places.popleft()
        if places and (unit := places[0].unit) is not None and unit.lane is not None:
            asyncio.get_running_loop().call_soon(unit.lane.pump)
