"""Logging in to a mirror: without a password, or with one in clear, as MD5 or by SCRAM."""

from __future__ import annotations

import hashlib

from scramp import ScramClient, ScramException

from reference.pgdog.protocol import frame

_OK, _CLEARTEXT, _MD5, _SASL, _SASL_CONTINUE, _SASL_FINAL = 0, 3, 5, 10, 11, 12
_MECHANISM = "SCRAM-SHA-256"  # the one without channel binding: there is no TLS


class LoginRefused(Exception):
    """The server asks for something else, or is not who it should be."""


class Login:
    """One login."""

    def __init__(self, user: str, password: str) -> None:
        self._user, self._password = user, password
        self._scram: ScramClient | None = None

    def answer(self, body: bytes) -> bytes:
        """Return what is to be sent after an Authentication message; nothing when the server wants nothing.

        Raises:
            LoginRefused: it cannot be answered.
        """
        asked = int.from_bytes(body[:4], "big")
        if asked in {_SASL, _SASL_CONTINUE, _SASL_FINAL}:
            try:
                return self._answer_sasl(asked, body[4:])
            except (ScramException, UnicodeDecodeError) as error:
                raise LoginRefused(f"SCRAM: {error}") from None
        if asked == _CLEARTEXT:
            return frame(b"p", self._password.encode() + b"\0")
        if asked == _MD5:
            inner = hashlib.md5((self._password + self._user).encode(), usedforsecurity=False).hexdigest()
            outer = hashlib.md5(inner.encode() + body[4:8], usedforsecurity=False).hexdigest()
            return frame(b"p", b"md5" + outer.encode() + b"\0")
        if asked != _OK:
            raise LoginRefused(f"the server asks for authentication method {asked}")
        return b""

    def _answer_sasl(self, asked: int, data: bytes) -> bytes:
        if asked == _SASL:
            if _MECHANISM not in data.decode().split("\0"):
                raise LoginRefused(f"the server does not offer {_MECHANISM}")
            self._scram = ScramClient([_MECHANISM], self._user or "*", self._password)
            first = self._scram.get_client_first().encode()
            return frame(b"p", _MECHANISM.encode() + b"\0" + len(first).to_bytes(4, "big") + first)
        if self._scram is None:
            raise LoginRefused("the server goes on with what was not begun")
        if asked == _SASL_CONTINUE:
            self._scram.set_server_first(data.decode())
            return frame(b"p", self._scram.get_client_final().encode())
        self._scram.set_server_final(data.decode())
        return b""
