"""What a sink will never take: kept with the reason, in nobody's way, and replayed once it can be taken."""

from __future__ import annotations

import asyncio

import nats as nats_client
import pytest

from reference.fraiseql.observers.config import SinkName
from reference.fraiseql.observers.events import Message
from reference.fraiseql.observers.letters import Letters
from reference.fraiseql.observers.stream import Source
from tests.fraiseql.observers.conftest import MakeObserver
from tests.fraiseql.observers.doubles import Search
from tests.fraiseql.observers.programs import ClickHouse, Nats
from tests.fraiseql.observers.publishing import STREAM, SUBJECT, dead_letters, encoded, event, pending, publish
from tests.waiting import until

pytestmark = pytest.mark.servers

NO_EVENTS = {
    b"garbage": "not JSON",
    b"": "not JSON",
    b'{"id": "\xff"}': "not JSON",
    b"[1]": "a JSON object is wanted, this is list",
    encoded(event(id="1")): "id has to be a UUID, but is '1'",
    encoded(event(event_type="Order.Created")): "event_type has to be one of INSERT, UPDATE, DELETE, CUSTOM",
    encoded(event(data=...)): "data has to be there, but is missing",
}


@pytest.mark.parametrize("sink", ["clickhouse", "search"])
def test_messages_that_are_no_events_stop_nobody(
    nats: Nats, clickhouse: ClickHouse, search: Search, observe: MakeObserver, sink: str
) -> None:
    good = [event() for _ in range(20)]
    observer = observe(sink, clickhouse.url if sink == "clickhouse" else search.url)
    publish(nats.url, [*good[:10], *NO_EVENTS, *good[10:]])
    until(lambda: pending(nats.url, sink) == 0, "all to be acknowledged")
    ids = clickhouse.ids() if sink == "clickhouse" else list(search.documents)
    assert sorted(ids) == sorted(content["id"] for content in good)
    letters = dead_letters(nats.url)
    assert [payload for _, _, payload in letters] == list(NO_EVENTS)
    for number, ((subject, headers, _), reason) in enumerate(zip(letters, NO_EVENTS.values(), strict=True), 11):
        assert subject == f"fraiseql.dead.{sink}"
        assert reason in headers["Fraiseql-Reason"]
        assert headers["Fraiseql-Subject"] == SUBJECT
        assert headers["Fraiseql-Sequence"] == str(number)
    assert observer.metrics()["dead_letters"] == len(NO_EVENTS)
    assert observer.metrics()["retries"] == 0


def test_a_document_that_the_mapping_refuses(nats: Nats, search: Search, observe: MakeObserver) -> None:
    events = [event(data={"number": number}) for number in range(30)]
    search.item = lambda document: (400, "mapper_parsing_exception") if document["data"]["number"] == 7 else None
    observe("search", search.url)
    ids = publish(nats.url, events)
    until(lambda: pending(nats.url, "search") == 0, "all to be acknowledged")
    assert list(search.documents) == ids[:7] + ids[8:]
    [(_, headers, payload)] = dead_letters(nats.url)
    assert payload == encoded(events[7])
    assert headers["Fraiseql-Reason"].startswith("mapper_parsing_exception: as the test wants it")


def test_items_that_are_put_off_are_tried_again(nats: Nats, search: Search, observe: MakeObserver) -> None:
    tries: dict[int, int] = {}

    def busy(document: dict[str, dict[str, int]]) -> tuple[int, str] | None:
        number = document["data"]["number"]
        tries[number] = tries.get(number, 0) + 1
        if number == 3 and tries[number] <= 4:
            return (400, "validation_exception") if tries[number] == 4 else (429, "es_rejected_execution_exception")
        return None

    search.item = busy
    observer = observe("search", search.url)
    ids = publish(nats.url, [event(data={"number": number}) for number in range(10)])
    until(lambda: pending(nats.url, "search") == 0, "all to be acknowledged")
    assert sorted(search.documents) == sorted(ids)
    assert tries == {**dict.fromkeys(range(10), 1), 3: 5}, "only what was put off is sent again"
    assert observer.metrics()["dead_letters"] == 0
    assert observer.metrics()["written"] == 10


@pytest.mark.parametrize("status", [400, 413])
def test_a_request_that_is_refused_as_a_whole_is_split_until_the_guilty_event_is_alone(
    nats: Nats, search: Search, observe: MakeObserver, status: int
) -> None:
    search.whole = lambda request, body: status if b"guilty" in body else None
    observe("search", search.url)
    ids = publish(nats.url, [event(data={"is": "guilty" if number in (5, 17) else "fine"}) for number in range(20)])
    until(lambda: pending(nats.url, "search") == 0, "all to be acknowledged")
    assert list(search.documents) == [ids[n] for n in range(20) if n not in (5, 17)]
    assert [headers["Fraiseql-Sequence"] for _, headers, _ in dead_letters(nats.url)] == ["6", "18"]


