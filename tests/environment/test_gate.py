"""A criterion runs where its needs are declared, and is skipped with its source where they are not."""

from __future__ import annotations

import pytest

from criteria import Entry
from EnvironmentLibrary import gate


@pytest.fixture(autouse=True)
def registry(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = {"CT-01": Entry("CT-01", "004 TestCitusClusterSetup", ("postgresql", "citus"))}
    monkeypatch.setattr(gate, "_registry", lambda: entries)


def test_a_missing_capability_skips_and_names_the_source() -> None:
    assert gate.skip_reason("CT-01", frozenset({"postgresql"})) == (
        "CT-01 (004 TestCitusClusterSetup) needs citus, which this environment does not declare"
    )


def test_a_declared_capability_does_not_skip() -> None:
    assert gate.skip_reason("CT-01", frozenset({"postgresql", "citus"})) is None


def test_a_test_without_a_known_criterion_runs() -> None:
    assert gate.skip_reason("", frozenset()) is None
    assert gate.skip_reason("XX-01", frozenset()) is None


def test_the_criterion_is_the_tag_with_an_id() -> None:
    assert gate.criterion_of(["phase:chaos", "HA-10", "system:cluster"]) == "HA-10"
    assert gate.criterion_of(["FQ-C01"]) == "FQ-C01"
    assert gate.criterion_of(["phase:chaos"]) == ""
