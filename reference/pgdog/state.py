"""What a running proxy has to say of itself: to the page, to the console."""

from __future__ import annotations

from collections.abc import Sized
from dataclasses import dataclass
from typing import Protocol

from reference.pgdog.settings import Settings
from reference.pgdog.tally import Tallies


class Held(Protocol):
    """What the data plane says of itself."""

    @property
    def clients(self) -> Sized:
        """Clients that are connected, of the console too where it is on their port."""

    @property
    def mirror_sessions(self) -> int:
        """Sessions that are open on mirrors."""

    @property
    def bytes_held(self) -> int:
        """What recordings of open and waiting transactions hold."""


@dataclass(slots=True)
class State:
    """The settings in force, the counters, and the data plane."""

    settings: Settings
    tallies: Tallies
    held: Held
