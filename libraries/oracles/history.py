"""A history: what clients attempted, what was acknowledged and what was observed, one operation a line.

A history on disk is JSON lines: a header (`kind`, `criterion`, `started_at`, and `marks` when instants have names),
then one operation a line in the order in which they completed. It can be judged again long after the run.

What the fields of an operation mean to the oracles:

=========  ==================================================  =====================  =========================
field      write                                               read                   observe
=========  ==================================================  =====================  =========================
id         row written, or the key when versions are kept      key read, or `FINAL`   name of what is observed
value      version written (None: the row's presence is all)   version or list seen   True / False; None: unknown
outcome    acked, failed (the server said no), unknown         observed, failed       observed, unknown
=========  ==================================================  =====================  =========================

`unknown` is every error or timeout after which the write may or may not be there: connection lost, timeout, a commit
that only a warning answered. `failed` is only for writes the server refused, so they must not be there.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from measurement.verdicts import Inconclusive, Verdict

FINAL = "*"
"""The id of the read that lists every row found after the fault: its value is the list of ids, in their order."""


class Kind(StrEnum):
    """What an operation did."""

    WRITE = "write"
    READ = "read"
    OBSERVE = "observe"


class Result(StrEnum):
    """What the client knows about an operation when it is over."""

    ACKED = "acked"
    FAILED = "failed"
    UNKNOWN = "unknown"
    OBSERVED = "observed"


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of a client.

    Attributes:
        id: the row, key or thing it is about.
        kind: write, read or observe.
        invoked: epoch seconds at which the client sent it.
        completed: epoch seconds at which the client knew the outcome.
        outcome: acked, failed, unknown or observed.
        value: version written or seen; for the final read the list of ids; for an observation True, False or None.
        node: member, writer or connection that answered, when known.
        detail: SQLSTATE, error or remark.
    """

    id: int | str
    kind: Kind
    invoked: float
    completed: float
    outcome: Result
    value: Any = None
    node: str = ""
    detail: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "kind", Kind(self.kind))
        object.__setattr__(self, "outcome", Result(self.outcome))
        if self.completed < self.invoked:
            raise ValueError(f"operation {self.id!r} completed {self.invoked - self.completed:.6f} s before it began")


@dataclass(frozen=True, slots=True)
class Mark:
    """A named instant to tell findings by, such as the injection of a fault (epoch seconds)."""

    label: str
    at: float


@dataclass(frozen=True)
class History:
    """The operations of one run, with the header that says what they are."""

    operations: tuple[Operation, ...]
    header: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, operations: Iterable[Operation], **header: Any) -> Self:
        """Make a history of operations in memory."""
        return cls(tuple(operations), header)

    @classmethod
    def read(cls, path: Path | str) -> Self:
        """Read a history file.

        Raises:
            ValueError: a line is not what a history holds; the message names the line.
        """
        lines = Path(path).read_text(encoding="utf-8").splitlines()
        if not lines:
            raise ValueError(f"{path}: is empty; the first line of a history is its header")
        operations = []
        for number, line in enumerate(lines[1:], start=2):
            try:
                operations.append(Operation(**json.loads(line)))
            except (ValueError, TypeError) as error:
                raise ValueError(f"{path}, line {number}: is not an operation ({error})") from None
        header = json.loads(lines[0])
        if "kind" not in header:
            raise ValueError(f"{path}, line 1: is not a history's header (no 'kind')")
        return cls(tuple(operations), header)

    def write(self, path: Path | str) -> None:
        """Write the whole history to a file, header first."""
        with HistoryWriter(path, **self.header) as writer:
            for operation in self.operations:
                writer.append(operation)

    @property
    def marks(self) -> tuple[Mark, ...]:
        """The instants the header names, such as `{"marks": {"fault injected": 1732.5}}`."""
        return tuple(Mark(label, at) for label, at in sorted(self.header.get("marks", {}).items(), key=lambda m: m[1]))

    def writes(self) -> Iterator[Operation]:
        """Every attempt to write."""
        return (o for o in self.operations if o.kind is Kind.WRITE)

    def acked(self) -> Iterator[Operation]:
        """Every acknowledged write."""
        return (o for o in self.writes() if o.outcome is Result.ACKED)

    def final_read(self) -> Sequence[int | str]:
        """Return the ids that the last complete read found, in the order in which it found them.

        Raises:
            Inconclusive: the history has no such read.
        """
        for operation in reversed(self.operations):
            if operation.kind is Kind.READ and operation.id == FINAL and operation.outcome is Result.OBSERVED:
                return list(operation.value)
        raise Inconclusive("the history has no final read, so nothing can be said about what survived")


