"""A PostgreSQL log-in spoken by hand, to read the SQLSTATE of a connection the server turns away.

libpq has the text of such an error, but hands its SQLSTATE to no client. The message formats are those of
PostgreSQL's documentation, "Message Formats" and "SASL Authentication"; SCRAM-SHA-256 is RFC 5802 and 7677.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import socket
import struct
import time

from PostgresLibrary.refusals import Refusal
from PostgresLibrary.sessions import Target

_PROTOCOL = 196608  # 3.0
_OK, _CLEARTEXT, _MD5, _SASL, _SASL_CONTINUE, _SASL_FINAL = 0, 3, 5, 10, 11, 12


def login_refusal(target: Target, seconds: float) -> Refusal | None:
    """Log in and leave again.

    Args:
        target: where and as whom.
        seconds: bound on each answer.

    Returns:
        how the server turned the client away, None when it let it in.

    Raises:
        ConnectionError: it closed the connection without a word.
        TimeoutError: it did not answer in time.
    """
    begin = time.monotonic()
    address = (target.endpoint.host, target.endpoint.port)
    with socket.create_connection(address, timeout=seconds) as stream:
        parameters = (b"user", target.login.user.encode(), b"database", target.database.encode(), b"")
        body = struct.pack("!i", _PROTOCOL) + b"".join(part + b"\0" for part in parameters)
        stream.sendall(struct.pack("!i", len(body) + 4) + body)
        scram: Scram | None = None
        while True:
            kind, content = _message(stream)
            if kind == b"E":
                fields = error_fields(content)
                return Refusal(fields.get("C"), fields.get("M", ""), time.monotonic() - begin)
            if kind == b"Z":
                stream.sendall(b"X" + struct.pack("!i", 4))
                return None
            if kind == b"R":
                scram = _authenticate(stream, content, target, scram)


def error_fields(content: bytes) -> dict[str, str]:
    """Split an ErrorResponse into its fields, such as C (SQLSTATE) and M (message)."""
    return {part[:1].decode(): part[1:].decode(errors="replace") for part in content.split(b"\0") if part}


class Scram:
    """The client's side of one SCRAM-SHA-256 exchange."""

    def __init__(self, password: str, nonce: str | None = None, user: str = "") -> None:
        # PostgreSQL takes the user of the startup message and ignores the one in here.
        self._password = password.encode()
        self._nonce = nonce or base64.b64encode(secrets.token_bytes(18)).decode()
        self._first = f"n={user},r={self._nonce}"

    def first(self) -> bytes:
        """Return the client-first message."""
        return f"n,,{self._first}".encode()

    def final(self, server_first: bytes) -> bytes:
        """Return the client-final message with the proof that the client knows the password.

        Raises:
            ConnectionError: the server's nonce does not continue ours.
        """
        text = server_first.decode()
        fields = dict(part.split("=", 1) for part in text.split(","))
        if not fields["r"].startswith(self._nonce):
            raise ConnectionError("the server answered with another client's nonce")
        salted = hashlib.pbkdf2_hmac("sha256", self._password, base64.b64decode(fields["s"]), int(fields["i"]))
        without_proof = f"c=biws,r={fields['r']}"
        signed = f"{self._first},{text},{without_proof}".encode()
        key = _hmac(salted, b"Client Key")
        signature = _hmac(hashlib.sha256(key).digest(), signed)
        proof = bytes(a ^ b for a, b in zip(key, signature, strict=True))
        return f"{without_proof},p={base64.b64encode(proof).decode()}".encode()


def _authenticate(stream: socket.socket, content: bytes, target: Target, scram: Scram | None) -> Scram | None:
    (kind,) = struct.unpack_from("!i", content)
    password, user = target.login.password.value, target.login.user
    if kind == _CLEARTEXT:
        _send_password(stream, password.encode() + b"\0")
    elif kind == _MD5:
        inner = hashlib.md5((password + user).encode(), usedforsecurity=False).hexdigest()
        outer = hashlib.md5(inner.encode() + content[4:8], usedforsecurity=False).hexdigest()
        _send_password(stream, f"md5{outer}".encode() + b"\0")
    elif kind == _SASL:
        scram = Scram(password)
        first = scram.first()
        _send_password(stream, b"SCRAM-SHA-256\0" + struct.pack("!i", len(first)) + first)
    elif kind == _SASL_CONTINUE and scram is not None:
        _send_password(stream, scram.final(content[4:]))
    elif kind not in (_OK, _SASL_FINAL):
        raise ConnectionError(f"the server asks for an authentication (kind {kind}) that is not spoken here")
    return scram


def _send_password(stream: socket.socket, content: bytes) -> None:
    stream.sendall(b"p" + struct.pack("!i", len(content) + 4) + content)


def _message(stream: socket.socket) -> tuple[bytes, bytes]:
    kind, length = struct.unpack("!ci", _exactly(stream, 5))
    return kind, _exactly(stream, length - 4)


def _exactly(stream: socket.socket, number: int) -> bytes:
    content = b""
    while len(content) < number:
        part = stream.recv(number - len(content))
        if not part:
            raise ConnectionError("the server closed the connection without a word")
        content += part
    return content


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")
