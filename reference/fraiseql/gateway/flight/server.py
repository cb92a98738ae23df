"""The Flight service: what each RPC does, in the fewest words."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import orjson
import pyarrow as pa
import pyarrow.flight as fl
from prometheus_client import CollectorRegistry

from reference.fraiseql.gateway.config import Settings
from reference.fraiseql.gateway.flight.actions import Actions
from reference.fraiseql.gateway.flight.calls import KEY, Call
from reference.fraiseql.gateway.flight.database import Database
from reference.fraiseql.gateway.flight.errors import Refused, meant
from reference.fraiseql.gateway.flight.exchange import Exchange
from reference.fraiseql.gateway.flight.live import LiveQueries
from reference.fraiseql.gateway.flight.metrics import FlightMetrics
from reference.fraiseql.gateway.flight.parts import Parts
from reference.fraiseql.gateway.flight.patience import Patience, Watch
from reference.fraiseql.gateway.flight.tables import BulkAnswers
from reference.fraiseql.gateway.flight.tokens import Handshake, Provider
from reference.fraiseql.gateway.schema import Schema


class FlightServer(fl.FlightServerBase):
    """Serves from the moment it is made, until `stop`.

    Args:
        settings: the gateway's configuration.
        schema: what GraphQL is served.
        metrics: where the page of metrics finds what is counted.
        parts: the classes it is made of.

    Raises:
        ArrowException: it cannot listen at its address.
    """

    def __init__(self, settings: Settings, schema: Schema, metrics: CollectorRegistry, parts: Parts) -> None:
        # pyarrow puts the traceback of an exception that is no FlightError into the message for the client, and has
        # no switch for it; `errors.meant` writes the whole one into the log.
        sys.tracebacklimit = 0
        counted = FlightMetrics(metrics)
        self._decode = parts.decode()
        self._seconds = settings.query_timeout_seconds
        self._watch = Watch()
        self._database = Database(settings.database_url)
        self._store = parts.store(settings.flight_views, self._database)
        self._slots = parts.slots(settings.flight.max_streams, counted)
        self._outflow = parts.outflow(counted, self._watch, settings.flight.stall_seconds)
        self._uploads = parts.uploads(settings.flight_upload_tables, self._database, counted)
        queries = LiveQueries(schema, settings.validation, self._database, parts.statements)
        bulk = BulkAnswers(settings.bulk, self._database, queries)
        self._answers = parts.answers(queries, parts.views(self._store), parts.events(settings.events), bulk)
        self._exchange = Exchange(queries, self._uploads)
        self._actions = Actions(self._store, self._database)
        tokens = parts.tokens(settings.session_secret)
        provider = Provider(settings.auth) if settings.auth else None
        super().__init__(
            fl.Location.for_grpc_tcp(*settings.flight_bind_addr),
            auth_handler=Handshake(tokens, provider),
            middleware={KEY: parts.calls(tokens, counted)},
        )

    def do_get(self, context: fl.ServerCallContext, ticket: fl.Ticket) -> fl.FlightDataStream:
        """Stream the rows that a ticket asks for."""
        with _told():
            call = _call(context)
            wanted = self._decode(ticket.ticket)
            self._slots.take(call)
            return self._outflow.stream(self._answers.rows(wanted, self._patience(context)), call, context)

    def get_flight_info(self, context: fl.ServerCallContext, descriptor: fl.FlightDescriptor) -> fl.FlightInfo:
        """Describe the answer to a ticket, and say that this server has it."""
        with _told():
            content = self._ticket_of(descriptor)
            schema = self._answers.schema(self._decode(content), self._patience(context))
            return fl.FlightInfo(schema, descriptor, self._endpoints(content))

    def get_schema(self, context: fl.ServerCallContext, descriptor: fl.FlightDescriptor) -> fl.SchemaResult:
        """Describe the rows of the answer to a ticket."""
        with _told():
            ticket = self._decode(self._ticket_of(descriptor))
            return fl.SchemaResult(self._answers.schema(ticket, self._patience(context)))

    def list_flights(self, context: fl.ServerCallContext, criteria: bytes) -> Iterator[fl.FlightInfo]:
        """Describe the views."""
        with _told():
            patience = self._patience(context)
            found = [(name, self._store.snapshot(name, patience).schema) for name in self._store.names]
            return iter([self._listed(name, schema) for name, schema in found])

    def do_put(
        self,
        context: fl.ServerCallContext,
        descriptor: fl.FlightDescriptor,
        reader: fl.MetadataRecordBatchReader,
        writer: fl.FlightMetadataWriter,
    ) -> None:
        """Append what the client sends to the table that the descriptor names, and answer how many rows that were."""
        with _told():
            if not descriptor.path:
                raise Refused("The descriptor's path names the table")
            batches = (chunk.data for chunk in reader if chunk.data is not None)
            table = descriptor.path[0].decode(errors="replace")
            done = self._uploads.upload(table, reader.schema, batches, self._patience(context))
            writer.write(done.encode())

    def do_exchange(
        self,
        context: fl.ServerCallContext,
        descriptor: fl.FlightDescriptor,
        reader: fl.MetadataRecordBatchReader,
        writer: fl.MetadataRecordBatchWriter,
    ) -> None:
        """Answer requests, one after the other."""
        with _told():
            self._exchange.serve(reader, writer, partial(self._patience, context))

    def list_actions(self, context: fl.ServerCallContext) -> list[fl.ActionType]:
        """Return what `do_action` can do."""
        return self._actions.listed()

    def do_action(self, context: fl.ServerCallContext, action: fl.Action) -> Iterator[fl.Result]:
        """Do something."""
        with _told():
            session = _call(context).session
            assert session is not None, "no call gets here without a session"
            return iter([fl.Result(self._actions.run(action.type, session, self._patience(context)))])

    def stop(self, grace_seconds: float) -> bool:
        """Take no more calls, and let those that run end.

        Returns:
            Whether they have. If not the process must end by `os._exit`: a client that does not read holds its call up.
        """
        ending = threading.Thread(target=self.shutdown, name="flight shutdown", daemon=True)
        ending.start()
        ending.join(grace_seconds)
        if not ending.is_alive():
            self._database.close()
        return not ending.is_alive()

    def _patience(self, context: fl.ServerCallContext) -> Patience:
        return Patience(self._watch, context, self._seconds)

    def _ticket_of(self, descriptor: fl.FlightDescriptor) -> bytes:
        """Return the ticket that a descriptor has as its command, or as the first part of its path."""
        if descriptor.command:
            return bytes(descriptor.command)
        if not descriptor.path:
            raise Refused("Invalid ticket: the descriptor has neither a command nor a path")
        return bytes(descriptor.path[0])

    def _endpoints(self, content: bytes) -> list[fl.FlightEndpoint]:
        return [fl.FlightEndpoint(content, [])]  # no location: where this was asked

    def _listed(self, name: str, schema: pa.Schema) -> fl.FlightInfo:
        content = orjson.dumps({"type": "OptimizedView", "view": name})
        return fl.FlightInfo(schema, fl.FlightDescriptor.for_path(name), self._endpoints(content))


@contextmanager
def _told() -> Iterator[None]:
    """Raise what goes wrong as clients are to be told."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - raised as what clients are told
        raise meant(error) from None


def _call(context: fl.ServerCallContext) -> Call:
    call = context.get_middleware(KEY)
    assert isinstance(call, Call)
    return call
