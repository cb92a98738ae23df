"""The primary's side of a client's connection: what it sends is passed on, and its answers are told to the recorder."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from reference.pgdog.protocol import HEAD, error_fields

if TYPE_CHECKING:
    from reference.pgdog.relay.client import Client
    from reference.pgdog.relay.recorder import Recorder

_TAG, _ERROR, _READY, _EMPTY, _SUSPENDED, _COPY_IN, _KEY, _ROW, _DATA = b"CEZIsGKDd"
_PLAIN = frozenset(b"123nT")  # answers to messages that execute nothing
_HEARD = frozenset((_TAG, _ERROR, _READY, _EMPTY, _SUSPENDED, _COPY_IN, _KEY)) | _PLAIN


class Primary(asyncio.Protocol):
    """A connection to the primary."""

    def __init__(self, client: Client, recorder: Recorder) -> None:
        self._client, self._recorder = client, recorder
        self._pending = recorder.pending
        self._rest = b""
        self._skip = 0  # bytes of a frame nobody needs
        self._pass_on = client.write
        self.ready = False
        self.key = b""
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """See asyncio."""
        self._pass_on(data)
        at, end = 0, len(data)
        if self._skip:
            if self._skip >= end:
                self._skip -= end
                return
            at, self._skip = self._skip, 0
        elif self._rest:
            data, self._rest = self._rest + data, b""
            end = len(data)
        head = HEAD.unpack_from
        while at + 5 <= end:
            letter, length = head(data, at)
            stop = at + 1 + length
            if letter in (_ROW, _DATA):
                pass
            elif stop > end and letter in _HEARD:
                break
            elif letter == _READY and self.ready:
                self._recorder.ready(data[at + 5])
            elif letter in _HEARD:
                self._hear(letter, data[at + 5 : stop])
            at = stop
        if at > end:
            self._skip = at - end
        elif at < end:
            self._rest = data[at:]

    def _hear(self, letter: int, body: bytes) -> None:
        if letter == _READY:
            self.ready = True
            self._client.logged_in()
        elif letter == _KEY:
            self.key = body
            self._client.has_key(body)
        elif not self._pending:
            return
        elif letter == _TAG:
            request = self._pending[0]
            request.tags.append(body[:-1])
            request.answered += 1
        elif letter == _ERROR:
            if self._pending[0].error is None:
                self._pending[0].error = error_fields(body).get("C", "")
        elif letter == _COPY_IN:
            self._recorder.copies_in()
        else:
            request = self._pending[0]
            request.answered += 1
            if letter == _SUSPENDED or (letter == _EMPTY and not request.simple):
                request.tags.append(b"")

    def passes_nothing_on(self) -> None:
        """The client is gone; only the outcome of what it asked for is of interest."""
        self._pass_on = _ignore
        self.transport.resume_reading()

    def pause_writing(self) -> None:
        """See asyncio: the primary reads slowly, so the client is not read."""
        self._client.pause()

    def resume_writing(self) -> None:
        """See asyncio."""
        self._client.resume()

    def eof_received(self) -> bool:
        """See asyncio."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio."""
        self._recorder.gone()
        self._client.primary_gone()


def _ignore(data: bytes) -> None:
    """Nobody is there to get it."""
