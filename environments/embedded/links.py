"""Links that can be made bad: the proxy process as a service of the environment, and the client of its control port.

The answer of `set_link` says only that the proxy was told. Whether a link is bad is seen by a client that goes
through it, and in `counters`, which the proxy keeps where bytes really pass.
"""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

from environments.embedded.link_proxy.conditions import Condition
from environments.embedded.processes import EmbeddedService, Home
from environments.errors import EnvironmentProblem
from environments.system import Address, Endpoint, LinkCondition

SCRIPT = Path(__file__).with_name("link_proxy") / "__main__.py"
CONTROL_SECONDS = 5.0  # the proxy answers within a millisecond, unless the machine is far too busy


@dataclass(frozen=True, slots=True)
class LinkState:
    """What the proxy knows of one link; the counts begin with its making."""

    listen: Address
    target: Address
    condition: Mapping[str, Any] | None
    open: int  # connections now
    held_bytes: int  # taken in, not yet passed on
    connections: int  # accepted
    refused: int  # of these: reset because the target refused
    broken: int  # of these: ended by a condition of the link
    bytes_to_server: int  # passed on
    bytes_to_client: int


def proxy_command(announce: Path, seed: int = 0) -> list[str]:
    """The command that starts a proxy which writes its control port into the file `announce`."""
    return [sys.executable, "-I", "-S", str(SCRIPT), "--announce", str(announce), "--seed", str(seed)]


class Links:
    """Client of one proxy's control port. Each request has a connection of its own, so threads may share this.

    Args:
        announce: the file given to `proxy_command`.
    """

    def __init__(self, announce: Path) -> None:
        self._announce = announce

    def missing(self) -> str | None:
        """Say what is not there yet, None when the proxy answers."""
        try:
            self._ask("links")
        except EnvironmentProblem as problem:
            return str(problem)
        return None

    @overload
    def add(self, name: str, target: Address, listen: Path) -> Path: ...
    @overload
    def add(self, name: str, target: Address, listen: Endpoint | None = None) -> Endpoint: ...
    def add(self, name: str, target: Address, listen: Address | None = None) -> Address:
        """Make a link and return where its clients connect.

        Args:
            name: what `set_link` calls it.
            target: where it leads; nothing needs to listen there yet.
            listen: where clients connect: an endpoint, or a file that is not there yet; None: a free port on loopback.

        Raises:
            EnvironmentProblem: the address is taken or not possible, or there is a link of that name.
        """
        where = listen or Endpoint("127.0.0.1", 0)
        answer = self._ask("add", {"name": name, "listen": _told(where), "target": _told(target)})
        if "error" in answer:
            raise EnvironmentProblem(f"link {name}: {answer['error']}; choose another")
        return _heard(answer["listen"])

    def set_link(self, link: str, condition: LinkCondition | None) -> None:
        """Put a link in a condition (None: healthy); it replaces the one before.

        Raises:
            ValueError: no such link, or not a condition; one line that says what would be.
        """
        answer = self._ask("set", {"name": link, "condition": None if condition is None else dict(condition)})
        if "error" in answer:
            raise ValueError(f"link {link}: {answer['error']}")

    def states(self) -> dict[str, LinkState]:
        """What the proxy knows of every link."""
        return {
            name: LinkState(**{**state, "listen": _heard(state["listen"]), "target": _heard(state["target"])})
            for name, state in self._ask("links")["links"].items()
        }

    def counters(self, link: str) -> Mapping[str, int]:
        """Counts of one link: open, held_bytes, connections, refused, broken, bytes_to_server, bytes_to_client."""
        state = self.states()[link]
        names = ("open", "held_bytes", "connections", "refused", "broken", "bytes_to_server", "bytes_to_client")
        return {name: getattr(state, name) for name in names}

    def _ask(self, verb: str, arguments: Mapping[str, Any] | None = None) -> dict[str, Any]:
        try:
            host, port = json.loads(self._announce.read_text(encoding="utf-8"))["control"]
            with socket.create_connection((host, port), timeout=CONTROL_SECONDS) as connection:
                connection.sendall(json.dumps({verb: dict(arguments or {})}).encode() + b"\n")
                line = connection.makefile("rb").readline()
        except OSError as error:
            raise EnvironmentProblem(f"the link proxy does not answer ({error}); read its log") from None
        if not line:
            raise EnvironmentProblem("the link proxy closed its control port; read its log")
        return json.loads(line)  # type: ignore[no-any-return]


def _told(address: Address) -> list[str | int] | str:
    """An address as the control port writes it."""
    return str(address) if isinstance(address, Path) else [address.host, address.port]


def _heard(address: list[Any] | str) -> Address:
    return Path(address) if isinstance(address, str) else Endpoint(*address)


class LinkProxy(EmbeddedService):
    """The proxy process as a service: started, probed, stopped and sampled like the others. Its client is `links`."""

    def __init__(self, home: Home, seed: int = 0) -> None:
        super().__init__(home)
        self._announce, self._seed = self.directory / "control.json", seed
        self.links = Links(self._announce)

    def command(self) -> tuple[Sequence[str], Mapping[str, str]]:
        """See `EmbeddedService.command`."""
        self._announce.unlink(missing_ok=True)  # a proxy before this one must not answer for it
        return proxy_command(self._announce, self._seed), {}

    def missing(self) -> str | None:
        """See `EmbeddedService.missing`."""
        return self.links.missing()


def condition_problem(condition: Mapping[str, object]) -> str | None:
    """What is wrong with a link condition, None if nothing; for environment files, before anything is started."""
    try:
        Condition.parse(condition)
    except ValueError as error:
        return str(error)
    return None
