from __future__ import annotations

from datetime import timedelta

import pytest

from BrokerLibrary.keywords.latency import LatencyKeywords, Loaded
from BrokerLibrary.keywords.load import LoadKeywords
from BrokerLibrary.keywords.load_taken import Taken
from BrokerLibrary.load import results
from BrokerLibrary.load.plans import Paced
from BrokerLibrary.load.turns import Turns
from LoadLibrary.rate import Rate
from measurement.verdicts import Inconclusive, UnfitMachine
from tests.broker.load.conftest import records, values
from tests.broker.load.made import delivered, durations, outcome, sent

keywords, latency = LoadKeywords(), LatencyKeywords()
PLAN = Paced(1000, 1.0, 0.2)
US = timedelta(microseconds=1)


def taken(broker_seconds, relay_seconds, *, cpu=2.0, number=1_000_000, **changes):
    """Rounds in which a million messages took so long through broker and relay."""
    ours = [outcome(delivered(number, seconds=s, **changes), producer=sent(number)) for s in broker_seconds]
    theirs = [outcome(delivered(number, seconds=s), producer=sent(number), relay_cpu=0.1) for s in relay_seconds]
    turns = Turns(ours, theirs, cpu)
    return Taken(turns, results.maximum(ours), results.maximum(theirs), 1024, 50.0)


def timed(broker_us, relay_us, *, slow_us=0, **changes):
    """Rounds of PLAN in which messages took so many us; one of ten through the broker took `slow_us` when given."""

    def round_of(microseconds, slow, **wrong):
        rows = PLAN.rows
        times = [(microseconds, 900), (slow or microseconds, 100)]
        counted = durations(rows, r0=[(5000, 1200)], r5=times)
        producer = sent(1200, lag=durations(rows, r0=[(0, 200)], r5=[(0, 1000)]), queue=durations(rows, r0=[(0, 1200)]))
        return outcome(delivered(1200, **wrong), producer=producer, latency=counted, service=counted, relay_cpu=0.0)

    ours = [round_of(us, slow_us, **changes) for us in broker_us]
    theirs = [round_of(us, 0) for us in relay_us]
    paced = (results.paced(ours, PLAN), results.paced(theirs, PLAN))
    return Taken(Turns(ours, theirs, 0.1), *paced, 1024, 50.0, True)


