from __future__ import annotations

import time

import numpy as np
import pytest

from measurement.verdicts import Verdict
from ObserverLibrary.event import EventSource
from oracles.events import Held, Ledger, changed, doubled, judge, lost, parse_ids, phantom, unacknowledged_there
from oracles.history import Mark

BEGIN = 1_795_292_270_000_000
NUMBER = 1000
SOURCE = EventSource(7)
INTENDED = BEGIN + np.arange(NUMBER) * 1000
TEXTS = [SOURCE.columns(n, int(INTENDED[n]))[0] for n in range(NUMBER)]


def ledger(*, unacked: tuple[int, ...] = ()) -> Ledger:
    acked = np.ones(NUMBER, dtype=bool)
    acked[list(unacked)] = False
    return Ledger(parse_ids(TEXTS)[0], acked, INTENDED)


def held(texts: list[str]) -> Held:
    return Held.of("clickhouse", texts)


def verdicts(known: Ledger, there: Held) -> list[Verdict]:
    return [findings.verdict for findings in judge(known, there)]


def test_a_sink_that_holds_what_was_acknowledged_in_any_order_passes() -> None:
    assert verdicts(ledger(), held(TEXTS[::-1])) == [Verdict.PASS] * 3


def test_lost_events_are_counted_and_the_first_are_told_with_their_time() -> None:
    findings = lost(ledger(), held(TEXTS[:400] + TEXTS[410:]), marks=[Mark("clickhouse was killed", BEGIN / 1e6)])
    assert (findings.verdict, findings.judged, findings.count) == (Verdict.FAIL, NUMBER, 5)
    assert findings.reason.startswith(f"events lost in clickhouse: 10 of 1000 acknowledged; first: {TEXTS[400]}, publi")
    assert "400 ms after clickhouse was killed, was acknowledged and is not in clickhouse" in findings.reason


def test_an_event_whose_acknowledgement_never_came_may_be_there_or_not() -> None:
    known = ledger(unacked=(5, 6))
    there = held(TEXTS[:5] + TEXTS[6:])  # 5 is not there, 6 is
    assert verdicts(known, there) == [Verdict.PASS] * 3
    assert unacknowledged_there(known, there) == 1


def test_doubled_events_are_found_however_far_apart_they_stand() -> None:
    findings = doubled(ledger(), held([*TEXTS, TEXTS[3], TEXTS[900], TEXTS[3]]))
    assert findings.reason.startswith(f"events doubled in clickhouse: 2 of 1000 acknowledged; first: {TEXTS[3]}, ")
    assert "is in clickhouse 3 times" in findings.reason


def test_an_unacknowledged_event_must_not_be_doubled_either() -> None:
    assert doubled(ledger(unacked=(3,)), held([*TEXTS, TEXTS[3]])).verdict is Verdict.FAIL


def test_events_that_nobody_published_are_found_also_where_their_id_is_none() -> None:
    strange = EventSource(8).columns(0, BEGIN)[0]
    findings = phantom(ledger(), held([*TEXTS, strange, "test-order-1"]))
    assert findings.reason.startswith("events never published in clickhouse: 2 of 1000")
    assert [item.id for item in findings.items] == ["test-order-1", strange]


def test_a_sink_that_holds_nothing_has_lost_everything() -> None:
    assert verdicts(ledger(), held([])) == [Verdict.FAIL, Verdict.PASS, Verdict.PASS]


def test_too_few_acknowledged_events_settle_nothing_but_what_is_wrong_is_wrong_all_the_same() -> None:
    few = ledger(unacked=tuple(range(10, NUMBER)))
    there = held(TEXTS[:10])
    assert [findings.verdict for findings in judge(few, there, minimum=11)] == [Verdict.INCONCLUSIVE] * 3
    assert lost(few, held(TEXTS[1:10]), minimum=11).verdict is Verdict.FAIL
    assert "10 events were acknowledged, at least 11 needed" in lost(few, there, minimum=11).reason


