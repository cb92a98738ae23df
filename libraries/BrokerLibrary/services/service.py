"""One service double at work: lines of JSON in, messages out; messages in, lines of JSON out.

In, one object a line:

    {"do": "publish", "id": 7, "domain": "MARKET_DATA", "type": "TRADE", "fields": {...}}
    {"do": "report"}
    {"do": "stop"}                 the end of the input does the same

Out:

    {"event": "ready", "service": ..., "topics": [...]}
    {"event": "published", "id": 7, "topic": ..., "payload": hex, "outcome": "acked", "detail": ""}
    {"event": "received", "topic": ..., "payload": hex, "kept": true, "problem": null, "header": {...}, "tlvs": [...]}
    {"event": "report", "metrics": {...}}
    {"event": "error", "problem": ...}

A signal that flash arbitrage sends by itself is published with the id null.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TextIO

from BrokerLibrary.client import BrokerClient
from BrokerLibrary.connection import ConnectionLost
from BrokerLibrary.protocol_v2.errors import MessageProblem
from BrokerLibrary.protocol_v2.header import Domain
from BrokerLibrary.protocol_v2.layouts import Trade
from BrokerLibrary.protocol_v2.messages import Message, build, parse
from BrokerLibrary.protocol_v2.registry import TlvType
from BrokerLibrary.protocol_v2.tlv import Tlv
from BrokerLibrary.records import Delivery
from BrokerLibrary.services.events import described, to_tlv
from BrokerLibrary.services.kinds import TOPIC_OF_DOMAIN, Kind
from BrokerLibrary.services.strategy import FlashArbitrage

POLL_SECONDS = 0.1
ACK_SECONDS = 5.0


class Service:
    """One of the five.

    Args:
        kind: which.
        client: connected.
        topics: it subscribes to.
        out: where its lines go.
    """

    def __init__(self, kind: Kind, client: BrokerClient, topics: Sequence[str], out: TextIO = sys.stdout) -> None:
        self.kind, self.topics = kind, tuple(topics)
        self.metrics: Counter[str] = Counter(
            trades_published=0, messages_published=0, publish_errors=0, messages_received=0, messages_kept=0
        )
        self._client, self._out = client, out
        self._strategy = FlashArbitrage() if kind.name == "flash_arbitrage" else None
        self._sequence = 0
        self._writing, self._publishing = threading.Lock(), threading.Lock()
        self._stop = threading.Event()

    def run(self, lines: Iterable[str]) -> None:
        """Work until told to stop, or until the lines end."""
        for topic in self.topics:
            self._client.subscribe(topic)
        consumer = threading.Thread(target=self._consume, name="consumer", daemon=True)
        consumer.start()
        self._say("ready", service=self.kind.name, topics=self.topics)
        for line in lines:
            if not self._obey(line):
                break
        self._stop.set()
        consumer.join()

    def _obey(self, line: str) -> bool:
        """Do what one line says; False when it says to stop."""
        try:
            order = json.loads(line)
            match order["do"]:
                case "stop":
                    return False
                case "report":
                    self._say("report", metrics=dict(self.metrics))
                case "publish":
                    self._publish(order["id"], Domain[order["domain"]], to_tlv(order))
                case other:
                    self._say("error", problem=f"'{other}' is none of publish, report, stop")
        except (ValueError, KeyError, TypeError, MessageProblem) as problem:
            self._say("error", problem=f"{line.strip()[:200]}: {type(problem).__name__}: {problem}")
        return True

    def _publish(self, number: int | None, domain: Domain, tlv: Tlv) -> None:
        with self._publishing:
            self._sequence += 1
            payload = build(domain, self.kind.source, self._sequence, time.time_ns(), [tlv])
            topic = TOPIC_OF_DOMAIN[domain]
            try:
                attempt = self._client.publish(topic, payload, ack=True)
                self._client.settle([attempt], ACK_SECONDS)
                outcome, detail = str(attempt.outcome), attempt.detail
            except (ConnectionLost, TimeoutError) as error:
                outcome, detail = "unknown", str(error)
            if outcome == "acked":
                self.metrics["messages_published"] += 1
                self.metrics["trades_published"] += tlv.type == TlvType.TRADE
            else:
                self.metrics["publish_errors"] += 1
        self._say("published", id=number, topic=topic, payload=payload.hex(), outcome=outcome, detail=detail)

    def _consume(self) -> None:
        while not self._stop.is_set():
            try:
                delivery = self._client.receive(POLL_SECONDS)
            except TimeoutError:
                continue
            self._take(delivery)

    def _take(self, delivery: Delivery) -> None:
        message, problem = _read(delivery.payload)
        kept = self.kind.keeps(delivery.topic, message)
        self.metrics["messages_received"] += 1
        self.metrics["messages_kept"] += kept
        self._say(
            "received",
            topic=delivery.topic,
            payload=delivery.payload.hex(),
            kept=kept,
            problem=problem,
            header=message.header._asdict() if message else None,
            tlvs=[described(tlv) for tlv in message.tlvs] if message else [],
        )
        if message and kept and delivery.topic == TOPIC_OF_DOMAIN[Domain.MARKET_DATA]:
            self._look_for_a_spread(message)

    def _look_for_a_spread(self, message: Message) -> None:
        for tlv in message.tlvs:
            if self._strategy is not None and tlv.type == TlvType.TRADE:
                found = self._strategy.sees(Trade.unpack(tlv.value))
                if found is not None:
                    self._publish(None, Domain.SIGNAL, found.tlv())

    def _say(self, event: str, **content: Any) -> None:
        line = json.dumps({"event": event, **content})
        with self._writing:
            self._out.write(line + "\n")
            self._out.flush()


def _read(payload: bytes) -> tuple[Message | None, Mapping[str, str] | None]:
    try:
        return parse(payload), None
    except MessageProblem as problem:
        return None, {"error": type(problem).__name__, "text": str(problem)}