class TestThroughput:
    def test_a_rate_above_its_limit_passes_with_the_relays_beside_it(self, run):
        keywords.rate_of_the_broker_should_be_above(taken([0.5] * 5, [0.25] * 5), Rate(1e6))
        ours, theirs = records(run)
        assert (ours["verdict"]["value"], ours["load"]["achieved_rate"]) == ("pass", 2e6)
        assert ours["verdict"]["reason"].endswith("in turns with it, passed on 4000000")
        assert (theirs["name"], theirs["verdict"]["value"]) == ("raw relay, messages of 1024 B", "measured")

    def test_one_below_fails_when_the_relay_can(self, run):
        with pytest.raises(AssertionError, match=r"^500000 correct responses a second.* passed on 1250000"):
            keywords.rate_of_the_broker_should_be_above(taken([2.0] * 5, [0.8] * 5), Rate(1e6))
        assert records(run)[0]["verdict"]["value"] == "fail"

    def test_one_below_is_not_met_on_this_machine_when_the_relay_cannot_either(self, run):
        with pytest.raises(UnfitMachine, match=r"^not met on this machine: 500000 .* passed on 800000"):
            keywords.rate_of_the_broker_should_be_above(taken([2.0] * 5, [1.25] * 5), Rate(1e6))
        assert records(run)[0]["verdict"]["value"] == "inconclusive"

    def test_nor_when_the_share_that_is_demanded_of_the_relays_rate_is_below(self, run):
        measured = taken([1.25] * 5, [0.8] * 5)  # 800 000 and 1 250 000 a second
        with pytest.raises(UnfitMachine, match=r"^not met on this machine: 800000 .* passed on 1250000"):
            keywords.rate_of_the_broker_should_be_above(measured, Rate(1e6), 60)
        with pytest.raises(AssertionError, match=r"^800000 correct responses a second"):
            keywords.rate_of_the_broker_should_be_above(measured, Rate(1e6), 80)

    def test_a_slow_machine_excuses_no_lost_message(self, run):
        with pytest.raises(AssertionError, match=r"^10 of 10000000 operations failed.*1 lost of 1000000 messages"):
            keywords.rate_of_the_broker_should_be_above(taken([2.0] * 10, [2.0] * 10, received=[999_999]), Rate(1e6))

    def test_a_share_of_the_relay_needs_its_whole_interval(self, run):
        share = keywords.share_of_the_raw_relays_rate_should_be_at_least
        share(taken([1.0, 1.1, 0.9, 1.0, 1.0], [0.75] * 5), 60)
        with pytest.raises(
            AssertionError, match=r"^rate of the broker / rate of the raw relay is 0\.5 .*at least 0\.6 wanted"
        ):
            share(taken([2.0] * 5, [1.0] * 5), 60)
        with pytest.raises(Inconclusive, match="the interval reaches below"):
            share(taken([0.8, 2.0, 1.6, 0.9, 1.7], [0.8] * 5), 60)
        first, *_ = records(run)
        assert first["comparison"]["ratio"] == pytest.approx(0.75, rel=0.02)
        assert first["target"] == {"of": "rate of the raw relay", "limit": 60, "unit": "%", "bound": "at least"}

    def test_a_share_of_spoilt_messages_is_none(self, run):
        with pytest.raises(AssertionError, match="corrupted"):
            keywords.share_of_the_raw_relays_rate_should_be_at_least(taken([1.0] * 5, [1.0] * 5, corrupted=1), 60)

    def test_every_message_is_looked_at_on_both_ways(self, run, said):
        keywords.every_message_should_have_come_through_intact(taken([1.0] * 5, [1.0] * 5))
        assert said == ["5000000 messages of 1024 B came once, in order and unchanged"]
        with pytest.raises(AssertionError, match=r"broker: 1 duplicated of 1000000 messages; .*; and 2 more"):
            keywords.every_message_should_have_come_through_intact(taken([1.0] * 5, [1.0] * 5, duplicated=1))
        spoilt = taken([1.0] * 5, [1.0] * 5)
        spoilt.turns.relay[3].consumers[0].connections[0].__dict__.update(reordered=7)
        with pytest.raises(AssertionError, match=r"^raw relay: 7 reordered"):
            keywords.every_message_should_have_come_through_intact(spoilt)

    def test_no_message_at_all_settles_nothing(self, run):
        with pytest.raises(Inconclusive, match="nothing was sent"):
            keywords.every_message_should_have_come_through_intact(taken([1.0] * 5, [1.0] * 5, number=0))

    def test_routing_is_what_the_broker_uses_beyond_copying(self, run):
        load = taken([1.0] * 5, [1.0] * 5, cpu=5.5)  # 1.1 us a message, the relay 0.1
        keywords.routing_should_cost_less_than(load, 5 * US)
        assert values(run)["routing overhead"] == (1.0, "us")
        assert values(run)["CPU of the broker for a million messages"] == (1.1, "s")
        with pytest.raises(AssertionError, match=r"routing costs 1\.000 us .* below 1 us wanted"):
            keywords.routing_should_cost_less_than(load, 1 * US)

    def test_processes_that_cannot_be_looked_at_settle_nothing(self, run):
        with pytest.raises(Inconclusive, match="does not tell which processes"):
            keywords.routing_should_cost_less_than(taken([1.0] * 5, [1.0] * 5, cpu=None), 5 * US)


