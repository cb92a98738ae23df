"""Eventually, always and never against a clock that only moves when told."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from measurement.verdicts import Inconclusive
from TemporalLibrary.core import Attempts, Mistake, always, eventually, never, seconds, wait_until


class FakeClock:
    """Time passes by sleeping and by what attempts take."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.slept: list[float] = []

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.slept.append(seconds)
        self.time += seconds


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def probe(clock: FakeClock, holds: Callable[[float], bool], takes: float = 0.0) -> Callable[[], str]:
    """Judges the moment an attempt begins; offsets are seconds from now."""
    begin = clock.now()

    def attempt() -> str:
        offset = clock.now() - begin
        clock.time += takes
        if not holds(offset):
            raise AssertionError(f"not at {offset:.1f}")
        return f"at {offset:.1f}"

    return attempt


# -- eventually ------------------------------------------------------------------------------------------------


def test_eventually_returns_at_once_what_holds_at_once(clock: FakeClock) -> None:
    assert eventually(probe(clock, lambda offset: True), 10, clock=clock) == "at 0.0"
    assert clock.slept == []


def test_eventually_returns_soon_after_it_holds(clock: FakeClock) -> None:
    record = Attempts()
    assert eventually(probe(clock, lambda offset: offset >= 3), 10, clock=clock, attempts=record) == "at 3.0"
    assert record.count == 16
    assert record.first_failure == 0
    assert record.first_success == pytest.approx(3)
    assert record.last_message.startswith("not at 2.8")


def test_eventually_fails_at_its_deadline_and_tells_what_it_saw(clock: FakeClock) -> None:
    with pytest.raises(
        AssertionError, match=r"^not within 10 s: not at 10\.0 \(51 attempts in 10 s, first failed after 0 s\)$"
    ):
        eventually(probe(clock, lambda offset: False), 10, clock=clock)
    assert clock.time == pytest.approx(1010)


def test_eventually_accepts_what_the_attempt_at_the_deadline_finds(clock: FakeClock) -> None:
    assert eventually(probe(clock, lambda offset: offset >= 9.95, takes=0.1), 10, clock=clock) == "at 10.0"


def test_eventually_refuses_what_is_seen_long_after_the_deadline(clock: FakeClock) -> None:
    with pytest.raises(AssertionError, match=r"held only after 12 s, not within 10 s \(3 attempts in 12 s"):
        eventually(probe(clock, lambda offset: offset >= 8, takes=4), 10, clock=clock)


def test_eventually_starts_again_at_once_after_a_slow_attempt(clock: FakeClock) -> None:
    eventually(probe(clock, lambda offset: offset >= 3, takes=0.5), 10, clock=clock)
    assert sum(clock.slept) == 0


def test_eventually_ends_at_once_on_a_mistake(clock: FakeClock) -> None:
    def attempt() -> None:
        raise Mistake from KeyError("no such keyword")

    with pytest.raises(KeyError, match="no such keyword"):
        eventually(attempt, 10, clock=clock)
    assert clock.slept == []


def test_eventually_stays_inconclusive_when_the_last_attempt_could_not_tell(clock: FakeClock) -> None:
    def attempt() -> None:
        raise Inconclusive("too few samples")

    with pytest.raises(Inconclusive, match=r"^INCONCLUSIVE: not within 1 s: too few samples \("):
        eventually(attempt, 1, clock=clock)


def test_eventually_accepts_certainty_after_doubt(clock: FakeClock) -> None:
    answers = iter([Inconclusive("too few"), Inconclusive("too few"), None])

    def attempt() -> str:
        if (error := next(answers)) is not None:
            raise error
        return "sure"

    assert eventually(attempt, 1, clock=clock) == "sure"


def test_the_interval_is_between_the_beginnings_of_attempts(clock: FakeClock) -> None:
    record = Attempts()
    eventually(probe(clock, lambda offset: offset >= 5, takes=0.4), 10, interval=0.5, clock=clock, attempts=record)
    assert record.count == 11
    assert clock.slept == pytest.approx([0.1] * 10)


# -- always ----------------------------------------------------------------------------------------------------


def test_always_watches_the_whole_window_and_no_longer(clock: FakeClock) -> None:
    record = Attempts()
    assert always(probe(clock, lambda offset: True), 5, clock=clock, attempts=record) == "at 5.0"
    assert clock.time == pytest.approx(1005)
    assert record.count == 26


def test_always_fails_at_the_first_failure(clock: FakeClock) -> None:
    with pytest.raises(
        AssertionError, match=r"^held for 3 s of 5 s, then: not at 3\.0 \(16 attempts in 3 s, first held"
    ):
        always(probe(clock, lambda offset: offset < 3), 5, clock=clock)
    assert clock.time == pytest.approx(1003)


