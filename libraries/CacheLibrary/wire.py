"""A client of the cache program: the wire that `reference/cache/README.md` describes, on one kept connection.

HTTP is spoken by hand, since a general client spends longer on a response than the cache does, and what it spends
would be measured. Every answer has a bound.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self
from urllib.parse import quote, urlsplit

ANSWER_SECONDS = 15.0  # longer than the program itself waits for Redis and the database together

Strategy = Literal["invalidate", "write-through"]


class Refused(Exception):
    """The cache client answered, and the answer is an error.

    Attributes:
        status: of HTTP.
        outcome: "refused", "failed" (nothing was written) or "unknown" (something may have been).
    """

    def __init__(self, request: str, status: int, outcome: str, text: str) -> None:
        super().__init__(f"{request} answered {status} ({outcome}): {text}")
        self.status = status
        self.outcome = outcome


@dataclass(frozen=True, slots=True)
class Read:
    """What a read returned, and whether the "cache" or the "database" had it."""

    value: str | None
    version: int
    source: str


class CacheClient:
    """One connection to the cache program, opened at the first request. Not for several threads at once.

    Args:
        url: base address, such as `http://127.0.0.1:8080`.
        seconds: bound on each answer.
    """

    def __init__(self, url: str, seconds: float = ANSWER_SECONDS) -> None:
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            raise ValueError(f"'{url}' is not an address of the form http://host:port")
        self._address = (parts.hostname, parts.port or 80)
        self._base = parts.path.rstrip("/")
        self._seconds = seconds
        self._stream: socket.socket | None = None

    def read(
        self,
        namespace: str,
        key: str,
        *,
        past_cache: bool = False,
        ttl: float | None = None,
        hold: str | None = None,
    ) -> Read | None:
        """Read a row; None: there is no such row.

        Args:
            namespace: of the row.
            key: of the row.
            past_cache: ask the database, whatever is cached.
            ttl: seconds that the entry filled by this read may live.
            hold: gate at which the program holds this read before it fills the cache.

        Raises:
            Refused: the program could not tell.
            OSError: no connection, or no answer in time.
        """
        query = "?source=database" if past_cache else f"?ttl={ttl:g}" if ttl is not None else ""
        headers = f"X-Hold-Before-Fill: {hold}\r\n" if hold else ""
        status, content = self._ask("GET", _entry(namespace, key) + query, headers=headers)
        if status == 404 and content.get("outcome") == "absent":
            return None
        return _read(self._checked(f"read of {key}", status, content))

    def read_many(self, namespace: str, keys: Sequence[str]) -> dict[str, Read]:
        """Read rows in one request; those that do not exist are missing from the answer. Raises as `read`."""
        status, content = self._ask("POST", _entry(namespace), {"keys": list(keys)})
        found = self._checked(f"read of {len(keys)} keys", status, content)["entries"]
        return {key: _read(entry) for key, entry in found.items()}

    def write(self, namespace: str, key: str, value: str | None, strategy: Strategy = "invalidate") -> int:
        """Insert or update a row and return its version. Raises as `read`."""
        status, content = self._ask("PUT", f"{_entry(namespace, key)}?strategy={strategy}", {"value": value})
        return int(self._checked(f"write of {key}", status, content)["version"])

    def write_many(self, namespace: str, values: Mapping[str, str | None], strategy: Strategy = "invalidate") -> None:
        """Insert or update rows in one transaction. Raises as `read`."""
        status, content = self._ask("PUT", f"{_entry(namespace)}?strategy={strategy}", {"entries": dict(values)})
        self._checked(f"write of {len(values)} keys", status, content)

    def delete(self, namespace: str, key: str) -> bool:
        """Delete a row and say whether there was one. Raises as `read`."""
        status, content = self._ask("DELETE", _entry(namespace, key))
        return bool(self._checked(f"delete of {key}", status, content)["deleted"])

    def held(self, gate: str) -> int:
        """How many reads are held at a gate. Raises as `read`."""
        status, content = self._ask("GET", f"/gates/{quote(gate, safe='')}")
        return int(self._checked(f"gate {gate}", status, content)["waiting"])

    def release(self, gate: str) -> int:
        """Let the reads held at a gate go on; return how many they were. Raises as `read`."""
        status, content = self._ask("POST", f"/gates/{quote(gate, safe='')}/release")
        return int(self._checked(f"release of {gate}", status, content)["released"])

    def health(self) -> Mapping[str, Any]:
        """What the program says of itself, well or not. Raises as `read`."""
        return self._ask("GET", "/health")[1]

    def metrics(self) -> dict[str, float]:
        """The program's counters and gauges, by name. Raises as `read`."""
        status, content = self._ask("GET", "/metrics")
        return parsed_metrics(self._checked("metrics", status, content)["text"].splitlines())

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _ask(
        self, method: str, path: str, content: Mapping[str, Any] | None = None, headers: str = ""
    ) -> tuple[int, dict[str, Any]]:
        body = b"" if content is None else json.dumps(content).encode()
        head = f"{method} {self._base}{path} HTTP/1.1\r\nHost: {self._address[0]}\r\n{headers}"
        request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode("latin-1") + body
        try:
            if self._stream is None:
                self._stream = socket.create_connection(self._address, timeout=self._seconds)
                self._stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._stream.sendall(request)
            return self._answer(self._stream)
        except BaseException:
            self.close()  # what comes later on this connection would answer the wrong request
            raise

    def _answer(self, stream: socket.socket) -> tuple[int, dict[str, Any]]:
        received = bytearray()
        while (end := received.find(b"\r\n\r\n")) < 0:
            received += _more(stream)
        lines = received[:end].decode("latin-1").split("\r\n")
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        missing = int(fields["content-length"]) - (len(received) - end - 4)
        while missing > 0:
            part = _more(stream)
            received += part
            missing -= len(part)
        if fields.get("connection", "").lower() == "close":
            self.close()
        body = bytes(received[end + 4 :])
        is_json = fields.get("content-type", "").startswith("application/json")
        return int(lines[0].split()[1]), json.loads(body) if is_json else {"text": body.decode()}

    @staticmethod
    def _checked(request: str, status: int, content: dict[str, Any]) -> dict[str, Any]:
        if status != 200:
            raise Refused(request, status, content.get("outcome", "unknown"), content.get("error", ""))
        return content


def parsed_metrics(lines: Iterable[str]) -> dict[str, float]:
    """Read Prometheus text without labels."""
    samples = (line.split() for line in lines if line and not line.startswith("#"))
    return {name: float(value) for name, value, *_ in samples}


def _entry(*parts: str) -> str:
    return "/entries/" + "/".join(quote(part, safe="") for part in parts)


def _read(content: Mapping[str, Any]) -> Read:
    return Read(content["value"], content["version"], content["source"])


def _more(stream: socket.socket) -> bytes:
    part = stream.recv(65536)
    if not part:
        raise ConnectionError("the cache client closed the connection")
    return part
