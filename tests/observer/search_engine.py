"""As much of a search engine as a reader of events speaks to: documents, term queries, points in time."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from environments.system import SearchAddress


class SearchEngine:
    """Documents in memory, by their key; what is put is found at once."""

    def __init__(self, prefix: str) -> None:
        self.documents: dict[str, dict[str, Any]] = {}
        self.points = 0  # points in time that are open
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.address = SearchAddress(f"http://127.0.0.1:{self._server.server_port}", prefix)

    def put(self, source: dict[str, Any], key: str | None = None) -> None:
        self.documents[key or source["id"]] = source

    def answer(self, method: str, path: str, body: dict[str, Any]) -> Any:
        if path.endswith("/_search/point_in_time"):
            self.points += 1 if method == "POST" else -1
            return {"pit_id": "now"}
        if path.endswith("/_count"):
            return {"count": len(self._hits({"size": len(self.documents), **body}))}
        return {"hits": {"hits": self._hits(body)}}

    def _hits(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        term = body["query"].get("term", {})
        begin = body.get("search_after", [-1])[0] + 1
        found = [
            (key, source)
            for key, source in self.documents.items()
            if all(source.get(field) == wanted for field, wanted in term.items())
        ]
        return [
            {"_id": key, "sort": [number], "_source": source, "fields": {"id": [source["id"]]}}
            for number, (key, source) in enumerate(found)
            if number >= begin
        ][: body["size"]]

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def _handler(engine: SearchEngine) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            text = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            answer = engine.answer(self.command, self.path.partition("?")[0], json.loads(text) if text else {})
            content = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_DELETE = do_GET = do_POST  # noqa: N815

        def log_message(self, *arguments: Any) -> None: ...

    return Handler
