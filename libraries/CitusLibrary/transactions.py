"""Commits in two phases: what the coordinator sent to whom, and whether that was all of it. No I/O."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from environments.system import Endpoint

Phase = Literal["PREPARE TRANSACTION", "COMMIT PREPARED", "ROLLBACK PREPARED", "COMMIT", "ROLLBACK"]

_COMMAND = re.compile(
    r"NOTICE: +issuing (PREPARE TRANSACTION|COMMIT PREPARED|ROLLBACK PREPARED|COMMIT|ROLLBACK)(?: '([^']+)')?\s"
    r".*?on server \S*?@([^:\s]+):(\d+)",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class RemoteCommand:
    """A command that ends a transaction, sent by the coordinator to a worker."""

    phase: Phase
    transaction: str  # the prepared transaction's name, "" for a plain COMMIT or ROLLBACK
    endpoint: Endpoint


def parse_notices(notices: Iterable[str]) -> list[RemoteCommand]:
    """Read the notices that `citus.log_remote_commands` makes the coordinator send."""
    matches = (_COMMAND.match(notice) for notice in notices)
    return [
        RemoteCommand(m.group(1), m.group(2) or "", Endpoint(m.group(3), int(m.group(4))))  # type: ignore[arg-type]
        for m in matches
        if m
    ]


@dataclass(frozen=True, slots=True)
class Commit:
    """How a transaction was ended."""

    written: tuple[tuple[str, str], ...]  # namespace and key of each row
    commands: tuple[RemoteCommand, ...]
    recorded: frozenset[str]  # names of prepared transactions in pg_dist_transaction right after the commit

    def names(self, phase: Phase) -> dict[str, Endpoint]:
        """Return the prepared transactions that a command was sent for, and where."""
        return {command.transaction: command.endpoint for command in self.commands if command.phase == phase}


def two_phase_problems(commit: Commit, workers: Collection[Endpoint]) -> list[str]:
    """The transaction must have been prepared on each of the workers, and only then committed on each."""
    prepared, committed = commit.names("PREPARE TRANSACTION"), commit.names("COMMIT PREPARED")
    problems = []
    if set(prepared.values()) != set(workers):
        problems.append(f"prepared on {_places(prepared.values())}, expected on {_places(workers)}")
    if prepared != committed:
        problems.append(f"prepared on {_places(prepared.values())}, but committed on {_places(committed.values())}")
    phases = [command.phase for command in commit.commands]
    if committed and "PREPARE TRANSACTION" in phases[phases.index("COMMIT PREPARED") :]:
        problems.append("a worker was told to commit before every worker had prepared")
    return problems


def record_problems(commit: Commit) -> list[str]:
    """The decision for every prepared transaction must be in the coordinator's own table."""
    missing = sorted(set(commit.names("PREPARE TRANSACTION")) - commit.recorded)
    return [f"pg_dist_transaction has no entry for {name}" for name in missing]


def one_phase_problems(commit: Commit, worker: Endpoint) -> list[str]:
    """A transaction of one worker must be committed there without being prepared."""
    ends = [f"{command.phase} on {command.endpoint}" for command in commit.commands]
    expected = [f"COMMIT on {worker}"]
    return [] if ends == expected else [f"ended by {', '.join(ends) or 'nothing'}, expected {expected[0]}"]


def leftover_problems(left: Mapping[str, Sequence[str]]) -> list[str]:
    """No node may have a prepared transaction left."""
    return [f"{node} still has prepared transactions {', '.join(names)}" for node, names in left.items() if names]


def _places(endpoints: Iterable[Endpoint]) -> str:
    return ", ".join(sorted(map(str, endpoints))) or "no worker"
