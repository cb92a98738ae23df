"""Events put straight into ClickHouse are those that a sink would have put there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from environments.system import ClickHouseAddress
from ObserverLibrary.readers import ClickHouseReader, comparable
from ObserverLibrary.storing import STEP_US, forget, store
from oracles.events import changed

pytestmark = pytest.mark.servers

NOW = 1_795_292_270_691_188
NUMBER = 2500


@pytest.fixture
def table(clickhouse: ClickHouseAddress) -> Iterator[ClickHouseReader]:
    reader = ClickHouseReader(clickhouse)
    reader.client.command("TRUNCATE TABLE fraiseql_events")
    yield reader
    reader.close()


def test_stored_events_are_read_back_as_their_source_makes_them(
    table: ClickHouseReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ObserverLibrary.storing.BATCH", 1000)
    stored = store(table, 7, NUMBER, "Reading", NOW)
    expected = [
        {**comparable(stored.source.event(number, NOW + STEP_US * number)), "entity_type": "Reading"}
        for number in range(NUMBER)
    ]
    found = table.events(stored.tenant)
    assert len(found) == table.count() == NUMBER
    findings = changed("clickhouse", expected, found)
    assert findings.judged == NUMBER
    findings.require()


def test_stored_events_are_removed_and_no_others(table: ClickHouseReader) -> None:
    one, other = store(table, 7, 50, "Reading", NOW), store(table, 8, 30, "Reading", NOW)
    forget(table, one.tenant)
    assert (table.count_of(one.tenant), table.count_of(other.tenant)) == (0, 30)
