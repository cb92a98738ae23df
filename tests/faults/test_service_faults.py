"""Stopping, killing and freezing real processes, and observers that notice when nothing of it happened."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from FaultLibrary import observers
from FaultLibrary.lifecycle import Fault, Step
from FaultLibrary.observers import Outcome
from FaultLibrary.service_faults import (
    FreezeFault,
    KillFault,
    KillNodeFault,
    ServiceFault,
    StopFault,
    Surroundings,
    freeze,
)
from measurement.verdicts import Inconclusive
from PatroniLibrary.rest import Member, Topology
from tests.faults.fakes import TinyService, TinySystem
from tests.waiting import until

Around = Callable[[], Surroundings]


@pytest.fixture
def around(system: TinySystem) -> Surroundings:
    sql, rest = system.member.ports
    leader = Member("member1", "leader", "running", f"http://127.0.0.1:{rest}", "127.0.0.1", sql)
    return Surroundings(system, lambda: Topology((leader,)), lambda: None, random.Random(1))


def run(fault: ServiceFault) -> Fault:
    one = Fault("test", fault.spec, fault)
    one.prepare()
    one.inject()
    return one


@pytest.mark.parametrize("kind", [StopFault, KillFault, KillNodeFault])
def test_what_is_killed_is_gone_refuses_and_comes_back(
    system: TinySystem, around: Surroundings, kind: type[ServiceFault]
) -> None:
    before = set(system.redis.processes())
    fault = run(kind(around, "redis"))
    fault.observe(5)
    assert set(fault.hit[0].pids) == before
    assert len(before) == 2
    assert "process table: gone are 2 of redis; client: refuses at redis on 127.0.0.1" in fault.action.observer
    fault.heal()
    fault.become_steady(10)
    fault.clean_up()
    assert system.redis.starts == 2
    assert set(system.redis.processes()).isdisjoint(before)


def test_a_node_dies_with_both_its_doors_and_its_role_is_recorded(system: TinySystem, around: Surroundings) -> None:
    fault = run(KillNodeFault(around, "leader"))
    fault.observe(5)
    assert str(fault) == "test leader [member1 (leader)]"
    assert fault.action.observer.count("127.0.0.1") == 2
    fault.heal()
    fault.become_steady(10)


def test_what_is_frozen_is_stopped_and_silent_and_goes_on(system: TinySystem, around: Surroundings) -> None:
    fault = run(FreezeFault(around, "leader"))
    fault.observe(5)
    assert [observers.state(pid) for pid in fault.hit[0].pids] == ["T", "T"]
    assert "client: is silent at postgresql on" in fault.action.observer
    fault.stay_in_effect(0.5)
    fault.heal()
    fault.become_steady(10)
    fault.clean_up()
    assert system.member.starts == 1, "it went on, it was not started anew"


def test_of_a_part_only_the_part_is_frozen(system: TinySystem, around: Surroundings) -> None:
    fault = run(FreezeFault(around, "leader", "walsenders"))
    fault.observe(5)
    main, sender = system.member.processes()
    assert fault.hit[0].pids == (sender,)
    assert observers.awake([main]) == [main]
    assert "client" not in fault.action.observer
    fault.heal()
    assert observers.awake([sender]) == [sender]


def test_what_was_frozen_below_a_parent_that_died_is_resumed_too(system: TinySystem, around: Surroundings) -> None:
    fault = run(FreezeFault(around, "leader", "walsenders"))
    (sender,) = fault.hit[0].pids
    assert system.member.process is not None
    system.member.process.kill()
    system.member.process.wait()
    assert observers.state(sender) == "T"
    fault.heal()
    assert observers.awake([sender]) == [sender]
    os.kill(sender, signal.SIGKILL)


def test_a_part_that_something_else_starts_again_is_not_started_by_the_heal(
    system: TinySystem, around: Surroundings
) -> None:
    (_, sender) = system.member.processes()
    fault = run(KillFault(around, "leader", "walsenders"))
    fault.observe(5)
    assert fault.hit[0].pids == (sender,)
    fault.heal()
    assert system.member.starts == 1


# -- injectors that lie: the observer must not believe them -----------------------------------------------------


class Liar(TinyService):
    """Says what it hit, and hits nothing."""

    def kill(self, part: str = "all") -> Sequence[int]:
        return self.processes(part)

    def freeze(self, part: str = "all") -> Sequence[int]:
        return self.processes(part)

    def stop(self) -> None:
        pass


@pytest.fixture
def lying(system: TinySystem, around: Surroundings) -> Surroundings:
    system.redis.__class__ = Liar
    return around


@pytest.mark.parametrize(("kind", "missing"), [(KillFault, "are alive"), (StopFault, "are alive")])
def test_a_kill_that_kills_nothing_is_not_seen_in_effect(
    lying: Surroundings, kind: type[ServiceFault], missing: str
) -> None:
    fault = run(kind(lying, "redis"))
    with pytest.raises(Inconclusive, match=f"fault not seen in effect: .*{missing}"):
        fault.observe(0.3)
    assert not fault.reached(Step.IN_EFFECT)


def test_a_freeze_that_freezes_nothing_is_inconclusive_and_in_force(lying: Surroundings) -> None:
    one = Fault("freeze", "redis", FreezeFault(lying, "redis"))
    one.prepare()
    with pytest.raises(Inconclusive, match="redis could not be frozen"):
        one.inject()
    assert one.in_force
    one.heal()


def test_half_a_freeze_is_not_seen_in_effect(
    system: TinySystem, around: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half(service: Any, part: str) -> tuple[int, ...]:
        main, sender = service.processes(part)
        os.kill(sender, signal.SIGSTOP)
        return (main, sender)

    monkeypatch.setattr("FaultLibrary.service_faults.freeze", half)
    fault = run(FreezeFault(around, "redis"))
    with pytest.raises(Inconclusive, match=r"processes \[\d+\] of redis are not stopped"):
        fault.observe(0.3)
    fault.heal()


def test_somebody_else_who_answers_at_the_door_is_noticed(system: TinySystem, around: Surroundings) -> None:
    fault = run(KillFault(around, "redis"))
    other = TinyService("other", system.redis.ports)
    other.start()
    other.wait()
    try:
        with pytest.raises(
            Inconclusive, match=r"a client of redis finds that redis on .* answers, expected that it refuses"
        ):
            fault.observe(0.6)
    finally:
        other.close()


def test_a_thaw_by_somebody_else_ends_the_effect(system: TinySystem, around: Surroundings) -> None:
    fault = run(FreezeFault(around, "redis"))
    fault.observe(5)
    system.redis.resume()
    with pytest.raises(Inconclusive, match="fault did not stay in effect"):
        fault.stay_in_effect(1)
    fault.heal()


# -- preparation -------------------------------------------------------------------------------------------------


def test_what_is_not_well_is_not_broken_further(system: TinySystem, around: Surroundings) -> None:
    system.redis.kill()
    with pytest.raises(Inconclusive, match="redis has no process of 'all' that could be hit"):
        run(KillFault(around, "redis"))


def test_a_silent_service_is_not_well(
    system: TinySystem, around: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("FaultLibrary.doors.HEALTHY_PATIENCE", 0.2)
    system.redis.freeze()
    with pytest.raises(Inconclusive, match=f"redis is not well before the fault: redis on .* {Outcome.SILENT}"):
        run(KillFault(around, "redis"))


def test_an_unknown_part_is_a_mistake(around: Surroundings) -> None:
    with pytest.raises(ValueError, match="no part 'walreceivers'"):
        run(FreezeFault(around, "redis", "walreceivers"))


def test_without_control_over_processes_there_are_no_faults(system: TinySystem, around: Surroundings) -> None:
    system.services = {}
    with pytest.raises(ValueError, match="does not declare process-faults"):
        run(KillFault(around, "redis"))


def test_the_system_is_not_steady_before_the_service_answers(system: TinySystem, around: Surroundings) -> None:
    fault = run(KillFault(around, "redis"))
    fault.observe(5)
    assert str(fault.action.not_steady()).startswith("redis on 127.0.0.1:")
    fault.heal()
    fault.become_steady(10)


def test_the_system_is_not_steady_before_the_cluster_is(system: TinySystem, around: Surroundings) -> None:
    fault = run(KillFault(Surroundings(system, around.view, lambda: "nobody leads", around.chance), "redis"))
    fault.observe(5)
    fault.heal()
    with pytest.raises(AssertionError, match="nobody leads"):
        fault.become_steady(0.5)


def test_a_process_left_stopped_is_residue(system: TinySystem, around: Surroundings) -> None:
    fault = run(FreezeFault(around, "redis"))
    fault.heal()
    frozen = system.redis.freeze()
    until(lambda: not observers.awake(frozen))
    with pytest.raises(AssertionError, match="are still stopped after the fault"):
        fault.clean_up()


def test_freeze_catches_what_was_forked_meanwhile(system: TinySystem) -> None:
    class Forking(TinyService):
        calls = 0

        def processes(self, part: str = "all") -> Sequence[int]:
            Forking.calls += 1
            found = super().processes(part)
            return found if Forking.calls > 1 else found[:1]

    system.redis.__class__ = Forking
    assert len(freeze(system.redis, "all")) == 2
    system.redis.resume()
