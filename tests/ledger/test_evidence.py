from __future__ import annotations

import pytest

from LedgerLibrary import evidence as judged
from LedgerLibrary.evidence import Evidence
from measurement.verdicts import Inconclusive
from oracles.history import FINAL, History, Kind, Operation, Result

T = 1000.0  # when the fault struck


def write(number, at, outcome=Result.ACKED, took=0.01, timeline=1, node="member1"):
    return Operation(number, Kind.WRITE, at - took, at, outcome, None, node, f"timeline {timeline}")


def writes(begin, end, first=0, rate=100, **more):
    count = round((end - begin) * rate)
    return [write(first + i, begin + (i + 1) / rate, **more) for i in range(count)]


def survivors(*ids):
    return Operation(FINAL, Kind.READ, T + 100, T + 100, Result.OBSERVED, list(ids))


def seen(member, at, writable):
    outcome = Result.UNKNOWN if writable is None else Result.OBSERVED
    return Operation("primary", Kind.OBSERVE, at - 0.01, at, outcome, writable, member)


def polls(member, begin, end, writable):
    return [seen(member, begin + i / 10, writable) for i in range(round((end - begin) * 10))]


def run(operations=(), observations=(), reads=(), **marks):
    named = {label.replace("_", " "): at for label, at in marks.items()}
    return Evidence(History.of(operations), tuple(map(History.of, reads)), History.of(observations), named)


class TestGap:
    def test_it_is_the_longest_time_without_an_acknowledgement_after_the_mark(self):
        found = judged.write_gap(run([*writes(T - 2, T), *writes(T + 5, T + 7, first=1000)], the_kill=T), "the kill")
        assert found.seconds == pytest.approx(5, abs=0.05)
        assert found.healed

    def test_refused_and_unknown_writes_do_not_end_it(self):
        refused = [write(500, T + 2, Result.FAILED), write(501, T + 3, Result.UNKNOWN)]
        found = judged.write_gap(run([*writes(T - 2, T), *refused, *writes(T + 5, T + 7, 1000)], kill=T), "kill")
        assert found.seconds == pytest.approx(5, abs=0.05)

    def test_an_earlier_longer_silence_is_not_the_faults(self):
        before = [*writes(T - 20, T - 19), *writes(T - 2, T, 500)]
        found = judged.write_gap(run([*before, *writes(T + 3, T + 5, 1000)], kill=T), "kill")
        assert found.seconds == pytest.approx(3, abs=0.05)

    def test_writes_that_never_come_back_leave_it_open(self):
        found = judged.write_gap(run([*writes(T - 2, T), write(900, T + 30, Result.FAILED)], kill=T), "kill")
        assert not found.healed
        assert found.seconds == pytest.approx(30, abs=0.05)

    def test_too_few_writes_before_cannot_tell(self):
        with pytest.raises(Inconclusive, match="19 acknowledged writes before 'kill', at least 50 needed"):
            judged.write_gap(run([*writes(T - 0.2, T), *writes(T + 3, T + 5, 1000)], kill=T), "kill")

    def test_too_few_writes_after_cannot_tell(self):
        with pytest.raises(Inconclusive, match="20 acknowledged writes after the gap"):
            judged.write_gap(run([*writes(T - 2, T), *writes(T + 3, T + 3.2, 1000)], kill=T), "kill")

    def test_a_mark_that_was_never_set_cannot_tell(self):
        with pytest.raises(Inconclusive, match="'kill' did not happen in this run; what did: 'freeze'"):
            judged.write_gap(run(writes(T - 2, T), freeze=T), "kill")

    def test_a_gap_too_short_to_be_an_outage_may_come_at_the_end(self):
        found = judged.write_gap(run([*writes(T - 2, T + 5), *writes(T + 5.1, T + 5.2, 1000)], kill=T), "kill")
        assert found.seconds == pytest.approx(0.11, abs=0.02)


class TestStop:
    def stop(self, *operations, back=T + 6):
        return judged.stop_of_writes(
            run([*writes(T - 2, T + 1), *operations], freeze=T, thaw=back), "freeze", "thaw", 2
        )

    def test_writes_that_stop_in_time_and_stay_away_are_not_late(self):
        found = self.stop(*writes(T + 6.1, T + 7, 1000))
        assert found.late == 0
        assert found.seconds == pytest.approx(1, abs=0.02)

    def test_one_late_write_is_enough(self):
        found = self.stop(write(900, T + 4))
        assert (found.late, found.seconds) == (1, 4.0)

    def test_writes_that_never_stop_are_late(self):
        assert self.stop(*writes(T + 1, T + 6, 1000)).late == pytest.approx(400, abs=3)

    def test_without_time_to_see_them_stay_away_it_cannot_tell(self):
        with pytest.raises(Inconclusive, match="too soon"):
            self.stop(back=T + 1.5)


