"""A file of findings: what it holds, and the line that each mistake in it is told by."""

from __future__ import annotations

import re

import pytest

from environments.config import ROOT
from reporting.field_report.findings import FindingsProblem, read_findings
from tests.reporting.field import BY_CRITERION, BY_HAND, book


def told(path) -> str:
    with pytest.raises(FindingsProblem) as caught:
        read_findings(path)
    return str(caught.value)


def test_new_ones_come_first_and_of_these_the_weightiest(tmp_path):
    def of(title, kind, *, known):
        return {**BY_HAND, "title": title, "kind": kind, "known": known}

    given = [of("a", "comfort", known=False), of("b", "data", known=True), of("c", "load", known=False)]
    given += [of("d", "security", known=False), of("e", "data", known=False), of("f", "data", known=False)]
    found = read_findings(book(tmp_path / "x.yaml", *given)).by_weight
    assert [finding.title for finding in found] == ["e", "f", "d", "c", "a", "b"]


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"kind": "trifle"}, "kind: must be 'data', 'security', 'load' or 'comfort', not 'trifle'"),
        ({"known": None}, "known: input should be a valid boolean"),
        ({"answered": "  "}, "answered: is empty"),
        ({"severity": 1}, "severity: unknown key; remove it or correct its spelling"),
        ({"shows": "lost ("}, "shows: is no regular expression (missing ), unterminated subpattern at position 5)"),
        ({"criterion": "HA11"}, "criterion: is not the id of a criterion"),
        ({"shows": None}, "criterion and shows go together; give both or neither"),
        ({"shows": None, "criterion": None}, "nothing shows it; give criterion and shows, or repeat"),
    ],
)
def test_a_mistake_is_told_with_its_finding_and_its_key(tmp_path, change, line):
    path = book(tmp_path / "x.yaml", BY_HAND, {**BY_CRITERION, **change})
    assert told(path) == f"x.yaml: finding 2 ('Acknowledged writes are lost'): {line}"


def test_a_key_that_is_missing_is_told_also_the_title(tmp_path):
    without = {key: value for key, value in BY_HAND.items() if key != "title"}
    assert told(book(tmp_path / "x.yaml", without)) == "x.yaml: finding 1: title: missing; add this key"
    path = book(tmp_path / "y.yaml", BY_HAND)
    path.write_text(path.read_text().replace("service: pooler\n", ""))
    assert told(path) == "y.yaml: service: missing; add this key"


def test_every_mistake_has_a_line_of_its_own(tmp_path):
    path = book(tmp_path / "x.yaml", {**BY_HAND, "kind": "x"}, {**BY_CRITERION, "known": "perhaps"})
    assert [line.split(": ")[1] for line in told(path).splitlines()] == [
        "finding 1 ('The log holds a password')",
        "finding 2 ('Acknowledged writes are lost')",
    ]


def test_two_findings_of_one_title_could_not_be_told_apart(tmp_path):
    assert told(book(tmp_path / "x.yaml", BY_HAND, BY_HAND)) == (
        "x.yaml: 'The log holds a password' stands 2 times; give each finding a title of its own"
    )


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("name: [", "x.yaml: is not valid YAML at line 1; mend the syntax there"),
        ("name: a\nname: b\n", "x.yaml: line 2: 'name' stands twice; remove one"),
        ("- a\n", "x.yaml: input should be a valid dictionary or instance of Findings"),
        ("name: a\nfindings: [text]\n", "x.yaml: finding 1: input should be a valid dictionary or instance of Finding"),
    ],
)
def test_a_file_of_another_shape_is_told(tmp_path, text, line):
    path = tmp_path / "x.yaml"
    path.write_text(text)
    assert line in told(path).splitlines()


def test_a_file_that_is_not_there_is_told_with_what_it_is_for(tmp_path):
    assert told(tmp_path / "none.yaml").startswith(f"{tmp_path}/none.yaml: no such file of findings; it says which")


@pytest.mark.parametrize("path", sorted((ROOT / "docs" / "findings").glob("*.yaml")), ids=lambda path: path.stem)
def test_the_findings_of_this_project_are_whole_and_hold_no_secret(path):
    found = read_findings(path)
    assert found.findings
    assert not re.findall(r"://[^\s/:@]+:(?!\()[^\s@]+@", path.read_text(encoding="utf-8")), "a password in a URL"
