"""The classes the proxy is made of; a defect puts others in their places."""

from __future__ import annotations

from dataclasses import dataclass

from reference.pgdog.mirror.lane import Lane
from reference.pgdog.mirror.order import Order
from reference.pgdog.relay.client import Client
from reference.pgdog.relay.recorder import Recorder


@dataclass(frozen=True)
class Parts:
    """One class for each part."""

    client: type[Client] = Client
    recorder: type[Recorder] = Recorder
    lane: type[Lane] = Lane
    order: type[Order] = Order
