"""Every call of the protocol, small enough to be tried with any token; the answer is the name of a status."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pyarrow as pa

from FlightLibrary.client import FlightConnection
from FlightLibrary.errors import FlightFailure
from FlightLibrary.tickets import BatchedQueries, BulkExport, GraphQLQuery, ObserverEvents, OptimizedView

Call = Callable[[FlightConnection], object]
OK = "OK"
QUERY = "{ users(limit: 1) { id } }"


@dataclass(frozen=True, slots=True)
class Told:
    """What one call answered to one token: the name of its gRPC status, and the message of a failure."""

    token: str
    call: str
    status: str
    message: str = ""


def data_calls(view: str, table: str, batch: pa.RecordBatch) -> Mapping[str, Call]:
    """Return the calls that read or write data, by name.

    Args:
        view: a column-oriented view.
        table: one that may be uploaded to.
        batch: that an upload tries to put there.
    """
    query = GraphQLQuery(QUERY)
    exchange = b'{"Request":{"correlation_id":"c1","request_type":{"Query":{"query":"%s","variables":null}}}}'
    return {
        "DoGet GraphQLQuery": lambda client: client.read(query),
        "DoGet OptimizedView": lambda client: client.read(OptimizedView(view, limit=1)),
        "DoGet ObserverEvents": lambda client: client.read(ObserverEvents("Order", limit=1)),
        "DoGet BulkExport": lambda client: client.read(BulkExport(table, limit=1)),
        "DoGet BatchedQueries": lambda client: client.read(BatchedQueries([QUERY])),
        "DoPut": lambda client: client.upload(table, [batch]),
        "DoExchange": lambda client: client.exchange(exchange % QUERY.encode()),
        "DoAction HealthCheck": lambda client: client.act("HealthCheck"),
        "DoAction ClearCache": lambda client: client.act("ClearCache"),
    }


def told(client: FlightConnection, token: str, name: str, call: Call) -> Told:
    """Make a call and say what it answered."""
    try:
        call(client)
    except FlightFailure as failure:
        return Told(token, name, failure.status, failure.message)
    return Told(token, name, OK)


def as_table(answers: list[Told]) -> str:
    """Show answers as an HTML table: a row a token, a column a call."""
    calls = list(dict.fromkeys(answer.call for answer in answers))
    by_token: dict[str, dict[str, str]] = {}
    for answer in answers:
        by_token.setdefault(answer.token, {})[answer.call] = answer.status
    head = "".join(f"<th>{call}</th>" for call in calls)
    lines = [
        f"<tr><td>{token}</td>" + "".join(f"<td>{statuses.get(call, '')}</td>" for call in calls) + "</tr>"
        for token, statuses in by_token.items()
    ]
    return f"<table><tr><th>token</th>{head}</tr>{''.join(lines)}</table>"
