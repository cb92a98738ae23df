"""A search engine as far as `_bulk` goes, and a gate before any sink: both do what a test tells them."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from tests.fraiseql.observers.programs import HOST

Answer = tuple[int, Mapping[str, str], bytes]


class Door:
    """An HTTP server that hands each request to `answer`, and can be shut: then nobody listens."""

    def __init__(self) -> None:
        self.port = 0
        self.open()

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def open(self) -> None:
        door = self

        class Request(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                answer = door.answer(self.path, dict(self.headers), body)
                if answer is None:
                    self.close_connection = True
                    return
                status, headers, content = answer
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(content))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer((HOST, self.port), Request)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def shut(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, path: str, headers: Mapping[str, str], body: bytes) -> Answer | None:
        """What to answer; None: the connection breaks off."""
        raise NotImplementedError


class Gate(Door):
    """Hands requests on to a server; `loses` says which answers never come back."""

    def __init__(self, url: str) -> None:
        self._target = urlsplit(url).netloc
        self.loses: Callable[[str, bytes], bool] = lambda path, body: False
        self.stops: Callable[[str, bytes], bool] = lambda path, body: False
        self.lost: list[str] = []
        self.passed: list[tuple[str, bytes]] = []
        super().__init__()

    def answer(self, path: str, headers: Mapping[str, str], body: bytes) -> Answer | None:
        if self.stops(path, body):
            return None
        connection = http.client.HTTPConnection(self._target, timeout=20)
        try:
            connection.request("POST", path, body, dict(headers))
            response = connection.getresponse()
            content = response.read()
        except OSError:
            return None
        finally:
            connection.close()
        self.passed.append((path, body))
        if self.loses(path, body):
            self.lost.append(path)
            return None
        kept = {name: value for name, value in response.getheaders() if name.startswith("X-")}
        return response.status, kept, content


class Search(Door):
    """Documents by index and id; each item can be answered as a test wants it."""

    def __init__(self) -> None:
        self.indices: dict[str, dict[str, dict[str, Any]]] = {}
        self.item: Callable[[dict[str, Any]], tuple[int, str] | None] = lambda document: None
        self.whole: Callable[[int, bytes], int | None] = lambda request, body: None
        self.requests = 0
        self.order: list[str] = []
        super().__init__()

    @property
    def documents(self) -> dict[str, dict[str, Any]]:
        """All of them by id; the same id in two indices is an error."""
        everything = [item for index in self.indices.values() for item in index.items()]
        assert len(dict(everything)) == len(everything)
        return dict(everything)

    def answer(self, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        assert path.startswith("/_bulk")
        assert headers["Content-Type"] == "application/x-ndjson"
        self.requests += 1
        if (status := self.whole(self.requests, body)) is not None:
            return status, {}, b'{"error":"as the test wants it"}'
        assert body.endswith(b"\n")
        lines = [json.loads(line) for line in body.splitlines()]
        pairs = zip(lines[::2], lines[1::2], strict=True)
        items = [self._create(action["create"], document) for action, document in pairs]
        return 200, {}, json.dumps({"items": [{"create": item} for item in items]}).encode()

    def _create(self, action: dict[str, str], document: dict[str, Any]) -> dict[str, Any]:
        if (wanted := self.item(document)) is not None:
            return {"status": wanted[0], "error": {"type": wanted[1], "reason": "as the test wants it"}}
        index = self.indices.setdefault(action["_index"], {})
        name = action.get("_id") or f"chosen-{len(self.order)}"
        if name in index:
            return {"status": 409, "error": {"type": "version_conflict_engine_exception", "reason": "exists"}}
        index[name] = document
        self.order.append(name)
        return {"status": 201}
