"""What a Flight call failed with: the name of the gRPC status, and the server's own message.

pyarrow hides the status behind exceptions of its own. Where it made the exception from a plain gRPC status, the text
begins with a phrase of its own that tells all sixteen apart; where a server made of Arrow's library said more in the
trailers of the call, there is no such phrase, and the class tells.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
from pyarrow import flight

UNREADABLE = "UNREADABLE"
"""In the place of a status: the call did not fail, but what came cannot be read as Flight."""

_MESSAGE = " with message: "
_PHRASES = {
    "Flight cancelled call,": "CANCELLED",
    "Flight RPC failed": "UNKNOWN",
    "Unknown error:": "UNKNOWN",  # GetSchema, which pyarrow's client reports in another way
    "Flight returned invalid argument error,": "INVALID_ARGUMENT",
    "Flight returned timeout error,": "DEADLINE_EXCEEDED",
    "Flight returned not found error,": "NOT_FOUND",
    "Flight returned already exists error,": "ALREADY_EXISTS",
    "Flight returned unauthorized error,": "PERMISSION_DENIED",
    "Flight returned unauthenticated error,": "UNAUTHENTICATED",
    "Flight returned unimplemented error,": "UNIMPLEMENTED",
    "Flight returned internal error,": "INTERNAL",
    "Flight returned unavailable error,": "UNAVAILABLE",
    "gRPC returned resource exhausted error,": "RESOURCE_EXHAUSTED",
    "gRPC returned precondition failed error,": "FAILED_PRECONDITION",
    "gRPC returned aborted error,": "ABORTED",
    "gRPC returned out-of-range error,": "OUT_OF_RANGE",
    "gRPC returned data loss error,": "DATA_LOSS",
}
_CLASSES = {
    flight.FlightCancelledError: "CANCELLED",
    flight.FlightTimedOutError: "DEADLINE_EXCEEDED",
    flight.FlightUnauthenticatedError: "UNAUTHENTICATED",
    flight.FlightUnauthorizedError: "PERMISSION_DENIED",
    flight.FlightUnavailableError: "UNAVAILABLE",
    flight.FlightInternalError: "INTERNAL",
    flight.FlightServerError: "UNKNOWN",
    pa.ArrowKeyError: "NOT_FOUND",
    pa.ArrowNotImplementedError: "UNIMPLEMENTED",
    pa.ArrowInvalid: "INVALID_ARGUMENT",
}
_DETAILS = {
    "Cancelled": "CANCELLED",
    "TimedOut": "DEADLINE_EXCEEDED",
    "Unauthenticated": "UNAUTHENTICATED",
    "Unauthorized": "PERMISSION_DENIED",
    "Unavailable": "UNAVAILABLE",
    "Internal": "INTERNAL",
    "Failed": "UNKNOWN",
}
"""What stands in the place of the class where pyarrow's client forgets it: in the answer to GetSchema."""

_FROM_THE_SERVER = (". Detail: ", ". gRPC client debug context: ")
_ADDED = (". Additionally, could not", *_FROM_THE_SERVER, ". Client context: ")


RAISED = (pa.ArrowException, flight.FlightError, OSError)
"""What pyarrow raises for a call that failed."""


class FlightFailure(Exception):
    """A call that failed.

    Attributes:
        status: name of the gRPC status, or `UNREADABLE`.
        message: the server's, without what the client's library adds.
    """

    ROBOT_SUPPRESS_NAME = True

    def __init__(self, status: str, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status, self.message = status, message


def failure_of(error: BaseException) -> FlightFailure:
    """Tell what a call failed with, from what pyarrow raised."""
    text = str(error)
    for phrase, status in _PHRASES.items():
        if (begin := text.find(phrase)) >= 0:
            return FlightFailure(
                status, _own(text[begin:].partition(_MESSAGE)[2] or text[begin + len(phrase) :].strip())
            )
    if isinstance(error, pa.ArrowInvalid) and not any(mark in text for mark in _FROM_THE_SERVER):
        return FlightFailure(UNREADABLE, text)  # as the client's own IPC reader puts it
    found = (status for kind, status in _CLASSES.items() if isinstance(error, kind))
    detail = text.rpartition(". Detail: ")[2]
    return FlightFailure(next(found, _DETAILS.get(detail, UNREADABLE)), _own(text))


@contextmanager
def told() -> Iterator[None]:
    """Let calls within the block fail with `FlightFailure`."""
    try:
        yield
    except RAISED as error:
        raise failure_of(error) from error


def _own(message: str) -> str:
    ends = [end for mark in _ADDED if (end := message.find(mark)) >= 0]
    return message[: min(ends)] if ends else message
