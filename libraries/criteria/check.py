"""Makes sure that registry and suites fit, and that tests read as criteria."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from criteria.discovery import PHASES, StatedTest, Step
from criteria.registry import Budget, Entry

FEWEST_STEPS, MOST_STEPS = 3, 6
_LOGIC = {"FOR", "WHILE", "IF/ELSE ROOT", "TRY/EXCEPT ROOT", "VAR", "GROUP", "RETURN", "ERROR"}
_FORBIDDEN_KEYWORDS = {"sleep", "evaluate", "run keyword if", "run keyword unless", "run keyword and expect error"}
_STEP_WORD = re.compile(r"^(Given|When|Then|And|But)\s")


def check(registry: Mapping[str, Entry], tests: Sequence[StatedTest]) -> list[str]:
    """List what is wrong, one line per mistake; an empty list says that all is well.

    Exactly one test states each criterion and each test states exactly one; it has one phase and one system;
    every number of the budget stands in its name; its body is three to six steps in Given/When/Then and
    holds no logic.
    """
    problems = _mapping_problems(registry, tests)
    for test in tests:
        problems += _tag_problems(test)
        problems += _body_problems(test)
        for identifier in test.ids:
            if identifier in registry:
                problems += _budget_problems(test, identifier, registry[identifier].budgets)
    return problems


def _mapping_problems(registry: Mapping[str, Entry], tests: Iterable[StatedTest]) -> list[str]:
    stated: dict[str, list[StatedTest]] = defaultdict(list)
    problems = []
    for test in tests:
        if not test.ids:
            problems.append(f"{test.place}: '{test.name}' has no criterion id; make it the first of its [Tags]")
        elif len(test.ids) > 1:
            problems.append(f"{test.place}: '{test.name}' states {' and '.join(test.ids)}; a test states one criterion")
        for identifier in test.ids:
            stated[identifier].append(test)
    for identifier, stating in stated.items():
        if identifier not in registry:
            problems.append(f"{stating[0].place}: {identifier} is not in the registry; add it to criteria.yaml")
        if len(stating) > 1:
            places = ", ".join(test.place for test in stating)
            problems.append(f"{identifier}: {len(stating)} tests state it ({places}); keep one")
    unstated = [identifier for identifier in registry if identifier not in stated]
    problems += [
        f"{identifier}: no test states it; write one or remove it from criteria.yaml" for identifier in unstated
    ]
    return problems


def _tag_problems(test: StatedTest) -> list[str]:
    problems = []
    for kind, values in (("phase", test.phases), ("system", test.systems)):
        if len(values) != 1:
            found = f"{len(values)} ({', '.join(values)})" if values else "none"
            problems.append(f"{test.place}: '{test.name}' must have exactly one tag {kind}:..., it has {found}")
    problems += [
        f"{test.place}: phase:{phase} is unknown; the phases are {', '.join(PHASES)}"
        for phase in test.phases
        if phase not in PHASES
    ]
    return problems


def _body_problems(test: StatedTest) -> list[str]:
    named = f"{test.place}: '{test.name}'"
    if test.template:
        return [f"{named} uses a template; write its steps out"]
    problems = [f"{test.place}: {problem}" for step in test.steps if (problem := _step_problem(step))]
    if not FEWEST_STEPS <= len(test.steps) <= MOST_STEPS:
        problems.append(f"{named} has {len(test.steps)} steps; write {FEWEST_STEPS} to {MOST_STEPS}")
    if not any(step.name.startswith("Then ") for step in test.steps):
        problems.append(f"{named} has no Then; say what must hold")
    return problems


def _step_problem(step: Step) -> str | None:
    if step.type in _LOGIC:
        return f"{step.type.split('/')[0]} in a test; logic belongs in a library"
    if _called(step.name) in _FORBIDDEN_KEYWORDS:
        return f"a test calls {step.name}; use a keyword that names what is waited for"
    if not _STEP_WORD.match(step.name):
        return f"step '{step.name}' must begin with Given, When, Then, And or But"
    if any("${{" in argument for argument in step.arguments):
        return f"step '{step.name}' computes an argument; arithmetic belongs in a library"
    return None


def _called(name: str) -> str:
    return name.rpartition(".")[2].replace("_", " ").lower()


def _budget_problems(test: StatedTest, identifier: str, budgets: Iterable[Budget]) -> list[str]:
    numbers = _numbers(test.name)
    return [
        f"{test.place}: {identifier}'s budget {budget.limit:g} {budget.unit} ({budget.of}) does not stand in its name"
        for budget in budgets
        if budget.limit not in numbers
    ]


def _numbers(text: str) -> set[float]:
    """Numbers of a sentence; `1 000` and `1,000` are one thousand."""
    joined = re.sub(r"(?<=\d)[ ,](?=\d{3}(?!\d))", "", text)
    return {float(number) for number in re.findall(r"\d+(?:\.\d+)?", joined)}