class TestTakeover:
    def test_another_member_that_accepts_writes_took_over(self):
        observations = [*polls("m1", T - 2, T, True), *polls("m1", T, T + 30, None), *polls("m2", T + 20, T + 30, True)]
        found = judged.takeover(run(observations=observations, kill=T), "kill")
        assert found == judged.Takeover("m1", "m2", 20.0)

    def test_the_same_member_counts_when_it_had_been_seen_not_to_accept_writes(self):
        observations = [*polls("m1", T - 2, T, True), *polls("m1", T, T + 1, False), *polls("m1", T + 1, T + 3, True)]
        found = judged.takeover(run(observations=observations, kill=T), "kill")
        assert found == judged.Takeover("m1", "m1", 1.0)

    def test_the_leaders_last_words_are_no_takeover(self):
        observations = [*polls("m1", T - 2, T + 0.3, True), *polls("m2", T + 5, T + 9, True)]
        found = judged.takeover(run(observations=observations, kill=T), "kill")
        assert found is not None
        assert found.member == "m2"
        assert found.seconds == pytest.approx(5)

    def test_nobody_took_over(self):
        observations = [*polls("m1", T - 2, T, True), *polls("m1", T, T + 9, None)]
        assert judged.takeover(run(observations=observations, kill=T), "kill") is None

    def test_without_a_leader_before_it_cannot_tell(self):
        with pytest.raises(Inconclusive, match="no member was seen to accept writes before 'kill'"):
            judged.takeover(run(observations=polls("m2", T + 5, T + 9, True), kill=T), "kill")


def test_the_last_leader_is_the_one_that_accepts_writes_at_the_end():
    observations = [*polls("m1", T - 2, T, True), *polls("m3", T + 2, T + 4, True), *polls("m1", T + 3, T + 4, False)]
    assert judged.last_leader(run(observations=observations)) == "m3"


def test_timelines_are_those_of_the_first_and_the_last_acknowledged_write():
    operations = [write(1, T, timeline=4), write(2, T + 1, timeline=5), write(3, T + 2, Result.FAILED, timeline=9)]
    assert judged.timelines(run(operations)) == (4, 5)


class TestLossInWindow:
    def window(self, *lost_from):
        operations = [*writes(T - 1, T + 1.1), *writes(T + 3, T + 4, first=1000)]
        kept = [o.id for o in operations if not lost_from[0] <= o.completed < lost_from[1]]
        evidence = run([*operations, survivors(*kept)], began=T, frozen=T + 0.1, killed=T + 1.1)
        return judged.loss_in_window(evidence, "began", "frozen", "killed")

    def test_all_of_the_window_and_some_of_its_edge_may_be_lost(self):
        found = self.window(T + 0.05, T + 1.2)
        assert (len(found.kept), len(found.elsewhere)) == (0, 0)
        assert len(found.acked) == pytest.approx(100, abs=3)

    def test_a_write_on_its_way_when_the_window_began_may_have_left_the_machine(self):
        underway = write(1, T + 0.11, took=0.05)
        evidence = run([underway, survivors(1)], began=T, frozen=T + 0.1, killed=T + 1)
        assert judged.loss_in_window(evidence, "began", "frozen", "killed").kept == ()

    def test_a_write_of_the_window_that_is_there_is_kept(self):
        assert len(self.window(T + 0.6, T + 1.2).kept) == pytest.approx(50, abs=3)

    def test_a_write_from_before_that_is_lost_is_told(self):
        assert len(self.window(T - 0.5, T + 1.2).elsewhere) == pytest.approx(50, abs=3)


class TestSilence:
    def reads(self, *times, failed=()):
        good = [Operation("w", Kind.READ, t, t, Result.OBSERVED, 1, "m1") for t in times]
        return History.of([*good, *(Operation("w", Kind.READ, t, t, Result.FAILED) for t in failed)])

    def test_the_longest_time_without_an_answer_counts(self):
        found = judged.longest_silence(self.reads(T - 1, T + 1, T + 4, T + 5, failed=[T + 2]), T)
        assert found == judged.Silence(3, 3, 1)

    def test_silence_until_the_end_counts(self):
        assert judged.longest_silence(self.reads(T - 1, T + 1, failed=[T + 9]), T).seconds == 8

    def test_without_an_answer_before_it_cannot_tell(self):
        with pytest.raises(Inconclusive):
            judged.longest_silence(self.reads(T + 1), T)


class TestRowLag:
    def lag(self, *samples):
        ledger = History.of(writes(T, T + 10))
        reads = [Operation("w", Kind.READ, T + at, T + at, Result.OBSERVED, shown, "member2") for at, shown in samples]
        return judged.row_lag(ledger, History.of(reads))

    def test_a_replica_that_shows_every_acknowledged_row_lags_not_at_all(self):
        assert self.lag((5.001, 499)) == judged.Lag("member2", 0.0, 1)

    def test_the_oldest_row_that_is_not_shown_tells_the_lag(self):
        assert self.lag((5.0, 499), (8.0, 499)).seconds == pytest.approx(3, abs=0.02)

    def test_a_row_acknowledged_after_the_read_began_is_not_missed(self):
        slow = Operation("w", Kind.READ, T + 5, T + 9, Result.OBSERVED, 499, "member2")
        assert judged.row_lag(History.of(writes(T, T + 10)), History.of([slow])).seconds == 0

    def test_an_empty_replica_lags_since_the_first_row(self):
        assert self.lag((6.0, 0)).seconds == pytest.approx(6, abs=0.05)

    def test_a_replica_that_never_answered_has_no_samples(self):
        assert judged.row_lag(History.of(writes(T, T + 1)), History.of(())).samples == 0
