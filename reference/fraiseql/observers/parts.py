"""What an observer is made of; a defect puts something else in the place of one part."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from nats.js.api import ConsumerInfo

from reference.fraiseql.observers.clickhouse import ClickHouse
from reference.fraiseql.observers.delivery import Delivery
from reference.fraiseql.observers.intake import Intake
from reference.fraiseql.observers.letters import Letters
from reference.fraiseql.observers.search import Search
from reference.fraiseql.observers.stream import after_acknowledged


@dataclass(frozen=True)
class Parts:
    """One class for each part, and where in the stream a session begins."""

    first: Callable[[ConsumerInfo], int] = after_acknowledged
    intake: type[Intake] = Intake
    delivery: type[Delivery] = Delivery
    letters: type[Letters] = Letters
    clickhouse: type[ClickHouse] = ClickHouse
    search: type[Search] = Search
