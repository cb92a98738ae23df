"""Readers against ClickHouse's engine, and against what a search engine answers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

import pytest

from environments.system import ClickHouseAddress
from measurement.verdicts import Verdict
from ObserverLibrary.event import EntityEvent, EventSource, lone_event
from ObserverLibrary.readers import ClickHouseReader, SearchReader, comparable
from oracles.events import changed
from tests.observer.conftest import store
from tests.observer.search_engine import SearchEngine

NOW = 1_795_292_270_691_188
UNUSUAL = {"name": 'Zoë 🐘 "quoted"\n', "nested": [{"big": 2**53 - 1, "none": None, "empty": {}}], "ratio": 0.1}


@pytest.fixture
def table(clickhouse: ClickHouseAddress) -> Iterator[ClickHouseReader]:
    reader = ClickHouseReader(clickhouse)
    reader.client.command("TRUNCATE TABLE fraiseql_events")
    yield reader
    reader.close()


@pytest.fixture
def index(search: SearchEngine) -> Iterator[SearchReader]:
    reader = SearchReader(search.address)
    yield reader
    reader.close()


def events(number: int, seed: int = 7) -> list[EntityEvent]:
    return [EventSource(seed).event(n, NOW + 1000 * n) for n in range(number)]


def texts(ids: object) -> list[str]:
    return sorted(one.decode() for one in ids)  # type: ignore[attr-defined]


@pytest.mark.servers
def test_clickhouse_counts_everything_and_gives_the_ids_of_one_load(table: ClickHouseReader) -> None:
    mine, others = events(300), events(20, seed=8)
    store(table, mine + others + mine[:2])
    assert (table.count(), table.count_of(mine[0].tenant_id or "")) == (322, 302)
    assert texts(table.ids(mine[0].tenant_id or "")) == sorted(e.id for e in mine + mine[:2])


@pytest.mark.servers
def test_clickhouse_gives_whole_events_as_they_were_published(table: ClickHouseReader) -> None:
    unusual = lone_event("CUSTOM", "User", UNUSUAL, seed=1, intended_us=NOW)
    published = [*events(1200), unusual]
    store(table, published)
    found = table.events(published[0].tenant_id or "")
    assert len(found) == 1200
    found += table.events(unusual.tenant_id or "")
    findings = changed("clickhouse", map(comparable, published), found)
    assert (findings.verdict, findings.judged) == (Verdict.PASS, 1201), findings.reason


@pytest.mark.servers
def test_clickhouse_shows_a_row_that_is_there_twice_and_no_other(table: ClickHouseReader) -> None:
    one, other = events(2)
    store(table, [one, other, one])
    assert (table.times(one.id), table.times(other.id), table.times("nothing")) == (2, 1, 0)
    assert (list(table.ids("nobody")), table.events("nobody")) == ([], [])


@pytest.mark.servers
def test_data_that_is_no_json_is_shown_as_it_is(table: ClickHouseReader) -> None:
    (event,) = events(1)
    store(table, [event], data="{'total': 1}")
    assert table.events(event.tenant_id or "")[0]["data"] == "{'total': 1}"


def test_search_counts_and_gives_every_id_of_a_load_page_by_page(
    search: SearchEngine, index: SearchReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ObserverLibrary.readers.PAGE", 7)
    mine = events(30)
    for event in mine + events(5, seed=8):
        search.put(vars_of(event))
    search.put(vars_of(mine[3]), key="another key")
    assert (index.count(), index.count_of(mine[0].tenant_id or "")) == (36, 31)
    assert texts(index.ids(mine[0].tenant_id or "")) == sorted(e.id for e in [*mine, mine[3]])
    assert search.points == 0, "no point in time is left open"


def test_search_gives_whole_events_and_shows_a_document_under_another_key(
    search: SearchEngine, index: SearchReader
) -> None:
    published = [*events(3), lone_event("CUSTOM", "User", UNUSUAL, seed=7, intended_us=NOW - 1)]
    tenant = published[0].tenant_id or ""
    for event in published:
        search.put(vars_of(event))
    assert changed("search", map(comparable, published), index.events(tenant)).verdict is Verdict.PASS
    search.put(vars_of(published[0]), key="another key")
    findings = changed("search", map(comparable, published), index.events(tenant))
    assert "_id is 'another key', was 'absent'" in findings.reason
    assert (index.times(published[0].id), index.times(published[1].id), index.times("nothing")) == (2, 1, 0)


def test_search_finds_a_document_by_a_term(search: SearchEngine, index: SearchReader) -> None:
    one, other = events(2)
    for event in (one, other):
        search.put(vars_of(event))
    assert index.find("entity_id", one.entity_id) == [comparable(one)]
    assert index.find("entity_id", "nothing") == []


def test_a_document_whose_timestamp_is_none_is_a_changed_one(search: SearchEngine, index: SearchReader) -> None:
    (event,) = events(1)
    search.put({**vars_of(event), "timestamp": "yesterday"})
    assert "timestamp is 'yesterday'" in changed("s", [comparable(event)], index.events(event.tenant_id or "")).reason


def vars_of(event: EntityEvent) -> dict[str, object]:
    return asdict(event)
