from __future__ import annotations

import pyarrow as pa
import pytest
from pyarrow import flight

from FlightLibrary.client import FlightConnection
from FlightLibrary.errors import UNREADABLE, FlightFailure, failure_of, told
from FlightLibrary.tickets import GraphQLQuery

CONTEXT = (
    ". gRPC client debug context: {}:the message. Client context: IOError: Server never sent a data message. "
    "Detail: Internal"
)
TEXTS = [
    ("CANCELLED", flight.FlightCancelledError, "Flight cancelled call, with message: "),
    ("UNKNOWN", flight.FlightServerError, "Flight RPC failed with message: "),
    ("INVALID_ARGUMENT", pa.ArrowInvalid, "Flight returned invalid argument error, with message: "),
    ("DEADLINE_EXCEEDED", flight.FlightTimedOutError, "Flight returned timeout error, with message: "),
    ("NOT_FOUND", pa.ArrowKeyError, "Flight returned not found error, with message: "),
    ("ALREADY_EXISTS", pa.ArrowException, "Unknown: Flight returned already exists error, with message: "),
    ("PERMISSION_DENIED", flight.FlightUnauthorizedError, "Flight returned unauthorized error, with message: "),
    ("RESOURCE_EXHAUSTED", pa.ArrowInvalid, "gRPC returned resource exhausted error, with message: "),
    ("FAILED_PRECONDITION", pa.ArrowInvalid, "gRPC returned precondition failed error, with message: "),
    ("ABORTED", flight.FlightInternalError, "gRPC returned aborted error, with message: "),
    ("OUT_OF_RANGE", pa.ArrowInvalid, "gRPC returned out-of-range error, with message: "),
    ("UNIMPLEMENTED", pa.ArrowNotImplementedError, "Flight returned unimplemented error, with message: "),
    ("INTERNAL", flight.FlightInternalError, "Flight returned internal error, with message: "),
    ("UNAVAILABLE", flight.FlightUnavailableError, "Flight returned unavailable error, with message: "),
    ("DATA_LOSS", flight.FlightInternalError, "gRPC returned data loss error, with message: "),
    ("UNAUTHENTICATED", flight.FlightUnauthenticatedError, "Flight returned unauthenticated error, with message: "),
]
"""What pyarrow made of each status of a server that is not made of Arrow's library (asked one after the other)."""


@pytest.mark.parametrize(("status", "kind", "phrase"), TEXTS)
@pytest.mark.parametrize("streamed", [True, False])
def test_the_status_of_a_foreign_server_is_told_by_the_phrase(status, kind, phrase, streamed):
    failure = failure_of(kind(phrase + "the message" + (CONTEXT.format(status) if streamed else "")))
    assert (failure.status, failure.message) == (status, "the message")


class Raising(flight.FlightServerBase):
    """Raises what the ticket names, at once or after a batch."""

    def do_get(self, context, ticket):
        when, _, name = ticket.ticket.decode().partition(" ")
        error = KINDS[name][0]("the message")
        if when == "early":
            raise error
        schema = pa.schema([("a", pa.int64())])

        def batches():
            yield pa.record_batch({"a": [1]}, schema=schema)
            raise error

        return flight.GeneratorStream(schema, batches())


KINDS = {
    "ArrowInvalid": (pa.ArrowInvalid, "INVALID_ARGUMENT"),
    "ValueError": (ValueError, "INVALID_ARGUMENT"),
    "ArrowKeyError": (pa.ArrowKeyError, "NOT_FOUND"),
    "NotImplementedError": (NotImplementedError, "UNIMPLEMENTED"),
    "FlightInternalError": (flight.FlightInternalError, "INTERNAL"),
    "FlightUnavailableError": (flight.FlightUnavailableError, "UNAVAILABLE"),
    "FlightTimedOutError": (flight.FlightTimedOutError, "DEADLINE_EXCEEDED"),
    "FlightUnauthenticatedError": (flight.FlightUnauthenticatedError, "UNAUTHENTICATED"),
    "FlightUnauthorizedError": (flight.FlightUnauthorizedError, "PERMISSION_DENIED"),
    "FlightCancelledError": (flight.FlightCancelledError, "CANCELLED"),
    "FlightServerError": (flight.FlightServerError, "UNKNOWN"),
    "RuntimeError": (RuntimeError, "UNKNOWN"),
}


@pytest.fixture(scope="module")
def raising():
    server = Raising("grpc://127.0.0.1:0")
    yield f"grpc://127.0.0.1:{server.port}"
    server.shutdown()


@pytest.mark.parametrize("when", ["early", "late"])
@pytest.mark.parametrize("name", KINDS)
def test_the_status_of_an_arrow_server_is_told_by_the_class(raising, name, when):
    with FlightConnection(raising, None, deadline_seconds=5) as client, pytest.raises(FlightFailure) as found:
        client.read(f"{when} {name}".encode())
    assert (found.value.status, found.value.message) == (KINDS[name][1], "the message")


def test_a_server_that_is_not_there_is_unavailable():
    with FlightConnection("grpc://127.0.0.1:1", None) as client, pytest.raises(FlightFailure) as found:
        client.read(GraphQLQuery("{ users { id } }"))
    assert found.value.status == "UNAVAILABLE"
    assert "Connection refused" in found.value.message


def test_the_status_of_a_schema_that_is_refused_is_told_by_a_phrase_of_its_own():
    """pyarrow's server makes UNKNOWN of whatever Flight error its method raises there."""

    class Failing(flight.FlightServerBase):
        def get_schema(self, context, descriptor):
            raise flight.FlightUnavailableError("the message")

    server = Failing("grpc://127.0.0.1:0")
    with FlightConnection(f"grpc://127.0.0.1:{server.port}", None) as client, pytest.raises(FlightFailure) as found:
        client.schema(b"x")
    server.shutdown()
    assert (found.value.status, found.value.message) == ("UNKNOWN", "the message")


def test_the_status_of_a_schema_that_is_refused_at_the_door_is_told_by_its_detail():
    class Closed(flight.ServerMiddlewareFactory):
        def start_call(self, info, headers):
            raise flight.FlightUnauthorizedError("the message")

    server = flight.FlightServerBase("grpc://127.0.0.1:0", middleware={"door": Closed()})
    with FlightConnection(f"grpc://127.0.0.1:{server.port}", None) as client, pytest.raises(FlightFailure) as found:
        client.schema(b"x")
    server.shutdown()
    assert (found.value.status, found.value.message) == ("PERMISSION_DENIED", "the message")


def test_what_the_own_reader_cannot_read_has_no_status_of_the_server():
    assert failure_of(pa.ArrowInvalid("Expected IPC message of type schema but got record batch")).status == UNREADABLE


def test_other_errors_are_left_alone():
    with pytest.raises(ZeroDivisionError), told():
        raise ZeroDivisionError
