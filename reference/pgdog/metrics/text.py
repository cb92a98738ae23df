"""Prometheus text 0.0.4: families, each with TYPE and HELP once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
Series = tuple[Mapping[str, str], int | float]  # labels in their order, value


@dataclass(frozen=True, slots=True)
class Family:
    """What one family says."""

    name: str
    kind: str  # gauge or counter
    text: str
    series: tuple[Series, ...]


class Writer:
    """Writes families as text."""

    def page(self, families: Iterable[Family]) -> str:
        """Return the page: families with an empty line between them, without those that have no series."""
        return "\n".join("".join(f"{line}\n" for line in self.lines(one)) for one in families if one.series)

    def lines(self, family: Family) -> list[str]:
        """Return the lines of a family."""
        series = [f"{family.name}{_labels(labels)} {self.number(value)}" for labels, value in family.series]
        return [*self.head(family), *series]

    def head(self, family: Family) -> list[str]:
        """Return what stands before its series."""
        return [f"# TYPE {family.name} {family.kind}", f"# HELP {family.name} {family.text}"]

    def number(self, value: int | float) -> str:
        """Return a whole number bare, another with three decimals."""
        return f"{value:.3f}" if isinstance(value, float) else str(value)


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
