"""Dead letters: messages that a sink will never take, kept with the reason until they are replayed."""

from __future__ import annotations

from typing import Any

from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError

from reference.fraiseql.observers.config import NatsSettings, SinkName
from reference.fraiseql.observers.events import Message
from reference.fraiseql.observers.feed import fields_of
from reference.fraiseql.observers.stream import DEAD_LETTERS, DEAD_SUBJECT, Source, dead_letters, identity

REASON, SUBJECT, SEQUENCE = "Fraiseql-Reason", "Fraiseql-Subject", "Fraiseql-Sequence"
LEFT = "Fraiseql-Left"  # bytes of a payload that was too large to be kept
ONLY_FOR = "Fraiseql-Only-For"  # names the sink that a replayed message is for
_ONLY_FOR = ONLY_FOR.encode()
_ID = "Nats-Msg-Id"
_LONGEST_REASON = 400  # characters
_BESIDES = 20  # bytes of a header beyond name and value, or of all headers together, and some to spare


def is_for(sink: SinkName, message: Message) -> bool:
    """Whether a message concerns a sink: all do that were not replayed for another."""
    return _ONLY_FOR not in message.head or fields_of(message.head).get(ONLY_FOR, sink) == sink


class Letters:
    """Where one sink's dead letters go."""

    def __init__(self, client: Client, source: Source, sink: SinkName) -> None:
        self._client, self._context = client, client.jetstream()
        self._source, self._sink = source, sink

    async def keep(self, message: Message, reason: str) -> None:
        """Keep a message; when this returns, NATS has it.

        The headers here are longer than the message had. If that makes it too large for NATS, its payload is only in
        the stream that it came from, and it cannot be replayed.

        Raises:
            nats.errors.Error: NATS does not answer.
        """
        headers = {
            REASON: " ".join(reason.split()).encode("ascii", "backslashreplace").decode()[:_LONGEST_REASON],
            SUBJECT: message.subject.decode(),
            SEQUENCE: str(message.sequence),
            _ID: f"{self._sink}-{self._source.identity}-{message.sequence}",
        }
        size = len(message.payload) + sum(len(name) + len(value) + _BESIDES for name, value in headers.items())
        fits = size < self._client.max_payload - _BESIDES
        payload, headers = (message.payload, headers) if fits else (b"", {**headers, LEFT: str(len(message.payload))})
        await self._context.publish(f"{DEAD_SUBJECT}.{self._sink}", payload, stream=DEAD_LETTERS, headers=headers)


async def replay(client: Client, settings: NatsSettings, sink: SinkName) -> int:
    """Publish a sink's dead letters again, for this sink alone, and keep them no longer; return how many there were.

    Those that it refuses again become dead letters again, after the last one of this replay. Those whose payload was
    too large stay.
    """
    context = client.jetstream()
    info = await dead_letters(context)
    count, sequence = 0, max(1, info.state.first_seq)
    while (letter := await _next(context, sink, sequence)) is not None and letter.seq <= info.state.last_seq:
        sequence = letter.seq + 1
        if LEFT not in letter.headers:
            headers = {ONLY_FOR: sink.value, _ID: f"replay-{identity(info)}-{letter.seq}"}
            await context.publish(letter.headers[SUBJECT], letter.data or b"", stream=settings.stream, headers=headers)
            await context.delete_msg(DEAD_LETTERS, letter.seq)
            count += 1
    return count


async def _next(context: JetStreamContext, sink: SinkName, sequence: int) -> Any:
    """Return the first dead letter from a sequence on, None when there is none."""
    try:
        return await context.get_msg(DEAD_LETTERS, sequence, subject=f"{DEAD_SUBJECT}.{sink}", next=True)
    except NotFoundError:
        return None