class HistoryWriter:
    """Appends operations to a history file as they complete; several threads may share one."""

    def __init__(self, path: Path | str, kind: str = "operations", criterion: str = "", **header: Any) -> None:
        """Open the file and write the header.

        Args:
            path: `histories/<criterion>-<name>.jsonl` of the run; must not exist, a second run must not hide the first.
            kind: what the history is about, such as "ledger" or "primaries".
            criterion: id of the criterion whose test records it.
            header: more of the header, such as `started_at` and `marks`.
        """
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        header.setdefault("started_at", datetime.now(UTC).isoformat(timespec="milliseconds"))
        self._lock = threading.Lock()
        self._file = self.path.open("x", encoding="utf-8")
        self._line({"kind": kind, "criterion": criterion, **header})

    def append(self, operation: Operation) -> None:
        """Write one operation and flush it, so that a killed run keeps what it saw."""
        self._line(asdict(operation))

    def close(self) -> None:
        """Close the file; appending afterwards is an error."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _line(self, content: Mapping[str, Any]) -> None:
        text = json.dumps(content, allow_nan=False, separators=(",", ":"))
        with self._lock:
            self._file.write(text + "\n")
            self._file.flush()


@dataclass(frozen=True, slots=True)
class Finding:
    """One violation, told so that it can be found again: which id, when, and relative to which mark."""

    id: int | str
    at: float  # epoch seconds
    text: str


@dataclass(frozen=True, slots=True)
class Findings:
    """What an oracle says about a history.

    Attributes:
        oracle: name of the property, such as "lost writes".
        verdict: pass without findings, fail with, inconclusive when too little was seen to judge.
        items: the violations in the order of their time.
        judged: how many operations the verdict rests on.
        reason: one sentence for a report or an error message.
    """

    oracle: str
    verdict: Verdict
    items: tuple[Finding, ...]
    judged: int
    reason: str

    @property
    def count(self) -> int:
        """How many violations there are."""
        return len(self.items)

    @property
    def first(self) -> Finding | None:
        """The earliest violation."""
        return self.items[0] if self.items else None

    def require(self) -> None:
        """Do nothing on a pass.

        Raises:
            AssertionError: there are violations.
            Inconclusive: there is too little evidence.
        """
        if self.verdict is Verdict.FAIL:
            raise AssertionError(self.reason)
        if self.verdict is Verdict.INCONCLUSIVE:
            raise Inconclusive(self.reason)

    def __bool__(self) -> bool:
        """Refuse to be a truth value, as `measurement.verdicts.Judgement` does.

        Raises:
            TypeError: always.
        """
        raise TypeError("findings are not a boolean; compare .verdict or call .require()")


def concluded(oracle: str, items: Iterable[Finding], judged: int, evidence: str) -> Findings:
    """Make findings with their verdict and sentence.

    Args:
        oracle: name of the property; the sentence begins with it.
        items: the violations.
        judged: how many operations could be judged.
        evidence: what `judged` counts, such as "acknowledged writes".
    """
    ordered = tuple(sorted(items, key=lambda item: item.at))
    if judged == 0:
        return Findings(oracle, Verdict.INCONCLUSIVE, (), 0, f"{oracle}: no {evidence} to judge by")
    if not ordered:
        return Findings(oracle, Verdict.PASS, (), judged, f"{oracle}: 0 of {judged} {evidence}")
    reason = f"{oracle}: {len(ordered)} of {judged} {evidence}; first: {ordered[0].text}"
    return Findings(oracle, Verdict.FAIL, ordered, judged, reason)


def relative(at: float, marks: Sequence[Mark]) -> str:
    """Say when something happened by the mark nearest before it, or else the first one after it."""
    clock = datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S.%f")[:-3] + " UTC"
    if not marks:
        return clock
    before = [mark for mark in marks if mark.at <= at]
    mark = max(before, key=lambda m: m.at) if before else min(marks, key=lambda m: m.at)
    return f"{clock}, {span(abs(at - mark.at))} {'after' if before else 'before'} {mark.label}"


def span(seconds: float) -> str:
    """Write a duration: milliseconds below a second, else seconds."""
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def by_key(operations: Iterable[Operation], key: Callable[[Operation], Any]) -> dict[Any, list[Operation]]:
    """Group operations, each group in its order of invocation."""
    groups: dict[Any, list[Operation]] = {}
    for operation in sorted(operations, key=lambda o: o.invoked):
        groups.setdefault(key(operation), []).append(operation)
    return groups
