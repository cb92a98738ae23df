"""The publisher against a real NATS: what its ledger says is what the stream holds, whatever happens to NATS."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from nats.js.errors import NoStreamResponseError

from ObserverLibrary.event import EntityEvent, lone_event
from ObserverLibrary.ledger import ROW, Outcome, Plan, Published, create
from ObserverLibrary.publisher import publish_one
from ObserverLibrary.publishing import Publishing, PublishingFailed, State
from tests.observer.conftest import NatsServer
from tests.observer.system import STREAM, SUBJECT
from tests.waiting import until

pytestmark = pytest.mark.servers

NOW = 1_795_292_270_691_188


def plan(rate: float, events: int, **changes: float) -> Plan:
    return Plan(STREAM, SUBJECT, 7, rate, events, **changes)


def publishing(server: NatsServer, tmp_path: Path, rate: float, events: int, **changes: float) -> Publishing:
    return Publishing(server.url, plan(rate, events, **changes), tmp_path / "histories" / "load.ledger")


def acked(number: int) -> Callable[[State], str | None]:
    return lambda state: f"{state.acked} of {number} acknowledged" if state.acked < number else None


def ids_in(server: NatsServer) -> Counter[str]:
    return Counter(EntityEvent.parse(message.data).id for message in server.messages())


def ids_of(published: Published) -> list[str]:
    return [event.id for event in published.events()]


def test_every_event_is_sent_at_its_time_with_its_id_and_acknowledged(server: NatsServer, tmp_path: Path) -> None:
    published = publishing(server, tmp_path, 1000, 500).begin().wait()
    assert (published.acknowledged, len(published.rows), published.outcome.offered) == (500, 500, 500)
    assert (published.rows["attempts"] == 1).all()
    assert (published.rows["sent"] >= published.intended_us).all()
    assert (published.rows["acked"] >= published.rows["sent"]).all()
    for message, event in zip(server.messages(), published.events(), strict=True):
        assert message.data == event.payload()
        assert message.headers["Nats-Msg-Id"] == event.id
        assert message.subject == event.subject(SUBJECT)
    result = published.result()
    assert (result.ok, result.failed, result.dropped, result.mode) == (500, 0, 0, "open")
    assert result.schedule_seconds == pytest.approx(0.5)
    assert 0.45 < published.outcome.wall_seconds < 5


def test_a_ledger_is_read_again_as_it_was_and_keeps_no_password(server: NatsServer, tmp_path: Path) -> None:
    published = publishing(server, tmp_path, 2000, 100).begin().wait()
    again = Published.read(published.path)
    assert (again.plan, again.outcome) == (published.plan, published.outcome)
    assert (again.rows == published.rows).all()
    assert ids_of(again) == ids_of(published)
    assert "nats://" not in published.path.with_suffix(".json").read_text()


def test_a_second_load_does_not_hide_the_ledger_of_the_first(server: NatsServer, tmp_path: Path) -> None:
    publishing(server, tmp_path, 2000, 10).begin().wait()
    with pytest.raises(PublishingFailed, match="FileExistsError"):
        publishing(server, tmp_path, 2000, 10)


def test_a_load_that_is_stopped_owes_only_what_had_fallen_due(server: NatsServer, tmp_path: Path) -> None:
    load = publishing(server, tmp_path, 1000, 1_000_000).begin()
    load.await_state(acked(200), 20)
    published = load.stop()
    assert published.outcome.stopped
    assert 200 <= published.outcome.offered < 100_000
    assert published.acknowledged == published.outcome.offered == len(server.messages())
    assert len(np.fromfile(published.path, dtype=ROW)) == published.outcome.offered, "no rows of what never fell due"
    assert published.result().schedule_seconds == pytest.approx(published.outcome.offered / 1000)


def test_20_000_events_a_second_are_acknowledged(server: NatsServer, tmp_path: Path) -> None:
    published = publishing(server, tmp_path, 20_000, 30_000).begin().wait()
    assert published.acknowledged == 30_000
    assert published.outcome.wall_seconds < 6  # 1.5 s; a busy machine's patience


def test_a_ledger_with_too_few_rows_is_refused(tmp_path: Path) -> None:
    create(tmp_path / "x.ledger", 10)
    with pytest.raises(ValueError, match="has 10 rows, and 11 events fell due"):
        Published.of(plan(1, 11), Outcome(0, 11), tmp_path / "x.ledger")


def test_nothing_is_lost_when_nats_is_killed_and_comes_back(server: NatsServer, tmp_path: Path) -> None:
    load = publishing(server, tmp_path, 2000, 6000).begin()
    load.await_state(acked(1000), 20)
    server.kill()
    gone = load.await_state(lambda state: "it is still connected" if state.connected else None, 20)
    load.await_state(lambda state: "few are due" if state.due < gone.due + 500 else None, 20)
    server.start()
    published = load.wait()
    assert published.acknowledged == 6000
    assert published.outcome.reconnects == 1
    assert ids_in(server) == Counter(ids_of(published))
    result = published.result()
    assert result.queue_delay.max > 0.2, "what waited for NATS waited because of NATS"
    assert result.generator_lag.percentile(90) < 0.2


def test_a_nats_that_does_not_answer_gets_again_what_it_has_not_acknowledged(
    server: NatsServer, tmp_path: Path
) -> None:
    load = publishing(server, tmp_path, 2000, 8000).begin()
    load.await_state(acked(500), 20)
    server.process.send_signal(signal.SIGSTOP)
    try:
        load.await_state(lambda state: "it is still connected" if state.connected else None, 20)
    finally:
        server.process.send_signal(signal.SIGCONT)
    published = load.wait()
    assert published.acknowledged == 8000
    assert (published.rows["attempts"] > 1).any()
    assert ids_in(server) == Counter(ids_of(published)), "the same id twice is stored once"


def test_what_nats_never_acknowledges_is_unacknowledged_in_the_ledger(server: NatsServer, tmp_path: Path) -> None:
    load = publishing(server, tmp_path, 1000, 2000, drain_seconds=0.5).begin()
    load.await_state(acked(300), 20)
    server.kill()
    published = load.wait()
    assert 300 <= published.acknowledged < 2000
    assert len(published.rows) == 2000
    result = published.result()
    assert result.ok == published.acknowledged
    assert result.ok + result.failed + result.dropped == 2000
    assert result.dropped > 0, "what was due while NATS was away was never sent"
    assert published.summary().startswith(f"{published.acknowledged} of 2000 events acknowledged")


def test_events_that_no_stream_takes_are_sent_again_and_noted(server: NatsServer, tmp_path: Path) -> None:
    load = Publishing(
        server.url, Plan(STREAM, "nowhere", 7, 500, 50, drain_seconds=0.5), tmp_path / "histories" / "load.ledger"
    )
    published = load.begin().wait()
    assert published.acknowledged == 0
    assert published.outcome.errors == ["NATS answered 503"]
    assert (published.rows["attempts"] > 1).all()
    assert published.result().errors == {"NATS answered 503": 50}


def test_an_answer_of_another_stream_is_no_acknowledgement(server: NatsServer, tmp_path: Path) -> None:
    wrong = Plan("another_stream", SUBJECT, 7, 500, 20, drain_seconds=0.3)
    published = Publishing(server.url, wrong, tmp_path / "histories" / "load.ledger").begin().wait()
    assert published.acknowledged == 0
    assert any(STREAM in error for error in published.outcome.errors)


def test_without_nats_a_load_does_not_begin(tmp_path: Path) -> None:
    absent = NatsServer(tmp_path)
    with pytest.raises(PublishingFailed, match="TimeoutError"):
        publishing(absent, tmp_path, 100, 10)


def test_a_publisher_that_is_killed_leaves_what_it_knew(server: NatsServer, tmp_path: Path) -> None:
    load = publishing(server, tmp_path, 1000, 100_000).begin()
    known = load.await_state(acked(500), 20).acked
    load.kill()
    with pytest.raises(PublishingFailed, match="ended with -9"):
        load.wait()
    with pytest.raises(PublishingFailed, match="ended with -9"):
        load.await_state(acked(100_000), 20)
    rows = Published.of(load.plan, Outcome(0, 100_000), load.ledger).rows
    assert known <= (rows["acked"] > 0).sum() <= len(server.messages())


def test_a_publisher_ends_when_nobody_tells_it_anything_any_more(server: NatsServer, tmp_path: Path) -> None:
    load = publishing(server, tmp_path, 1000, 100_000).begin()
    load.await_state(acked(1), 20)
    assert load._process.stdin is not None
    load._process.stdin.close()
    assert until(lambda: load._process.poll() is not None, "the publisher to end")


def test_waiting_for_a_state_has_a_deadline_and_says_what_is_missing(server: NatsServer, tmp_path: Path) -> None:
    load = publishing(server, tmp_path, 100, 100_000).begin()
    with pytest.raises(TimeoutError, match=r"of 9999 acknowledged within 0\.3 s"):
        load.await_state(acked(9999), 0.3)
    load.kill()


def test_one_event_is_published_and_acknowledged(server: NatsServer) -> None:
    event = lone_event("INSERT", "Order", {"total": 1.5}, seed=3, intended_us=NOW)
    assert publish_one(server.url, SUBJECT, event, 10) == 1
    assert publish_one(server.url, SUBJECT, event, 10) == 1, "the same id again is the same message"
    (message,) = server.messages()
    assert EntityEvent.parse(message.data) == event
    with pytest.raises(NoStreamResponseError):
        publish_one(server.url, "nowhere", event, 10)


def test_a_state_tells_how_the_load_stands(server: NatsServer, tmp_path: Path) -> None:
    load = publishing(server, tmp_path, 1000, 100_000).begin()
    state = load.await_state(acked(100), 20)
    assert isinstance(state, State)
    assert state.due >= state.sent >= state.acked >= 100
    assert state.connected
    load.kill()
