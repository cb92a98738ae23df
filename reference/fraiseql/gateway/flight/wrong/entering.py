"""Tokens, calls, streams and tickets let in wrongly."""

from __future__ import annotations

import os
import threading
from typing import Any

import jwt

from reference.fraiseql.gateway.flight.calls import METADATA, Calls, Slots
from reference.fraiseql.gateway.flight.metrics import FlightMetrics
from reference.fraiseql.gateway.flight.tickets import LARGEST, Ticket, decode
from reference.fraiseql.gateway.flight.tokens import SessionTokens

_CAP = 50


class UnsignedTokens(SessionTokens):
    """Believes a token that says it has no signature."""

    def _claims(self, token: str, secret: str) -> dict[str, Any]:
        if jwt.get_unverified_header(token).get("alg") == "none":
            return jwt.decode(token, options={"verify_signature": False, "verify_exp": True})
        return super()._claims(token, secret)


class LastingTokens(SessionTokens):
    """Does not look at when a token ends."""

    def _claims(self, token: str, secret: str) -> dict[str, Any]:
        return jwt.decode(token, secret, algorithms=["HS256"], options={"verify_exp": False})


class BelievedTokens(SessionTokens):
    """Does not compare signatures."""

    def _claims(self, token: str, secret: str) -> dict[str, Any]:
        if jwt.get_unverified_header(token).get("alg") == "none":
            return super()._claims(token, secret)
        return jwt.decode(token, options={"verify_signature": False, "verify_exp": True})


class OpenMetadata(Calls):
    """Asks for a token only where data moves."""

    open_methods = Calls.open_methods | METADATA


class FiftySlots(Slots):
    """Has 50, whatever is configured."""

    def __init__(self, most: int, metrics: FlightMetrics) -> None:
        super().__init__(min(most, _CAP), metrics)


def dying(content: bytes) -> Ticket:
    """Read a ticket, and end the process when it is too large."""
    if len(content) > LARGEST:
        os._exit(1)
    return decode(content)


class HangingDecoder:
    """Keeps its lock when a ticket cannot be read."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def __call__(self, content: bytes) -> Ticket:
        """Read a ticket."""
        self._lock.acquire()
        ticket = decode(content)
        self._lock.release()
        return ticket
