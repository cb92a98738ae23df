"""The faults that have been begun, and those in force, for who shows them."""

from __future__ import annotations

from dataclasses import dataclass

from FaultLibrary.lifecycle import Fault

faults: list[Fault] = []  # begun and not yet cleaned up, oldest first


@dataclass(frozen=True, slots=True)
class InForce:
    """A fault in force, for those who show it."""

    kind: str
    target: str
    hit: str  # what the target stood for
    since: float  # epoch seconds

    def __str__(self) -> str:
        return f"{self.kind} {self.target}" + (f" ({self.hit})" if self.hit != self.target else "")


def faults_in_force() -> list[InForce]:
    """The faults injected and not yet healed, oldest first."""
    return [
        InForce(fault.kind, fault.target, ", ".join(hit.service or hit.link for hit in fault.hit), fault.begun)
        for fault in list(faults)
        if fault.in_force
    ]
