"""Who is let in: a good session token on every call, and a handshake that gives one for a provider's token."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import jwt
import pyarrow as pa
import pyarrow.flight as fl
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tests.fraiseql.flight.client import Client, connected, options, refused, ticket, token
from tests.fraiseql.flight.conftest import Starter
from tests.fraiseql.gateway.programs import SECRET

_VIEW = ticket("OptimizedView", view="va_users")
_PATH = fl.FlightDescriptor.for_path("tb_import")
_DESCRIPTOR = fl.FlightDescriptor.for_command(_VIEW.ticket)


def put(client: fl.FlightClient, given: fl.FlightCallOptions) -> None:
    writer, reader = client.do_put(_PATH, pa.schema([("id", pa.int64())]), given)
    with writer:
        writer.done_writing()
        reader.read()


def exchange(client: fl.FlightClient, given: fl.FlightCallOptions) -> None:
    writer, reader = client.do_exchange(fl.FlightDescriptor.for_command(b""), given)
    with writer:
        writer.done_writing()
        list(reader)


def schema(client: fl.FlightClient, given: fl.FlightCallOptions) -> None:
    try:
        client.get_schema(_DESCRIPTOR, given)
    except OSError as error:  # this one call of pyarrow's client does not say what kind of error it is
        if "Detail: Unauthenticated" in str(error):
            raise fl.FlightUnauthenticatedError(str(error)) from None
        raise


CALLS: dict[str, Any] = {
    "DoGet": lambda client, given: client.do_get(_VIEW, given).read_all(),
    "DoPut": put,
    "DoAction": lambda client, given: list(client.do_action("HealthCheck", given)),
    "DoExchange": exchange,
    "ListFlights": lambda client, given: list(client.list_flights(options=given)),
    "GetFlightInfo": lambda client, given: client.get_flight_info(_DESCRIPTOR, given),
    "GetSchema": lambda client, given: schema(client, given),
    "ListActions": lambda client, given: client.list_actions(given),
}
FORGED: dict[str, Callable[[], str | None]] = {
    "no token": lambda: None,
    "an empty one": lambda: "Bearer ",
    "lower case": lambda: f"bearer {token()}",
    "Basic": lambda: "Basic dXNlcjpwYXNzd29yZA==",
    "garbage": lambda: "Bearer abc.def.ghi",
    "another key": lambda: f"Bearer {token('another key of as many characters as it takes')}",
    "the old default key": lambda: f"Bearer {token('flight-session-default-secret')}",
    "no signature": lambda: f"Bearer {token('', 'none')}",
    "another algorithm": lambda: f"Bearer {token(algorithm='HS512')}",
    "another kind": lambda: f"Bearer {token(session_type='http')}",
    "no kind": lambda: f"Bearer {token(session_type=None)}",
    "no subject": lambda: f"Bearer {token(sub=None)}",
    "no end": lambda: f"Bearer {token(exp=None)}",
    "no scopes": lambda: f"Bearer {token(scopes=None)}",
    "scopes that are no list": lambda: f"Bearer {token(scopes='admin')}",
    "an audience": lambda: f"Bearer {token(aud='somebody')}",
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("forged", ["no token", "another key", "no signature"])
def test_no_call_is_answered_without_a_good_token(client: Client, call: str, forged: str):
    CALLS[call](client.flight, client.options)
    refused("UNAUTHENTICATED", lambda: CALLS[call](client.flight, options(FORGED[forged]())))


@pytest.mark.filterwarnings("ignore::jwt.InsecureKeyLengthWarning")
@pytest.mark.parametrize("forged", FORGED)
def test_a_forged_token_is_refused(client: Client, forged: str):
    refused("UNAUTHENTICATED", lambda: client.flight.do_get(_VIEW, options(FORGED[forged]())).read_all())


def test_a_token_ends_on_the_second(client: Client):
    ended = options(f"Bearer {token(exp=int(time.time()))}")
    refused("UNAUTHENTICATED", lambda: client.flight.do_get(_VIEW, ended).read_all(), "expired")


def test_without_a_secret_nobody_is_let_in(start: Starter):
    with connected(start(FLIGHT_SESSION_SECRET="")) as client:
        refused("UNAUTHENTICATED", lambda: client.flight.do_get(_VIEW, options(None)).read_all())
        some = options(f"Bearer {token()}")
        refused("INTERNAL", lambda: client.flight.do_get(_VIEW, some).read_all(), "FLIGHT_SESSION_SECRET")


class Provider:
    """An issuer of RS256 and ES256 tokens whose keys are served over HTTP."""

    def __init__(self, directory: Path) -> None:
        self.keys: dict[str, Any] = {
            "RS256": rsa.generate_private_key(public_exponent=65537, key_size=2048),
            "ES256": ec.generate_private_key(ec.SECP256R1()),
        }
        quiet = type("Quiet", (SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), partial(quiet, directory=str(directory)))
        Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        rsa_key = jwt.algorithms.RSAAlgorithm.to_jwk(self.keys["RS256"].public_key(), as_dict=True)
        ec_key = jwt.algorithms.ECAlgorithm.to_jwk(self.keys["ES256"].public_key(), as_dict=True)
        public = [key | {"kid": name, "use": "sig"} for key, name in ((rsa_key, "RS256"), (ec_key, "ES256"))]
        (directory / "keys").write_text(json.dumps({"keys": public}))
        discovery = directory / ".well-known" / "openid-configuration"
        discovery.parent.mkdir()
        discovery.write_text(json.dumps({"issuer": self.url, "jwks_uri": f"{self.url}/keys"}))

    def token(self, algorithm: str = "RS256", kid: str = "", key: Any = None, **changed: Any) -> str:
        now = int(time.time())
        good = {"iss": self.url, "aud": "gateway", "sub": "ann", "exp": now + 60, "iat": now, "scope": "admin read"}
        content = {name: value for name, value in (good | changed).items() if value is not None}
        return jwt.encode(content, key or self.keys[algorithm], algorithm, {"kid": kid or algorithm})

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[Provider]:
    directory = tmp_path / "provider"
    directory.mkdir()
    with closing(Provider(directory)) as made:
        yield made


class Hands(fl.ClientAuthHandler):
    """Sends a payload, or none, and keeps the answer."""

    def __init__(self, payload: str | None) -> None:
        super().__init__()
        self.payload, self.answer = payload, b""

    def authenticate(self, outgoing: Any, incoming: Any) -> None:
        if self.payload is not None:
            outgoing.write(self.payload.encode())
            self.answer = incoming.read()

    def get_token(self) -> bytes:
        return b""


def shaken(client: Client, payload: str | None) -> str:
    hands = Hands(payload)
    client.flight.authenticate(hands)
    return hands.answer.decode()


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
@pytest.mark.parametrize("keys", ["jwks_uri", "discovery"])
def test_a_handshake_gives_a_session_token(start: Starter, provider: Provider, algorithm: str, keys: str):
    uri = f'jwks_uri = "{provider.url}/keys"' if keys == "jwks_uri" else ""
    section = f'[auth]\nissuer = "{provider.url}"\naudience = "gateway"\n{uri}\n'
    with connected(start(sections=section)) as client:
        session = shaken(client, f"Bearer {provider.token(algorithm)}")
        assert client.flight.do_get(_VIEW, options(f"Bearer {session}")).read_all().num_rows == 2000
    content = jwt.decode(session, SECRET, algorithms=["HS256"])
    assert content["sub"] == "ann"
    assert content["scopes"] == ["admin", "read"]
    assert content["session_type"] == "flight"
    assert content["exp"] - content["iat"] == 300


def test_a_handshake_with_a_bad_token_gives_none(start: Starter, provider: Provider):
    section = f'[auth]\nissuer = "{provider.url}"\naudience = "gateway"\njwks_uri = "{provider.url}/keys"\n'
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    unsigned = jwt.encode({"sub": "ann"}, "", "none")
    with connected(start(sections=section)) as client:
        bad = (
            provider.token(key=stranger),
            provider.token(kid="unknown"),
            provider.token(exp=int(time.time()) - 1),
            provider.token(exp=None),
            provider.token(aud="somebody else"),
            provider.token(iss="http://localhost/elsewhere"),
            provider.token(sub=None),
            unsigned,
            jwt.encode({"sub": "ann"}, SECRET, "HS256", {"kid": "RS256"}),
            "abc",
        )
        for one in bad:
            refused("UNAUTHENTICATED", partial(shaken, client, f"Bearer {one}"))
        refused("UNAUTHENTICATED", lambda: shaken(client, provider.token()))
        refused("INVALID_ARGUMENT", lambda: shaken(client, None))
        provider.close()
    with connected(start(sections=section)) as client:
        refused("UNAVAILABLE", lambda: shaken(client, f"Bearer {provider.token()}"))


def test_a_handshake_without_a_provider_gives_none(client: Client):
    refused("INTERNAL", lambda: shaken(client, "Bearer abc.def.ghi"))
