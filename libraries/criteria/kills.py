"""Which criteria have been proven able to fail: `proof/kills.json`, which `python -m proof` keeps."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from environments.config import ROOT

KILLS = ROOT / "proof" / "kills.json"


@dataclass(frozen=True, slots=True)
class Kill:
    """The last time a criterion failed on its defect."""

    defect: str
    date: str  # ISO date
    sha: str
    seconds: float
    message: str
    unsettled: str = ""
    """Why that machine could not settle the criterion without the defect; nothing when it passed."""


def read_kills(path: Path = KILLS) -> dict[str, Kill]:
    """Read the kills recorded so far, by criterion; none when there is no record.

    Raises:
        ValueError: the record is damaged.
    """
    if not path.is_file():
        return {}
    try:
        return {criterion: Kill(**kill) for criterion, kill in json.loads(path.read_text(encoding="utf-8")).items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"{path.name}: is no record of kills ({error}); python -m proof makes a new one") from None
