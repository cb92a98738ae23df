"""Bodies of requests and answers: how they are framed on the connection, and how they are compressed."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import pyarrow as pa

PIECE = 1 << 20  # bytes handed on at a time
_LINE = 65536  # of a chunk's head

_CODECS = {"gzip": "gzip", "zstd": "zstd", "lz4": "lz4", "br": "brotli"}  # a header's word -> pyarrow's; frames each
ENCODINGS = (*_CODECS, "deflate")


class BadBody(Exception):
    """A body that cannot be read as its headers say."""


class Received(io.RawIOBase):
    """The body of a request as its headers frame it.

    Args:
        connection: to read from.
        headers: of the request, with names in lower case.
    """

    def __init__(self, connection: io.BufferedIOBase, headers: Mapping[str, str]) -> None:
        self._connection = connection
        self._chunked = "chunked" in headers.get("transfer-encoding", "").lower()
        length = headers.get("content-length", "0")
        if not length.isdecimal():
            raise BadBody(f"Content-Length is '{length}'")
        self._left = 0 if self._chunked else int(length)
        self._ended = not self._chunked and self._left == 0

    def readable(self) -> bool:
        """See `io.RawIOBase`."""
        return True

    def readinto(self, buffer: Any) -> int:
        """See `io.RawIOBase`.

        Raises:
            BadBody: the connection ended before the body did.
        """
        if self._left == 0 and not self._ended:
            self._next_chunk()
        if self._ended:
            return 0
        piece = self._connection.read(min(len(buffer), self._left))
        if not piece:
            raise BadBody("the connection ended before the body did")
        buffer[: len(piece)] = piece
        self._left -= len(piece)
        if self._left == 0:
            if self._chunked:
                self._connection.readline(_LINE)
            else:
                self._ended = True
        return len(piece)

    def drain(self) -> None:
        """Read what nobody has read, so that the connection's next request is found."""
        while self.read(PIECE):
            pass

    def _next_chunk(self) -> None:
        line = self._connection.readline(_LINE)
        try:
            self._left = int(line.split(b";")[0], 16)
        except ValueError:
            raise BadBody("the connection ended before the body did" if not line else "a chunk has no length") from None
        if self._left == 0:
            while self._connection.readline(_LINE).strip():
                pass  # trailers
            self._ended = True


def decompressed(body: io.RawIOBase, encoding: str) -> Iterator[bytes]:
    """Give a body's bytes in pieces.

    Raises:
        BadBody: the encoding is unknown, or the body is damaged or cut off.
    """
    if encoding in ("", "identity"):
        while piece := body.read(PIECE):
            yield piece
    elif encoding == "deflate":
        yield from _inflated(body)
    elif encoding in _CODECS:
        try:
            with pa.CompressedInputStream(pa.PythonFile(body, mode="r"), _CODECS[encoding]) as stream:
                while piece := stream.read(PIECE):
                    yield piece
        except OSError as error:  # pyarrow's word for damage
            raise BadBody(f"the body is not whole {encoding}: {error}") from None
    else:
        raise BadBody(f"Content-Encoding '{encoding}' is none of {', '.join(ENCODINGS)}")


def _inflated(body: io.RawIOBase) -> Iterator[bytes]:
    inflate = zlib.decompressobj()
    try:
        while piece := body.read(PIECE):
            yield inflate.decompress(piece)
    except zlib.error as error:
        raise BadBody(f"the body is not whole deflate: {error}") from None
    if not inflate.eof:
        raise BadBody("the body is not whole deflate: it is cut off")


class Sink(Protocol):
    """Where an answer's bytes go."""

    def write(self, data: bytes) -> Any:
        """Take some more."""

    def close(self) -> None:
        """That was all."""


class Chunks(io.RawIOBase):
    """Writes chunks to a connection, so that an answer without its end can be told from a whole one."""

    def __init__(self, send: Callable[[bytes], Any]) -> None:
        self._send = send

    def writable(self) -> bool:
        """See `io.RawIOBase`."""
        return True

    def write(self, data: Any) -> int:
        """See `io.RawIOBase`."""
        if data:
            self._send(b"%x\r\n%b\r\n" % (len(data), bytes(data)))
        return len(data)

    def end(self) -> None:
        """Say that the answer is whole; without it the client knows that it is not."""
        self._send(b"0\r\n\r\n")


def compressing(sink: Chunks, encoding: str | None) -> Sink:
    """Put a compressor in front of a sink; closing it writes what it still holds."""
    if encoding is None:
        return sink
    if encoding == "deflate":
        return _Deflating(sink)
    return pa.CompressedOutputStream(pa.PythonFile(sink, mode="w"), _CODECS[encoding])  # type: ignore[no-any-return]


class _Deflating:
    def __init__(self, sink: Chunks) -> None:
        self._sink, self._deflate = sink, zlib.compressobj()

    def write(self, data: bytes) -> None:
        self._sink.write(self._deflate.compress(data))

    def close(self) -> None:
        self._sink.write(self._deflate.flush())


def acceptable(header: str) -> str | None:
    """The first known encoding that an Accept-Encoding header names; None for none."""
    for offer in header.lower().split(","):
        name, _, parameters = offer.partition(";")
        if name.strip() in ENCODINGS and parameters.replace(" ", "") not in ("q=0", "q=0.0"):
            return name.strip()
    return None
