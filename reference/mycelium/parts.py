"""The classes a broker is made of; a defect puts another one in the place of one of them."""

from __future__ import annotations

from dataclasses import dataclass

from reference.mycelium.answers import Answers
from reference.mycelium.broker import Broker
from reference.mycelium.control import Control
from reference.mycelium.fanout import Fanout
from reference.mycelium.outbox import Outbox
from reference.mycelium.pages import Pages
from reference.mycelium.peer import Peer
from reference.mycelium.queues import Queue
from reference.mycelium.topics import Registry


@dataclass(frozen=True)
class Parts:
    """One class for each part."""

    fanout: type[Fanout] = Fanout
    queue: type[Queue] = Queue
    outbox: type[Outbox] = Outbox
    peer: type[Peer] = Peer
    registry: type[Registry] = Registry
    answers: type[Answers] = Answers
    broker: type[Broker] = Broker
    control: type[Control] = Control
    pages: type[Pages] = Pages
