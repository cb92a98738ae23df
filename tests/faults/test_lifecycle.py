"""The six steps: their order, their deadlines, and what is said when one does not come about."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from FaultLibrary.lifecycle import Fault, Hit, OutOfOrder, Step
from measurement.verdicts import Inconclusive


class FakeClock:
    def __init__(self) -> None:
        self.time = 100.0

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


class FakeAction:
    """Takes effect and becomes steady so many seconds after it was asked to; notes what was called."""

    observer = "the test"

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.calls: list[str] = []
        self.effect_after, self.effect_until, self.steady_after = 0.3, 1e9, 2.0
        self.broken = ""
        self.injected = self.healed = 0.0

    def prepare(self) -> None:
        self._call("prepare")

    def inject(self) -> Sequence[Hit]:
        self._call("inject")
        self.injected = self.clock.now()
        self.clock.time += 0.1
        return [Hit("member2", "leader", "all", (11, 12))]

    def not_in_effect(self) -> str | None:
        age = self.clock.now() - self.injected
        return None if self.effect_after <= age < self.effect_until else "still answers"

    def heal(self) -> None:
        self._call("heal")
        self.healed = self.clock.now()

    def not_steady(self) -> str | None:
        return None if self.clock.now() - self.healed >= self.steady_after else "1 of 2 streams"

    def clean_up(self) -> None:
        self._call("clean_up")

    def _call(self, name: str) -> None:
        self.calls.append(name)
        if self.broken == name:
            raise OSError(f"{name} is broken")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def action(clock: FakeClock) -> FakeAction:
    return FakeAction(clock)


@pytest.fixture
def fault(action: FakeAction, clock: FakeClock) -> Fault:
    return Fault("kill-node", "leader", action, "HA-11", clock=clock, wall=clock.now)


def test_the_whole_life_is_recorded_with_its_times(fault: Fault, action: FakeAction) -> None:
    fault.prepare()
    fault.inject()
    fault.observe(10)
    fault.heal()
    fault.become_steady(60)
    fault.clean_up()
    assert action.calls == ["prepare", "inject", "heal", "clean_up"]
    record = fault.record()
    events = record.pop("events")
    assert record == {
        "criterion": "HA-11",
        "fault": "kill-node",
        "target": "leader",
        "hit": [{"service": "member2", "role": "leader", "part": "all", "pids": (11, 12)}],
        "observer": "the test",
    }
    assert list(events) == ["prepared", "injected", "in_effect", "healed", "steady", "cleaned"]
    assert events["injected"] == 100, "the instant before, not after the injection"
    assert events["in_effect"] == pytest.approx(100.3, abs=0.06)
    assert events["steady"] - events["healed"] == pytest.approx(2.0)


def test_a_fault_whose_effect_is_not_seen_is_inconclusive(fault: Fault, action: FakeAction, clock: FakeClock) -> None:
    action.effect_after = 20
    fault.prepare()
    fault.inject()
    with pytest.raises(
        Inconclusive, match=r"^INCONCLUSIVE: fault not seen in effect: kill-node leader \[member2 \(leader\)\]:"
    ):
        fault.observe(10)
    assert 110 <= clock.time < 110.5
    assert fault.record()["events"]["in_effect"] is None
    assert fault.in_force


def test_the_reason_names_what_the_observer_missed(fault: Fault, action: FakeAction) -> None:
    action.effect_after = 20
    fault.prepare()
    fault.inject()
    with pytest.raises(Inconclusive, match=r"not within 10 s: still answers \(\d+ attempts in 10 s"):
        fault.observe(10)


def test_an_effect_that_ends_early_is_inconclusive(fault: Fault, action: FakeAction, clock: FakeClock) -> None:
    action.effect_until = 3
    fault.prepare()
    fault.inject()
    fault.observe(10)
    with pytest.raises(
        Inconclusive, match=r"fault did not stay in effect: .* held for 2\.\d+ s of 5 s, then: still answers"
    ):
        fault.stay_in_effect(5)


def test_an_effect_is_watched_for_the_whole_time(fault: Fault, clock: FakeClock) -> None:
    fault.prepare()
    fault.inject()
    fault.observe(10)
    begin = clock.time
    fault.stay_in_effect(5)
    assert clock.time - begin == pytest.approx(5)


def test_a_system_that_does_not_become_steady_fails(fault: Fault, action: FakeAction) -> None:
    action.steady_after = 100
    fault.prepare()
    fault.inject()
    fault.heal()
    with pytest.raises(
        AssertionError, match=r"waited for the system to be steady after kill-node leader .*: 1 of 2 streams"
    ) as error:
        fault.become_steady(60)
    assert not isinstance(error.value, Inconclusive)
    fault.clean_up()
    assert fault.record()["events"]["steady"] is None


def test_healing_twice_heals_once(fault: Fault, action: FakeAction) -> None:
    fault.prepare()
    fault.inject()
    fault.heal()
    fault.heal()
    assert action.calls.count("heal") == 1
    assert not fault.in_force


def test_nothing_is_healed_that_was_never_begun(fault: Fault, action: FakeAction) -> None:
    fault.prepare()
    fault.heal()
    assert action.calls == ["prepare"]


def test_an_injection_that_broke_off_halfway_is_healed(fault: Fault, action: FakeAction) -> None:
    action.broken = "inject"
    fault.prepare()
    with pytest.raises(OSError, match="inject is broken"):
        fault.inject()
    assert fault.in_force
    fault.heal()
    assert action.calls[-1] == "heal"


def test_a_heal_that_failed_can_be_tried_again(fault: Fault, action: FakeAction) -> None:
    fault.prepare()
    fault.inject()
    action.broken = "heal"
    with pytest.raises(OSError, match="heal is broken"):
        fault.heal()
    assert fault.in_force
    action.broken = ""
    fault.heal()
    assert not fault.in_force


def test_a_failed_preparation_injects_nothing(fault: Fault, action: FakeAction) -> None:
    action.broken = "prepare"
    with pytest.raises(OSError, match="prepare is broken"):
        fault.prepare()
    with pytest.raises(OutOfOrder, match="'injected' is not its turn; done so far: nothing"):
        fault.inject()


@pytest.mark.parametrize("step", ["inject", "observe", "stay_in_effect", "become_steady"])
def test_steps_before_their_turn_are_refused(fault: Fault, step: str) -> None:
    arguments = {"inject": ()}.get(step, (1.0,))
    with pytest.raises(OutOfOrder):
        getattr(fault, step)(*arguments)


def test_a_fault_in_force_cannot_be_cleaned_up(fault: Fault) -> None:
    fault.prepare()
    fault.inject()
    with pytest.raises(OutOfOrder):
        fault.clean_up()
    with pytest.raises(OutOfOrder):
        fault.inject()
    fault.heal()
    with pytest.raises(OutOfOrder):
        fault.observe(1)


def test_faults_read_well() -> None:
    assert str(Hit("member1", "replica", "walsenders")) == "walsenders of member1 (replica)"
    assert str(Hit("redis", part="all")) == "redis"
    assert str(Hit(link="client-primary")) == "link client-primary"


def test_events_are_named_as_the_record_names_them() -> None:
    assert [step.value for step in Step] == ["prepared", "injected", "in_effect", "healed", "steady", "cleaned"]
