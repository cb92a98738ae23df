"""A client that gets itself into the middle of something and waits to be killed there.

    python -m BrokerLibrary.victims producer SOCKET TOPIC     half of a frame has been sent
    python -m BrokerLibrary.victims consumer SOCKET TOPIC     a few bytes of a delivery have been read, more waits

It prints one line of JSON when it is subscribed, one when it is there, and then does nothing.
"""

from __future__ import annotations

import json
import signal
import socket
import sys
from collections.abc import Sequence

from BrokerLibrary import wire
from BrokerLibrary.numbered import compose
from oracles.messages import MessageId

WHOLE = 20  # messages that the producer publishes, and sees acknowledged, before the half one
SIZE = 500
FEW_BYTES = 7  # less than the head of a frame


def message(topic: str, number: int) -> tuple[str, bytes]:
    """Return id and payload of a message of the producer."""
    identity = MessageId("victim", topic, number)
    return str(identity), compose(identity, SIZE)


def produce(stream: socket.socket, topic: str) -> None:
    """Publish whole messages, wait for their acknowledgement, and begin another one."""
    decoder, acked = wire.Decoder(), 0
    stream.sendall(b"".join(wire.publish(topic, message(topic, number)[1], ack=True) for number in range(WHOLE)))
    while acked < WHOLE:
        for frame in decoder.feed(stream.recv(65536)):
            acked = wire.accepted_count(frame)
    half = wire.publish(topic, message(topic, WHOLE)[1])
    stream.sendall(half[: len(half) // 2])


def consume(stream: socket.socket, topic: str) -> None:
    """Subscribe, and stop in the middle of the first delivery's head."""
    acknowledgement = wire.encode(wire.Frame(wire.Opcode.SUBSCRIBE_ACK, topic))
    stream.sendall(wire.subscribe(topic))
    came = b""
    while len(came) < len(acknowledgement):
        came += stream.recv(len(acknowledgement) - len(came))
    if came != acknowledgement:
        raise SystemExit(f"expected an acknowledgement, was {came.hex()}")
    print(json.dumps({"event": "subscribed"}), flush=True)
    stream.recv(FEW_BYTES, socket.MSG_WAITALL)


def main(arguments: Sequence[str]) -> None:
    """Get there, say so, and wait."""
    role, path, topic = arguments
    with socket.socket(socket.AF_UNIX) as stream:
        stream.settimeout(30)
        stream.connect(path)
        {"producer": produce, "consumer": consume}[role](stream, topic)
        print(json.dumps({"event": "there"}), flush=True)
        signal.pause()


if __name__ == "__main__":
    main(sys.argv[1:])
