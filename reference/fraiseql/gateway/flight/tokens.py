"""Who calls: session tokens (HS256), and the handshake that gives one for a token of an OpenID provider."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import jwt
import orjson
import pyarrow.flight as fl

from reference.fraiseql.gateway.config import AuthSettings
from reference.fraiseql.gateway.flight.errors import Refused

LIFETIME = 300  # seconds of a session
_SCHEME = "Bearer "
_KIND = "flight"
_ALGORITHMS = ["RS256", "ES256"]  # of a provider's token: no secret is shared with it
_PATIENCE = 5  # seconds for the provider's keys
_REQUIRED = ["sub", "exp", "scopes", "session_type"]


@dataclass(frozen=True, slots=True)
class Session:
    """Who calls, and what for."""

    subject: str
    scopes: frozenset[str]


class SessionTokens:
    """Makes and checks session tokens.

    Args:
        secret: what signs them; without one nobody is let in.
    """

    def __init__(self, secret: str | None) -> None:
        self._secret = secret

    def issue(self, subject: str, scopes: list[str]) -> str:
        """Return a token that is good for five minutes."""
        now = int(time.time())
        claims = {"sub": subject, "iat": now, "exp": now + LIFETIME, "scopes": scopes, "session_type": _KIND}
        return jwt.encode(claims, self._known_secret(), algorithm="HS256")

    def check(self, header: str | None) -> Session:
        """Return who calls with this `authorization`.

        Raises:
            FlightUnauthenticatedError: nobody that is known.
            FlightInternalError: there is no secret to check it with.
        """
        token = bearer(header)
        try:
            claims = self._claims(token, self._known_secret())
        except jwt.PyJWTError as error:
            raise fl.FlightUnauthenticatedError(f"Invalid session token: {error}") from None
        return _session(claims)

    def _claims(self, token: str, secret: str) -> dict[str, Any]:
        options: Any = {"require": _REQUIRED, "verify_iat": False}
        return jwt.decode(token, secret, algorithms=["HS256"], options=options)

    def _known_secret(self) -> str:
        if not self._secret:
            raise fl.FlightInternalError("FLIGHT_SESSION_SECRET is not set")
        return self._secret


def bearer(header: str | None) -> str:
    """Return the token of an `authorization`, whose scheme is written exactly so."""
    if header is None or not header.startswith(_SCHEME):
        raise fl.FlightUnauthenticatedError("No session token: send authorization: Bearer TOKEN")
    return header.removeprefix(_SCHEME)


def _session(claims: Mapping[str, Any]) -> Session:
    scopes = claims["scopes"]
    if claims["session_type"] != _KIND:
        raise fl.FlightUnauthenticatedError("Invalid session token: session_type is not flight")
    if not isinstance(scopes, list) or not all(isinstance(scope, str) for scope in scopes):
        raise fl.FlightUnauthenticatedError("Invalid session token: scopes is no array of strings")
    return Session(claims["sub"], frozenset(scopes))


class Provider:
    """The OpenID provider whose tokens a handshake takes."""

    def __init__(self, settings: AuthSettings) -> None:
        self._settings = settings
        self._keys: jwt.PyJWKClient | None = None

    def identify(self, token: str) -> tuple[str, list[str]]:
        """Return subject and scopes of a provider's token.

        Raises:
            FlightUnauthenticatedError: it is not one of this provider for this audience, now.
            FlightUnavailableError: the provider's keys cannot be had.
        """
        try:
            key = self._known_keys().get_signing_key_from_jwt(token)
            claims = jwt.decode(
                token,
                key,
                algorithms=_ALGORITHMS,
                issuer=self._settings.issuer,
                audience=self._settings.audience,
                options={"require": ["sub", "exp", "iss", "aud"]},
            )
        except (jwt.PyJWKClientConnectionError, URLError, TimeoutError) as error:
            raise fl.FlightUnavailableError(f"The provider's keys cannot be had: {error}") from None
        except jwt.PyJWTError as error:
            raise fl.FlightUnauthenticatedError(f"Invalid token: {error}") from None
        scopes = claims.get("scope", "")
        return claims["sub"], scopes.split() if isinstance(scopes, str) else []

    def _known_keys(self) -> jwt.PyJWKClient:
        if self._keys is None:
            self._keys = jwt.PyJWKClient(self._settings.jwks_uri or self._discovered(), timeout=_PATIENCE)
        return self._keys

    def _discovered(self) -> str:
        place = f"{self._settings.issuer.rstrip('/')}/.well-known/openid-configuration"
        with urlopen(place, timeout=_PATIENCE) as answer:  # noqa: S310 - the configuration allows only http and https
            return str(orjson.loads(answer.read())["jwks_uri"])


class Handshake(fl.ServerAuthHandler):
    """Answers `Bearer TOKEN OF THE PROVIDER` with a session token."""

    def __init__(self, tokens: SessionTokens, provider: Provider | None) -> None:
        super().__init__()
        self._tokens = tokens
        self._provider = provider

    def authenticate(self, outgoing: fl.ServerAuthSender, incoming: fl.ServerAuthReader) -> None:
        """See `ServerAuthHandler.authenticate`."""
        try:
            payload = incoming.read()
        except OSError:
            raise Refused("No handshake request") from None
        token = bearer(payload.decode("ascii", errors="replace"))
        if self._provider is None:
            raise fl.FlightInternalError("There is no [auth] section: nobody to ask who that is")
        outgoing.write(self._tokens.issue(*self._provider.identify(token)).encode())

    def is_valid(self, token: bytes) -> bytes:
        """Let every call pass: `calls.Calls` looks at its `authorization`."""
        return b""
