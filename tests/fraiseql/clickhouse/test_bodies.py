"""Framing and compression of bodies, without a server."""

from __future__ import annotations

import io
import zlib

import pyarrow as pa
import pytest

from reference.clickhouse.bodies import ENCODINGS, BadBody, Chunks, Received, acceptable, compressing, decompressed

TEXT = b"all work and no play " * 200_000  # larger than a piece


def received(wire: bytes, **headers: str) -> Received:
    return Received(io.BytesIO(wire), {name.replace("_", "-"): value for name, value in headers.items()})


def packed(text: bytes, encoding: str) -> bytes:
    if encoding == "deflate":
        return zlib.compress(text)
    return pa.compress(text, {"br": "brotli"}.get(encoding, encoding), asbytes=True)  # type: ignore[no-any-return]


def test_a_length_ends_a_body() -> None:
    body = received(b"hello, next request", content_length="5")
    assert body.read() == b"hello"


def test_chunks_are_put_together() -> None:
    wire = io.BytesIO(b"5;x=y\r\nhello\r\n3\r\n, w\r\n0\r\nTrailer: 1\r\n\r\nnext request")
    assert Received(wire, {"transfer-encoding": "chunked"}).read() == b"hello, w"
    assert wire.read() == b"next request"


@pytest.mark.parametrize(
    ("wire", "headers"),
    [
        (b"hell", {"content_length": "5"}),
        (b"5\r\nhell", {"transfer_encoding": "chunked"}),
        (b"5\r\nhello\r\n", {"transfer_encoding": "chunked"}),
        (b"five\r\nhello\r\n", {"transfer_encoding": "chunked"}),
    ],
)
def test_a_body_that_is_cut_off_is_told(wire: bytes, headers: dict[str, str]) -> None:
    with pytest.raises(BadBody):
        received(wire, **headers).drain()


def test_a_length_that_is_no_number_is_told() -> None:
    with pytest.raises(BadBody, match="Content-Length is '-1'"):
        received(b"", content_length="-1")


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_what_is_compressed_is_read(encoding: str) -> None:
    wire = packed(TEXT, encoding)
    assert b"".join(decompressed(received(wire, content_length=str(len(wire))), encoding)) == TEXT


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_what_is_compressed_and_cut_off_is_told(encoding: str) -> None:
    wire = packed(TEXT, encoding)[:-3]
    with pytest.raises(BadBody, match=f"not whole {encoding}"):
        list(decompressed(received(wire, content_length=str(len(wire))), encoding))


def test_an_unknown_encoding_is_told() -> None:
    with pytest.raises(BadBody, match="Content-Encoding 'snappy' is none of gzip"):
        list(decompressed(received(b"x", content_length="1"), "snappy"))


@pytest.mark.parametrize("encoding", [None, *ENCODINGS])
def test_an_answer_is_chunks_of_its_encoding(encoding: str | None) -> None:
    sent: list[bytes] = []
    chunks = Chunks(sent.append)
    out = compressing(chunks, encoding)
    for at in range(0, len(TEXT), 1_000_000):
        out.write(TEXT[at : at + 1_000_000])
    out.close()
    chunks.end()
    body = received(b"".join(sent), transfer_encoding="chunked")
    assert b"".join(decompressed(body, encoding or "")) == TEXT


@pytest.mark.parametrize(
    ("header", "encoding"),
    [("", None), ("gzip, deflate", "gzip"), ("snappy,ZSTD;q=0.5", "zstd"), ("lz4;q=0, br", "br"), ("*", None)],
)
def test_the_first_known_encoding_is_taken(header: str, encoding: str | None) -> None:
    assert acceptable(header) == encoding
