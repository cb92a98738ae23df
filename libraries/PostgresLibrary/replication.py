"""What every standby shows, and how soon, asked through the replica port."""

from __future__ import annotations

import time
from dataclasses import dataclass

from psycopg2.extensions import connection

from PostgresLibrary.entries import COUNT
from PostgresLibrary.sessions import POLL_SECONDS, Target, close, replica_sessions, value
from TemporalLibrary.core import eventually


@dataclass(frozen=True, slots=True)
class Sight:
    """When one standby showed what was asked for."""

    server: str
    seconds: float  # since the question was first asked of any standby
    session: connection


def seen_by_replicas(target: Target, replicas: int | None, namespace: str, number: int, seconds: float) -> list[Sight]:
    """Wait until each standby shows so many entries of a namespace.

    Args:
        target: the replica port.
        replicas: how many standbys there are; None: as many as the port leads to.
        namespace: whose entries.
        number: how many of them.
        seconds: until when, for all standbys together.

    Returns:
        one for each standby, its session still open.

    Raises:
        AssertionError: a standby is late; with what it showed last.
    """
    begin = time.monotonic()
    sessions = replica_sessions(target, replicas)
    sights: dict[str, Sight] = {}

    def all_see() -> list[Sight]:
        late = []
        for server, session in sessions.items():
            shown = number if server in sights else value(session, COUNT, (namespace,))
            if shown != number:
                late.append(f"replica {server} shows {shown}")
            elif server not in sights:
                sights[server] = Sight(server, time.monotonic() - begin, session)
        if late:
            raise AssertionError(f"expected {number} entries on each of {len(sessions)} replicas, {', '.join(late)}")
        return list(sights.values())

    try:
        return eventually(all_see, seconds, interval=POLL_SECONDS)
    except BaseException:
        close(*sessions.values())
        raise
