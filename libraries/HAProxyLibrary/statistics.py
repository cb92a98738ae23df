"""HAProxy's statistics page, read as the CSV it offers: which server of which proxy is UP, and who uses it.

Columns are found by the names in the header line, since their order grows with each version
(HAProxy management guide, section 9.1).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass

import requests

ANSWER_SECONDS = 3.0
_COLUMNS = ("pxname", "svname", "status", "check_status", "scur", "stot", "lastchg")
_SUMMARIES = frozenset({"FRONTEND", "BACKEND"})


class NoStatistics(ConnectionError):
    """The page does not answer, or answers with something else than the statistics."""


@dataclass(frozen=True, slots=True)
class Server:
    """One server of one proxy."""

    proxy: str
    name: str
    status: str  # "UP", "DOWN", "no check", "MAINT", "UP 1/2" while a change is being confirmed
    check: str  # why, such as "L7OK" or "L7STS"; "" when the server is not checked
    sessions: int  # open now
    total: int  # since HAProxy started
    changed_seconds_ago: int

    @property
    def is_up(self) -> bool:
        """Whether it is confirmed UP by a check; a server nobody checks is not."""
        return self.status == "UP" and bool(self.check)

    def __str__(self) -> str:
        return f"{self.name} {self.status} ({self.check or 'not checked'}, {self.sessions} sessions)"


@dataclass(frozen=True, slots=True)
class Statistics:
    """What the page said at one moment."""

    servers: tuple[Server, ...]

    def of(self, proxy: str) -> tuple[Server, ...]:
        """Return the servers of a proxy.

        Raises:
            LookupError: HAProxy has no such proxy with servers; the message lists those it has.
        """
        found = tuple(s for s in self.servers if s.proxy == proxy)
        if not found:
            known = ", ".join(sorted({s.proxy for s in self.servers})) or "none"
            raise LookupError(f"HAProxy has no proxy '{proxy}' with servers; it has: {known}")
        return found

    def up(self, proxy: str) -> tuple[str, ...]:
        """Return the names of the servers of a proxy that a check found UP."""
        return tuple(s.name for s in self.of(proxy) if s.is_up)

    def describe(self, proxy: str) -> str:
        """Say in one line what each server of a proxy is."""
        return ", ".join(str(s) for s in self.of(proxy))


def read(url: str) -> Statistics:
    """Get the statistics of now.

    Args:
        url: the statistics page, with or without `;csv` behind it.

    Raises:
        NoStatistics: no answer, a status other than 200, or no CSV.
    """
    address = url if url.endswith(";csv") else f"{url};csv"
    try:
        with requests.Session() as session:
            session.trust_env = False  # a proxy for the internet is no way to it
            answer = session.get(address, timeout=ANSWER_SECONDS)
    except requests.RequestException as error:
        raise NoStatistics(f"{address} does not answer: {type(error).__name__}") from None
    if answer.status_code != 200:
        raise NoStatistics(f"{address} answered {answer.status_code}, not 200")
    return parse(answer.text)


def parse(text: str) -> Statistics:
    """Read the CSV of the statistics page.

    Raises:
        NoStatistics: it is not that, or a column this needs is missing.
    """
    if not text.startswith("# "):
        raise NoStatistics(f"not the CSV of HAProxy's statistics, which begins with '# ': {text[:60]!r}")
    rows = csv.DictReader(io.StringIO(text.removeprefix("# ")))
    missing = [name for name in _COLUMNS if name not in (rows.fieldnames or ())]
    if missing:
        raise NoStatistics(f"HAProxy's statistics have no column {', '.join(missing)}")
    return Statistics(tuple(_servers(rows)))


def _servers(rows: Iterable[dict[str, str]]) -> Iterable[Server]:
    for row in rows:
        if row["svname"] not in _SUMMARIES:
            yield Server(
                proxy=row["pxname"],
                name=row["svname"],
                status=row["status"],
                check=row["check_status"].removeprefix("* "),  # a star: a check is under way
                sessions=int(row["scur"] or 0),
                total=int(row["stot"] or 0),
                changed_seconds_ago=int(row["lastchg"] or 0),
            )
