"""The classes an observer is made of; a defect puts another one in the place of one of them."""

from __future__ import annotations

from dataclasses import dataclass

from reference.fraiseql.observers.clickhouse import ClickHouse
from reference.fraiseql.observers.delivery import Delivery
from reference.fraiseql.observers.intake import Intake
from reference.fraiseql.observers.letters import Letters
from reference.fraiseql.observers.search import Search


@dataclass(frozen=True)
class Parts:
    """One class for each part."""

    intake: type[Intake] = Intake
    delivery: type[Delivery] = Delivery
    letters: type[Letters] = Letters
    clickhouse: type[ClickHouse] = ClickHouse
    search: type[Search] = Search
