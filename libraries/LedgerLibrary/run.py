"""One run: the clients in the background, their histories on disk, and the named instants."""

from __future__ import annotations

import functools
import time
from collections.abc import Mapping
from pathlib import Path

from environments.system import Endpoint, Login
from LedgerLibrary.evidence import Evidence
from LedgerLibrary.idle import IdleSession
from LedgerLibrary.monitor import PrimaryMonitor
from LedgerLibrary.writer import Access, Background, read, write
from oracles.history import FINAL, History, HistoryWriter, Kind, Operation, Result
from PatroniLibrary.session import Session

WRITERS = 8  # sessions, so that one slow answer does not hold up the rate
READERS = 2
FINAL_READ_SECONDS = 20.0
CUT = "the idle session was cut"  # the mark of that instant

_FINAL = (
    "SELECT pg_is_in_recovery(), coalesce(array_agg(id ORDER BY id), '{}') FROM acknowledged_writes WHERE writer = %s"
)
_SWEEP = "DELETE FROM acknowledged_writes WHERE writer = %s"


class Run:
    """Clients of one run, told apart from all other runs by the name of their writer."""

    def __init__(self, directory: Path, criterion: str, members: Mapping[str, Endpoint]) -> None:
        """Begin a run.

        Args:
            directory: where its histories go.
            criterion: id of the criterion whose test runs it.
            members: name -> its own PostgreSQL port.
        """
        self.criterion, self.members = criterion, dict(members)
        self.base = int(time.time() * 10) * 100_000  # ids below 2^53 that no other run of this table has
        self.writer = f"{criterion or 'run'}-{self.base}"
        self.marks: dict[str, float] = {}
        self.missed: dict[str, str] = {}
        self._directory = directory
        self._ports = {endpoint.port: name for name, endpoint in members.items()}
        self._writes: Background | None = None
        self._reads: list[Background] = []
        self._monitor: PrimaryMonitor | None = None
        self._idle: IdleSession | None = None
        self._files: list[HistoryWriter] = []

    # -- clients -------------------------------------------------------------------------------------------

    def start_writing(self, primary: Endpoint, login: Login, database: str, rate: float) -> None:
        """Insert rows through the primary port, `rate` a second."""
        operation = functools.partial(write, base=self.base, writer=self.writer, members=self._ports)
        access = Access(primary, login, database)
        self._writes = Background(operation, access, "ledger writer", rate, WRITERS, self._file("ledger"))
        self._writes.start()

    def start_reading(self, endpoint: Endpoint, login: Login, database: str, rate: float, name: str) -> None:
        """Read the newest row at an address, `rate` a second."""
        operation = functools.partial(read, writer=self.writer, members=self._ports)
        access = Access(endpoint, login, database)
        reader = Background(operation, access, "ledger reader", rate, READERS, self._file(f"reads-{name}"))
        self._reads.append(reader)
        reader.start()

    def start_watching(self, login: Login, database: str) -> None:
        """Watch every member's own port."""
        self._monitor = PrimaryMonitor(self.members, login, database, self._file("primaries"))
        self._monitor.start()

    def every_reader_answered(self) -> bool:
        """Whether each reader has been answered at least once."""
        return all(reader.counts()[Result.OBSERVED] for reader in self._reads)

    def hold_idle_session(self, primary: Endpoint, login: Login, database: str) -> None:
        """Open a session through the primary port that does nothing."""
        self._idle = IdleSession(primary, login, database)

    def stop(self) -> None:
        """Stop every client; harmless when they have ended."""
        for client in (self._writes, *self._reads, self._monitor):
            if client is not None:
                client.stop()
        if self._idle is not None:
            self._idle.close()

    def close(self) -> None:
        """Stop every client and close the histories."""
        self.stop()
        for file in self._files:
            file.close()

    # -- what is known -------------------------------------------------------------------------------------

    def acked(self) -> int:
        """How many writes have been acknowledged so far."""
        return self._writes.counts()[Result.ACKED] if self._writes else 0

    def mark(self, label: str) -> None:
        """Name this instant; also in the history, so that it can be judged again."""
        at = time.time()
        self.marks[label] = at
        if self._writes is not None:
            self._writes.note(Operation(label, Kind.OBSERVE, at, at, Result.OBSERVED, True))

    def evidence(self) -> Evidence:
        """What is known so far."""
        if self._idle is not None and self._idle.cut_at is not None:
            self.marks[CUT] = self._idle.cut_at
        elif self._idle is not None:
            self.missed[CUT] = "the session was still open when the run ended"
        return Evidence(
            ledger=self._writes.history() if self._writes else History.of(()),
            reads=tuple(reader.history() for reader in self._reads),
            observations=self._monitor.history() if self._monitor else History.of(()),
            marks=dict(self.marks),
            missed=dict(self.missed),
        )

    def summary(self) -> str:
        """Say in one line how the writes went."""
        if self._writes is None:
            return "no writes"
        counts = self._writes.counts()
        outcomes = ", ".join(f"{counts[r]} {r}" for r in (Result.ACKED, Result.FAILED, Result.UNKNOWN))
        return f"{outcomes}; {self._writes.dropped} not sent because every session waited for an answer"

    # -- afterwards ----------------------------------------------------------------------------------------

    def read_what_survived(self, primary: Endpoint, login: Login, database: str) -> int:
        """Read every row of this run on a primary, note it in the ledger, and remove the rows.

        Returns:
            How many rows there were.

        Raises:
            ConnectionError: the primary does not answer.
            AssertionError: it is no primary, so that it may not have them all.
        """
        assert self._writes is not None, "nothing was written"
        session = Session(primary, login, database, "final read")
        try:
            session.open(FINAL_READ_SECONDS)
            invoked = time.time()
            ((in_recovery, ids),) = session.run(_FINAL, (self.writer,), FINAL_READ_SECONDS)
            if in_recovery:
                raise AssertionError(f"{primary} is a standby, the final read needs the primary")
            node = self._ports.get(primary.port, "")
            done = Operation(FINAL, Kind.READ, invoked, max(invoked, time.time()), Result.OBSERVED, list(ids), node)
            self._writes.note(done)
            session.run(_SWEEP, (self.writer,), FINAL_READ_SECONDS)
        finally:
            session.close()
        if self._monitor is not None:
            self._monitor.sweep(primary)
        return len(ids)

    def _file(self, name: str) -> HistoryWriter:
        stem, number = f"{self.criterion or 'run'}-{name}", 1
        while (path := self._directory / f"{stem}{f'-{number}' if number > 1 else ''}.jsonl").exists():
            number += 1
        file = HistoryWriter(path, kind=name, criterion=self.criterion, writer=self.writer)
        self._files.append(file)
        return file
