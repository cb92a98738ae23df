"""HTTP/1.1 on loopback: the wire of README.md, one thread a connection.

The standard library's request handler parses headers as e-mail, which costs more than a read from Redis; this one
splits lines.
"""

from __future__ import annotations

import json
import logging
import re
import socketserver
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, unquote

import redis

from reference.cache.database import Database, DatabaseUnavailable, OutcomeUnknown
from reference.cache.entries import Entries, Found, Strategy
from reference.cache.gates import Gates
from reference.cache.generations import Generations
from reference.cache.metrics import Metrics

MAXIMUM_BODY = 8 * 1024 * 1024  # bytes
MAXIMUM_KEYS = 10_000  # of one request
MAXIMUM_CONNECTIONS = 256
IDLE_SECONDS = 60.0
_NOT_TEXT = re.compile("[\0\ud800-\udfff]")  # what PostgreSQL cannot store
_log = logging.getLogger(__name__)


class BadRequest(Exception):
    """The client's mistake, with the status that says so."""

    def __init__(self, status: HTTPStatus, text: str) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True, slots=True)
class Request:
    """One request; header names are in lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    def content(self) -> dict[str, Any]:
        """The body as a JSON object."""
        try:
            content = json.loads(self.body)
        except ValueError:
            raise BadRequest(HTTPStatus.BAD_REQUEST, "the body is not JSON") from None
        if not isinstance(content, dict):
            raise BadRequest(HTTPStatus.BAD_REQUEST, "the body is not a JSON object")
        return content


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer: a JSON object, or text."""

    status: HTTPStatus
    content: Mapping[str, Any] | str = field(default_factory=dict)


