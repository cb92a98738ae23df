"""The last verdict of each criterion, kept across runs in `results/verdicts.json`."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from environments.config import ROOT

VERDICTS = ROOT / "results" / "verdicts.json"


@dataclass(frozen=True, slots=True)
class LastVerdict:
    """What a criterion's latest run said."""

    verdict: str  # pass, fail, inconclusive or skip
    date: str  # ISO 8601, UTC
    sha: str
    run: str  # run id, the directory below results/


class VerdictBook:
    """Reads and updates the file; a damaged or missing one counts as empty, for it can be rebuilt by running.

    Args:
        path: where the file is.
    """

    def __init__(self, path: Path = VERDICTS) -> None:
        self.path = path

    def read(self) -> dict[str, LastVerdict]:
        """Return the last verdicts by criterion id."""
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
            return {identifier: LastVerdict(**fields) for identifier, fields in content.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            return {}

    def update(self, verdicts: Mapping[str, LastVerdict]) -> None:
        """Write down the verdicts of a run; a skip never replaces a verdict, for it says nothing new.

        Raises:
            OSError: the file cannot be written.
        """
        with self._alone():
            known = self.read()
            known |= {i: v for i, v in verdicts.items() if v.verdict != "skip" or i not in known}
            content = {identifier: asdict(known[identifier]) for identifier in sorted(known)}
            temporary = self.path.with_suffix(".new")
            temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
            temporary.replace(self.path)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Let two runs that end at once update the file one after the other."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(self.path.parent, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)
