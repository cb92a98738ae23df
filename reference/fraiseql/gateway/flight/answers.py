"""Who answers which kind of ticket."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from reference.fraiseql.gateway.flight import events
from reference.fraiseql.gateway.flight.events import EventAnswers
from reference.fraiseql.gateway.flight.live import LiveQueries, schema_of
from reference.fraiseql.gateway.flight.parts_of_views import ViewAnswers
from reference.fraiseql.gateway.flight.patience import Patience
from reference.fraiseql.gateway.flight.rows import Rows
from reference.fraiseql.gateway.flight.tables import BulkAnswers
from reference.fraiseql.gateway.flight.tickets import (
    BatchedQueries,
    BulkExport,
    GraphQLQuery,
    ObserverEvents,
    OptimizedView,
    Ticket,
)


@dataclass(frozen=True, slots=True)
class Answers:
    """The sources of rows."""

    queries: LiveQueries
    views: ViewAnswers
    events: EventAnswers
    bulk: BulkAnswers

    def rows(self, ticket: Ticket, patience: Patience) -> Rows:
        """Answer a ticket."""
        match ticket:
            case GraphQLQuery(query, variables):
                return self.queries.rows(self.queries.root(query, variables), patience)
            case OptimizedView():
                return self.views.rows(ticket, patience)
            case ObserverEvents():
                return self.events.rows(ticket, patience)
            case BulkExport():
                return self.bulk.table(ticket, patience)
            case BatchedQueries():
                return self.bulk.batched(ticket, patience)

    def schema(self, ticket: Ticket, patience: Patience) -> pa.Schema:
        """Return the schema that the answer to a ticket has."""
        match ticket:
            case GraphQLQuery(query, variables):
                return schema_of(self.queries.root(query, variables))
            case OptimizedView():
                return self.views.schema(ticket, patience)
            case ObserverEvents():
                return events.SCHEMA
            case BulkExport():
                return self.bulk.table_schema(ticket, patience)
            case BatchedQueries():
                return self.bulk.batched_schema(ticket)
