"""How the primary sees its standbys: who streams, over which slot, and how many bytes behind."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from environments.system import Endpoint, Login
from PatroniLibrary.session import Session

ASK_SECONDS = 5.0

_STREAMS = """
    SELECT application_name, state, coalesce(sync_state, ''),
           coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn), -1)::bigint
    FROM pg_stat_replication ORDER BY application_name
"""
_SLOTS = "SELECT slot_name, active FROM pg_replication_slots WHERE slot_type = 'physical' ORDER BY slot_name"
_SYNCHRONOUS = "SHOW synchronous_standby_names"


@dataclass(frozen=True, slots=True)
class Stream:
    """One standby as `pg_stat_replication` shows it."""

    standby: str
    state: str
    sync_state: str
    lag_bytes: int | None  # from the primary's position to what the standby has replayed; None: not known yet

    def __str__(self) -> str:
        return f"{self.standby} {self.state} ({self.sync_state}, {self.lag_bytes} bytes behind)"


@dataclass(frozen=True, slots=True)
class Replication:
    """What the primary says of its replication at one moment."""

    streams: tuple[Stream, ...]
    slots: dict[str, bool]  # physical slot -> somebody uses it
    synchronous_standby_names: str

    def problems(self, standbys: Iterable[str]) -> list[str]:
        """Say what keeps these standbys from streaming over their slots."""
        names = list(standbys)
        return [*self.not_streaming(names), *self.unused_slots(names)]

    def not_streaming(self, standbys: Iterable[str]) -> list[str]:
        """Say which of these standbys are not there, or in another state than streaming."""
        found = {stream.standby: stream for stream in self.streams}
        problems = []
        for name in standbys:
            stream = found.get(name)
            if stream is None:
                problems.append(f"{name} is not in pg_stat_replication ({self.describe()})")
            elif stream.state != "streaming":
                problems.append(f"{name} is in state '{stream.state}', expected 'streaming'")
        return problems

    def unused_slots(self, standbys: Iterable[str]) -> list[str]:
        """Say which of these standbys have no slot, or one that nobody uses."""
        problems = []
        for slot in map(slot_name, standbys):
            if not self.slots.get(slot):
                state = "is not in use" if slot in self.slots else "is missing"
                problems.append(f"the replication slot '{slot}' {state}")
        return problems

    def describe(self) -> str:
        """List the streams in one line."""
        return ", ".join(map(str, self.streams)) or "nobody streams"

    @property
    def synchronous(self) -> tuple[str, ...]:
        """Standbys that a commit waits for now."""
        return tuple(s.standby for s in self.streams if s.sync_state in ("sync", "quorum"))


def slot_name(member: str) -> str:
    """Return the name of the slot Patroni makes for a member (`slot_name_from_member_name` in its `dcs` package)."""
    return re.sub("[^a-z0-9_]", lambda m: "_" if m[0] in "-." else f"u{ord(m[0]):04d}", member.lower())[:63]


def ask(primary: Endpoint, login: Login, database: str) -> Replication:
    """Ask a primary on its own port.

    Args:
        primary: its PostgreSQL port.
        login: a user with pg_monitor.
        database: any.

    Raises:
        ConnectionError: it does not answer.
        RuntimeError: it refuses, for instance because it is no primary.
    """
    session = Session(primary, login, database, "replication status")
    try:
        session.open(ASK_SECONDS)
        streams = session.run(_STREAMS, (), ASK_SECONDS)
        slots = session.run(_SLOTS, (), ASK_SECONDS)
        ((names,),) = session.run(_SYNCHRONOUS, (), ASK_SECONDS)
    finally:
        session.close()
    return Replication(
        streams=tuple(Stream(name, state, sync, None if lag < 0 else int(lag)) for name, state, sync, lag in streams),
        slots={str(name): bool(active) for name, active in slots},
        synchronous_standby_names=str(names),
    )


def greatest_lag(samples: Sequence[Replication], standby: str) -> int | None:
    """Return the most bytes a standby was behind in any sample; None: it was never seen."""
    lags = [
        s.lag_bytes for sample in samples for s in sample.streams if s.standby == standby and s.lag_bytes is not None
    ]
    return max(lags, default=None)
