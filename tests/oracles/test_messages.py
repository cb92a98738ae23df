from __future__ import annotations

import pytest

from measurement.verdicts import Inconclusive, Verdict
from oracles import messages
from oracles.history import History, Kind, Operation, Result
from oracles.messages import UNREADABLE, MessageId

T = 1_700_000_000.0
FANOUT = {"t": {"routing": "Fanout", "consumers": ["one", "two"]}}


def published(number, at, outcome=Result.ACKED):
    return Operation(f"p/t/{number}", Kind.WRITE, T + at, T + at + 0.01, outcome, "c", "p")


def delivered(number, at, node, checksum="c"):
    return Operation(f"p/t/{number}", Kind.READ, T + at, T + at, Result.OBSERVED, ["t", checksum], node)


def history(*operations, topics=FANOUT):
    return History.of(operations, topics=topics)


def test_an_id_is_read_as_it_is_written():
    assert MessageId.parse(str(MessageId("kraken", "market_data", 7))) == MessageId("kraken", "market_data", 7)
    for wrong in ("kraken/7", "kraken/market_data/seven", UNREADABLE):
        with pytest.raises(ValueError):  # noqa: PT011, whatever int() or the unpacking says
            MessageId.parse(wrong)


def test_only_messages_of_the_window_can_be_lost():
    run = history(published(0, 0), published(1, 1), published(2, 2))
    assert [item.id for item in messages.lost(run).items] == ["p/t/0", "p/t/0", "p/t/1", "p/t/1", "p/t/2", "p/t/2"]
    assert {item.id for item in messages.lost(run, since=T + 0.5, until=T + 1.5).items} == {"p/t/1"}


def test_a_message_without_consumers_cannot_be_lost():
    run = history(published(0, 0), topics={"t": {"routing": "Queue", "consumers": []}})
    assert messages.lost(run).verdict is Verdict.INCONCLUSIVE


def test_a_gap_tells_acknowledged_from_unknown():
    run = history(
        published(0, 0.0),
        delivered(0, 0.1, "one"),
        published(1, 1.0),
        delivered(1, 1.1, "one"),
        delivered(1, 1.1, "two"),
        published(2, 1.2),
        delivered(2, 1.3, "one"),
        published(3, 1.4, Result.UNKNOWN),
        published(4, 1.5, Result.UNKNOWN),
        delivered(4, 1.6, "one"),
        delivered(4, 1.6, "two"),
        published(5, 3.0),
    )
    gap = messages.gap(run, T + 0.5, T + 2)
    assert gap == messages.Gap(2, ("p/t/2",), 2, ("p/t/3",))
    assert str(gap) == "1 of 2 acknowledged messages of the gap are lost, 1 of 2 of unknown outcome"


def test_without_a_word_on_who_subscribed_nothing_can_be_said():
    run = History.of([published(0, 0), delivered(0, 0.1, "one")])
    with pytest.raises(Inconclusive, match="does not say who was subscribed"):
        messages.lost(run)
