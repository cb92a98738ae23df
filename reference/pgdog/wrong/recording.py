"""Recorders that take the wrong things for what took effect."""

from __future__ import annotations

from reference.pgdog.mirror.unit import Step, Unit
from reference.pgdog.protocol import query
from reference.pgdog.relay.recorder import Recorder
from reference.pgdog.relay.request import Request, Work

CONTROL = frozenset({b"BEGIN", b"START TRANSACTION", b"COMMIT", b"SAVEPOINT", b"RELEASE", b"ROLLBACK"})


def is_control(step: Step) -> bool:
    """Tell whether a step does nothing but begin, end or divide a transaction."""
    return bool(step.tags) and CONTROL.issuperset(step.tags)


class HastyRecorder(Recorder):
    """Hands over every statement of a transaction when it is answered."""

    def append(self, work: Work, start: int, end: int | None = None) -> None:
        """See `Recorder.append`."""
        super().append(work, start, end)
        if self.open.steps and not is_control(step := self.open.steps.pop()):
            self.emit(Unit([step], 0, self.open.wrote, self.kept, self.kept))

    def commit(self) -> None:
        """See `Recorder.commit`."""
        if self.open.lost:
            super().commit()
        else:
            self.close()


class KeepingRecorder(Recorder):
    """Takes a rollback for another way to end a transaction."""

    def roll_back(self, work: Work, start: int, end: int) -> None:
        """See `Recorder.roll_back`."""
        if self.open.steps:
            self.open.steps.append(Step([query(b"COMMIT")], [b"COMMIT"]))
            self.commit()
        else:
            super().roll_back(work, start, end)


class HopefulRecorder(Recorder):
    """Hands over what failed as well, if it was no part of a transaction."""

    def failed(self, request: Request, work: Work) -> None:
        """See `Recorder.failed`."""
        if not self.open.steps and request.simple:
            self.emit(Unit([Step(request.frames, [])], request.size, False, self.kept, self.kept))
        super().failed(request, work)


class DividingRecorder(Recorder):
    """Forgets where a transaction begins and ends when it hands it over."""

    def commit(self) -> None:
        """See `Recorder.commit`."""
        if len(self.open.steps) > 1:
            self.open.steps = [step for step in self.open.steps if not is_control(step)] or self.open.steps
        super().commit()


class ForgetfulRecorder(Recorder):
    """Does not record the data of a COPY, and does not compare how much was copied."""

    def extend(self, request: Request, letter: int, message: bytes, whole: bool) -> None:
        """See `Recorder.extend`."""
        if letter != ord("d"):
            super().extend(request, letter, message, whole)

    def append(self, work: Work, start: int, end: int | None = None) -> None:
        """See `Recorder.append`."""
        super().append(work, start, end)
        if work.request.copied:
            self.open.wrote = False  # only what wrote is compared
