from __future__ import annotations

import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from measurement.openloop import Offering, offer, offer_each
from measurement.results import Outcome
from measurement.schedule import constant_rate
from measurement.verdicts import Inconclusive


class UndefinedColumn(Exception):
    pgcode = "42703"


def nothing(number: int) -> None:
    """An operation that succeeds at once."""


def test_operations_start_when_they_are_intended_to_and_all_of_them_run():
    numbers: list[int] = []
    result = offer(numbers.append, constant_rate(200, 1), workers=4)
    assert sorted(numbers) == list(range(200))
    assert (result.offered, result.ok, result.failed, result.dropped) == (200, 200, 0, 0)
    lateness = result.samples.sent - result.samples.intended
    assert lateness.min() >= 0
    assert np.median(lateness) < 0.005
    assert result.offered_rate == pytest.approx(200)
    assert result.achieved_rate == pytest.approx(200, rel=0.02)


def test_latency_is_queue_delay_and_generator_lag_and_service_time_of_each_operation():
    result = offer(lambda _: time.sleep(0.02), constant_rate(100, 0.5), workers=1)  # 50/s possible, 100/s offered
    samples = result.samples
    latency = samples.completed - samples.intended
    queue = np.maximum(samples.free - samples.intended, 0)
    lag = samples.sent - np.maximum(samples.intended, samples.free)
    assert np.allclose(latency, queue + lag + (samples.completed - samples.sent))
    assert (lag >= 0).all()


def test_a_busy_crew_shows_as_queue_delay_and_not_as_generator_lag():
    result = offer(lambda _: time.sleep(0.02), constant_rate(100, 0.5), workers=1)
    assert result.queue_delay.max > 0.3  # 50 operations of 20 ms, offered within half a second
    assert result.generator_lag.percentile(90) < 0.01
    assert result.late > 40
    assert result.achieved_rate < 0.75 * result.offered_rate
    assert result.latency.max > 0.3 > 0.1 > result.service_time.percentile(90)


def test_a_generator_that_is_kept_from_sending_shows_as_lag_and_not_as_queue_delay(monkeypatch):
    real = time.sleep
    monkeypatch.setattr("measurement.openloop.time.sleep", lambda seconds: real(seconds + 0.02))
    result = offer(nothing, constant_rate(20, 0.5), workers=8)
    assert result.generator_lag.percentile(50) > 0.015
    assert result.queue_delay.percentile(50) < 0.015


def test_every_worker_has_an_operation_of_its_own_that_is_closed_in_the_end():
    made, closed, used = [], [], set()

    class Session:
        def __init__(self, worker):
            self.worker, self.thread = worker, threading.current_thread()
            made.append(worker)

        def __call__(self, number):
            assert threading.current_thread() is self.thread
            used.add(self.worker)
            time.sleep(0.01)

        def close(self):
            closed.append(self.worker)

    result = offer_each(Session, constant_rate(200, 0.3), workers=3)
    assert sorted(made) == sorted(closed) == [0, 1, 2]
    assert used == {0, 1, 2}
    assert result.failed == 0


def test_errors_are_counted_by_sqlstate_or_class_or_name_of_the_wrong_answer():
    def operation(number):
        match number % 4:
            case 0:
                raise UndefinedColumn("no column\n  of that name")
            case 1:
                raise TimeoutError("late")
            case 2:
                return Outcome.wrong("7 instead of 8")
            case _:
                return Outcome()

    result = offer(operation, constant_rate(400, 0.2), workers=2)
    assert result.errors == {"42703": 20, "TimeoutError": 20, "wrong-response": 20}
    assert (result.ok, result.failed) == (20, 60)
    assert result.error_details["42703"].first_detail == "no column of that name"
    assert result.error_details["wrong-response"].first_detail == "7 instead of 8"
    assert result.error_details["42703"].first_at == pytest.approx(0, abs=0.05)
    assert result.latency.n == 20
    assert result.normal.failed_latency.n == 60


def test_warm_up_is_labelled_and_not_thrown_away():
    result = offer(
        lambda number: time.sleep(0.02 if number < 20 else 0), constant_rate(100, 0.5), workers=4, warm_up_seconds=0.2
    )
    assert (result.warm_up.label, result.warm_up.offered, result.normal.offered) == ("warm-up", 20, 30)
    assert result.warm_up.latency.percentile(50) > 0.015 > result.latency.percentile(50)
    assert result.duration_seconds == pytest.approx(0.3)
    assert result.offered_rate == pytest.approx(100)


