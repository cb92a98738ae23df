"""A Flight client as tests want one: tickets as keywords, tokens of any kind, failures as gRPC statuses."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import jwt
import pyarrow as pa
import pyarrow.flight as fl
import pytest

from tests.fraiseql.gateway.programs import SECRET, Gateway

STATUSES: dict[str, type[Exception]] = {
    "UNAUTHENTICATED": fl.FlightUnauthenticatedError,
    "PERMISSION_DENIED": fl.FlightUnauthorizedError,
    "UNAVAILABLE": fl.FlightUnavailableError,
    "DEADLINE_EXCEEDED": fl.FlightTimedOutError,
    "INTERNAL": fl.FlightInternalError,
    "INVALID_ARGUMENT": pa.ArrowInvalid,
    "NOT_FOUND": pa.ArrowKeyError,
    "UNIMPLEMENTED": pa.ArrowNotImplementedError,
}


def claims(**changed: Any) -> dict[str, Any]:
    """Claims of a good session token; None leaves one out."""
    now = int(time.time())
    good = {"sub": "a test", "iat": now, "exp": now + 300, "scopes": ["admin"], "session_type": "flight"}
    return {name: value for name, value in (good | changed).items() if value is not None}


def token(secret: str = SECRET, algorithm: str = "HS256", **changed: Any) -> str:
    return jwt.encode(claims(**changed), secret, algorithm)


def options(authorization: str | None, **more: Any) -> fl.FlightCallOptions:
    headers = [] if authorization is None else [(b"authorization", authorization.encode())]
    return fl.FlightCallOptions(headers=headers, **more)


class Client:
    """One client of one gateway, with a good token."""

    def __init__(self, gateway: Gateway) -> None:
        self.flight = fl.connect(("127.0.0.1", gateway.flight_port))
        self.options = options(f"Bearer {token()}")

    def close(self) -> None:
        self.flight.close()

    def ask(self, type: str, **keys: Any) -> fl.FlightStreamReader:  # noqa: A002
        return self.flight.do_get(ticket(type, **keys), self.options)

    def query(self, text: str, **variables: Any) -> pa.Table:
        return self.ask("GraphQLQuery", query=text, variables=variables).read_all()

    def view(self, name: str, **keys: Any) -> pa.Table:
        return self.ask("OptimizedView", view=name, **keys).read_all()

    def act(self, name: str) -> Any:
        (answer,) = self.flight.do_action(name, self.options)
        return json.loads(answer.body.to_pybytes())

    def put(self, table: str, *batches: pa.RecordBatch) -> str:
        writer, reader = self.flight.do_put(fl.FlightDescriptor.for_path(table), batches[0].schema, self.options)
        with writer:
            for batch in batches:
                writer.write_batch(batch)
            writer.done_writing()
            answer = reader.read()
        return str(answer.to_pybytes().decode())


def ticket(type: str, **keys: Any) -> fl.Ticket:  # noqa: A002
    return fl.Ticket(json.dumps({"type": type} | {name: value for name, value in keys.items() if value is not None}))


@contextmanager
def connected(gateway: Gateway) -> Iterator[Client]:
    with closing(Client(gateway)) as client:
        yield client


def refused(status: str, call: Callable[[], Any], match: str | None = None) -> str:
    """The message of a call that must fail with this status."""
    with pytest.raises(STATUSES[status], match=match) as failure:
        call()
    assert "File " not in str(failure.value), "a client is shown where in the server's source something is"
    return str(failure.value)
