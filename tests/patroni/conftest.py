"""A REST server on loopback that answers with what real Patronis answered."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

Answer = tuple[int, Any]  # status, JSON body or text
Answers = dict[str, Answer | list[Answer]]  # "GET /cluster" -> the answer, or one for each time it is asked


class FakePatroni:
    """One member's REST API. `asked` has every request: method and path, and the body."""

    def __init__(self, answers: Answers) -> None:
        self.answers = answers
        self.asked: list[tuple[str, Any]] = []
        self.silent = threading.Event()  # set: accept and never answer, as a frozen process does
        self.released = threading.Event()
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                request = f"{self.command} {self.path}"
                fake.asked.append((request, json.loads(body) if body else None))
                if fake.silent.is_set():
                    fake.released.wait(10)
                    return
                found = fake.answers.get(request, (503, "no such path"))
                if isinstance(found, list):
                    found = found.pop(0)
                status, content = found
                if status == 0:  # the connection is lost after the request was taken
                    self.connection.close()
                    return
                text = (content if isinstance(content, str) else json.dumps(content)).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = do_PATCH = answer  # noqa: N815, the base class calls these names

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def close(self) -> None:
        self.released.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def patroni() -> Iterator[Callable[[Answers], FakePatroni]]:
    """Start fake members; they end with the test."""
    started: list[FakePatroni] = []

    def start(answers: Answers) -> FakePatroni:
        started.append(FakePatroni(answers))
        return started[-1]

    yield start
    for fake in started:
        fake.close()


def member(name: str, role: str, state: str, url: str, port: int = 5432, **more: Any) -> dict[str, Any]:
    """A member as `/cluster` of 4.1.5 lists it."""
    return {
        "name": name,
        "role": role,
        "state": state,
        "api_url": f"{url}/patroni",
        "host": "127.0.0.1",
        "port": port,
        "timeline": 1,
        **more,
    }


@pytest.fixture
def listed() -> Callable[..., dict[str, Any]]:
    """Make the entry of a member in `/cluster`."""
    return member