class Application:
    """What the program answers, as a function from request to answer."""

    def __init__(
        self,
        entries: Entries,
        database: Database,
        generations: Generations,
        metrics: Metrics,
        gates: Gates,
        about: Mapping[str, Any],
    ) -> None:
        self._entries, self._database, self._generations = entries, database, generations
        self._metrics, self._gates, self._about = metrics, gates, about
        entry, keys = r"/entries/([^/]+)/([^/]+)", r"/entries/([^/]+)"
        self._routes: list[tuple[str, re.Pattern[str], Callable[..., Answer]]] = [
            (method, re.compile(path), handler)
            for method, path, handler in (
                ("GET", entry, self._read),
                ("PUT", entry, self._write),
                ("DELETE", entry, self._delete),
                ("PUT", keys, self._write_many),
                ("POST", keys, self._read_many),
                ("GET", "/gates/([^/]+)", self._gate),
                ("POST", "/gates/([^/]+)/release", self._release),
                ("GET", "/health", self._health),
                ("GET", "/metrics", self._show_metrics),
            )
        ]

    def answer(self, request: Request) -> Answer:
        """Answer a request; never raises."""
        try:
            return self._route(request)
        except BadRequest as error:
            return _problem(error.status, "refused", str(error))
        except DatabaseUnavailable as error:
            return _problem(HTTPStatus.SERVICE_UNAVAILABLE, "failed", f"database: {error}")
        except OutcomeUnknown as error:
            return _problem(HTTPStatus.GATEWAY_TIMEOUT, "unknown", f"database: {error}")
        except redis.RedisError as error:
            return _problem(HTTPStatus.INTERNAL_SERVER_ERROR, "failed", f"redis: {error}")
        except Exception:  # noqa: BLE001 - a request never ends the program
            _log.exception("%s %s", request.method, request.path)
            return _problem(HTTPStatus.INTERNAL_SERVER_ERROR, "unknown", "internal error; see the log")

    def _route(self, request: Request) -> Answer:
        allowed = []
        for method, pattern, handler in self._routes:
            if (match := pattern.fullmatch(request.path)) is None:
                continue
            if method == request.method:
                return handler(request, *(_part(text) for text in match.groups()))
            allowed.append(method)
        if allowed:
            raise BadRequest(HTTPStatus.METHOD_NOT_ALLOWED, f"use {' or '.join(allowed)}")
        raise BadRequest(HTTPStatus.NOT_FOUND, f"nothing at {request.path}")

    def _read(self, request: Request, namespace: str, key: str) -> Answer:
        gate = request.headers.get("x-hold-before-fill")
        found = self._entries.read(
            namespace,
            [key],
            ttl=_ttl(request.query.get("ttl")),
            past_cache=_choice(request.query, "source", ("any", "database")) == "database",
            before_fill=partial(self._gates.wait, gate) if gate else lambda: None,
        )
        if key not in found:
            return _problem(HTTPStatus.NOT_FOUND, "absent", "no such row")
        return Answer(HTTPStatus.OK, _shown(found[key]))

    def _read_many(self, request: Request, namespace: str) -> Answer:
        keys = request.content().get("keys")
        if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
            raise BadRequest(HTTPStatus.BAD_REQUEST, "'keys' must be a list of strings")
        keys = [_text(key, "a key") for key in dict.fromkeys(keys)]
        _limit(len(keys))
        found = self._entries.read(namespace, keys, ttl=_ttl(request.query.get("ttl"))) if keys else {}
        return Answer(HTTPStatus.OK, {"entries": {key: _shown(found[key]) for key in keys if key in found}})

    def _write(self, request: Request, namespace: str, key: str) -> Answer:
        content = request.content()
        if "value" not in content:
            raise BadRequest(HTTPStatus.BAD_REQUEST, "'value' is missing")
        rows = self._entries.write(namespace, {key: _value(content["value"])}, _strategy(request))
        return Answer(HTTPStatus.OK, {"version": rows[key].version})

    def _write_many(self, request: Request, namespace: str) -> Answer:
        entries = request.content().get("entries")
        if not isinstance(entries, dict):
            raise BadRequest(HTTPStatus.BAD_REQUEST, "'entries' must be an object of keys and values")
        _limit(len(entries))
        values = {_text(key, "a key"): _value(value) for key, value in entries.items()}
        rows = self._entries.write(namespace, values, _strategy(request)) if values else {}
        return Answer(HTTPStatus.OK, {"versions": {key: row.version for key, row in rows.items()}})

    def _delete(self, _request: Request, namespace: str, key: str) -> Answer:
        return Answer(HTTPStatus.OK, {"deleted": self._entries.delete(namespace, [key])})

    def _gate(self, _request: Request, name: str) -> Answer:
        return Answer(HTTPStatus.OK, {"waiting": self._gates.waiting(name)})

    def _release(self, _request: Request, name: str) -> Answer:
        return Answer(HTTPStatus.OK, {"released": self._gates.release(name)})

    def _health(self, _request: Request) -> Answer:
        database = self._database.reachable()
        redis_answers = self._generations.ping()
        content = {
            **self._about,
            "status": "ok" if database else "failed",
            "database": "up" if database else "down",
            "redis": "up" if redis_answers else "down",
            "entries": self._generations.state,
        }
        return Answer(HTTPStatus.OK if database else HTTPStatus.SERVICE_UNAVAILABLE, content)

    def _show_metrics(self, _request: Request) -> Answer:
        is_open = float(self._generations.state == "open")
        return Answer(
            HTTPStatus.OK, self._metrics.text({"cache_open": ("1 while reads may use Redis, else 0.", is_open)})
        )


