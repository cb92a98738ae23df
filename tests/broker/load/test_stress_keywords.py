from __future__ import annotations

import pytest

from BrokerLibrary.keywords.stress import Rounds, Slow, StressKeywords, Sustained
from BrokerLibrary.load import results, slow
from BrokerLibrary.load.plans import Broker, Paced
from measurement.verdicts import Inconclusive
from tests.broker.load.conftest import records, values
from tests.broker.load.made import ORIGIN, SECOND, delivered, durations, outcome, sent

keywords = StressKeywords()
MB = 1_000_000
PLAN = Paced(1000, 2.0)


def sustained(number=2000, *, late_us=0, last_sent=1.999, **changes):
    """A load of 1 000/s for 2 s of which so many messages arrived."""
    rows = PLAN.rows
    times = durations(rows, r0=[(300, changes.pop("arrived", number))])
    lag = durations(rows, r0=[(late_us, number)])
    producer = sent(
        number,
        last_sent_ns=ORIGIN + int(last_sent * SECOND),
        lag=lag,
        queue=durations(rows, r0=[(0, number)]),
        longest_burst=7,
        dropped=2000 - number,
    )
    done = outcome(delivered(number, **changes), producer=producer, latency=times, service=times)
    return Sustained(done, results.paced([done], PLAN), 60.0)


class TestSustained:
    def test_a_rate_that_was_held_passes_and_tells_how_it_was_offered(self, run, said):
        keywords.rate_should_have_been_held(sustained(), 95)
        (record,) = records(run)
        assert (record["verdict"]["value"], record["target"]["limit"]) == ("pass", 950)
        assert values(run)["achieved"] == (100.0, "%")
        assert "generator lag p99 0.000 ms, bursts of at most 7" in said[0]

    def test_dropped_messages_and_a_late_end_lower_the_rate(self, run):
        with pytest.raises(AssertionError, match=r"900 messages a second of 1000 offered, at least 950 .*200 dropped"):
            keywords.rate_should_have_been_held(sustained(1800), 95)
        with pytest.raises(AssertionError, match="667 messages a second"):
            keywords.rate_should_have_been_held(sustained(last_sent=3.0), 95)

    def test_a_generator_that_is_late_offers_another_load(self, run):
        with pytest.raises(Inconclusive, match=r"the generator was late by 20\.0 ms at p99"):
            keywords.rate_should_have_been_held(sustained(late_us=20_000), 95)

    def test_a_rate_of_spoilt_messages_was_not_held(self, run):
        with pytest.raises(AssertionError, match="3 of 2000 operations failed"):
            keywords.rate_should_have_been_held(sustained(received=[1997], arrived=1997), 95)

    def test_everything_that_was_sent_must_have_come(self, run):
        keywords.every_message_that_was_sent_should_have_come(sustained(1800))
        assert values(run)["delivered"] == (100.0, "%")
        with pytest.raises(AssertionError, match="1 lost of 1800 messages"):
            keywords.every_message_that_was_sent_should_have_come(sustained(1800, received=[1799]))


def rounds(*megabytes):
    return Rounds([outcome()] * len(megabytes), 100_000, [int(held * MB) for held in megabytes])


class TestMemory:
    def test_growth_counts_from_the_second_round(self, run):
        keywords.memory_should_have_grown_by_less_than(100, rounds(20, 150, 160, 240, 170))
        assert values(run)["growth after round 2"] == (90.0, "MB")
        with pytest.raises(AssertionError, match=r"grew by 101\.0 MB after round 2 \(150\.0 MB then\)"):
            keywords.memory_should_have_grown_by_less_than(100, rounds(20, 150, 251, 170))

    def test_memory_that_stays_or_wavers_does_not_rise(self, run):
        keywords.memory_should_not_rise_from_round_to_round(rounds(*[100] * 10))
        keywords.memory_should_not_rise_from_round_to_round(rounds(50, 100, 104, 98, 103, 97, 105, 99, 102, 101))

    def test_a_few_bytes_of_every_message_are_a_rise(self, run):
        held = [100 + 0.6 * number + (0.5 if number % 2 else 0) for number in range(10)]
        with pytest.raises(AssertionError, match=r"memory rises by 6\.\d+ B for each message"):
            keywords.memory_should_not_rise_from_round_to_round(rounds(*held))

    def test_a_single_step_is_no_slope(self, run):
        keywords.memory_should_not_rise_from_round_to_round(rounds(90, 100, 100, 100, 100, 100, 101, 101, 101, 101))

    def test_few_rounds_settle_nothing(self, run):
        with pytest.raises(Inconclusive, match="3 rounds are too few"):
            keywords.memory_should_not_rise_from_round_to_round(rounds(90, 100, 110))

    def test_an_incomplete_round_is_named(self, run):
        broken = Rounds([outcome(), outcome(delivered(100, received=[99]))], 100, [1, 1])
        with pytest.raises(AssertionError, match=r"^round 2: 1 lost of 100 messages$"):
            keywords.every_round_should_have_been_complete(broken)


