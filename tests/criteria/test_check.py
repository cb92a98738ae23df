"""Registry against suites: every way in which the two can fail to fit is found."""

from __future__ import annotations

from pathlib import Path

import pytest

from criteria import CriteriaProblem, Entry, catalogue, check, discover
from criteria.registry import Budget

HEAD = """*** Settings ***
Test Tags    phase:chaos    system:cluster


*** Test Cases ***
"""
BODY = """    Given a healthy cluster
    When the leader is killed
    Then a new leader takes over
"""
GOOD = f"A new leader takes over within 25 seconds\n    [Tags]    HA-11\n{BODY}"
ENTRY = Entry("HA-11", "004", ("patroni",), (Budget(25, "s", "takeover"),))


@pytest.fixture
def suites(tmp_path: Path) -> Path:
    (tmp_path / "suites" / "cluster").mkdir(parents=True)
    return tmp_path / "suites"


def found(suites: Path, text: str, *entries: Entry, head: str = HEAD) -> list[str]:
    (suites / "cluster" / "chaos.robot").write_text(head + text, encoding="utf-8")
    return check({entry.id: entry for entry in entries or (ENTRY,)}, discover(suites))


def test_a_suite_that_fits_has_no_problem(suites):
    assert found(suites, GOOD) == []


def test_a_test_knows_its_criterion_phase_system_and_place(suites):
    found(suites, GOOD)
    (test,) = discover(suites)
    assert (test.ids, test.phases, test.systems) == (("HA-11",), ("chaos",), ("cluster",))
    assert test.place == "cluster/chaos.robot:6"


def test_a_criterion_without_a_test(suites):
    (problem,) = found(suites, GOOD, ENTRY, Entry("HA-12", "004", ("patroni",)))
    assert problem.startswith("HA-12: no test states it")


def test_a_criterion_with_two_tests(suites):
    (problem,) = found(suites, GOOD + GOOD.replace("A new", "Another"))
    assert problem == "HA-11: 2 tests state it (cluster/chaos.robot:6, cluster/chaos.robot:11); keep one"


def test_a_test_without_a_criterion(suites):
    problems = found(suites, GOOD + f"Something else holds\n{BODY}")
    assert problems == [
        "cluster/chaos.robot:11: 'Something else holds' has no criterion id; make it the first of its [Tags]"
    ]


def test_a_test_with_two_criteria(suites):
    text = GOOD.replace("HA-11", "HA-11    HA-12")
    problems = found(suites, text, ENTRY, Entry("HA-12", "004", ("patroni",)))
    assert len(problems) == 1
    assert "states HA-11 and HA-12; a test states one criterion" in problems[0]


def test_a_criterion_that_is_not_registered(suites):
    problems = found(suites, GOOD.replace("HA-11", "HA-99"))
    assert "cluster/chaos.robot:6: HA-99 is not in the registry; add it to criteria.yaml" in problems


@pytest.mark.parametrize(
    ("head", "problem"),
    [
        ("*** Settings ***\nTest Tags    system:cluster\n\n*** Test Cases ***\n", "one tag phase:..., it has none"),
        (
            "*** Settings ***\nTest Tags    phase:chaos    phase:stress    system:cluster\n\n*** Test Cases ***\n",
            "one tag phase:..., it has 2 (chaos, stress)",
        ),
        ("*** Settings ***\nTest Tags    phase:chaos\n\n*** Test Cases ***\n", "one tag system:..., it has none"),
        (
            "*** Settings ***\nTest Tags    phase:havoc    system:cluster\n\n*** Test Cases ***\n",
            "phase:havoc is unknown; the phases are integration",
        ),
    ],
)
def test_phase_and_system_are_tags_given_exactly_once(suites, head, problem):
    (line,) = found(suites, GOOD, head=head)
    assert problem in line


@pytest.mark.parametrize(
    ("name", "limit", "stands"),
    [
        ("Takes over within 25 seconds", 25, True),
        ("Takes over within 2.5 seconds", 25, False),
        ("Takes over within 250 ms", 25, False),
        ("Loads 1 000 rows", 1000, True),
        ("Loads 10,000 rows", 10000, True),
        ("Recall is at least 0.95", 0.95, True),
        ("Takes over in time", 25, False),
    ],
)
def test_the_number_of_the_budget_stands_in_the_name(suites, name, limit, stands):
    entry = Entry("HA-11", "004", ("patroni",), (Budget(limit, "s", "takeover"),))
    problems = found(suites, f"{name}\n    [Tags]    HA-11\n{BODY}", entry)
    assert len(problems) == (0 if stands else 1)
    assert stands or f"HA-11's budget {limit} s (takeover) does not stand in its name" in problems[0]


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("    Given a\n    Then b\n", "has 2 steps; write 3 to 6"),
        ("    Given a\n" + "    And c\n" * 5 + "    Then b\n", "has 7 steps; write 3 to 6"),
        ("    Given a\n    Sleep    1s\n    Then b\n", "a test calls Sleep"),
        ("    Given a\n    BuiltIn.Sleep    1s\n    Then b\n", "a test calls BuiltIn.Sleep"),
        ("    Given a\n    When b\n    And c\n", "has no Then; say what must hold"),
        ("    Given a\n    Kill it\n    Then b\n", "step 'Kill it' must begin with Given, When, Then, And or But"),
        ("    Given a    ${{ 1 + 1 }}\n    When c\n    Then b\n", "step 'Given a' computes an argument"),
        (
            "    Given a\n    FOR    ${x}    IN    1    2\n        Log    ${x}\n    END\n    Then b\n",
            "FOR in a test; logic belongs in a library",
        ),
        ("    Given a\n    IF    True\n        Log    x\n    END\n    Then b\n", "IF in a test; logic belongs"),
        (
            "    Given a\n    TRY\n        Log    x\n    EXCEPT\n        Log    y\n    END\n    Then b\n",
            "TRY in a test; logic belongs in a library",
        ),
        ("    Given a\n    VAR    ${x}    1\n    Then b\n", "VAR in a test; logic belongs in a library"),
        ("    [Template]    Log\n    a\n    b\n    c\n", "uses a template; write its steps out"),
    ],
)
def test_a_test_reads_as_a_criterion(suites, body, problem):
    problems = found(suites, f"A new leader takes over within 25 seconds\n    [Tags]    HA-11\n{body}")
    assert len(problems) == 1
    assert problem in problems[0]


def test_a_suite_that_cannot_be_parsed_is_told(tmp_path):
    with pytest.raises(CriteriaProblem, match="no such directory"):
        discover(tmp_path / "nowhere")


def test_the_catalogue_joins_both_sides_and_orders_them_by_phase(suites, tmp_path):
    (suites / "cluster" / "a.robot").write_text(HEAD + GOOD, encoding="utf-8")
    head = HEAD.replace("chaos", "integration")
    (suites / "cluster" / "b.robot").write_text(f"{head}It answers\n    [Tags]    CL-01\n{BODY}", encoding="utf-8")
    registry = tmp_path / "criteria.yaml"
    registry.write_text(
        "HA-11: {source: x, needs: [patroni]}\n"
        "CL-01: {source: y, needs: [redis]}\nCL-02: {source: y, needs: [redis]}\n",
        encoding="utf-8",
    )
    found_criteria = catalogue(suites, registry)
    assert [(c.id, c.phase, c.statement) for c in found_criteria] == [
        ("CL-01", "integration", "It answers"),
        ("HA-11", "chaos", "A new leader takes over within 25 seconds"),
    ]
    assert type(found_criteria[0]).from_json(found_criteria[0].as_json()) == found_criteria[0]