class TestScaling:
    def test_every_consumer_needs_everything(self, run):
        keywords.every_consumer_should_have_everything(outcome(*[delivered(100)] * 50))
        assert values(run)["delivered"] == (100.0, "%")
        lacking = [delivered(100)] * 49 + [delivered(100, received=[99])]
        with pytest.raises(AssertionError, match=r"1 of 50 consumers: connection 49: 1 lost of 100 messages$"):
            keywords.every_consumer_should_have_everything(outcome(*lacking))
        dropped = delivered(100, received=[90], lagged=10, notices=1)
        with pytest.raises(AssertionError, match="1 of 2 consumers: connection 1: 10 of 100 messages were dropped"):
            keywords.every_consumer_should_have_everything(outcome(delivered(100), dropped))

    def test_the_slowest_consumer_counts_from_the_first_message_sent(self, run):
        fan = outcome(delivered(10_000, seconds=0.1), delivered(10_000, seconds=0.5))
        keywords.slowest_consumer_should_read_faster_than(fan, Rate(10_000))
        assert values(run)["slowest consumer"] == (20_000, "/s")
        with pytest.raises(AssertionError, match=r"the slowest of 2 consumers read 20000 .* more than 25000 wanted"):
            keywords.slowest_consumer_should_read_faster_than(fan, Rate(25_000))


class TestLatency:
    def test_percentiles_below_the_limit_pass_each_with_its_record(self, run):
        latency.latency_should_be_below(timed([60] * 5, [20] * 5), 100 * US, 50, 95)
        p50, p95 = records(run)
        assert [r["target"]["of"] for r in (p50, p95)] == ["p50 latency", "p95 latency"]
        assert {r["verdict"]["value"] for r in (p50, p95)} == {"pass"}
        assert p50["latency"]["p50"] == pytest.approx(60e-6)
        assert p50["machine"]["processors_awake"] is True
        assert [sample["latency"]["p50"] for sample in p50["samples"]] == [pytest.approx(5e-3, rel=1e-3)]  # warm-up

    def test_one_above_fails_when_the_relays_is_below(self, run):
        with pytest.raises(AssertionError, match=r"^p95 is 0\.150 ms, budget 0\.100 ms .* took 0\.020 ms at p95"):
            latency.latency_should_be_below(timed([60] * 5, [20] * 5, slow_us=150), 100 * US, 50, 95)
        assert [r["verdict"]["value"] for r in records(run)] == ["pass", "fail"]

    def test_one_above_is_not_met_on_this_machine_when_the_relays_is_above_too(self, run):
        with pytest.raises(UnfitMachine, match="not met on this machine: p50"):
            latency.latency_should_be_below(timed([160] * 5, [120] * 5), 100 * US, 50)

    def test_nor_when_the_times_that_are_allowed_of_the_relays_are_above(self, run):
        measured = timed([150] * 5, [40] * 5)
        with pytest.raises(UnfitMachine, match=r"^not met on this machine: p50 is 0\.150 ms.* took 0\.040 ms at p50"):
            latency.latency_should_be_below(measured, 100 * US, 50, times=3)
        with pytest.raises(AssertionError, match=r"^p50 is 0\.150 ms"):
            latency.latency_should_be_below(measured, 100 * US, 50, times=2)

    def test_a_slow_machine_excuses_no_lost_message(self, run):
        with pytest.raises(AssertionError, match=r"^5 of 5000 operations failed"):
            latency.latency_should_be_below(timed([160] * 5, [120] * 5, received=[1199]), 100 * US, 50)

    def test_the_median_is_compared_round_by_round(self, run):
        latency.median_should_be_below_that_of_the_raw_relay_times(timed([60, 30, 90, 60, 60], [30, 15, 45, 30, 30]), 3)
        paired, relay = records(run)
        assert paired["comparison"]["ratio"] == pytest.approx(2.0, rel=2e-3)
        assert paired["comparison"]["a_p50_s"][2] == pytest.approx(90e-6, rel=1e-3)
        assert (paired["load"]["mode"], relay["name"]) == ("paired", "raw relay at 1000/s")
        with pytest.raises(AssertionError, match="below 3 wanted"):
            latency.median_should_be_below_that_of_the_raw_relay_times(timed([90] * 5, [30] * 5), 3)

    def test_loss_under_load_is_found(self, run):
        loaded = Loaded([outcome(), outcome(delivered(100, received=[98]))], 1024)
        with pytest.raises(AssertionError, match="2 lost of 100"):
            keywords.every_message_should_have_come_through_intact(loaded)