def dropping(stalled=None, trickling=None, prompt=None, neighbour=None):
    """What readers saw of 40 000 messages in 2 s."""
    seen = [
        delivered(40_000, **{"received": [5000], "lagged": 35_000, "notices": 1, **(stalled or {})}),
        delivered(40_000, **{"received": [9000], "lagged": 31_000, "notices": 4, **(trickling or {})}),
        delivered(40_000, seconds=2.0, **(prompt or {})),
        delivered(40_000, seconds=2.0, **(neighbour or {})),
    ]
    return Slow(slow.beside_dropping(outcome(*seen, producer=sent(40_000, seconds=2.0)), 2.0), 6 * MB)


def blocking(*, ended=2.1, stalled=None, neighbour=None):
    seen = [
        delivered(30_000, seconds=2.2, **(stalled or {})),
        delivered(30_000, seconds=2.2),
        delivered(40_000, seconds=2.0, **(neighbour or {})),
    ]
    return Slow(slow.beside_blocking(outcome(*seen, producer=sent(30_000, seconds=ended)), 2.0), 9 * MB)


class TestSlowReaders:
    def test_exact_notices_pass_and_are_told(self, run, said):
        keywords.slow_readers_should_know_exactly_what_they_missed(dropping())
        assert said == [
            "the stalled reader got 5000 of 40000, 35000 announced as dropped in 1 notices",
            "the trickling reader got 9000 of 40000, 31000 announced as dropped in 4 notices",
        ]

    @pytest.mark.parametrize(
        ("seen", "message"),
        [
            ({"stalled": {"lagged": 34_999}}, "the stalled reader: 1 lost of 40000"),
            ({"stalled": {"lagged": 35_001}}, "1 announced-but-received"),
            ({"trickling": {"duplicated": 2}}, "the trickling reader: 2 duplicated"),
            ({"trickling": {"unannounced": 3}}, "3 were missing before any notice said so"),
            ({"prompt": {"received": [39_999]}}, "the prompt reader: 1 lost"),
            ({"neighbour": {"corrupted": 1}}, "the reader of another topic: 1 corrupted"),
        ],
    )
    def test_whatever_is_not_exact_fails(self, run, seen, message):
        with pytest.raises(AssertionError, match=message):
            keywords.slow_readers_should_know_exactly_what_they_missed(dropping(**seen))

    def test_a_reader_that_missed_nothing_had_more_kept_for_it_than_is_allowed(self, run):
        kept = dropping(stalled={"received": [40_000], "lagged": 0})
        with pytest.raises(AssertionError, match="0 announced as dropped: more was kept for it than the 5000"):
            keywords.slow_readers_should_know_exactly_what_they_missed(kept)

    def test_a_publisher_that_waits_passes_and_one_that_does_not_fails(self, run):
        keywords.publisher_should_have_waited_and_nothing_been_lost(blocking())
        with pytest.raises(AssertionError, match=r"took 0\.30 s, the reader stalled for 2 s: it did not wait"):
            keywords.publisher_should_have_waited_and_nothing_been_lost(blocking(ended=0.3))

    def test_where_the_publisher_waits_nothing_is_dropped_announced_or_not(self, run):
        with pytest.raises(AssertionError, match="the stalled reader: 5 were dropped"):
            keywords.publisher_should_have_waited_and_nothing_been_lost(
                blocking(stalled={"received": [29_995], "lagged": 5})
            )
        with pytest.raises(AssertionError, match="5 lost"):
            keywords.publisher_should_have_waited_and_nothing_been_lost(blocking(stalled={"received": [29_995]}))

    def test_others_keep_the_rate_that_was_offered(self, run):
        keywords.others_should_have_had_full_speed(dropping(), blocking())
        late = {"last_ns": ORIGIN + int(2.5 * SECOND)}
        with pytest.raises(AssertionError, match="the prompt reader got 40000 of 40000 messages at 16000/s"):
            keywords.others_should_have_had_full_speed(dropping(prompt=late))
        with pytest.raises(AssertionError, match="the reader of another topic got 40000"):
            keywords.others_should_have_had_full_speed(dropping(), blocking(neighbour=late))
        with pytest.raises(AssertionError, match="the prompt reader got 39999"):
            keywords.others_should_have_had_full_speed(dropping(prompt={"received": [39_999], "lagged": 1}))

    def test_the_greater_growth_of_memory_counts(self, run):
        keywords.slow_readers_should_have_cost_less_than(10, dropping(), blocking())
        assert values(run)["growth beside slow readers"] == (9.0, "MB")
        with pytest.raises(AssertionError, match=r"memory grew by 9\.0 MB beside slow readers, less than 9 MB wanted"):
            keywords.slow_readers_should_have_cost_less_than(9, dropping(), blocking())

    def test_the_stages_have_the_readers_they_are_judged_by(self, tmp_path):
        way = Broker(tmp_path / "b.sock")
        dropped = slow.dropping(way, "a", "b", PLAN, 1024)
        assert [(c.shape.topic, c.pace and bool(c.pace.read_bytes)) for c in dropped.consumers] == [
            ("a", False),
            ("a", True),
            ("a", None),
            ("b", None),
        ]
        blocked = slow.blocking(way, "a", "b", PLAN, 30_000, 1024)
        assert [(p.shape.topic, p.rate, p.count) for p in blocked.producers] == [("a", None, 30_000), ("b", 1000, 2000)]
        assert [c.pace and c.pace.seconds for c in blocked.consumers] == [2.0, None, None]
