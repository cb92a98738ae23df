"""The registry of criteria: what each one states, where it comes from, what it needs, and its last verdict.

A statement is a test's name, its id that test's first tag, phase and system are tags too; the rest stands in
`variables/criteria.yaml`. No fact stands twice, and `check` makes sure that both sides fit.
"""

from __future__ import annotations

from criteria.catalogue import Criterion, catalogue
from criteria.check import check
from criteria.discovery import PHASES, StatedTest, discover
from criteria.kills import Kill, read_kills
from criteria.registry import ID, Budget, CriteriaProblem, Entry, load_registry
from criteria.verdicts import LastVerdict, VerdictBook

__all__ = [
    "ID",
    "PHASES",
    "Budget",
    "CriteriaProblem",
    "Criterion",
    "Entry",
    "Kill",
    "LastVerdict",
    "StatedTest",
    "VerdictBook",
    "catalogue",
    "check",
    "discover",
    "load_registry",
    "read_kills",
]
