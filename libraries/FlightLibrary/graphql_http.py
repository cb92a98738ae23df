"""The HTTP/JSON side of a comparison: one connection that is kept, and JSON decoded by the fastest library there is."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

import orjson

from FlightLibrary.accounting import clock

_HEADERS = {"Content-Type": "application/json", "Accept": "application/json"}


class HttpFailure(Exception):
    """An answer that holds no rows.

    Attributes:
        status: of HTTP; 0: there was no answer.
        message: the server's.
    """

    ROBOT_SUPPRESS_NAME = True

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"HTTP {status}: {message}" if status else f"no answer over HTTP: {message}")
        self.status, self.message = status, message


@dataclass(frozen=True)
class JsonReading:
    """One answer, decoded.

    Attributes:
        rows: of its one root field; one object is one row, null none.
        bytes: of the body.
        first_seconds: from the call to the first bytes of the answer.
        seconds: from the call to the decoded answer.
    """

    rows: list[dict[str, Any]]
    bytes: int
    first_seconds: float
    seconds: float


class HttpConnection:
    """One client on one connection."""

    def __init__(self, base: str, *, deadline_seconds: float = 30.0) -> None:
        """Prepare; the first query connects.

        Args:
            base: URL of the gateway.
            deadline_seconds: of each wait for the server.
        """
        address = urlsplit(base)
        self._path = f"{address.path.rstrip('/')}/graphql"
        self._connection = http.client.HTTPConnection(
            str(address.hostname), address.port or 80, timeout=deadline_seconds
        )

    def read(self, query: str, variables: Mapping[str, Any] | None = None) -> JsonReading:
        """Ask a query with one root field and decode the whole answer.

        Raises:
            HttpFailure: the answer is an error, none came, or it has not one root field.
        """
        begin = clock()
        status, body, first = self._exchange({"query": query, **({"variables": variables} if variables else {})}, begin)
        try:
            answer = orjson.loads(body)
        except orjson.JSONDecodeError:
            raise HttpFailure(status, f"the answer is no JSON: {body[:200]!r}") from None
        seconds = clock() - begin
        if status != 200 or answer.get("errors") or len(answer.get("data") or {}) != 1:
            raise HttpFailure(status, json.dumps(answer.get("errors") or answer, ensure_ascii=False)[:500])
        (rows,) = answer["data"].values()
        return JsonReading(_as_list(rows), len(body), first, seconds)

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _exchange(self, question: Mapping[str, Any], begin: float) -> tuple[int, bytes, float]:
        try:
            self._connection.request("POST", self._path, orjson.dumps(question), _HEADERS)
            response = self._connection.getresponse()
            first = clock() - begin
            return response.status, response.read(), first
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()  # it connects anew for the next query
            raise HttpFailure(0, f"{type(error).__name__}: {error}") from error


def _as_list(value: Any) -> list[dict[str, Any]]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
