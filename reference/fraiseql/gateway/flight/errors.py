"""What clients are told when something goes wrong: one exception a gRPC status.

pyarrow's server turns a `FlightError` into its own status, also in the middle of a stream. There is none for a client's
mistake: its status comes from what kind of Python exception it is (ValueError: INVALID_ARGUMENT, KeyError: NOT_FOUND),
which is why these are classes of their own: a ValueError that nobody meant must not blame the client.
"""

from __future__ import annotations

import logging
import traceback

import pyarrow as pa
import pyarrow.flight as fl

_FRAMES = 50  # of a traceback in the log, whatever `sys.tracebacklimit` is
_log = logging.getLogger("fraiseql.flight")


class Refused(pa.ArrowInvalid):
    """The client asked for something that cannot be: INVALID_ARGUMENT."""


class Unknown(pa.ArrowKeyError):
    """There is nothing of that name: NOT_FOUND."""


class NotServed(pa.ArrowNotImplementedError):
    """This gateway does not do that: UNIMPLEMENTED."""


_STATUSES: tuple[tuple[type[BaseException], str], ...] = (
    (fl.FlightUnauthenticatedError, "UNAUTHENTICATED"),
    (fl.FlightUnauthorizedError, "PERMISSION_DENIED"),
    (fl.FlightUnavailableError, "UNAVAILABLE"),
    (fl.FlightTimedOutError, "DEADLINE_EXCEEDED"),
    (fl.FlightCancelledError, "CANCELLED"),
    (fl.FlightInternalError, "INTERNAL"),
    (KeyError, "NOT_FOUND"),
    (NotImplementedError, "UNIMPLEMENTED"),
    (ValueError, "INVALID_ARGUMENT"),
)
_MEANT: tuple[type[Exception], ...] = (Refused, Unknown, NotServed, fl.FlightError)


def status_of(error: BaseException | None) -> str:
    """Return the gRPC status that an exception of a call becomes."""
    if error is None:
        return "OK"
    return next((status for kind, status in _STATUSES if isinstance(error, kind)), "UNKNOWN")


def meant(error: Exception) -> Exception:
    """Return the exception to raise to the client: this one if it is for clients, else INTERNAL, which is logged."""
    if isinstance(error, _MEANT):
        return error
    _log.error("unexpected:\n%s", "".join(traceback.format_exception(error, limit=_FRAMES)))
    internal: Exception = fl.FlightInternalError(f"{type(error).__name__}: {error}")
    return internal
