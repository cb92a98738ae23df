"""One run on a defect: how its tests ended is read, also when it takes too long."""

from __future__ import annotations

from pathlib import Path

import pytest

from environments.config import EnvironmentFile, load_environment
from proof import runs
from runner import children
from runner.places import Places

SUITE = """
*** Test Cases ***
First
    [Tags]    XX-01
    No Operation
Second
    [Tags]    XX-02
    Evaluate    {code}
"""
WAIT = "__import__('threading').Event().wait(60)"


@pytest.fixture
def environment() -> EnvironmentFile:
    return load_environment("embedded")


def toy(root: Path, code: str) -> Places:
    (root / "suites").mkdir()
    (root / "suites" / "toy.robot").write_text(SUITE.format(code=code), encoding="utf-8")
    (root / "variables").mkdir()
    (root / "variables" / "quick.yaml").write_text("RATE: 7\n", encoding="utf-8")
    return Places.below(root)


def test_each_test_is_read_by_its_criterion(tmp_path: Path, environment: EnvironmentFile) -> None:
    executed = runs.execute(environment, ["XX-01", "XX-02"], tmp_path / "run", toy(tmp_path, "1 / 0"))
    assert executed["XX-01"].status == "PASS"
    assert executed["XX-02"].status == "FAIL"
    assert "ZeroDivisionError" in executed["XX-02"].message


def test_a_run_that_takes_too_long_is_stopped_and_told(
    tmp_path: Path, environment: EnvironmentFile, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(runs, "RUN_DEADLINE", 2.0)
    executed = runs.execute(environment, ["XX-01", "XX-02"], tmp_path / "run", toy(tmp_path, WAIT))
    assert executed["XX-01"].status == "PASS"
    assert executed["XX-02"].status == "FAIL"
    assert executed["XX-02"].message.endswith("Execution terminated by signal")
    assert "run: stopped after 2 s, see" in capsys.readouterr().out


def test_a_run_that_must_be_killed_has_run_nothing(
    tmp_path: Path, environment: EnvironmentFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    ignore = "(__import__('signal').signal(15, lambda *_: None), " + WAIT + ")"
    monkeypatch.setattr(runs, "RUN_DEADLINE", 2.0)
    monkeypatch.setattr(children.stop, "__defaults__", (0.5,))
    assert runs.execute(environment, ["XX-01", "XX-02"], tmp_path / "run", toy(tmp_path, ignore)) == {}
