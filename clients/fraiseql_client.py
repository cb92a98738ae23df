#!/usr/bin/env python3
"""Asks FraiseQL over Arrow Flight and prints the rows.

    fraiseql_client.py query '{ users(limit: 10) { id name } }'
    fraiseql_client.py query 'query ($n: Int) { users(limit: $n) { id } }' --variables '{"n": 3}' --format csv
    fraiseql_client.py events Order --start 2026-01-01T00:00:00Z --limit 100

The session token is taken from the environment variable FRAISEQL_TOKEN; with --handshake the server gives one for the
identity token in FRAISEQL_IDENTITY_TOKEN. Rows go to standard output, their number to standard error.

Exit code: 0 all rows were printed; 1 the server refused or failed, its message is on standard error; 2 wrong use.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.csv as csv
from pyarrow import flight

DEFAULT_SERVER = "grpc://127.0.0.1:50051"
WIDEST = 60  # characters of a value in a table
ROWS_TO_MEASURE = 1000  # a table's columns are as wide as its first rows need

_PHRASE = "with message: "
_ADDED = (". Detail: ", ". gRPC client debug context: ", ". Client context: ")


class WrongUse(Exception):
    """The program was called in a way it cannot be."""


class Handshake(flight.ClientAuthHandler):
    """Hands over an identity token and keeps the session token."""

    def __init__(self, identity: str) -> None:
        super().__init__()
        self.session = ""
        self._identity = identity

    def authenticate(self, outgoing: Any, incoming: Any) -> None:
        """Exchange the tokens; called by pyarrow."""
        outgoing.write(f"Bearer {self._identity}".encode())
        self.session = incoming.read().decode()

    def get_token(self) -> bytes:
        """Return what pyarrow sends in a header of its own: nothing."""
        return b""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; return its exit code."""
    parser = _parser()
    given = parser.parse_args(arguments)
    try:
        ticket = _ticket(given)
        token = _token_from("FRAISEQL_IDENTITY_TOKEN" if given.handshake else "FRAISEQL_TOKEN")
        client = _connect(given.server)
    except WrongUse as error:
        parser.error(str(error))
    try:
        rows = _print_rows(client, ticket, token, given)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nobody reads any more
        return 1
    except (pa.ArrowException, flight.FlightError, OSError) as error:
        print(f"error: {_message(error)}", file=sys.stderr)
        return 1
    print(f"{rows} rows", file=sys.stderr)
    return 0


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--server", default=DEFAULT_SERVER, help=f"such as {DEFAULT_SERVER}")
    common.add_argument("--handshake", action="store_true", help="open a session with FRAISEQL_IDENTITY_TOKEN")
    common.add_argument("--format", choices=sorted(WRITERS), default="table")
    common.add_argument("--timeout", type=float, default=300.0, metavar="SECONDS", help="of the whole answer")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    query = commands.add_parser("query", parents=[common], help="rows of a GraphQL query")
    query.add_argument("text", help="with one root field")
    query.add_argument("--variables", metavar="JSON", help="an object")
    events = commands.add_parser("events", parents=[common], help="observer events of an entity type")
    events.add_argument("entity_type", help="such as Order")
    events.add_argument("--start", metavar="INSTANT", help="RFC 3339, from it on")
    events.add_argument("--end", metavar="INSTANT", help="RFC 3339, before it")
    events.add_argument("--limit", type=int)
    return parser


def _ticket(given: argparse.Namespace) -> flight.Ticket:
    if given.command == "query":
        fields = {"type": "GraphQLQuery", "query": given.text, "variables": _variables(given.variables)}
    else:
        fields = {
            "type": "ObserverEvents",
            "entity_type": given.entity_type,
            "start_date": given.start,
            "end_date": given.end,
            "limit": given.limit,
        }
    return flight.Ticket(json.dumps({name: value for name, value in fields.items() if value is not None}).encode())