def test_always_fails_when_it_does_not_even_hold_at_first(clock: FakeClock) -> None:
    with pytest.raises(AssertionError, match=r"held for 0 s of 5 s, then: not at 0\.0"):
        always(probe(clock, lambda offset: False), 5, clock=clock)


def test_always_is_inconclusive_when_the_window_was_hardly_watched(clock: FakeClock) -> None:
    with pytest.raises(
        Inconclusive, match=r"5 s watched with 2 attempts, at least 3 are needed: an attempt takes 2\.5 s"
    ):
        always(probe(clock, lambda offset: True, takes=2.5), 5, clock=clock)


def test_always_is_inconclusive_when_an_attempt_cannot_tell(clock: FakeClock) -> None:
    def attempt() -> None:
        raise Inconclusive("no load")

    with pytest.raises(Inconclusive, match="then: no load"):
        always(attempt, 5, clock=clock)


# -- never -----------------------------------------------------------------------------------------------------


def test_never_watches_the_whole_window(clock: FakeClock) -> None:
    record = Attempts()
    never(probe(clock, lambda offset: False), 5, clock=clock, attempts=record)
    assert clock.time == pytest.approx(1005)
    assert record.count == 26
    assert record.last_message.startswith("not at 5.0")


def test_never_fails_when_it_holds_once(clock: FakeClock) -> None:
    with pytest.raises(AssertionError, match=r"held after 3 s; it must never hold within 5 s \(16 attempts in 3 s"):
        never(probe(clock, lambda offset: 2.95 < offset < 3.05), 5, clock=clock)


def test_never_is_inconclusive_when_an_attempt_cannot_tell(clock: FakeClock) -> None:
    def attempt() -> None:
        raise Inconclusive("no answer")

    with pytest.raises(Inconclusive, match="cannot tell whether it never holds: no answer"):
        never(attempt, 5, clock=clock)


def test_never_is_inconclusive_when_the_window_was_hardly_watched(clock: FakeClock) -> None:
    with pytest.raises(Inconclusive, match="1 attempts"):
        never(probe(clock, lambda offset: False, takes=6), 5, clock=clock)


def test_never_ends_at_once_on_a_mistake(clock: FakeClock) -> None:
    def attempt() -> None:
        raise Mistake from KeyError("no such keyword")

    with pytest.raises(KeyError):
        never(attempt, 10, clock=clock)
    with pytest.raises(KeyError):
        always(attempt, 10, clock=clock)


# -- wait_until ------------------------------------------------------------------------------------------------


def test_wait_until_returns_the_seconds_it_took(clock: FakeClock) -> None:
    taken = wait_until(lambda: None if clock.now() >= 1002 else "too early", 10, "two o'clock", clock=clock)
    assert taken == pytest.approx(2)


def test_wait_until_tells_what_was_missing(clock: FakeClock) -> None:
    with pytest.raises(AssertionError, match=r"^waited for a leader: not within 3 s: 0 leaders \(16 attempts in 3 s"):
        wait_until(lambda: "0 leaders", 3, "a leader", clock=clock)


@pytest.mark.parametrize("error", [KeyError("bug"), AssertionError("bug")])
def test_wait_until_raises_what_its_condition_raises(clock: FakeClock, error: Exception) -> None:
    def condition() -> str:
        raise error

    with pytest.raises(type(error), match=r"^'?bug'?$"):
        wait_until(condition, 3, "a leader", clock=clock)
    assert clock.slept == []


# -- the real clock --------------------------------------------------------------------------------------------


def test_the_real_clock_is_waited_for_and_not_much_longer() -> None:
    begin = time.monotonic()
    with pytest.raises(AssertionError):
        eventually(lambda: (_ for _ in ()).throw(AssertionError("no")), 0.3, interval=0.05)
    assert 0.3 <= time.monotonic() - begin < 0.6


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.3456, "0.35 s"), (1.9e-7, "0 s"), (3.0, "3 s"), (12.51, "12.5 s"), (140.4, "140 s"), (0, "0 s")],
)
def test_durations_read_well(value: float, text: str) -> None:
    assert seconds(value) == text


@pytest.mark.parametrize("wait", [eventually, always, never])
def test_the_error_behind_a_mistake_does_not_lead_back_to_itself(wait):
    def probe():
        try:
            raise ConnectionError("closed")
        except ConnectionError as error:
            raise Mistake from error

    with pytest.raises(ConnectionError) as caught:
        wait(probe, 1.0)
    seen: list[BaseException] = []
    pending: list[BaseException] = [caught.value]
    while pending:
        error = pending.pop()
        assert not any(error is other for other in seen), "the errors lead to each other for ever"
        seen.append(error)
        pending += [e for e in (error.__cause__, error.__context__) if e is not None]
