"""Tokens of FraiseQL: right ones, and every wrong one that must be refused (contract, sections 1.4 and 8.4).

Session tokens are put together here by hand, not by a library: most of the wrong ones are such as no library makes.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

LIFETIME_SECONDS = 300
SUBJECT = "acceptance"
OLD_DEFAULT_SECRET = "flight-session-default-secret"
"""With which every server of early releases signed whose operator had set none."""

_DIGESTS = {"HS256": hashlib.sha256, "HS512": hashlib.sha512}


@dataclass(frozen=True, slots=True)
class WrongToken:
    """Something in the place of a session token that must be refused.

    Attributes:
        what: in words.
        header: the value of `authorization`; None: the call has no such header.
    """

    what: str
    header: str | None


def bearer(token: str) -> str:
    """Return the value of the `authorization` header for a token."""
    return f"Bearer {token}"


def session_token(secret: str, *, subject: str = SUBJECT, scopes: Sequence[str] = ()) -> str:
    """Mint a session token as the handshake does.

    Args:
        secret: what the server signs with.
        subject: who calls.
        scopes: such as `admin`.
    """
    return _signed(_claims(subject, scopes), secret)


def identity_token(issuer: str, audience: str, key: bytes, key_id: str, *, subject: str = SUBJECT) -> str:
    """Sign an identity token (RS256) as the identity provider does; the handshake takes it.

    Args:
        issuer: of the identity provider.
        audience: that the server expects.
        key: the provider's private RSA key, PEM.
        key_id: of that key in the provider's key set.
        subject: who logs in.
    """
    now = int(time.time())
    claims = {"iss": issuer, "aud": audience, "sub": subject, "iat": now, "exp": now + LIFETIME_SECONDS}
    return jwt.encode(claims, key, algorithm="RS256", headers={"kid": key_id})


def wrong_identity_tokens(issuer: str, audience: str, key: bytes, other_key: bytes, key_id: str) -> dict[str, str]:
    """Return identity tokens that the handshake must refuse, by what is wrong with them.

    Args:
        issuer: of the identity provider.
        audience: that the server expects.
        key: the provider's private RSA key, PEM.
        other_key: another one, of which the provider knows nothing.
        key_id: of the provider's key.
    """
    now = int(time.time())
    right = {"iss": issuer, "aud": audience, "sub": SUBJECT, "iat": now, "exp": now + LIFETIME_SECONDS}

    def signed(changes: Mapping[str, Any], by: bytes = key) -> str:
        claims = {name: value for name, value in {**right, **changes}.items() if value is not None}
        return jwt.encode(claims, by, algorithm="RS256", headers={"kid": key_id})

    return {
        "signed by another key": signed({}, other_key),
        "expired two minutes ago": signed({"iat": now - 420, "exp": now - 120}),
        "of another issuer": signed({"iss": "https://elsewhere.example"}),
        "for another audience": signed({"aud": "somebody else"}),
        "for no audience": signed({"aud": None}),
        "valid from an hour from now (nbf)": signed({"nbf": now + 3600}),
        "without a signature (alg none)": _unsigned(right),
        "signed with the provider's public key as a secret": _signed(right, _public(key)),
        "garbage": "no.such.token",
        "empty": "",
    }


def wrong_session_tokens(secret: str, identity: str | None = None) -> list[WrongToken]:
    """Return everything in the place of a session token that a data call must refuse.

    Args:
        secret: what the server signs with.
        identity: an identity token, which is none of a session; None: the system has no identity provider.
    """
    right, now = session_token(secret), int(time.time())
    claims = _claims(SUBJECT, ())
    head, body, signature = right.split(".")

    def changed(what: str, **changes: Any) -> WrongToken:
        kept = {name: value for name, value in {**claims, **changes}.items() if value is not None}
        return WrongToken(what, bearer(_signed(kept, secret)))

    wrong = [
        WrongToken("no header", None),
        WrongToken("an empty header", ""),
        WrongToken("no token after Bearer", "Bearer "),
        WrongToken("a right token without Bearer", right),
        WrongToken("a right token after bearer in small letters", f"bearer {right}"),
        WrongToken("a right token after Basic", f"Basic {right}"),
        WrongToken("user and password (Basic)", "Basic " + base64.b64encode(b"admin:admin").decode()),
        WrongToken("garbage", bearer("garbage")),
        WrongToken("three parts of garbage", bearer("a.b.c")),
        WrongToken("signed with another secret", bearer(_signed(claims, "x" * 32))),
        WrongToken("signed with an empty secret", bearer(_signed(claims, ""))),
        WrongToken("signed with the old default secret", bearer(_signed(claims, OLD_DEFAULT_SECRET))),
        WrongToken("another subject under a right signature", bearer(".".join((head, _other_body(body), signature)))),
        WrongToken("without its signature", bearer(f"{head}.{body}.")),
        WrongToken("unsigned (alg none)", bearer(_unsigned(claims))),
        WrongToken("signed by HS512", bearer(_signed(claims, secret, "HS512"))),
        changed("expired two minutes ago", iat=now - 420, exp=now - 120),
        changed("expired half a minute ago", iat=now - 330, exp=now - 30),
        changed("valid from an hour from now (nbf)", nbf=now + 3600),
        changed("of another session type", session_type="http"),
        changed("without a session type", session_type=None),
        changed("without a subject", sub=None),
        changed("without an expiry", exp=None),
        changed("without scopes", scopes=None),
        changed("with an audience", aud="somebody else"),
    ]
    return [*wrong, *([WrongToken("an identity token", bearer(identity))] if identity else [])]


def _claims(subject: str, scopes: Sequence[str]) -> dict[str, Any]:
    now = int(time.time())
    expiry = now + LIFETIME_SECONDS
    return {"sub": subject, "iat": now, "exp": expiry, "scopes": list(scopes), "session_type": "flight"}


def _signed(claims: Mapping[str, Any], secret: str, algorithm: str = "HS256") -> str:
    text = f"{_part({'typ': 'JWT', 'alg': algorithm})}.{_part(claims)}"
    return f"{text}.{_base64(hmac.digest(secret.encode(), text.encode(), _DIGESTS[algorithm]))}"


def _unsigned(claims: Mapping[str, Any]) -> str:
    return f"{_part({'typ': 'JWT', 'alg': 'none'})}.{_part(claims)}."


def _other_body(body: str) -> str:
    claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return _part({**claims, "sub": "somebody else", "scopes": ["admin"]})


def _public(key: bytes) -> str:
    public = load_pem_private_key(key, None).public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def _part(content: Mapping[str, Any]) -> str:
    return _base64(json.dumps(content, separators=(",", ":")).encode())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
