"""The keywords in real, tiny Robot Framework runs against tiny services."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from robot import result
from robot.api import ExecutionResult
from robot.run import run as run_robot

from environments.config import ROOT
from environments.system import Running, use
from FaultLibrary import faults_in_force, observers
from runner import progress
from tests.faults.conftest import seconds_told
from tests.faults.fakes import TinySystem

Run = Callable[..., result.TestSuite]

SUITE = """
*** Settings ***
{settings}

*** Test Cases ***
{tests}
"""


@pytest.fixture
def environment(system: TinySystem, tmp_path: Path) -> Iterator[Running]:
    one = Running("unit", "embedded", "quick", str(tmp_path), 1.0, 1, system=system, system_name="cluster")
    use(one)
    yield one
    use(None)


@pytest.fixture
def run(environment: Running, tmp_path: Path) -> Run:
    def run(tests: str, settings: str = "Library    FaultLibrary") -> result.TestSuite:
        suite = SUITE.format(settings=settings, tests=textwrap.dedent(tests).strip())
        (tmp_path / "suite.robot").write_text(suite)
        output = tmp_path / "output.xml"
        run_robot(str(tmp_path / "suite.robot"), output=str(output), log=None, report=None, console="none")
        return ExecutionResult(output).suite

    return run


def records(environment: Running) -> list[dict[str, Any]]:
    path = Path(environment.results, "faults.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_a_whole_life_in_keywords(run: Run, environment: Running, system: TinySystem) -> None:
    pids = system.redis.processes()
    suite = run(
        """
        The Test
            Inject Fault    kill-node    redis
            Fault Should Be In Effect    within=5 seconds
            ${hit} =    Services Hit By Fault
            Should Be Equal    ${hit}    ${{['redis']}}
            Heal Fault
            System Should Be Steady Again    within=10 seconds
            Heal All Faults
        """
    )
    assert suite.tests[0].passed, suite.tests[0].message
    (record,) = records(environment)
    assert record["fault"] == "kill-node"
    assert record["hit"] == [{"service": "redis", "part": "all", "pids": sorted(pids)}]
    events = record["events"]
    assert all(events.values())
    assert list(events.values()) == sorted(events.values())
    evidence = list(Path(environment.results, "evidence").glob("suite-kill-node-*.json"))
    assert len(evidence) == 1, "looked at before it was healed"
    assert json.loads(evidence[0].read_text())["processes"]["redis"] == {}


def test_a_fault_left_in_force_is_healed_and_fails_the_test(run: Run, system: TinySystem) -> None:
    suite = run(
        """
        Forgetful
            Inject Fault    freeze    redis
            Fault Should Be In Effect
        The Next
            Inject Fault    kill    redis
            Fault Should Be In Effect
            [Teardown]    Heal All Faults
        """
    )
    forgetful, following = suite.tests
    assert forgetful.failed
    assert forgetful.message.startswith("left in force: freeze redis [redis]; healed now")
    assert following.passed, following.message
    assert observers.awake(system.redis.processes())


def test_a_teardown_heals_what_a_failed_test_left_and_waits_until_it_is_steady(
    run: Run, environment: Running, system: TinySystem
) -> None:
    suite = run(
        """
        Failing
            Inject Fault    freeze    redis
            Inject Fault    kill    member1
            Fault Should Be In Effect
            Fail    the criterion
            [Teardown]    Heal All Faults
        """
    )
    assert suite.tests[0].message == "the criterion"
    assert [record["events"]["steady"] is not None for record in records(environment)] == [True, True]
    assert faults_in_force() == []
    assert system.member.starts == 2


def test_healing_a_fault_nobody_saw_is_inconclusive_but_heals(run: Run, system: TinySystem) -> None:
    suite = run(
        """
        Hasty
            Inject Fault    freeze    redis
            Heal Fault
            [Teardown]    Heal All Faults
        """
    )
    assert suite.tests[0].message == "INCONCLUSIVE: healed before it was seen in effect: freeze redis [redis]"
    assert observers.awake(system.redis.processes())


def test_nothing_can_be_steady_again_while_a_fault_is_in_force(run: Run) -> None:
    suite = run(
        """
        Impatient
            Inject Fault    freeze    redis
            System Should Be Steady Again
            [Teardown]    Heal All Faults
        """
    )
    assert "cannot be steady again before it is healed of: freeze redis [redis]" in suite.tests[0].message


def test_of_several_faults_a_named_one_is_healed_and_the_others_stay(
    run: Run, environment: Running, system: TinySystem
) -> None:
    suite = run(
        """
        The Test
            Inject Fault    freeze    redis
            Inject Fault    kill-node    member1
            Fault Should Be In Effect
            Heal Fault    target=redis
            Run Keyword And Expect Error    *'redis' is in force; there are: kill-node member1*    Heal Fault    redis
            Run Keyword And Expect Error    *before it is healed of: kill-node member1*    System Should Be Steady Again
            Heal Fault
            System Should Be Steady Again    within=10 seconds
        """
    )
    assert suite.tests[0].passed, suite.tests[0].message
    healed = {record["target"]: record["events"]["healed"] for record in records(environment)}
    assert healed["redis"] < healed["member1"]
    assert (system.redis.starts, system.member.starts) == (1, 2)


def test_an_order_is_chosen_by_the_seed_of_the_run(environment: Running, system: TinySystem) -> None:
    from FaultLibrary.keywords import FaultLibrary

    def orders(seed: int) -> list[list[str]]:
        environment.seed = seed
        return [FaultLibrary().choose_an_order("a", "b", "c") for _ in range(2)]

    chosen = [orders(seed) for seed in range(20)]
    assert all(first == second for first, second in chosen)
    assert len({tuple(first) for first, _ in chosen}) == 6


EVERY_KIND = {
    "stop    redis": ("process table: gone are 2 of redis; client: refuses", 0),
    "kill    redis": ("process table: gone are 2 of redis; client: refuses", 0),
    "kill-node    redis": ("process table: gone are 2 of redis; client: refuses", 0),
    "freeze    redis": ("process table: stopped are 2 of redis; client: is silent", 0),
    "freeze    member1    part=walsenders": ("process table: stopped are 1 of member1", 0),
    "kill    member1    part=walsenders": ("process table: gone are 1 of member1", 0),
    "link    every-redis    cut=True": ("client through every-redis refuses", 0),
    "link    every-redis    reset=True": ("client through every-redis resets", 0),
    "link    every-redis    hang=True": ("client through every-redis is silent, nothing passed", 0),
    "link    every-redis    hang=True    direction=to-server": (
        "client through every-redis is silent, nothing passed",
        0,
    ),
    "link    every-redis    latency_ms=60": ("client through every-redis answers after 0.", 0.12),
    "link    every-redis    latency_ms=60    jitter_ms=30": ("client through every-redis answers after 0.", 0),
    "link    every-redis    bandwidth_bytes_per_second=40000": (
        "client through every-redis answers a request of 8000",
        0,
    ),
}
"""What can be done, how whoever saw it tells of it, and the least seconds that an answer took then."""


def test_every_kind_of_fault_lives_its_whole_life_in_keywords(
    run: Run, environment: Running, system: TinySystem
) -> None:
    system.add_link("every-redis")
    steps = """
            Fault Is In Effect    {}
            The Fault Is Healed
            The System Is Steady Again Within    10 seconds
            [Teardown]    Heal All Faults
    """
    tests = [f"Fault {number}{steps.format(kind)}" for number, kind in enumerate(EVERY_KIND)]
    suite = run("\n".join(tests), f"Resource    {ROOT / 'resources' / 'faults.resource'}")
    assert [test.message for test in suite.tests] == [""] * len(EVERY_KIND)
    lives = records(environment)
    assert [life["fault"] for life in lives] == [kind.split()[0] for kind in EVERY_KIND]
    assert all(None not in life["events"].values() for life in lives)
    for life, (seen, seconds) in zip(lives, EVERY_KIND.values(), strict=True):
        assert life["observer"].startswith(seen)
        assert seconds <= seconds_told(life["observer"])


def test_links_take_their_condition_by_name(run: Run, system: TinySystem, environment: Running) -> None:
    system.add_link("keywords-redis")
    suite = run(
        """
        The Test
            Inject Fault    link    keywords-redis    latency_ms=60    direction=to-client
            Fault Should Be In Effect
            Fault Should Stay In Effect For    0.5 seconds
            Heal Fault
            System Should Be Steady Again
        """
    )
    assert suite.tests[0].passed, suite.tests[0].message
    seen = records(environment)[0]["observer"]
    assert seen.startswith("client through keywords-redis answers after ")
    assert seconds_told(seen) >= 0.06


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("Inject Fault    explode    redis", "that cannot be converted to FaultKind"),
        ("Inject Fault    kill    nowhere", "target 'nowhere' is unknown; use leader, any replica"),
        ("Inject Fault    kill-node    redis    part=patroni", "'kill-node' always concerns the whole service"),
        ("Inject Fault    kill    redis    hang=True", "hang: only a link has conditions"),
        ("Inject Fault    link    nowhere-link    cut=True", "does not declare link-faults"),
        ("Inject Fault    kill    leader", "INCONCLUSIVE: there is no 'leader' to hit"),
        ("Fault Should Be In Effect", "no fault is injected and not yet in effect"),
        ("Heal Fault", "no fault is injected and not yet healed"),
        ("Services Hit By Fault", "no fault has been injected"),
    ],
)
def test_mistakes_are_one_line(run: Run, call: str, message: str) -> None:
    suite = run(f"The Test\n    {call}")
    assert message in suite.tests[0].message
    assert "left in force" not in suite.tests[0].message


def test_the_console_is_told_what_is_in_force(environment: Running, system: TinySystem) -> None:
    from FaultLibrary.keywords import FaultKind, FaultLibrary

    told: list[tuple[str, str]] = []
    progress.observe(lambda kind, text: told.append((kind, text)))
    try:
        library = FaultLibrary()
        fault = library.inject_fault(FaultKind.FREEZE, "redis")
        (shown,) = faults_in_force()
        assert str(shown) == "freeze redis"
        assert shown.since == fault.begun
        library.heal_all_faults()
    finally:
        progress.observe(None)
    assert faults_in_force() == []
    assert [text for kind, text in told if kind == "fault"] == ["freeze redis", "healed"]


def test_the_sentences_of_the_resource_inject_what_they_say(run: Run, environment: Running, system: TinySystem) -> None:
    system.add_link("sentences-redis")
    resource = ROOT / "resources" / "faults.resource"
    suite = run(
        f"""
        Services
            Import Resource    {resource}
            Service Is Frozen    redis
            The Fault Is Healed
            The System Is Steady Again Within    10 seconds
            Service Is Killed    redis
            The Fault Is Healed
            The System Is Steady Again Within    10 seconds
        Links
            Import Resource    {resource}
            Link Hangs    sentences-redis    direction=to-client
            The Fault Is Healed
            The System Is Steady Again Within    10 seconds
        """
    )
    assert [test.message for test in suite.tests] == ["", ""]
    assert [record["fault"] for record in records(environment)] == ["freeze", "kill-node", "link"]
