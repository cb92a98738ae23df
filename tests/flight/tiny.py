"""A tiny FraiseQL: users in memory, over Flight and over HTTP, small enough to see that it is right.

It knows `users(limit: N)` and `user(id: "...")` by pattern, not by grammar, and has the mistakes that tests ask for.
"""

from __future__ import annotations

import json
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import flight

from FlightLibrary.tickets import LARGEST_TICKET, ROWS_OF_A_BATCH

SECRET = "a secret of thirty-two characters"
TYPES = {
    "id": pa.string(),
    "name": pa.string(),
    "email": pa.string(),
    "bio": pa.string(),
    "score": pa.float64(),
    "visits": pa.int64(),
    "active": pa.bool_(),
    "createdAt": pa.timestamp("us", "UTC"),
}
_FIELDS = re.compile(r"users?(?:\(([^)]*)\))?\s*\{([\w\s]*)\}")


def users(number):
    """So many users, with nulls, unicode, big integers and instants of microseconds among them."""
    rows = range(number)
    return pa.table(
        {
            "id": pa.array([f"00000000-0000-4000-8000-{row:012d}" for row in rows], pa.string()),
            "name": pa.array([("Zoë 🚀 %d" if row % 7 == 0 else "User %d") % row for row in rows], pa.string()),
            "email": pa.array([f"user{row}@example.org" for row in rows], pa.string()),
            "bio": pa.array([None if row % 3 == 0 else f"of {row}" for row in rows], pa.string()),
            "score": pa.array([None if row % 5 == 0 else row / 8 for row in rows], pa.float64()),
            "visits": pa.array([2**62 + row for row in rows], pa.int64()),
            "active": pa.array([row % 2 == 0 for row in rows], pa.bool_()),
            "createdAt": pa.array([1_700_000_000_000_001 + row * 10_007 for row in rows], pa.int64()).cast(
                pa.timestamp("us", "UTC")
            ),
        }
    )


class Refused(Exception):
    """A query that is wrong."""


class Gateway:
    """What both sides answer from."""

    def __init__(self, number=2000):
        self.table = users(number)
        self.uploaded = {}
        self.asked = 0

    def rows(self, query):
        self.asked += 1
        if query.count("{") != query.count("}"):
            raise Refused("Syntax Error: Expected Name, found <EOF>.")
        if (found := _FIELDS.search(query)) is None:
            raise Refused("Cannot query field on type 'Query'.")
        arguments, fields = found.group(1) or "", found.group(2).split()
        if unknown := [field for field in fields if field not in TYPES]:
            raise Refused(f"Cannot query field '{unknown[0]}' on type 'User'.")
        table = self.table
        if wanted := re.search(r'id:\s*"([^"]*)"', arguments):
            table = table.filter(pc.equal(table["id"], wanted.group(1)))
        if limit := re.search(r"limit:\s*(-?\d+)", arguments):
            if int(limit.group(1)) < 0:
                raise Refused("limit must not be negative")
            table = table.slice(0, int(limit.group(1)))
        return table.select(fields)


class _Identity(flight.ServerAuthHandler):
    def authenticate(self, outgoing, incoming):
        payload = incoming.read().decode()
        if not payload.startswith("Bearer ") or payload == "Bearer ":
            raise flight.FlightUnauthenticatedError("no identity token")
        now = int(time.time())
        claims = {"sub": "tiny", "iat": now, "exp": now + 300, "scopes": [], "session_type": "flight"}
        outgoing.write(jwt.encode(claims, SECRET, algorithm="HS256").encode())

    def is_valid(self, token):
        return ""


class _Door(flight.ServerMiddlewareFactory):
    """The one place where every call can be refused with its right status."""

    def __init__(self, server):
        super().__init__()
        self.server = server

    def start_call(self, info, headers):
        return _Caller(self.server.admit(info.method, (headers.get("authorization") or [""])[0]))


class _Caller(flight.ServerMiddleware):
    def __init__(self, claims):
        super().__init__()
        self.claims = claims


