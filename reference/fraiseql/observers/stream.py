"""What observers have in NATS: the stream of events, a durable consumer for each sink, the stream of dead letters."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, ConsumerInfo, DeliverPolicy, StorageType, StreamConfig, StreamInfo
from nats.js.errors import NotFoundError

from reference.fraiseql.observers.config import NatsSettings, SinkName

DEAD_LETTERS = "fraiseql_dead_letters"
DEAD_SUBJECT = "fraiseql.dead"
ACK_WAIT_SECONDS = 30.0
MOST_UNACKNOWLEDGED = 100_000
_DEAD_WINDOW_SECONDS = 3600.0  # a dead letter that is published again so soon is not kept twice
_API_SECONDS = 5.0


class Lost(Exception):
    """The session with NATS cannot go on; a new one takes up where the last acknowledgement was."""


@dataclass(frozen=True, slots=True)
class Source:
    """The stream of events as one sink's observer sees it.

    Args:
        stream: its name.
        identity: tells it from a later stream of the same name.
        consumer: the sink's durable consumer.
        delivered: the last sequence that an observer of this sink had been given before.
    """

    stream: str
    identity: str
    consumer: str
    delivered: int


def consumer_name(sink: SinkName) -> str:
    """Return the durable consumer's name."""
    return f"sink_{sink}"


def after_acknowledged(consumer: ConsumerInfo) -> int:
    """Return the sequence that a new session begins with."""
    assert consumer.ack_floor is not None
    return consumer.ack_floor.stream_seq + 1


async def open_source(
    client: Client, settings: NatsSettings, sink: SinkName, first: Callable[[ConsumerInfo], int] = after_acknowledged
) -> Source:
    """Make what is not there yet, and let the consumer begin after its last acknowledgement.

    A consumer that acknowledges everything up to a message must be given all of it in order. What an observer that is
    gone was given and did not acknowledge would come only after the time for acknowledgements, and after newer events:
    the first acknowledgement of one of those would lose it. So the consumer is reset.

    Raises:
        Lost: the server does not know this request, which is the case before NATS 2.14.
    """
    context = client.jetstream(timeout=_API_SECONDS)
    events = StreamConfig(
        name=settings.stream,
        subjects=[f"{settings.subject}.>"],
        storage=StorageType.FILE,
        duplicate_window=settings.duplicate_window_seconds,
    )
    info = await _stream(context, events)
    await dead_letters(context)
    consumer = consumer_name(sink)
    config = ConsumerConfig(
        durable_name=consumer,
        deliver_policy=DeliverPolicy.ALL,
        ack_policy=AckPolicy.ALL,
        ack_wait=ACK_WAIT_SECONDS,
        filter_subject=f"{settings.subject}.>",
        max_ack_pending=MOST_UNACKNOWLEDGED,
    )
    try:
        before = await context.consumer_info(settings.stream, consumer)
    except NotFoundError:
        before = await context.add_consumer(settings.stream, config)
    assert before.delivered is not None
    await _reset(client, settings.stream, consumer, first(before))
    return Source(settings.stream, identity(info), consumer, before.delivered.stream_seq)


def identity(info: StreamInfo) -> str:
    """Return what tells a stream from a later one of the same name."""
    assert info.created is not None
    return f"{info.config.name}-{info.created:%Y%m%dT%H%M%S.%f}"


async def dead_letters(context: JetStreamContext) -> StreamInfo:
    """Return the stream of dead letters, which is made if it is not there."""
    config = StreamConfig(
        name=DEAD_LETTERS,
        subjects=[f"{DEAD_SUBJECT}.*"],
        storage=StorageType.FILE,
        duplicate_window=_DEAD_WINDOW_SECONDS,
    )
    return await _stream(context, config)


async def _stream(context: JetStreamContext, config: StreamConfig) -> StreamInfo:
    assert config.name is not None
    try:
        return await context.stream_info(config.name)
    except NotFoundError:
        return await context.add_stream(config)


async def _reset(client: Client, stream: str, consumer: str, sequence: int) -> None:
    subject = f"$JS.API.CONSUMER.RESET.{stream}.{consumer}"
    answer = await client.request(subject, json.dumps({"seq": sequence}).encode(), timeout=_API_SECONDS)
    if problem := json.loads(answer.data).get("error"):
        raise Lost(f"consumer {consumer} cannot be reset: {problem.get('description')}")
