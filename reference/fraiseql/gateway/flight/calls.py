"""What is around every call: who makes it, that it is counted, and that nothing of it stays."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack

import pyarrow.flight as fl

from reference.fraiseql.gateway.flight.errors import status_of
from reference.fraiseql.gateway.flight.metrics import FlightMetrics
from reference.fraiseql.gateway.flight.tokens import Session, SessionTokens

KEY = "call"  # under which a handler finds its `Call`
METADATA = frozenset(
    {
        fl.FlightMethod.LIST_FLIGHTS,
        fl.FlightMethod.GET_FLIGHT_INFO,
        fl.FlightMethod.GET_SCHEMA,
        fl.FlightMethod.LIST_ACTIONS,
    }
)  # calls that say what there is


class Call(fl.ServerMiddleware):
    """One call.

    Args:
        method: its RPC.
        session: who makes it; None where that does not matter.
        metrics: where its end is counted.
    """

    def __init__(self, method: str, session: Session | None, metrics: FlightMetrics) -> None:
        super().__init__()
        self.method, self.session = method, session
        self.cancelled = False
        self._metrics = metrics
        self._lock = threading.Lock()
        self._held = ExitStack()

    def hold(self, give_back: Callable[[], None]) -> None:
        """Note what must be given back when the call ends, however it does, or before."""
        self._held.callback(give_back)

    def let_go(self) -> None:
        """Give back all that is held; what is given back already is not given back again."""
        with self._lock:
            held = self._held.pop_all()
        held.close()

    def call_completed(self, exception: BaseException | None) -> None:
        """See `ServerMiddleware.call_completed`; comes also for a client that has gone away."""
        self.let_go()
        self._metrics.ended(self.method, "CANCELLED" if self.cancelled else status_of(exception))


class Calls(fl.ServerMiddlewareFactory):
    """Lets in who has a session token; a handshake needs none, because it gives one."""

    open_methods = frozenset({fl.FlightMethod.HANDSHAKE})

    def __init__(self, tokens: SessionTokens, metrics: FlightMetrics) -> None:
        super().__init__()
        self._tokens, self._metrics = tokens, metrics

    def start_call(self, info: fl.CallInfo, headers: Mapping[str, Sequence[str]]) -> Call:
        """See `ServerMiddlewareFactory.start_call`."""
        method = fl.FlightMethod(info.method).name
        if info.method in self.open_methods:
            return Call(method, None, self._metrics)
        try:
            given = headers.get("authorization")
            return Call(method, self._tokens.check(given[0] if given else None), self._metrics)
        except fl.FlightError as error:
            self._metrics.ended(method, status_of(error))
            raise


class Slots:
    """The streams that may be open at once."""

    def __init__(self, most: int, metrics: FlightMetrics) -> None:
        self._free = threading.Semaphore(most)
        self._metrics = metrics

    def take(self, call: Call) -> None:
        """Take one until the call ends.

        Raises:
            FlightUnavailableError: there is none.
        """
        if not self._free.acquire(blocking=False):
            raise fl.FlightUnavailableError("Max concurrent Flight streams reached")
        self._metrics.streams.inc()
        call.hold(self._give_back)

    def _give_back(self) -> None:
        self._metrics.streams.dec()
        self._free.release()
