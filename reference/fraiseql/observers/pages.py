"""/metrics and /health over HTTP, in threads of their own."""

from __future__ import annotations

import json
import threading
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST

from reference.fraiseql.observers.metrics import Metrics

HOST = "127.0.0.1"


def serve(metrics: Metrics, port: int) -> None:
    """Serve the pages until the program ends.

    Raises:
        OSError: the port cannot be had.
    """
    server = ThreadingHTTPServer((HOST, port), partial(_Request, metrics))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="pages", daemon=True).start()


class _Request(BaseHTTPRequestHandler):
    timeout = 5.0  # seconds for a request to come

    def __init__(self, metrics: Metrics, *of_server: Any) -> None:
        self._metrics = metrics
        super().__init__(*of_server)

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/metrics":
            self._answer(HTTPStatus.OK, CONTENT_TYPE_LATEST, self._metrics.page())
        elif path == "/health":
            health = self._metrics.health()
            status = HTTPStatus.OK if health["status"] == "ok" else HTTPStatus.SERVICE_UNAVAILABLE
            self._answer(status, "application/json", json.dumps(health).encode())
        else:
            self._answer(HTTPStatus.NOT_FOUND, "text/plain", b"see /metrics and /health\n")

    def _answer(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Requests are not logged."""