def test_nothing_published_settles_nothing() -> None:
    empty = Ledger(parse_ids([])[0], np.empty(0, dtype=bool), np.empty(0, dtype=np.int64))
    assert verdicts(empty, held([])) == [Verdict.INCONCLUSIVE] * 3
    assert verdicts(empty, held(TEXTS[:1])) == [Verdict.INCONCLUSIVE, Verdict.INCONCLUSIVE, Verdict.FAIL]


def test_a_ledger_is_of_one_length() -> None:
    with pytest.raises(ValueError, match="1000 ids, 1 outcomes and 1000 instants"):
        Ledger(parse_ids(TEXTS)[0], np.ones(1, dtype=bool), INTENDED)


def test_changed_fields_are_told_by_what_they_are_and_were() -> None:
    one = {"id": TEXTS[0], "user_id": None, "data": {"total": 1.25}}
    findings = changed("search", [one], [{**one, "data": {"total": 1}}, {"id": "another"}])
    assert (findings.verdict, findings.judged) == (Verdict.FAIL, 1)
    assert f"{TEXTS[0]} in search: data is {{'total': 1}}, was {{'total': 1.25}}" in findings.reason


@pytest.mark.parametrize(
    ("found", "told"),
    [
        ({"user_id": ""}, "user_id is '', was None"),
        ({"org_id": None}, "org_id is None, was 'absent'"),
        ({"timestamp": 1.0}, "timestamp is 1.0, was 1"),
    ],
)
def test_an_empty_text_is_no_null_and_an_extra_field_is_a_change(found: dict[str, object], told: str) -> None:
    one = {"id": TEXTS[0], "user_id": None, "timestamp": 1}
    assert told in changed("search", [one], [{**one, **found}]).reason


def test_a_missing_field_is_a_change() -> None:
    assert "user_id is 'absent', was None" in changed("s", [{"id": "1", "user_id": None}], [{"id": "1"}]).reason


def test_events_of_which_none_was_found_were_not_compared() -> None:
    assert changed("search", [{"id": "1"}], []).verdict is Verdict.INCONCLUSIVE
    assert changed("search", [{"id": "1"}], [{"id": "1"}]).verdict is Verdict.PASS


def test_ids_are_read_as_they_are_written_and_others_are_told() -> None:
    right = TEXTS[:3]
    wrong = [TEXTS[0].upper(), TEXTS[0][:-1], TEXTS[0] + "0", TEXTS[0].replace("-", "_"), "", "g" + TEXTS[0][1:]]
    ids, no_ids = parse_ids(right + wrong)
    assert [len(ids), no_ids] == [3, wrong]


def test_an_id_that_ends_with_zero_bytes_is_itself() -> None:
    zero = "01a1ffc4-48ec-7d9d-b146-000000000000"
    known = Ledger(parse_ids([zero])[0], np.ones(1, dtype=bool), INTENDED[:1])
    assert verdicts(known, held([zero])) == [Verdict.PASS] * 3
    assert verdicts(known, held([zero[:-1] + "1"])) == [Verdict.FAIL, Verdict.PASS, Verdict.FAIL]


def test_1_200_000_ids_are_judged_in_seconds() -> None:
    number = 1_200_000
    at = BEGIN + np.arange(number) * 100
    ids = SOURCE.ids(at)
    digits = np.frombuffer(ids.tobytes(), dtype=np.uint8).reshape(number, 16)
    texts = np.full((number, 36), ord("-"), dtype=np.uint8)
    places = [p for p in range(36) if p not in (8, 13, 18, 23)]
    hexadecimal = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)
    texts[:, places] = hexadecimal[np.stack([digits >> 4, digits & 15], axis=2).reshape(number, 32)]
    begin = time.perf_counter()
    there = held(np.random.default_rng(1).permutation(texts.view("S36").reshape(-1))[1:])  # type: ignore[arg-type]
    findings = judge(Ledger(ids, np.ones(number, dtype=bool), at), there)
    assert time.perf_counter() - begin < 30  # 1.2 s; a busy machine's patience
    assert [f.verdict for f in findings] == [Verdict.FAIL, Verdict.PASS, Verdict.PASS]
    assert findings[0].reason.startswith("events lost in clickhouse: 1 of 1200000 acknowledged")
