"""The page of metrics over HTTP/1.1, one answer for each connection; in the loop that relays, and never in its way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from reference.pgdog.metrics.text import CONTENT_TYPE

_LONGEST_REQUEST = 8192  # bytes
_MOST_READERS = 64  # at once; the next is closed at once
_SECONDS = 5.0  # one reader may take

_Answer = tuple[str, str, str]  # status, content type, body


class Pages:
    """The listener.

    Args:
        page: makes the page of metrics.
        any_path: it stands at every path, as upstream's does.
    """

    def __init__(self, page: Callable[[], Awaitable[str]], *, any_path: bool) -> None:
        self._page, self._any_path = page, any_path
        self._readers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> None:
        """Listen.

        Raises:
            OSError: the port cannot be had.
        """
        self._server = await asyncio.start_server(self._serve, host, port, limit=_LONGEST_REQUEST)

    async def stop(self) -> None:
        """Listen no more, and leave the readers."""
        if self._server is not None:
            self._server.close()
        for writer in list(self._readers):
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._readers) >= _MOST_READERS:
            writer.close()
            return
        self._readers.add(writer)
        try:
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(_SECONDS):
                    writer.write(await self._response(reader))
                    await writer.drain()
        finally:
            self._readers.discard(writer)
            writer.close()

    async def _response(self, reader: asyncio.StreamReader) -> bytes:
        try:
            request = await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            request = b""
        words = request.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
        status, kind, body = await self._answer(words, request)
        content = body.encode()
        head = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {len(content)}", "Connection: close"]
        if status.startswith("405"):
            head.append("Allow: GET, HEAD")
        return "\r\n".join([*head, "", ""]).encode("latin-1") + (b"" if words[0] == "HEAD" else content)

    def kind(self, _request: bytes) -> str:
        """Return the content type of the page: one, whatever the reader would rather have."""
        return CONTENT_TYPE

    async def _answer(self, words: list[str], request: bytes) -> _Answer:
        plain = "text/plain; charset=utf-8"
        if len(words) != 3 or not words[2].startswith("HTTP/1.") or not words[1].startswith("/"):
            return "400 Bad Request", plain, "this is no HTTP request\n"
        if words[0] not in ("GET", "HEAD"):
            return "405 Method Not Allowed", plain, "use GET or HEAD\n"
        if not self._any_path and words[1].partition("?")[0] != "/metrics":
            return "404 Not Found", plain, "there is nothing; see /metrics\n"
        return "200 OK", self.kind(request), await self._page()
