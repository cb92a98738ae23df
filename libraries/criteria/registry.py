"""`variables/criteria.yaml`: what a suite cannot say of a criterion."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from environments.config import CAPABILITIES, VARIABLES

REGISTRY = VARIABLES / "criteria.yaml"
ID = re.compile(r"^[A-Z]{2}-[A-Z]?\d{2}$")
KEYS = ("source", "needs", "budget")
NEEDS = tuple(dict.fromkeys(name for declarable in CAPABILITIES.values() for name in declarable))
BUDGET_KEYS = ("limit", "unit", "of")


class CriteriaProblem(Exception):
    """The registry or the suites are not as they must be.

    Args:
        problems: one line per mistake.
    """

    def __init__(self, *problems: str) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


@dataclass(frozen=True, slots=True)
class Budget:
    """A number that a criterion demands, with its unit and what it limits, such as 10 s of "write gap"."""

    limit: float
    unit: str
    of: str

    def __str__(self) -> str:
        return f"{self.of} {self.limit:g} {self.unit}".strip()


@dataclass(frozen=True, slots=True)
class Entry:
    """One criterion as the registry describes it."""

    id: str
    source: str
    needs: tuple[str, ...] = ()
    budgets: tuple[Budget, ...] = ()


def load_registry(path: Path = REGISTRY) -> dict[str, Entry]:
    """Read and validate the registry.

    Args:
        path: the YAML file.

    Returns:
        The entries by id, in the order of the file.

    Raises:
        CriteriaProblem: one line per mistake, each naming the id, the key and the cure.
    """
    content = _read(path)
    problems: list[str] = []
    entries = {}
    for identifier, given in content.items():
        before = len(problems)
        problems += _entry_problems(f"{path.name}: {identifier}", identifier, given)
        if len(problems) == before:
            entries[identifier] = _entry(identifier, given)
    if problems:
        raise CriteriaProblem(*problems)
    return entries


class UniqueKeys(yaml.SafeLoader):
    """YAML allows a key twice and keeps the last; here it would silently drop what stands there first."""


def _mapping(loader: UniqueKeys, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[Any] = set()
    for key_node, _ in node.value:
        key = loader.construct_object(key_node)
        if key in seen:
            raise CriteriaProblem(f"line {key_node.start_mark.line + 1}: '{key}' stands twice; remove one")
        seen.add(key)
    return dict(loader.construct_pairs(node, deep=True))


UniqueKeys.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def _read(path: Path) -> Mapping[Any, Any]:
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=UniqueKeys)  # noqa: S506, it is a SafeLoader
    except OSError as error:
        raise CriteriaProblem(f"{path.name}: cannot be read ({error.strerror}); it is part of the project") from None
    except CriteriaProblem as problem:
        raise CriteriaProblem(*(f"{path.name}: {line}" for line in problem.problems)) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f" at line {mark.line + 1}" if mark else ""
        raise CriteriaProblem(f"{path.name}: is not valid YAML{place}; mend the syntax there") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise CriteriaProblem(f"{path.name}: must be a mapping of criterion ids")
    return content


def _entry_problems(place: str, identifier: object, given: object) -> list[str]:
    problems = []
    if not isinstance(identifier, str) or not ID.match(identifier):
        problems.append(f"{place}: is not an id; write two capitals, a hyphen and two digits, such as HA-10")
    if not isinstance(given, dict):
        return [*problems, f"{place}: must be a mapping with the keys {', '.join(KEYS)}"]
    problems += _unknown(place, given, KEYS)
    if not isinstance(given.get("source"), str) or not given["source"].strip():
        problems.append(f"{place}.source: missing; name the seed file and its section")
    needs = given.get("needs")
    if not isinstance(needs, list) or not needs:
        problems.append(f"{place}.needs: missing; list the capabilities it needs, any of: {', '.join(NEEDS)}")
    else:
        problems += [
            f"{place}.needs: {need!r} is not a capability{_hint(need, NEEDS)}; use any of: {', '.join(NEEDS)}"
            for need in needs
            if need not in NEEDS
        ]
    for budget in _as_list(given.get("budget")):
        problems += _budget_problems(f"{place}.budget", budget)
    return problems


def _budget_problems(place: str, budget: object) -> list[str]:
    if not isinstance(budget, dict):
        return [f"{place}: must be a mapping {{limit: 10, unit: s, of: write gap}} or a list of them"]
    problems = _unknown(place, budget, BUDGET_KEYS)
    limit = budget.get("limit")
    if isinstance(limit, bool) or not isinstance(limit, int | float):
        problems.append(f"{place}.limit: must be a number, not {limit!r}")
    problems += [
        f"{place}.{key}: missing; add {meaning}"
        for key, meaning in (("unit", "its unit, such as s or ms"), ("of", "what it limits, such as write gap"))
        if not isinstance(budget.get(key), str)
    ]
    return problems


def _unknown(place: str, given: Mapping[Any, Any], known: tuple[str, ...]) -> list[str]:
    return [
        f"{place}.{key}: unknown key{_hint(key, known)}; the keys are {', '.join(known)}"
        for key in given
        if key not in known
    ]


def _hint(word: object, known: Any) -> str:
    close = get_close_matches(str(word), list(known), n=1)
    return f" (did you mean '{close[0]}'?)" if close else ""


def _entry(identifier: str, given: Mapping[str, Any]) -> Entry:
    budgets = tuple(Budget(b["limit"], b["unit"], b["of"]) for b in _as_list(given.get("budget")))
    return Entry(identifier, given["source"], tuple(given["needs"]), budgets)


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