def _variables(text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    try:
        variables = json.loads(text)
    except ValueError as error:
        raise WrongUse(f"--variables is no JSON: {error}") from None
    if not isinstance(variables, dict):
        raise WrongUse("--variables must be a JSON object")
    return variables


def _token_from(variable: str) -> str:
    token = os.environ.get(variable, "")
    if not token:
        raise WrongUse(f"the environment variable {variable} holds no token")
    return token


def _connect(server: str) -> flight.FlightClient:
    try:
        return flight.connect(server)
    except (pa.ArrowException, flight.FlightError) as error:
        raise WrongUse(f"--server {server}: {error}") from None


def _print_rows(client: flight.FlightClient, ticket: flight.Ticket, token: str, given: argparse.Namespace) -> int:
    if given.handshake:
        handshake = Handshake(token)
        client.authenticate(handshake, flight.FlightCallOptions(timeout=given.timeout))
        token = handshake.session
    headers = [(b"authorization", f"Bearer {token}".encode())]
    reader = client.do_get(ticket, flight.FlightCallOptions(timeout=given.timeout, headers=headers))
    rows = WRITERS[given.format](reader.schema, _batches(reader), sys.stdout.buffer)
    sys.stdout.buffer.flush()
    return rows


def _batches(reader: flight.FlightStreamReader) -> Iterator[pa.RecordBatch]:
    for chunk in reader:
        if chunk.data is not None:
            yield chunk.data


def _message(error: BaseException) -> str:
    """Return the server's own message, without what the client's library puts around it."""
    text = str(error)
    message = text.partition(_PHRASE)[2] or text
    ends = [end for mark in _ADDED if (end := message.find(mark)) >= 0]
    return message[: min(ends)] if ends else message


# -- formats -------------------------------------------------------------------------------------------------------


def _write_arrow(schema: pa.Schema, batches: Iterator[pa.RecordBatch], out: BinaryIO) -> int:
    rows = 0
    with pa.ipc.new_stream(out, schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
            rows += batch.num_rows
    return rows


def _write_csv(schema: pa.Schema, batches: Iterator[pa.RecordBatch], out: BinaryIO) -> int:
    rows = 0
    with csv.CSVWriter(out, schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
            rows += batch.num_rows
    return rows


def _write_json(_schema: pa.Schema, batches: Iterator[pa.RecordBatch], out: BinaryIO) -> int:
    """One array of objects, an object a line; what has no JSON of its own (instants) as ISO 8601 text."""
    rows = 0
    out.write(b"[")
    for batch in batches:
        for row in batch.to_pylist():
            out.write(b",\n" if rows else b"\n")
            out.write(json.dumps(row, ensure_ascii=False, default=_as_text).encode())
            rows += 1
    out.write(b"\n]\n" if rows else b"]\n")
    return rows


def _as_text(value: Any) -> str:
    return str(value.isoformat()) if hasattr(value, "isoformat") else str(value)


def _write_table(schema: pa.Schema, batches: Iterator[pa.RecordBatch], out: BinaryIO) -> int:
    """Columns under their names. They are as wide as the first rows need; the rows after them are not waited for."""
    lines = (_cells(row) for batch in batches for row in zip(*(c.to_pylist() for c in batch.columns), strict=True))
    first = [line for _, line in zip(range(ROWS_TO_MEASURE), lines, strict=False)]
    widths = [max(map(len, column)) for column in zip(schema.names, *first, strict=True)]
    out.write(_line(schema.names, widths) + _line(["-" * width for width in widths], widths))
    rows = 0
    for part in (first, lines):
        for line in part:
            out.write(_line(line, widths))
            rows += 1
    return rows


def _cells(row: Sequence[Any]) -> list[str]:
    texts = ["" if value is None else " ".join(_as_text(value).split()) for value in row]
    return [text if len(text) <= WIDEST else f"{text[: WIDEST - 3]}..." for text in texts]


def _line(cells: Sequence[str], widths: Sequence[int]) -> bytes:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip().encode() + b"\n"


WRITERS = {"table": _write_table, "json": _write_json, "csv": _write_csv, "arrow": _write_arrow}

if __name__ == "__main__":
    sys.exit(main())
