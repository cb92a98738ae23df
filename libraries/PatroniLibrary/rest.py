"""Patroni's REST API: who the members are, what each says of itself, and what an operator may ask for.

Addresses are never fixed: any URL that answers `/cluster` is enough, and the other members' addresses are
learned from its answer. Sources: Patroni's `api.py` and `cluster_as_json`, versions 3.0 to 4.1.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from typing import Any, Literal

import requests

REPLICA_ROLES = frozenset({"replica", "sync_standby", "quorum_standby"})
LEADER_ROLES = frozenset({"leader", "standby_leader"})
SYNCHRONOUS_ROLES = frozenset({"sync_standby", "quorum_standby"})
WELL_STATES = frozenset({"running", "streaming"})  # a standby says "streaming" since 3.0.4, "running" before

CONNECT_SECONDS = 1.0
READ_SECONDS = 3.0
SWITCHOVER_SECONDS = 40.0  # Patroni itself polls for 2 * max(10, loop_wait) seconds before it answers


class PatroniUnreachable(ConnectionError):
    """No member's REST API gave a usable answer."""


class NoLeader(LookupError):
    """The cluster's view names no leader, or more than one."""


class Refused(RuntimeError):
    """Patroni answered, but did not do what was asked.

    Attributes:
        status: the HTTP status, such as 412 (not possible now) or 503 (tried and failed).
        answer: the text Patroni gave.
    """

    def __init__(self, request: str, status: int, answer: str) -> None:
        super().__init__(f"{request} answered {status}: {answer}")
        self.status = status
        self.answer = answer


@dataclass(frozen=True, slots=True)
class Member:
    """One member as `/cluster` lists it; a dead member stays listed until its key expires."""

    name: str
    role: str
    state: str
    api_url: str  # base URL of its REST API, without a path
    host: str  # of PostgreSQL
    port: int  # of PostgreSQL
    timeline: int | None = None
    lag: int | None = None  # bytes; None: unknown, or the leader
    tags: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_leader(self) -> bool:
        """Whether the cluster's view names it the leader."""
        return self.role in LEADER_ROLES

    @property
    def is_replica(self) -> bool:
        """Whether it follows, in whichever mode."""
        return self.role in REPLICA_ROLES

    @property
    def is_synchronous(self) -> bool:
        """Whether a commit may wait for it."""
        return self.role in SYNCHRONOUS_ROLES

    @property
    def is_well(self) -> bool:
        """Whether its state is a healthy one."""
        return self.state in WELL_STATES

    def __str__(self) -> str:
        return f"{self.name} ({self.role}, {self.state}, {self.host}:{self.port})"