def test_rows_that_clickhouse_refuses(nats: Nats, clickhouse: ClickHouse, observe: MakeObserver) -> None:
    """A column that was narrowed: `Enum8` takes what it lists."""
    clickhouse.ask("RENAME TABLE fraiseql_events TO wide")
    clickhouse.ask(
        "CREATE TABLE fraiseql_events (event_id String, event_type Enum8('INSERT' = 1), entity_type String, "
        "entity_id String, timestamp DateTime64(6, 'UTC'), data String, user_id Nullable(String), "
        "tenant_id Nullable(String)) ENGINE = MergeTree ORDER BY event_id"
    )
    try:
        observer = observe("clickhouse", clickhouse.url)
        good, bad = [event() for _ in range(25)], event(event_type="DELETE")
        publish(nats.url, [*good[:12], bad, *good[12:]])
        until(lambda: pending(nats.url, "clickhouse") == 0, "all to be acknowledged")
        assert clickhouse.ids() == sorted(content["id"] for content in good)
        [(_, headers, payload)] = dead_letters(nats.url)
        assert payload == encoded(bad)
        assert "DELETE" in headers["Fraiseql-Reason"]
        assert observer.metrics()["written"] == 25

        clickhouse.ask("ALTER TABLE fraiseql_events MODIFY COLUMN event_type String")
        assert observer.replay() == "1 replayed"
        until(lambda: len(clickhouse.ids()) == 26, "the replayed event to arrive")
        assert dead_letters(nats.url) == []
    finally:
        clickhouse.ask("DROP TABLE fraiseql_events SYNC")
        clickhouse.ask("RENAME TABLE wide TO fraiseql_events")


def test_a_replay_is_for_one_sink_and_what_is_refused_again_is_kept_again(
    nats: Nats, clickhouse: ClickHouse, search: Search, observe: MakeObserver
) -> None:
    refused = {"a", "b"}
    search.item = lambda document: (400, "mapper_parsing_exception") if document["data"]["name"] in refused else None
    of_search = observe("search", search.url)
    of_clickhouse = observe("clickhouse", clickhouse.url)
    ids = publish(nats.url, [event(data={"name": name}) for name in "abc"])
    publish(nats.url, [b"garbage"])
    until(lambda: pending(nats.url, "search") + pending(nats.url, "clickhouse") == 0, "all to be acknowledged")
    assert clickhouse.ids() == sorted(ids)
    assert sorted(subject for subject, _, _ in dead_letters(nats.url)) == [
        "fraiseql.dead.clickhouse",
        *["fraiseql.dead.search"] * 3,
    ]
    refused.remove("a")
    assert of_search.replay() == "3 replayed"
    until(lambda: of_search.metrics()["dead_letters"] == 5, "two to be refused again")
    until(lambda: pending(nats.url, "clickhouse") == 0, "all to be acknowledged")
    assert sorted(search.documents) == sorted([ids[0], ids[2]])
    letters = dead_letters(nats.url)
    assert [subject for subject, _, _ in letters].count("fraiseql.dead.clickhouse") == 1
    assert len(letters) == 3
    assert of_clickhouse.metrics()["dead_letters"] == 1
    assert of_clickhouse.metrics()["already_there"] == 0, "the replay is for the other sink"


def test_a_replay_ends_however_fast_its_letters_come_back(nats: Nats, search: Search, observe: MakeObserver) -> None:
    observer = observe("search", search.url, linger_ms=0)
    publish(nats.url, [b"garbage"] * 150)
    until(lambda: observer.metrics()["dead_letters"] == 150, "all to be kept")
    assert observer.replay() == "150 replayed"
    until(lambda: observer.metrics()["dead_letters"] == 300, "all to be refused again")
    assert len(dead_letters(nats.url)) == 150


def test_a_message_that_is_kept_again_is_one_dead_letter(nats: Nats, search: Search, observe: MakeObserver) -> None:
    """What an observer does that was killed after keeping it and before the acknowledgement."""
    observe("search", search.url)

    async def keep_twice() -> None:
        client = await nats_client.connect(nats.url)
        letters = Letters(client, Source(STREAM, "this one", "sink_search", 0), SinkName.SEARCH)
        for _ in range(2):
            await letters.keep(Message(SUBJECT.encode(), 7, 0, b"", b"bad", b""), "of two\r\nlines, ünd more")
        await client.close()

    asyncio.run(keep_twice())
    [(_, headers, payload)] = dead_letters(nats.url)
    assert payload == b"bad"
    assert headers["Fraiseql-Reason"] == "of two lines, \\xfcnd more"


def test_a_message_of_the_largest_size_can_be_a_dead_letter(nats: Nats, search: Search, observe: MakeObserver) -> None:
    observer = observe("search", search.url)
    largest = encoded(event(id="no UUID", data="")).ljust(1 << 20)
    [content] = [event()]
    publish(nats.url, [largest, content])
    until(lambda: list(search.documents) == [content["id"]], "the other event to arrive")
    until(lambda: len(dead_letters(nats.url)) == 1, "the large message to be kept")
    publish(nats.url, [b"garbage"])
    until(lambda: observer.metrics()["dead_letters"] == 2, "another letter after it")
    assert observer.replay() == "1 replayed"
    until(lambda: observer.metrics()["dead_letters"] == 3, "the other to be refused again")
    [(_, headers, payload), _] = dead_letters(nats.url)
    assert (payload, headers["Fraiseql-Left"], headers["Fraiseql-Sequence"]) == (b"", str(1 << 20), "1")


def test_dead_letters_are_kept_before_the_message_is_acknowledged(
    nats: Nats, search: Search, observe: MakeObserver
) -> None:
    """Killed and read again, a refused message is one dead letter still."""
    search.whole = lambda request, body: 503
    killed = observe("search", search.url)
    publish(nats.url, [b"garbage", event()])
    until(lambda: killed.metrics()["retries"] >= 2, "several attempts")
    assert dead_letters(nats.url) == [], "its batch is not done yet"
    killed.kill()
    search.whole = lambda request, body: None
    search.item = lambda document: (400, "mapper_parsing_exception")
    observe("search", search.url, name="successor")
    until(lambda: pending(nats.url, "search") == 0, "all to be acknowledged")
    assert len(dead_letters(nats.url)) == 2
