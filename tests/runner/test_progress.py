"""What libraries say of their progress, and what is made of it."""

from __future__ import annotations

import sys
import types
from datetime import timedelta

import pytest

from runner import progress


@pytest.fixture(autouse=True)
def clean():
    progress.clear()
    yield
    progress.clear()
    progress.observe(None)


@pytest.fixture
def told():
    seen: list[tuple[str, str]] = []
    progress.observe(lambda kind, text: seen.append((kind, text)))
    return seen


def step_now() -> progress.Step:
    step = progress.current_step()
    assert step is not None
    return step


def test_a_step_counts_down_to_its_deadline():
    with progress.step("waiting for a new leader", 25):
        step = step_now()
        assert step.name == "waiting for a new leader"
        assert step.time_left(step.began + 10) == 15
        assert step.time_left(step.began + 40) == 0
    assert progress.current_step() is None


def test_a_deadline_may_be_a_timedelta_or_missing():
    progress.step("a", timedelta(minutes=1))
    assert step_now().time_left(step_now().began) == 60
    progress.step("b")
    assert step_now().time_left(0) is None


def test_an_inner_step_gives_way_to_the_outer_one():
    with progress.step("outer"):
        with progress.step("inner"):
            assert step_now().name == "inner"
        assert step_now().name == "outer"


def test_a_step_without_a_block_lasts_until_the_next():
    progress.step("first")
    progress.step("second")
    assert step_now().name == "second"


def test_the_observer_is_told_of_changes_only(told):
    progress.fault("leader killed")
    progress.fault("leader killed")
    progress.fault(None)
    progress.note("reach it at 127.0.0.1:5000")
    assert told == [("fault", "leader killed"), ("fault", "healed"), ("note", "reach it at 127.0.0.1:5000")]


def test_faults_come_from_the_fault_library_when_nobody_said_anything(monkeypatch):
    library = types.SimpleNamespace(faults_in_force=lambda: ["kill member2"])
    monkeypatch.setitem(sys.modules, "FaultLibrary", library)
    assert progress.faults_in_force() == ["kill member2"]
    progress.fault("freeze member1")
    assert progress.faults_in_force() == ["freeze member1"]


def test_a_fault_library_that_cannot_say_breaks_nothing(monkeypatch):
    def broken():
        raise RuntimeError("no run")

    monkeypatch.setitem(sys.modules, "FaultLibrary", types.SimpleNamespace(faults_in_force=broken))
    assert progress.faults_in_force() == []


def test_without_a_console_nothing_happens():
    progress.observe(None)
    with progress.step("x", 1):
        progress.fault("y")
        progress.note("z")