@dataclass(frozen=True, slots=True)
class Topology:
    """What one member's `/cluster` answered."""

    members: tuple[Member, ...]
    scope: str = ""
    paused: bool = False
    asked: str = ""  # the URL that answered

    @property
    def leaders(self) -> tuple[Member, ...]:
        """The members with a leader's role."""
        return tuple(m for m in self.members if m.is_leader)

    @property
    def leader(self) -> Member:
        """Return the only leader.

        Raises:
            NoLeader: the view names none, or several.
        """
        leaders = self.leaders
        if len(leaders) != 1:
            raise NoLeader(f"expected exactly 1 leader, {self.asked} lists {len(leaders)}: {self}")
        return leaders[0]

    @property
    def replicas(self) -> tuple[Member, ...]:
        """The members that follow, in whichever mode."""
        return tuple(m for m in self.members if m.is_replica)

    @property
    def synchronous(self) -> tuple[Member, ...]:
        """Return the standbys a commit waits for, in synchronous or quorum mode."""
        return tuple(m for m in self.members if m.is_synchronous)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all members listed."""
        return tuple(m.name for m in self.members)

    def member(self, name: str) -> Member:
        """Return the member of that name.

        Raises:
            LookupError: it is not listed.
        """
        for member in self.members:
            if member.name == name:
                return member
        raise LookupError(f"member '{name}' is not listed by {self.asked}: {self}")

    def __str__(self) -> str:
        return "; ".join(str(m) for m in self.members) or "no members"


def topology(urls: Iterable[str], timeout_seconds: float = READ_SECONDS) -> Topology:
    """Ask any of these REST addresses who the members are.

    Args:
        urls: base URLs; all are asked at once, so that one frozen member costs no waiting.
        timeout_seconds: bound on each answer.

    Raises:
        PatroniUnreachable: none answered; the message has each address and its reason.
    """
    return PatroniApi(urls, timeout_seconds).topology()


def parse_topology(answer: Mapping[str, Any], asked: str = "") -> Topology:
    """Read the JSON of `/cluster`.

    Raises:
        ValueError: it is not such an answer.
    """
    listed = answer.get("members")
    if not isinstance(listed, list):
        raise ValueError(f"{asked or 'the answer'} has no list of members: {str(answer)[:200]}")
    return Topology(
        members=tuple(_member(entry) for entry in listed),
        scope=str(answer.get("scope", "")),
        paused=bool(answer.get("pause", False)),
        asked=asked,
    )


def _member(entry: Mapping[str, Any]) -> Member:
    lag = entry.get("lag")
    timeline = entry.get("timeline")
    return Member(
        name=str(entry["name"]),
        role=str(entry["role"]),
        state=str(entry.get("state", "")),
        api_url=_base(str(entry.get("api_url", ""))),
        host=str(entry.get("host", "")),
        port=int(entry.get("port", 5432)),
        timeline=timeline if isinstance(timeline, int) else None,
        lag=lag if isinstance(lag, int) else None,
        tags=entry.get("tags", {}),
    )


def _base(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    return f"{scheme}{separator}{rest.partition('/')[0]}" if separator else url.rstrip("/")


class PatroniApi:
    """A client of one cluster's REST API; remembers the addresses it learned."""

    def __init__(self, urls: Iterable[str], timeout_seconds: float = READ_SECONDS) -> None:
        self._urls = list(dict.fromkeys(_base(url) for url in urls))
        self._timeout = timeout_seconds

    @property
    def urls(self) -> tuple[str, ...]:
        """The addresses known so far."""
        return tuple(self._urls)

    def topology(self) -> Topology:
        """Return the first usable answer of any known member, and learn the addresses in it.

        Raises:
            PatroniUnreachable: no member gave one.
        """
        pool = ThreadPoolExecutor(max_workers=max(1, len(self._urls)), thread_name_prefix="patroni")
        try:
            asked = {pool.submit(self._view, url): url for url in self._urls}
            reasons = []
            for answered in as_completed(asked):
                view = answered.result()
                if isinstance(view, Topology):
                    self._learn(view)
                    return view
                reasons.append(f"{asked[answered]}: {reason(view)}")
        finally:
            pool.shutdown(wait=False)  # a frozen member must not hold up an answer that is there
        raise PatroniUnreachable(f"no member's REST API answered /cluster ({'; '.join(reasons) or 'no address known'})")

    def _learn(self, view: Topology) -> None:
        self._urls = list(dict.fromkeys([*self._urls, *(m.api_url for m in view.members if m.api_url)]))

    def views(self) -> dict[str, Topology | Exception]:
        """Return what each known address answers to `/cluster`, in the order of the addresses."""
        with ThreadPoolExecutor(max_workers=max(1, len(self._urls)), thread_name_prefix="patroni") as pool:
            return dict(zip(self._urls, pool.map(self._view, self._urls), strict=True))

    def _view(self, url: str) -> Topology | Exception:
        try:
            return parse_topology(get(url, "/cluster", self._timeout)[1], url)
        except (requests.RequestException, ValueError, KeyError) as error:
            return error

    def status(self, url: str, path: str) -> int:
        """Return the HTTP status of a health check such as `/primary`.

        Raises:
            requests.RequestException: no answer.
        """
        return _request("GET", _base(url) + path, None, self._timeout)[0]

    def config(self) -> dict[str, Any]:
        """Return the dynamic configuration that the cluster keeps in its store."""
        status, body = self._first("GET", "/config")
        if status != 200:
            raise Refused("GET /config", status, str(body))
        return dict(body)

    def patch_config(self, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Merge changes into the dynamic configuration; None removes a key.

        The answer comes before any member has applied the change: observe the effect before relying on it.

        Raises:
            Refused: Patroni did not take it (409 is tried once more, as Patroni's own tests do).
        """
        for attempt in (1, 2):
            status, body = self._first("PATCH", "/config", dict(changes))
            if status == 200:
                return dict(body)
            if status != 409 or attempt == 2:
                break
        raise Refused("PATCH /config", status, str(body))

    def switchover(self, leader: str, candidate: str | None = None) -> str:
        """Hand leadership over in a planned way and wait for Patroni's answer (2 to 3 s).

        Raises:
            Refused: 412 when the leader's name or the candidate is not acceptable (in synchronous mode it must
                be a synchronous standby), 503 when it was tried and failed.
        """
        body = {"leader": leader} | ({"candidate": candidate} if candidate else {})
        status, answer = self._first("POST", "/switchover", body, SWITCHOVER_SECONDS)
        if status not in (200, 202):
            raise Refused("POST /switchover", status, str(answer))
        return str(answer)

    def history(self) -> list[list[Any]]:
        """Return the cluster's failovers: timeline, position, reason, time, new leader."""
        status, body = self._first("GET", "/history")
        if status != 200:
            raise Refused("GET /history", status, str(body))
        return list(body)

    def failsafe(self) -> dict[str, str]:
        """Return the members the failsafe check asks, name to URL; empty while failsafe_mode is off (502)."""
        status, body = self._first("GET", "/failsafe")
        return dict(body) if status == 200 and isinstance(body, dict) else {}

    def _first(
        self, method: Literal["GET", "PATCH", "POST"], path: str, body: Any = None, timeout: float | None = None
    ) -> tuple[int, Any]:
        reasons = []
        for url in self._urls:
            try:
                return _request(method, url + path, body, timeout or self._timeout)
            except requests.RequestException as error:
                reasons.append(f"{url}: {reason(error)}")
                if method == "POST" and not _never_sent(error):
                    break  # it may have been carried out; asking another member would ask twice
        raise PatroniUnreachable(f"{method} {path}: no member answered ({'; '.join(reasons) or 'no address known'})")


def reason(error: Exception) -> str:
    """Say in a few words why a request got no usable answer."""
    text = str(error)
    if isinstance(error, requests.ConnectTimeout):
        return "no connection in time"
    if isinstance(error, requests.ReadTimeout):
        return "no answer in time"
    if "Connection refused" in text:
        return "connection refused"
    return text if isinstance(error, ValueError) else f"{type(error).__name__}: {text[:200]}"


def _never_sent(error: requests.RequestException) -> bool:
    return isinstance(error, requests.ConnectTimeout) or "NewConnectionError" in str(error)


def get(url: str, path: str, timeout_seconds: float = READ_SECONDS) -> tuple[int, Any]:
    """Get one path of one member: HTTP status, and the JSON body or text.

    Raises:
        requests.RequestException: no answer.
        ValueError: `/cluster` or `/patroni` answered with something else than JSON.
    """
    status, body = _request("GET", _base(url) + path, None, timeout_seconds)
    if path in ("/cluster", "/patroni") and not isinstance(body, dict):
        raise ValueError(f"{_base(url)}{path} answered {status}, not JSON: {str(body)[:200]}")
    return status, body


def _request(method: str, url: str, body: Any, timeout: float) -> tuple[int, Any]:
    with requests.Session() as session:
        session.trust_env = False  # a proxy for the internet is no way to a member
        response = session.request(method, url, json=body, timeout=(CONNECT_SECONDS, timeout))
    try:
        return response.status_code, response.json()
    except requests.JSONDecodeError:
        return response.status_code, response.text.strip()