class _Connection(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True
    timeout = IDLE_SECONDS
    wbufsize = 65536
    server: Server

    def handle(self) -> None:
        try:
            while not self.server.stopping and self._one():
                pass
        except (OSError, TimeoutError):
            pass  # the client is gone, or has been silent for too long

    def _one(self) -> bool:
        """Answer one request; False when the connection is over."""
        line = self.rfile.readline(65536)
        if not line.strip():
            return False
        with self.server.busy():
            try:
                request, keep = self._parsed(line)
            except BadRequest as error:
                self._send(_problem(error.status, "refused", str(error)), keep=False)
                return False
            keep = keep and not self.server.stopping
            self._send(self.server.application.answer(request), keep)
        return keep

    def _parsed(self, line: bytes) -> tuple[Request, bool]:
        parts = line.decode("latin-1").split()
        if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
            raise BadRequest(HTTPStatus.BAD_REQUEST, "not an HTTP/1.x request")
        headers: dict[str, str] = {}
        while (text := self.rfile.readline(65536).strip()) and len(headers) < 100:
            name, _, value = text.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        if "transfer-encoding" in headers:
            raise BadRequest(HTTPStatus.NOT_IMPLEMENTED, "send a Content-Length; no transfer encoding is understood")
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > MAXIMUM_BODY:
            raise BadRequest(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a body has 0 to {MAXIMUM_BODY} bytes")
        body = self.rfile.read(int(length)) if length != "0" else b""
        path, _, query = parts[1].partition("?")
        keep = headers.get("connection", "").lower() != "close" and parts[2] != "HTTP/1.0"
        return Request(parts[0], path, dict(parse_qsl(query)) if query else {}, headers, body), keep

    def _send(self, answer: Answer, keep: bool) -> None:
        if isinstance(answer.content, str):
            kind, body = "text/plain; version=0.0.4; charset=utf-8", answer.content.encode()
        else:
            kind, body = "application/json", json.dumps(answer.content, ensure_ascii=False).encode()
        head = (
            f"HTTP/1.1 {answer.status.value} {answer.status.phrase}\r\n"
            f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
            f"Connection: {'keep-alive' if keep else 'close'}\r\n\r\n"
        )
        self.wfile.write(head.encode("latin-1") + body)
        self.wfile.flush()


class Server(socketserver.ThreadingTCPServer):
    """Accepts connections until `drain` is called."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], application: Application) -> None:
        super().__init__(address, _Connection)
        self.application = application
        self.stopping = False
        self._slots = threading.BoundedSemaphore(MAXIMUM_CONNECTIONS)
        self._condition = threading.Condition()
        self._busy = 0

    def busy(self) -> _Busy:
        """Count a request while it is being answered."""
        return _Busy(self)

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

    def process_request(self, request: Any, client_address: Any) -> None:
        """See `socketserver`; a connection too many is closed at once."""
        if not self._slots.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """See `socketserver`."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._slots.release()


class _Busy:
    def __init__(self, server: Server) -> None:
        self._server = server

    def __enter__(self) -> None:
        self._server.count(1)

    def __exit__(self, *exception: object) -> None:
        self._server.count(-1)


def _problem(status: HTTPStatus, outcome: str, text: str) -> Answer:
    return Answer(status, {"outcome": outcome, "error": text})


def _shown(found: Found) -> dict[str, Any]:
    return {"value": found.row.value, "version": found.row.version, "source": found.source.value}


def _part(text: str) -> str:
    return _text(unquote(text, errors="surrogateescape"), "a name")


def _text(text: str, what: str) -> str:
    if not text or len(text) > 1024 or not text.isprintable():  # NUL and halves of characters are not printable
        raise BadRequest(HTTPStatus.BAD_REQUEST, f"{what} has 1 to 1024 printable characters")
    return text


def _value(value: object) -> str | None:
    if value is not None and not isinstance(value, str):
        raise BadRequest(HTTPStatus.BAD_REQUEST, "a value is a string or null")
    if value is not None and _NOT_TEXT.search(value):
        raise BadRequest(HTTPStatus.BAD_REQUEST, "a value cannot hold the character U+0000 or half a surrogate pair")
    return value


def _limit(keys: int) -> None:
    if keys > MAXIMUM_KEYS:
        raise BadRequest(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"at most {MAXIMUM_KEYS} keys a request")


def _ttl(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0.001 <= seconds < 1e9:
        raise BadRequest(HTTPStatus.BAD_REQUEST, "'ttl' is a number of seconds of at least 0.001")
    return seconds


def _choice(query: Mapping[str, str], name: str, known: tuple[str, ...]) -> str:
    chosen = query.get(name, known[0])
    if chosen not in known:
        raise BadRequest(HTTPStatus.BAD_REQUEST, f"'{name}' is one of {', '.join(known)}")
    return chosen


def _strategy(request: Request) -> Strategy:
    return Strategy(_choice(request.query, "strategy", tuple(Strategy)))