def test_what_comes_too_late_is_dropped_and_counted():
    result = offer(lambda _: time.sleep(0.1), constant_rate(100, 0.5), workers=1, drop_after_seconds=0.15)
    assert result.dropped > 30
    assert result.ok + result.dropped == result.offered == 50
    assert np.isnan(result.samples.sent[result.samples.dropped]).all()
    assert (result.samples.sent - result.samples.intended)[result.samples.ok].max() <= 0.15
    assert result.latency.n == result.ok


def test_a_factory_that_fails_is_told_before_anything_runs():
    closed, ran = [], []

    class Session:
        def __call__(self, number):
            ran.append(number)

        def close(self):
            closed.append(1)

    def factory(worker):
        if worker == 2:
            raise ConnectionError("no server")
        return Session()

    with pytest.raises(ConnectionError, match="no server"):
        offer_each(factory, constant_rate(10, 1), workers=3)
    assert not ran


def test_a_load_in_the_background_is_cut_into_windows_by_its_marks():
    broken = threading.Event()

    def operation(number):
        if broken.is_set():
            raise ConnectionError("down")

    reached = [threading.Event() for _ in range(3)]

    def watched(number):
        for index, at in enumerate((30, 60, 90)):
            if number >= at:
                reached[index].set()
        return operation(number)

    with Offering(lambda _: watched, constant_rate(200, 60), workers=4) as load:
        load.mark("before")
        assert reached[0].wait(5)
        broken.set()
        load.mark("during", sample_type="fault")
        assert reached[1].wait(5)
        broken.clear()
        load.mark("after", sample_type="recovery")
        assert reached[2].wait(5)
    result = load.result()
    before, during, after = result.windows_unchecked()
    assert [w.label for w in (before, during, after)] == ["before", "during", "after"]
    assert [w.sample_type for w in (before, during, after)] == ["normal", "fault", "recovery"]
    assert before.ok > 20
    assert before.failed <= 2
    assert during.failed > 20
    assert after.ok > 20
    assert result.stopped
    assert result.schedule_seconds < 5
    with pytest.raises(Inconclusive, match=r"window 'during': \d successful operations"):
        result.windows([replace(result.bands[1], minimum_ok=20)])
    assert result.windows(result.bands[:1])[0].ok == before.ok


def test_a_stopped_load_does_not_count_what_was_never_due():
    with Offering(lambda _: nothing, constant_rate(100, 3600), workers=2) as load:
        assert load.started_at > 0
        time.sleep(0.3)  # the load itself is what is timed here
    result = load.result()
    assert 20 <= result.offered <= 60
    assert result.dropped <= 1
    assert result.achieved_rate == pytest.approx(100, rel=0.2)


def test_a_result_is_not_given_while_the_load_runs():
    load = Offering(lambda _: nothing, constant_rate(100, 3600), workers=1)
    with load, pytest.raises(RuntimeError, match="still running"):
        load.result()
    load.result()


def test_a_load_of_one_operation_has_a_result():
    result = offer(nothing, [0.0], workers=1)
    assert (result.offered, result.ok, result.latency.n) == (1, 1, 1)


@pytest.mark.parametrize("schedule", [[], [-1.0], [2.0, 1.0]])
def test_what_is_no_schedule_is_refused(schedule):
    with pytest.raises(ValueError, match="schedule"):
        offer(nothing, schedule, workers=1)


def test_a_load_without_workers_is_refused():
    with pytest.raises(ValueError, match="worker"):
        offer(nothing, [0.0], workers=0)


def test_a_load_leaves_the_interpreter_and_its_threads_as_they_were():
    import gc
    import sys

    before = (sys.getswitchinterval(), gc.get_freeze_count(), threading.active_count())
    offer(nothing, constant_rate(100, 0.2), workers=3)
    assert (sys.getswitchinterval(), gc.get_freeze_count(), threading.active_count()) == before


def test_the_clients_cpu_share_is_measured():
    def spin(number):
        until = time.thread_time() + 0.01
        while time.thread_time() < until:
            pass

    busy = offer(spin, constant_rate(40, 0.5), workers=1)
    idle = offer(nothing, constant_rate(40, 0.5), workers=1)
    used = busy.client_cpu_percent / 100 * (busy.samples.completed.max() + 0.005)
    assert used == pytest.approx(20 * 0.01, rel=0.5)  # CPU seconds, however busy the machine is
    assert idle.client_cpu_percent < busy.client_cpu_percent / 2