class TinyFlight(flight.FlightServerBase):
    """The Flight side."""

    identity = True

    def __init__(self, gateway):
        self.gateway = gateway
        super().__init__(
            "grpc://127.0.0.1:0",
            auth_handler=_Identity() if self.identity else None,
            middleware={"door": _Door(self)},
        )

    @property
    def address(self):
        return f"grpc://127.0.0.1:{self.port}"

    def admit(self, method, header):
        if method == flight.FlightMethod.HANDSHAKE:
            return {}
        try:
            claims = self.claims(header.removeprefix("Bearer ") if header.startswith("Bearer ") else "")
        except jwt.PyJWTError as error:
            raise flight.FlightUnauthenticatedError(str(error)) from None
        if claims["session_type"] != "flight":
            raise flight.FlightUnauthenticatedError("not a Flight session")
        return claims

    def claims(self, token):
        wanted = ["sub", "exp", "scopes", "session_type"]
        return jwt.decode(token, SECRET, algorithms=["HS256"], options={"require": wanted})

    def ticket(self, data):
        try:
            if len(data) > LARGEST_TICKET:
                raise ValueError("too long")
            told = json.loads(data)
            kind = told["type"]
            if kind not in ("GraphQLQuery", "OptimizedView"):
                raise ValueError(f"unknown type {kind}")
            if not isinstance(told["query" if kind == "GraphQLQuery" else "view"], str):
                raise TypeError("not a text")
            return told
        except (ValueError, KeyError, TypeError) as error:
            raise pa.ArrowInvalid(f"Invalid ticket: {error}") from None

    def answer(self, data):
        told = self.ticket(data)
        if told["type"] == "OptimizedView":
            if told["view"] != "va_users":
                raise KeyError(f"unknown view {told['view']}")
            return self.gateway.table.select(["id", "name", "email", "createdAt"]).slice(0, told.get("limit"))
        try:
            return self.gateway.rows(told["query"])
        except Refused as error:
            raise pa.ArrowInvalid(f"Query execution failed: {error}") from None

    def do_get(self, context, ticket):
        table = self.answer(ticket.ticket)
        return flight.GeneratorStream(table.schema, self.batches(table))

    def batches(self, table):
        yield from table.to_batches(max_chunksize=ROWS_OF_A_BATCH)

    def get_flight_info(self, context, descriptor):
        data = descriptor.command or descriptor.path[0]
        endpoint = flight.FlightEndpoint(data, [])
        return flight.FlightInfo(self.answer(data).schema, descriptor, [endpoint], -1, -1)

    def get_schema(self, context, descriptor):
        return flight.SchemaResult(self.answer(descriptor.command or descriptor.path[0]).schema)

    def list_flights(self, context, criteria):
        descriptor = flight.FlightDescriptor.for_path("va_users")
        yield flight.FlightInfo(self.gateway.table.schema, descriptor, [], -1, -1)

    def list_actions(self, context):
        return [("HealthCheck", "whether it is well"), ("ClearCache", "empties it")]

    def do_action(self, context, action):
        if action.type not in ("HealthCheck", "ClearCache"):
            raise pa.ArrowInvalid(f"unknown action {action.type}")
        if action.type == "ClearCache" and "admin" not in context.get_middleware("door").claims["scopes"]:
            raise flight.FlightUnauthorizedError("scope admin is needed")
        yield flight.Result(b'{"status":"healthy"}')

    def do_put(self, context, descriptor, reader, writer):
        name = descriptor.path[0].decode()
        if name != "tb_import":
            raise flight.FlightUnauthorizedError(f"{name} takes no uploads")
        self.take(context, name, reader)
        writer.write(b"done")

    def take(self, context, name, reader):
        """Keep all rows or none."""
        before = self.gateway.uploaded.get(name, [])
        rows = reader.read_all().to_pylist()
        keys = [row["id"] for row in [*before, *rows]]
        if context.is_cancelled():
            raise flight.FlightCancelledError("cut off")
        if len(set(keys)) < len(keys):
            raise pa.ArrowInvalid("duplicate key")
        self.gateway.uploaded[name] = [*before, *rows]

    def do_exchange(self, context, descriptor, reader, writer):
        request = reader.read_chunk().app_metadata.to_pybytes()
        writer.write_metadata(b"echo: " + request)


class TinyHttp(ThreadingHTTPServer):
    """The HTTP side."""

    daemon_threads = True

    def __init__(self, gateway):
        self.gateway = gateway
        super().__init__(("127.0.0.1", 0), _Post)
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_address[1]}"

    def objects(self, query):
        table = self.gateway.rows(query)
        names = table.column_names
        columns = [
            pc.strftime(column, "%Y-%m-%dT%H:%M:%S+00:00").to_pylist()
            if pa.types.is_timestamp(column.type)
            else column.to_pylist()
            for column in table.columns
        ]
        return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


class _Post(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: TinyHttp

    def do_POST(self):
        question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        try:
            rows = self.server.objects(question["query"])
            root = "user" if "user(" in question["query"] else "users"
            answer: dict[str, Any] = {"data": {root: rows if root == "users" else (rows or [None])[0]}}
        except Refused as error:
            answer = {"errors": [{"message": str(error), "code": "VALIDATION_ERROR"}]}
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass
