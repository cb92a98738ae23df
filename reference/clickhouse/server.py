"""The HTTP interface: https://clickhouse.com/docs/interfaces/http, as far as README.md says."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import logging
import socketserver
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from itertools import chain
from typing import Any
from urllib.parse import parse_qsl

from reference.clickhouse.bodies import BadBody, Chunks, Received, acceptable, compressing, decompressed
from reference.clickhouse.engine import Engine, Session, Written
from reference.clickhouse.errors import QueryError
from reference.clickhouse.statements import Insert, Query, parse

IDLE_SECONDS = 60.0  # a connection that is silent for so long is closed
LONGEST_STATEMENT = 1 << 20  # bytes, without an INSERT's data
_DEFAULT_FORMAT = "TabSeparated"
# Arguments that are not the engine's settings. Each request is a session of its own, whatever its session_id.
_OF_TRANSPORT = """
    buffer_size client_protocol_version close_session compress database decompress default_format password query
    query_id quota_key role session_check session_id session_timeout stacktrace user wait_end_of_query
"""
_CONTENT_TYPES = {
    "CSV": "text/csv; charset=UTF-8; header=absent",
    "CSVWithNames": "text/csv; charset=UTF-8; header=present",
    "JSON": "application/json; charset=UTF-8",
    "JSONCompact": "application/json; charset=UTF-8",
    "JSONEachRow": "application/x-ndjson; charset=UTF-8",
    "TabSeparated": "text/tab-separated-values; charset=UTF-8",
    "TSV": "text/tab-separated-values; charset=UTF-8",
}
_log = logging.getLogger("clickhouse")


@dataclass(frozen=True, slots=True)
class Account:
    """The one user that is let in."""

    user: str
    password: str

    def admits(self, user: str, password: str) -> bool:
        """Whether name and password are right, in a time that tells nothing about them."""
        right = hmac.compare_digest(user.encode(), self.user.encode())
        return hmac.compare_digest(password.encode(), self.password.encode()) and right


class Server(socketserver.ThreadingTCPServer):
    """Accepts connections until `drain` is called."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], engine: Engine, account: Account) -> None:
        super().__init__(address, _Connection)
        self.engine, self.account = engine, account
        self.stopping = False
        self._condition = threading.Condition()
        self._busy = 0

    def count(self, change: int) -> None:
        """Change the number of requests being answered."""
        with self._condition:
            self._busy += change
            self._condition.notify_all()

    def drain(self, seconds: float) -> bool:
        """Take no more requests and wait for those being answered; False when some are still after `seconds`."""
        self.stopping = True
        end = time.monotonic() + seconds
        with self._condition:
            return self._condition.wait_for(lambda: self._busy == 0, timeout=max(0.0, end - time.monotonic()))


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = IDLE_SECONDS
    wbufsize = 1 << 16
    server: Server

    def do_GET(self) -> None:
        self._serve()

    do_POST = do_GET  # noqa: N815, the library looks for it by this name

    def _serve(self) -> None:
        self.server.count(+1)
        try:
            if not self.server.stopping:
                self._answer()
        finally:
            self.server.count(-1)
            self.close_connection = self.close_connection or self.server.stopping

    def _answer(self) -> None:
        self._begun, self._query_id = False, str(uuid.uuid4())
        self._body: Received | None = None
        try:
            self._body = Received(self.rfile, {name.lower(): value for name, value in self.headers.items()})
            self._route(self._body)
            self._body.drain()
        except QueryError as error:
            self._refuse(error)
        except BadBody as error:
            self._refuse(QueryError.of_front(1000, "POCO_EXCEPTION", str(error)))
            self.close_connection = True
        except OSError:
            self.close_connection = True  # the client is gone, or has been silent for too long

    def _route(self, body: Received) -> None:
        path, _, arguments = self.path.partition("?")
        self._arguments = dict(parse_qsl(arguments, keep_blank_values=True))
        self._query_id = self._arguments.get("query_id") or self._query_id
        if path in ("/ping", "/replicas_status") or (path == "/" and self.command == "GET" and not arguments):
            self._whole(HTTPStatus.OK, b"Ok.\n", {"Content-Type": "text/html; charset=UTF-8"})
        elif path == "/":
            self._authenticate()
            self._execute(body)
        else:
            self._whole(HTTPStatus.NOT_FOUND, f"There is nothing at {path}; use / or /ping\n".encode())

    def _authenticate(self) -> None:
        user, password = self._credentials()
        if not self.server.account.admits(user, password):
            raise QueryError.of_front(
                516,
                "AUTHENTICATION_FAILED",
                f"{user}: Authentication failed: password is incorrect, or there is no user with such name",
            )

    def _credentials(self) -> tuple[str, str]:
        user, password = self._header("X-ClickHouse-User"), self._header("X-ClickHouse-Key")
        if user or password:
            return user or "default", password
        scheme, _, encoded = self.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "basic":
            try:
                user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
            except (binascii.Error, UnicodeDecodeError):
                raise QueryError.of_front(516, "AUTHENTICATION_FAILED", "Basic credentials cannot be read") from None
            return user, password
        return self._arguments.get("user", "default"), self._arguments.get("password", "")

    def _header(self, name: str) -> str:
        """A header as UTF-8, which the library takes for Latin-1; empty when it is not there."""
        return (self.headers.get(name) or "").encode("latin-1").decode(errors="replace")

    # -- queries -------------------------------------------------------------------------------------------

    def _execute(self, body: Received) -> None:
        for name in ("compress", "decompress"):
            if self._arguments.get(name, "0") not in ("0", "false"):
                raise QueryError.of_front(48, "NOT_IMPLEMENTED", f"{name}=1 is not supported; use Content-Encoding")
        data = decompressed(body, self.headers.get("Content-Encoding", "").lower())
        given = self._arguments.get("query", "")
        text = f"{given}\n".encode() if given else b""
        text, statement = _statement(text, data)
        began = time.monotonic()
        with self.server.engine.session(self._database(), self._settings()) as session:
            if isinstance(statement, Insert):
                rows = chain((text[statement.data_at :],), data)
                written = session.insert(statement.text, statement.format, (piece for piece in rows if piece))
                self._whole(HTTPStatus.OK, b"", {"X-ClickHouse-Summary": _summary(written, began)})
            else:
                form = statement.format or self._default_format()
                self._stream(session, statement, form, began)

    def _database(self) -> str:
        return self._arguments.get("database") or self._header("X-ClickHouse-Database")

    def _default_format(self) -> str:
        return self._arguments.get("default_format") or self._header("X-ClickHouse-Format") or _DEFAULT_FORMAT

    def _settings(self) -> dict[str, str]:
        settings = {name: value for name, value in self._arguments.items() if name not in _OF_TRANSPORT.split()}
        if self.command == "GET":
            settings["readonly"] = "2"  # a GET changes nothing, the engine sees to it
        return settings

    def _stream(self, session: Session, query: Query, form: str, began: float) -> None:
        """Send an answer piece by piece; what fails after the first is told by a connection that breaks off."""
        pieces = session.read(query, form)
        try:
            first = next(pieces)
            encoding = None
            if self._arguments.get("enable_http_compression", "0") in ("1", "true"):
                encoding = acceptable(self.headers.get("Accept-Encoding", ""))
            headers = {
                "Content-Type": _CONTENT_TYPES.get(form, "application/octet-stream"),
                "X-ClickHouse-Format": form,
                "X-ClickHouse-Summary": _summary(Written(0, 0), began),
                "Transfer-Encoding": "chunked",
            }
            if encoding:
                headers["Content-Encoding"] = encoding
            self._head(HTTPStatus.OK, headers)
            chunks = Chunks(self.wfile.write)
            out = compressing(chunks, encoding)
            for piece in chain((first,), pieces):
                out.write(piece)
            if encoding:
                out.close()
            chunks.end()
            self.wfile.flush()
        finally:
            pieces.close()

    # -- answers -------------------------------------------------------------------------------------------

    def _refuse(self, error: QueryError) -> None:
        _log.info("query %s: %s", self._query_id, error.message)
        if self._begun:
            self.close_connection = True  # without the last chunk: the client cannot take the answer for whole
            return
        try:
            if self._body is not None:
                self._body.drain()
        except BadBody:
            self.close_connection = True
        self._whole(error.status, f"{error.message}\n".encode(), {"X-ClickHouse-Exception-Code": str(error.code)})

    def _whole(self, status: HTTPStatus, body: bytes, headers: dict[str, str] | None = None) -> None:
        kind = {"Content-Type": "text/plain; charset=UTF-8", "Content-Length": str(len(body))}
        self._head(status, {**kind, **(headers or {})})
        self.wfile.write(body)
        self.wfile.flush()

    def _head(self, status: HTTPStatus, headers: dict[str, str]) -> None:
        self._begun = True
        self.send_response_only(status)
        self.send_header("Date", self.date_time_string())
        self.send_header("X-ClickHouse-Server-Display-Name", "reference front of chdb")
        self.send_header("X-ClickHouse-Query-Id", self._query_id)
        self.send_header("X-ClickHouse-Timezone", self.server.engine.timezone)
        for name, value in headers.items():
            self.send_header(name, value)
        if self.close_connection or self.server.stopping:
            self.send_header("Connection", "close")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Requests are not logged; what fails is."""


def _statement(text: bytes, data: Iterator[bytes]) -> tuple[bytes, Query | Insert]:
    """Read as much of the body as the statement takes; an INSERT's rows stay in it."""
    while len(text) < LONGEST_STATEMENT and (piece := next(data, b"")):
        text += piece
    statement = parse(text)
    if not isinstance(statement, Insert) and next(data, b""):
        raise QueryError.of_front(
            229, "QUERY_IS_TOO_LARGE", f"The query is longer than {LONGEST_STATEMENT} bytes; only rows may be"
        )
    return text, statement


def _summary(written: Written, began: float) -> str:
    counts = {
        "read_rows": 0,
        "read_bytes": 0,
        "written_rows": written.rows,
        "written_bytes": written.bytes,
        "result_rows": written.rows,
        "elapsed_ns": round((time.monotonic() - began) * 1e9),
    }
    return json.dumps({name: str(value) for name, value in counts.items()})
