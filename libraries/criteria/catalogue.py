"""Registry and suites put together: the criteria as a run, a list or a report needs them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from criteria.discovery import PHASES, SUITES, StatedTest, discover
from criteria.registry import REGISTRY, Budget, Entry, load_registry


@dataclass(frozen=True, slots=True)
class Criterion:
    """One criterion with everything that is known of it before it runs."""

    id: str
    statement: str
    phase: str
    system: str
    source: str
    needs: tuple[str, ...]
    budgets: tuple[Budget, ...]

    def as_json(self) -> dict[str, Any]:
        """Return it as a mapping of plain values."""
        budgets = [{"limit": b.limit, "unit": b.unit, "of": b.of} for b in self.budgets]
        facts = {"id": self.id, "statement": self.statement, "phase": self.phase, "system": self.system}
        return {**facts, "source": self.source, "needs": list(self.needs), "budgets": budgets}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Criterion:
        """Read what `as_json` wrote."""
        budgets = tuple(Budget(b["limit"], b["unit"], b["of"]) for b in content["budgets"])
        facts = {key: content[key] for key in ("id", "statement", "phase", "system", "source")}
        return cls(**facts, needs=tuple(content["needs"]), budgets=budgets)


def catalogue(suites: Path = SUITES, registry: Path = REGISTRY) -> list[Criterion]:
    """Return all criteria in the order in which they run.

    A test or an entry without its counterpart is left out here; `check` is what complains about it.

    Raises:
        CriteriaProblem: the registry is invalid or a suite cannot be parsed.
    """
    entries = load_registry(registry)
    found = [
        _criterion(test, entries[identifier])
        for test in discover(suites)
        for identifier in test.ids[:1]
        if identifier in entries
    ]
    order = {phase: number for number, phase in enumerate(PHASES)}
    return sorted(found, key=lambda criterion: order.get(criterion.phase, len(order)))


def _criterion(test: StatedTest, entry: Entry) -> Criterion:
    phase, system = (*test.phases, "")[0], (*test.systems, "")[0]
    return Criterion(entry.id, test.name, phase, system, entry.source, entry.needs, entry.budgets)
