"""Chooses the part of the proof that one run of the checks can afford."""

from __future__ import annotations

from collections.abc import Mapping, Set

from criteria import Kill
from proof.manifest import Defect

START_SECONDS = 8.0  # a system starts for each defect
UNKNOWN_SECONDS = 30.0  # for a criterion whose kill was never timed


def rotating_sample(
    manifest: Mapping[str, Defect], kills: Mapping[str, Kill], able: Set[str], day: int, seconds: float
) -> list[str]:
    """Return the criteria of as many defects as fit, beginning at another defect every day.

    Args:
        manifest: all defects.
        kills: how long each criterion's last kill took.
        able: criteria this environment can settle.
        day: number of the day; the sample starts where it points and wraps around.
        seconds: about how long the sample may take, canary included; at least one defect is taken.
    """
    names = [name for name, defect in manifest.items() if able & defect.kills.keys()]
    if not names:
        return []
    start = day % len(names)
    chosen: list[str] = []
    spent = START_SECONDS  # of the canary
    for name in names[start:] + names[:start]:
        fresh = [id_ for id_ in manifest[name].kills if id_ in able and id_ not in chosen]
        cost = START_SECONDS + 2 * sum(_seconds(kills, id_) for id_ in fresh)  # once on the defect, once as canary
        if fresh and (not chosen or spent + cost <= seconds):
            chosen += fresh
            spent += cost
    return chosen


def _seconds(kills: Mapping[str, Kill], criterion: str) -> float:
    kill = kills.get(criterion)
    return kill.seconds if kill is not None else UNKNOWN_SECONDS
