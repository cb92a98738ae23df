"""The classes of an observer with a defect, each in the place of the part that has it."""

from __future__ import annotations

from dataclasses import replace

from reference.fraiseql.observers.defects import Defect
from reference.fraiseql.observers.parts import Parts

_CHANGED: dict[Defect, Parts] = {}


def parts_with(defect: Defect) -> Parts:
    """Return the parts of an observer with a defect."""
    return replace(_CHANGED[defect])
