"""Where the parts of a checkout are; tests put toy suites in their place."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from environments.config import ROOT


@dataclass(frozen=True, slots=True)
class Places:
    """The directories a run reads and writes.

    Args:
        root: what paths in messages are told relative to.
        suites: the criteria.
        variables: profiles and the registry `criteria.yaml`.
        results: one directory a run is made below it.
    """

    root: Path
    suites: Path
    variables: Path
    results: Path

    @property
    def registry(self) -> Path:
        """The criteria registry."""
        return self.variables / "criteria.yaml"

    @property
    def kills(self) -> Path:
        """The record of what has been proven able to fail."""
        return self.root / "proof" / "kills.json"

    @classmethod
    def below(cls, root: Path) -> Places:
        """Return the usual places of a checkout."""
        return cls(root, root / "suites", root / "variables", root / "results")

    def shown(self, path: Path) -> str:
        """Return a path as a person in the root would write it."""
        return str(path.relative_to(self.root)) if path.is_relative_to(self.root) else str(path)


PROJECT = Places.below(ROOT)
