"""What each member says of itself on its own REST API, and what is wrong with it. The judging is pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import requests

from PatroniLibrary import rest

PRIMARY_ROLES = frozenset({"primary", "master"})  # "master" before 4.0
ASK_SECONDS = 2.0
STREAMING_IS_TOLD_SINCE = (3, 0, 4)


@dataclass(frozen=True, slots=True)
class Status:
    """The answer of one member to `/patroni`, or why there was none."""

    member: str  # the name the cluster's view has for this address
    url: str
    problem: str = ""  # why it did not answer; everything below is empty then
    name: str = ""  # the name it gives itself (since 3.2)
    role: str = ""
    state: str = ""
    replication_state: str = ""
    timeline: int | None = None
    version: tuple[int, ...] = ()
    store_seen: int = 0  # epoch second at which it last reached the configuration store
    paused: bool = False

    @property
    def leads(self) -> bool:
        """Whether it says that it is a running primary."""
        return self.role in PRIMARY_ROLES and self.state == "running"

    def __str__(self) -> str:
        if self.problem:
            return f"{self.member}: {self.problem}"
        streams = f", {self.replication_state}" if self.replication_state else ""
        return f"{self.member}: {self.role}, {self.state}{streams}"


@dataclass(frozen=True, slots=True)
class Checks:
    """HTTP statuses of one member's health checks."""

    health: int
    primary: int
    replica: int


def ask_all(members: Iterable[rest.Member], timeout_seconds: float = ASK_SECONDS) -> tuple[Status, ...]:
    """Ask every member what it is, all at once, each on its own address."""
    asked = list(members)
    with ThreadPoolExecutor(max_workers=max(1, len(asked)), thread_name_prefix="member") as pool:
        return tuple(pool.map(lambda member: ask(member, timeout_seconds), asked))


def ask(member: rest.Member, timeout_seconds: float = ASK_SECONDS) -> Status:
    """Ask one member what it is."""
    try:
        _, answer = rest.get(member.api_url, "/patroni", timeout_seconds)
    except (requests.RequestException, ValueError) as error:
        return Status(member.name, member.api_url, problem=f"no answer on {member.api_url}: {rest.reason(error)}")
    return parse(member, answer)


def parse(member: rest.Member, answer: Mapping[str, Any]) -> Status:
    """Read the JSON of `/patroni`."""
    about = answer.get("patroni", {})
    return Status(
        member=member.name,
        url=member.api_url,
        name=str(about.get("name", "")),
        role=str(answer.get("role", "")),
        state=str(answer.get("state", "")),
        replication_state=str(answer.get("replication_state", "")),
        timeline=answer.get("timeline"),
        version=_version(str(about.get("version", ""))),
        store_seen=int(answer.get("dcs_last_seen", 0)),
        paused=bool(answer.get("pause", False)),
    )


def checks(member: rest.Member, timeout_seconds: float = ASK_SECONDS) -> Checks:
    """Ask one member's health checks.

    Raises:
        requests.RequestException: no answer.
    """
    health, primary, replica = (
        rest.get(member.api_url, path, timeout_seconds)[0] for path in ("/health", "/primary", "/replica")
    )
    return Checks(health, primary, replica)


def address_problem(member: rest.Member, status: Status) -> str | None:
    """Say what is wrong with a member's address: nobody answers there, or another member does."""
    if status.problem:
        return str(status)
    if status.name and status.name != member.name:
        return f"{member.name}: at {member.api_url} answers '{status.name}'"
    return None


def check_problems(status: Status, found: Checks) -> list[str]:
    """Say which of a member's health checks contradict the role it says it has."""
    problems = []
    wanted = Checks(200, 200 if status.leads else 503, 503 if status.leads else 200)
    for check in ("health", "primary", "replica"):
        answered, expected = getattr(found, check), getattr(wanted, check)
        if answered != expected:
            problems += [f"{status}: /{check} answers {answered}, expected {expected} of that role"]
    return problems


def leaders(statuses: Iterable[Status]) -> tuple[str, ...]:
    """Name the members that say they are running primaries."""
    return tuple(status.member for status in statuses if status.leads)


def unwell(statuses: Iterable[Status]) -> list[str]:
    """List the members that are neither a running primary nor a standby that streams.

    Before Patroni 3.0.4 a standby does not tell whether it streams, and "running" has to do.
    """
    problems = []
    for status in statuses:
        tells = not status.version or status.version >= STREAMING_IS_TOLD_SINCE
        if status.problem or status.state != "running":
            problems.append(str(status))
        elif not status.leads and tells and status.replication_state != "streaming":
            problems.append(f"{status}, which does not stream")
    return problems


@dataclass(frozen=True, slots=True)
class LeaderSamples:
    """How many leaders there were each time all members were asked."""

    samples: int
    wrong: tuple[str, ...]  # one line for each sample without exactly one leader
    silent: tuple[str, ...]  # one line for each sample in which a member did not answer

    @classmethod
    def of(cls, rounds: Sequence[tuple[float, Sequence[Status]]]) -> LeaderSamples:
        """Count the leaders of each round of (seconds since the beginning, what every member said)."""
        wrong, silent = [], []
        for seconds, statuses in rounds:
            who = leaders(statuses)
            line = f"after {seconds:.1f} s: {'; '.join(map(str, statuses))}"
            if any(s.problem for s in statuses):
                silent.append(line)
            if len(who) > 1 or (not who and not any(s.problem for s in statuses)):
                wrong.append(f"{len(who)} leaders {line}")
        return cls(len(rounds), tuple(wrong), tuple(silent))


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".") if part.isdigit())
