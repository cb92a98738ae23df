"""Every way a request can fail, by its code: the status that goes with it, and its JSON."""

from __future__ import annotations

from typing import Any

import asyncpg
import orjson

from reference.fraiseql.gateway.problems import Location, PlanProblem

STATUS = {
    "PARSE_ERROR": 200,
    "VALIDATION_ERROR": 200,
    "INTROSPECTION_DISABLED": 200,
    "REQUEST_ERROR": 400,
    "BAD_USER_INPUT": 400,
    "CONSTRAINT_VIOLATION": 400,
    "UNAUTHENTICATED": 401,
    "FORBIDDEN": 403,
    "NOT_FOUND": 404,
    "METHOD_NOT_ALLOWED": 405,
    "CONFLICT": 409,
    "PAYLOAD_TOO_LARGE": 413,
    "UNSUPPORTED_MEDIA_TYPE": 415,
    "UNPROCESSABLE": 422,
    "DATABASE_ERROR": 500,
    "INTERNAL_SERVER_ERROR": 500,
    "SERVICE_UNAVAILABLE": 503,
    "TIMEOUT": 504,
}
_AWAY = ("08", "53", "57P")  # SQLSTATEs of a database that cannot be asked now: no connection, no room, shutting down
_BY_CLASS = {"22": "BAD_USER_INPUT", "23": "CONSTRAINT_VIOLATION", "40": "CONFLICT"}
_CANCELLED = "57014"  # by statement_timeout: nobody else cancels


class Refusal(Exception):
    """A request that gets no data.

    Args:
        code: one of STATUS.
        message: what is wrong, for the client.
        locations: where in the document.
        headers: of the response.
    """

    def __init__(
        self, code: str, message: str, locations: tuple[Location, ...] = (), headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.code, self.message, self.locations, self.headers = code, message, locations, headers or {}

    @property
    def status(self) -> int:
        """The HTTP status."""
        return STATUS[self.code]

    def body(self) -> bytes:
        """Return the JSON: `code` stands beside `message`."""
        error: dict[str, Any] = {"message": self.message, "code": self.code}
        if self.locations:
            error["locations"] = [place._asdict() for place in self.locations]
        if self.code == "UNSUPPORTED_MEDIA_TYPE":  # the one code that clients of this protocol look for in here
            error["extensions"] = {"code": self.code}
        return orjson.dumps({"errors": [error]})


class BodyRefusal(Refusal):
    """A request whose body cannot be read."""


def of_plan(problem: PlanProblem) -> Refusal:
    """Return the refusal of a document that cannot be planned."""
    return Refusal(problem.code, problem.message, problem.locations)


def of_database(error: Exception) -> Refusal:
    """Return the refusal for what went wrong with the database; its own words only where they are about the input."""
    if isinstance(error, TimeoutError):
        return Refusal("TIMEOUT", "The query took too long")
    state = getattr(error, "sqlstate", None) if isinstance(error, asyncpg.PostgresError) else None
    if state == _CANCELLED:
        return Refusal("TIMEOUT", "The query took too long and was cancelled")
    if state is None or state.startswith(_AWAY):
        return Refusal("SERVICE_UNAVAILABLE", "The database is not available", headers={"Retry-After": "1"})
    code = _BY_CLASS.get(state[:2])
    if code is None:
        return Refusal("DATABASE_ERROR", "The database could not answer")
    return Refusal(code, str(error).split("\n")[0])
