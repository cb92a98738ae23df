"""A Flight client of FraiseQL: each call with its token and its deadline, each answer accounted for.

A connection is one TCP connection: two in the same process share none, so that many of them are as many clients.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self

import pyarrow as pa
from pyarrow import flight

from FlightLibrary.accounting import Reading, account, batches_of, clock
from FlightLibrary.errors import RAISED, failure_of, told
from FlightLibrary.tickets import Ticket, encode
from FlightLibrary.tokens import LIFETIME_SECONDS, bearer

# Columns lie in gRPC's messages as they came, at any address; Arrow would warn of that on the console at each grouping.
os.environ.setdefault("ACERO_ALIGNMENT_HANDLING", "ignore")

DEADLINE_SECONDS = 30.0
RENEWED_AFTER_SECONDS = LIFETIME_SECONDS / 2
_OWN_CONNECTION = [("grpc.use_local_subchannel_pool", 1)]


class FlightConnection:
    """One client on one connection. All methods raise `FlightFailure` for a call that failed."""

    def __init__(
        self, address: str, token: str | Callable[[], str] | None, *, deadline_seconds: float = DEADLINE_SECONDS
    ) -> None:
        """Prepare; the first call connects.

        Args:
            address: such as `grpc://127.0.0.1:50051`.
            token: of the session, or what mints one: then it is renewed before it expires; None: calls go without one.
            deadline_seconds: of each call, reading its answer included.
        """
        self.address = address
        self.deadline_seconds = deadline_seconds
        self._mint, self._renew_at = (token if callable(token) else None), clock()
        self.authorize(None if token is None or callable(token) else bearer(token))
        with told():
            self._client = flight.connect(address, generic_options=_OWN_CONNECTION)

    def authorize(self, header: str | None) -> None:
        """Send this `authorization` header from now on; None: none."""
        self._headers = [] if header is None else [(b"authorization", header.encode())]
        self._usual = self._options()

    def log_in(self, identity: str) -> str:
        """Hand over an identity token in the handshake, and use the session token it answers with; return that."""
        handshake = _Handshake(bearer(identity).encode())
        with told():
            self._client.authenticate(handshake, flight.FlightCallOptions(timeout=self.deadline_seconds))
        self.authorize(bearer(handshake.session.decode()))
        return handshake.session.decode()

    # -- reading -------------------------------------------------------------------------------------------

    def read(self, ticket: Ticket | bytes, *, keep: bool = True, deadline_seconds: float | None = None) -> Reading:
        """Get the answer to a ticket, to its end.

        Args:
            ticket: or its bytes, for those that no ticket encodes to.
            keep: whether the rows are kept; without, no more than one batch is held at a time.
            deadline_seconds: instead of that of the connection.
        """
        begin = clock()
        self._renew_token()
        options = self._usual if deadline_seconds is None else self._options(deadline_seconds)
        try:  # what is timed does without `told`, which costs as much as all the counting
            reader = self._client.do_get(_ticket(ticket), options)
            return account(begin, reader.schema, batches_of(reader.read_chunk), keep=keep)
        except RAISED as error:
            raise failure_of(error) from error

    @contextmanager
    def stream(self, ticket: Ticket, *, deadline_seconds: float | None = None) -> Iterator[Iterator[pa.RecordBatch]]:
        """Get the answer to a ticket as batches that are read one by one; leaving the block cancels what is left."""
        with told():
            reader = self._client.do_get(_ticket(ticket), self._options(deadline_seconds))
        try:
            yield _told_batches(batches_of(reader.read_chunk))
        finally:
            reader.cancel()

    # -- about answers, without them -----------------------------------------------------------------------

    def flight_info(self, ticket: Ticket | bytes, *, in_path: bool = False) -> flight.FlightInfo:
        """Ask what a ticket will answer with. The ticket goes as the descriptor's command, or as its path."""
        descriptor = _descriptor(ticket, in_path=in_path)
        with told():
            return self._client.get_flight_info(descriptor, self._options())

    def schema(self, ticket: Ticket | bytes, *, in_path: bool = False) -> pa.Schema:
        """Ask for the schema of the answer to a ticket."""
        descriptor = _descriptor(ticket, in_path=in_path)
        with told():
            return self._client.get_schema(descriptor, self._options()).schema

    def flights(self) -> list[flight.FlightInfo]:
        """List what the server offers."""
        with told():
            return list(self._client.list_flights(b"", self._options()))

    # -- actions -------------------------------------------------------------------------------------------

    def act(self, name: str, body: bytes = b"") -> bytes:
        """Let the server do something; return the bodies of its results, one after the other."""
        with told():
            results = self._client.do_action(flight.Action(name, body), self._options())
            return b"".join(result.body.to_pybytes() for result in results)

    def actions(self) -> list[str]:
        """List the names of what the server can do."""
        with told():
            return [action.type for action in self._client.list_actions(self._options())]

    # -- writing -------------------------------------------------------------------------------------------

    def upload(
        self, table: str, batches: Sequence[pa.RecordBatch], *, deadline_seconds: float | None = None, end: bool = True
    ) -> list[str]:
        """Upload batches into a table (DoPut); return what the server said of them.

        Args:
            table: its name.
            batches: at least one, all of one schema.
            deadline_seconds: instead of that of the connection.
            end: whether to say that this was all. Without, the upload is cut off by its deadline.
        """
        descriptor = flight.FlightDescriptor.for_path(table)
        with told():
            writer, metadata = self._client.do_put(descriptor, batches[0].schema, self._options(deadline_seconds))
            try:
                for batch in batches:
                    writer.write_batch(batch)
                if end:
                    writer.done_writing()
                return _answers(metadata)  # comes to its end, or to its error, when the server is done
            finally:
                writer.close()

    def exchange(self, message: bytes) -> list[tuple[bytes | None, pa.RecordBatch | None]]:
        """Send one message of metadata (DoExchange) and end; return the metadata and batch of each answer."""
        with told():
            writer, reader = self._client.do_exchange(flight.FlightDescriptor.for_command(b""), self._options())
            try:
                writer.write_metadata(message)
                writer.done_writing()
                return [(_bytes(chunk.app_metadata), chunk.data) for chunk in reader]
            finally:
                writer.close()

    # -- the connection itself -----------------------------------------------------------------------------

    def close(self) -> None:
        """End the connection."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _renew_token(self) -> None:
        if self._mint is not None and clock() >= self._renew_at:
            self._renew_at = clock() + RENEWED_AFTER_SECONDS
            self.authorize(bearer(self._mint()))

    def _options(self, deadline_seconds: float | None = None) -> flight.FlightCallOptions:
        self._renew_token()
        return flight.FlightCallOptions(timeout=deadline_seconds or self.deadline_seconds, headers=self._headers)


class _Handshake(flight.ClientAuthHandler):
    """Sends one message and keeps the answer."""

    def __init__(self, payload: bytes) -> None:
        super().__init__()
        self.session = b""
        self._payload = payload

    def authenticate(self, outgoing: Any, incoming: Any) -> None:
        outgoing.write(self._payload)
        self.session = incoming.read()

    def get_token(self) -> bytes:
        return b""  # the session token goes in the `authorization` header, not in pyarrow's own


def _ticket(ticket: Ticket | bytes) -> flight.Ticket:
    return flight.Ticket(ticket if isinstance(ticket, bytes) else encode(ticket))


def _descriptor(ticket: Ticket | bytes, *, in_path: bool) -> flight.FlightDescriptor:
    data = ticket if isinstance(ticket, bytes) else encode(ticket)
    return flight.FlightDescriptor.for_path(data) if in_path else flight.FlightDescriptor.for_command(data)


def _told_batches(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    with told():
        yield from batches


def _answers(metadata: Any) -> list[str]:
    answers = []
    while (answer := metadata.read()) is not None:
        answers.append(answer.to_pybytes().decode(errors="replace"))
    return answers


def _bytes(buffer: pa.Buffer | None) -> bytes | None:
    return None if buffer is None else buffer.to_pybytes()
