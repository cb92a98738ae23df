"""The registry file: what is accepted, and the one line each mistake is answered with."""

from __future__ import annotations

from pathlib import Path

import pytest

from criteria import Budget, CriteriaProblem, load_registry

GOOD = """
HA-10:
  source: "004 TestFailoverScenarios"
  needs: [patroni, haproxy]
  budget: {limit: 10, unit: s, of: write gap}
CT-01:
  source: "004 TestCitus"
  needs: [citus]
  budget:
    - {limit: 500, unit: ms, of: join}
    - {limit: 0.95, unit: "", of: recall}
HA-X01:
  source: "004"
  needs: [redis]
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "criteria.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def problems(tmp_path: Path, text: str) -> tuple[str, ...]:
    with pytest.raises(CriteriaProblem) as raised:
        load_registry(written(tmp_path, text))
    return raised.value.problems


def test_entries_come_in_the_order_of_the_file(tmp_path):
    entries = load_registry(written(tmp_path, GOOD))
    assert list(entries) == ["HA-10", "CT-01", "HA-X01"]
    assert entries["HA-10"].needs == ("patroni", "haproxy")
    assert entries["HA-10"].budgets == (Budget(10, "s", "write gap"),)
    assert [budget.limit for budget in entries["CT-01"].budgets] == [500, 0.95]
    assert entries["HA-X01"].budgets == ()


def test_an_empty_file_is_an_empty_registry(tmp_path):
    assert load_registry(written(tmp_path, "# nothing yet\n")) == {}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("HA-1: {source: a, needs: [redis]}", "criteria.yaml: HA-1: is not an id; write two capitals"),
        ("HA-01: {needs: [redis]}", "criteria.yaml: HA-01.source: missing; name the seed file"),
        ("HA-01: {source: a}", "criteria.yaml: HA-01.needs: missing; list the capabilities"),
        ("HA-01: {source: a, needs: []}", "criteria.yaml: HA-01.needs: missing"),
        (
            "HA-01: {source: a, needs: [reddis]}",
            "criteria.yaml: HA-01.needs: 'reddis' is not a capability (did you mean 'redis'?)",
        ),
        (
            "HA-01: {source: a, needs: [redis], bugdet: {}}",
            "criteria.yaml: HA-01.bugdet: unknown key (did you mean 'budget'?)",
        ),
        (
            "HA-01: {source: a, needs: [redis], budget: {limit: ten, unit: s, of: gap}}",
            "criteria.yaml: HA-01.budget.limit: must be a number, not 'ten'",
        ),
        (
            "HA-01: {source: a, needs: [redis], budget: {limit: yes, unit: s, of: gap}}",
            "criteria.yaml: HA-01.budget.limit: must be a number, not True",
        ),
        (
            "HA-01: {source: a, needs: [redis], budget: {limit: 10, of: gap}}",
            "criteria.yaml: HA-01.budget.unit: missing; add its unit",
        ),
        ("HA-01: {source: a, needs: [redis], budget: 10}", "criteria.yaml: HA-01.budget: must be a mapping"),
        ("HA-01: text", "criteria.yaml: HA-01: must be a mapping with the keys source, needs, budget"),
        ("- HA-01", "criteria.yaml: must be a mapping of criterion ids"),
        ("HA-01: [", "criteria.yaml: is not valid YAML at line"),
        (
            "HA-01: {source: a, needs: [redis]}\nHA-01: {source: b, needs: [redis]}",
            "criteria.yaml: line 2: 'HA-01' stands twice; remove one",
        ),
    ],
)
def test_each_mistake_is_one_line_with_its_cure(tmp_path, text, line):
    found = problems(tmp_path, text)
    assert len(found) == 1
    assert found[0].startswith(line)


def test_all_mistakes_are_told_at_once(tmp_path):
    assert len(problems(tmp_path, "HA-1: {}\nHA-02: {source: 3, needs: [x]}")) == 5


def test_a_missing_file_is_told_by_its_name(tmp_path):
    with pytest.raises(CriteriaProblem, match=r"^criteria\.yaml: cannot be read \(No such file"):
        load_registry(tmp_path / "criteria.yaml")
