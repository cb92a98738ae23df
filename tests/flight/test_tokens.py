from __future__ import annotations

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from FlightLibrary.tokens import (
    identity_token,
    session_token,
    wrong_identity_tokens,
    wrong_session_tokens,
)
from tests.flight.tiny import SECRET

CLAIMS = ["sub", "exp", "scopes", "session_type"]


def accepted(header):
    """Whether a validator that follows the contract takes an authorization header."""
    if header is None or not header.startswith("Bearer "):
        return False
    try:
        claims = jwt.decode(header[7:], SECRET, algorithms=["HS256"], options={"require": CLAIMS})
    except jwt.PyJWTError:
        return False
    return claims["session_type"] == "flight"


@pytest.fixture(scope="module")
def keys():
    def pem():
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    return pem(), pem()


def test_a_session_token_is_what_the_contract_says():
    claims = jwt.decode(session_token(SECRET, scopes=["admin"]), SECRET, algorithms=["HS256"])
    assert claims["exp"] - claims["iat"] == 300
    assert (claims["sub"], claims["scopes"], claims["session_type"]) == ("acceptance", ["admin"], "flight")
    assert accepted(f"Bearer {session_token(SECRET)}")


def test_each_wrong_session_token_is_refused_by_a_strict_validator_and_none_twice():
    wrong = wrong_session_tokens(SECRET, "an.identity.token")
    assert [token.what for token in wrong if accepted(token.header)] == []
    assert len({token.what for token in wrong}) == len(wrong) == 26


@pytest.mark.filterwarnings("ignore:The HMAC key is")
@pytest.mark.parametrize(
    ("what", "weakness"),
    [
        ("signed with another secret", {"options": {"verify_signature": False}}),
        ("signed with the old default secret", {"key": "flight-session-default-secret"}),
        ("expired half a minute ago", {"leeway": 60}),
        ("expired two minutes ago", {"options": {"verify_exp": False}}),
        ("signed by HS512", {"algorithms": ["HS256", "HS512"]}),
        ("valid from an hour from now (nbf)", {"options": {"verify_nbf": False}}),
        ("with an audience", {"options": {"verify_aud": False}}),
        ("of another session type", {}),
        ("without an expiry", {}),
        ("without its signature", {"options": {"verify_signature": False}}),
        ("another subject under a right signature", {"options": {"verify_signature": False}}),
    ],
)
def test_each_wrong_token_is_wrong_in_one_thing_only(what, weakness):
    """A validator with the very weakness takes it: nothing else is wrong with it."""
    (token,) = [token for token in wrong_session_tokens(SECRET) if token.what == what]
    given = {"key": SECRET, "algorithms": ["HS256"], **weakness}
    assert jwt.decode(str(token.header).removeprefix("Bearer "), **given)["sub"]


def test_an_unsigned_token_says_so_and_has_no_signature():
    (token,) = [t for t in wrong_session_tokens(SECRET) if t.what == "unsigned (alg none)"]
    text = str(token.header).removeprefix("Bearer ")
    assert jwt.get_unverified_header(text)["alg"] == "none"
    assert text.endswith(".")


def test_identity_tokens_are_right_or_wrong_as_they_say(keys):
    key, other = keys
    public = jwt.PyJWK.from_dict(
        {**jwt.algorithms.RSAAlgorithm.to_jwk(_public(key), as_dict=True), "kid": "k", "alg": "RS256"}
    )

    def taken(token):
        try:
            jwt.decode(token, public, algorithms=["RS256"], audience="a", issuer="https://i")
        except jwt.PyJWTError:
            return False
        return True

    right = identity_token("https://i", "a", key, "k")
    assert taken(right)
    assert jwt.get_unverified_header(right)["kid"] == "k"
    wrong = wrong_identity_tokens("https://i", "a", key, other, "k")
    assert [what for what, token in wrong.items() if taken(token)] == []
    assert len(wrong) == 10


def _public(key):
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    return load_pem_private_key(key, None).public_key()
