"""The classes of a Flight side with a defect, each in the place of the part that has it."""

from __future__ import annotations

from reference.fraiseql.gateway.defects import Defect
from reference.fraiseql.gateway.flight.parts import Parts

_CHANGED: dict[Defect, Parts] = {}


def parts_with(defect: Defect | None) -> Parts:
    """Return the parts of a Flight side with a defect; those that are not about it, or none, change nothing."""
    return _CHANGED.get(defect, Parts()) if defect else Parts()
