"""Keywords of sessions: the handshake, and what each call does with a token that is not right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from robot.api import logger
from robot.api.deco import keyword

from EnvironmentLibrary.telling import say
from environments.system import Identity
from FlightLibrary import calls, tokens
from FlightLibrary.calls import OK, Call, Told
from FlightLibrary.client import FlightConnection
from FlightLibrary.keywords.base import addresses, flight_connection, right_token
from FlightLibrary.keywords.writing import Import
from FlightLibrary.tickets import GraphQLQuery

MOST_SHOWN = 9  # calls in a line of a message


@dataclass(frozen=True)
class Tried:
    """What was answered to wrong tokens, and what the same calls answer to a right one."""

    answers: Sequence[Told]
    right: Sequence[Told]
    upload: Import


class AdmissionKeywords:
    """Who is let in, and who is not."""

    @keyword
    def session_is_opened_by_handshake(self) -> str:
        """Hand over an identity token of the identity provider; return the session token that came for it."""
        with FlightConnection(addresses().flight, None) as client:
            return client.log_in(identity_token())

    @keyword
    def session_should_be_accepted(self, token: str) -> None:
        """Demand that a query with this session token is served."""
        with flight_connection(token) as client:
            reading = client.read(GraphQLQuery(calls.QUERY))
        if reading.rows != 1:
            raise AssertionError(f"expected one row in the session that was opened, came {reading.rows}")

    @keyword
    def wrong_identity_tokens_are_handed_over(self) -> list[Told]:
        """Try the handshake with every wrong identity token."""
        identity = _identity()
        other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        other_key = other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        given = (identity.issuer, identity.audience, identity.key.read_bytes(), other_key, identity.key_id)
        answers = []
        for what, token in tokens.wrong_identity_tokens(*given).items():
            with FlightConnection(addresses().flight, None) as client:
                answers.append(calls.told(client, what, "Handshake", _handing_over(token)))
        logger.info(calls.as_table(answers), html=True)
        return answers

    @keyword
    def wrong_tokens_are_tried_on_every_data_call(self) -> Tried:
        """Make every call that reads or writes data with every wrong token, and with a right one."""
        upload = Import()
        where = addresses()
        return _tried(calls.data_calls(where.views[0], where.upload_table, upload.batch(1)), upload)

    @keyword
    def each_should_have_been_refused_as(self, tried: Tried | Sequence[Told], status: str) -> None:
        """Demand this gRPC status of every call with every wrong token.

        Args:
            tried: what trying them returned.
            status: such as UNAUTHENTICATED.

        Raises:
            AssertionError: a call was served or failed otherwise, a right token was refused too, or an upload with a
                wrong token left rows.
        """
        answers = tried.answers if isinstance(tried, Tried) else tried
        wrong = [answer for answer in answers if answer.status != status]
        if wrong:
            raise AssertionError(
                "\n".join([f"{len(wrong)} of {len(answers)} calls were not refused as {status}", *_by_token(wrong)])
            )
        if isinstance(tried, Tried):
            _demand_right(tried, status)
        say(f"{len(answers)} calls refused as {status}")


def _handing_over(token: str) -> Call:
    return lambda client: client.log_in(token)


def identity_token() -> str:
    """Return an identity token that the handshake must accept."""
    identity = _identity()
    return tokens.identity_token(identity.issuer, identity.audience, identity.key.read_bytes(), identity.key_id)


def _identity() -> Identity:
    identity = addresses().identity
    if identity is None:
        raise LookupError("the environment names no identity provider whose key is at hand")
    return identity


def _tried(all_calls: Mapping[str, Call], upload: Import) -> Tried:
    identity = identity_token() if addresses().identity else None
    wrong = tokens.wrong_session_tokens(addresses().session_secret.value, identity)
    answers, right = [], []
    for name, call in all_calls.items():
        for token in wrong:
            with FlightConnection(addresses().flight, None) as client:
                client.authorize(token.header)
                answers.append(calls.told(client, token.what, name, call))
    stored = upload.stored()
    for name, call in all_calls.items():
        with flight_connection(right_token(["admin"])) as client:
            right.append(calls.told(client, "(a right token)", name, call))
    logger.info(calls.as_table([*answers, *right]), html=True)
    return Tried(answers, right, replace(upload, left=stored))


def _demand_right(tried: Tried, status: str) -> None:
    if refused := [answer for answer in tried.right if answer.status == status]:
        raise AssertionError(f"{refused[0].call} refuses a right token too: {_what(refused[0])}")
    if tried.upload.left:
        raise AssertionError(f"uploads with wrong tokens left {tried.upload.left} rows")


def _by_token(wrong: Sequence[Told]) -> list[str]:
    """Say in a line for each token what calls with it were answered."""
    lines: dict[str, list[str]] = {}
    for answer in wrong:
        lines.setdefault(answer.token, []).append(f"{answer.call} {_what(answer)}")
    return [
        f"{token}: {'; '.join(said[:MOST_SHOWN])}" + (f"; {len(said) - MOST_SHOWN} more" if said[MOST_SHOWN:] else "")
        for token, said in lines.items()
    ]


def _what(answer: Told) -> str:
    return "served" if answer.status == OK else f"{answer.status} ({answer.message[:100]})"
