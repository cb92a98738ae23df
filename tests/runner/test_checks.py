"""test.sh: all checks run, their numbers add up, and nothing passes by not running."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner import checks
from runner.checks import FAILED, PASSED, Check, Result, main
from runner.places import Places

TOY = Path(__file__).parent / "toy"


@pytest.fixture
def root(tmp_path):
    return Places.below(tmp_path)


def made(name: str, result: Result | type[BaseException]) -> Check:
    def run(options, places):
        if isinstance(result, Result):
            return result
        raise result

    return Check(name, f"is {name}", run)


def use(monkeypatch, *checks_: Check) -> None:
    monkeypatch.setattr(checks, "CHECKS", checks_)


def last_line(capsys):
    return capsys.readouterr().out.rstrip("\n").split("\n")[-1]


def test_numbers_of_all_checks_add_up(monkeypatch, capsys):
    use(monkeypatch, made("ruff", PASSED), made("pytest", Result(40, 0, 2)))
    assert main([]) == 0
    assert last_line(capsys) == "41 passed, 0 failed, 2 skipped"


def test_a_failure_does_not_keep_the_others_from_running(monkeypatch, capsys):
    use(monkeypatch, made("ruff", FAILED), made("pytest", Result(40, 3, 0)), made("proof", PASSED))
    assert main([]) == 1
    assert last_line(capsys) == "41 passed, 4 failed, 0 skipped"


def test_each_check_tells_how_it_ended_and_how_long_it_took(monkeypatch, capsys):
    use(monkeypatch, made("ruff", PASSED), made("mypy", FAILED))
    main([])
    out = capsys.readouterr().out
    assert "== ruff: ok in 0 ms" in out
    assert "== mypy: failed in 0 ms" in out


def test_only_and_skip_choose(monkeypatch, capsys):
    use(monkeypatch, made("ruff", PASSED), made("mypy", FAILED), made("pytest", Result(5)))
    assert main(["--only", "ruff,pytest"]) == 0
    assert last_line(capsys) == "6 passed, 0 failed, 0 skipped"
    assert main(["--skip", "mypy,pytest"]) == 0
    assert last_line(capsys) == "1 passed, 0 failed, 0 skipped"


def test_options_after_the_dashes_reach_pytest(monkeypatch):
    seen = []

    def run(options, places):
        seen.append(options)
        return PASSED

    use(monkeypatch, Check("pytest", "", run))
    main(["--only", "pytest", "--", "-k", "links", "--only"])
    assert seen == [["-k", "links", "--only"]]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--only", "pytset"], "error: unknown check 'pytset'; did you mean pytest? Known: criteria, docs, dryrun"),
        (["-k", "links"], "error: unknown option '-k'; pytest's own come after --"),
        (["--only"], "error: argument --only: expected one argument; see ./test.sh --help"),
    ],
)
def test_wrong_use_is_one_line(capsys, arguments, line):
    assert main(arguments) == 252
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(line)
    assert err.count("\n") == 1


def test_help_names_every_check_on_one_screen(capsys):
    with pytest.raises(SystemExit) as raised:
        main(["--help"])
    assert raised.value.code == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 24
    assert {one.name for one in checks.CHECKS} <= {line.split()[0] for line in lines if line.startswith("  ")}


def test_ctrl_c_ends_with_the_numbers_so_far(monkeypatch, capsys):
    use(monkeypatch, made("ruff", PASSED), made("mypy", KeyboardInterrupt), made("pytest", Result(5)))
    assert main([]) == 130
    assert last_line(capsys) == "1 passed, 1 failed, 0 skipped"


def test_a_tool_is_judged_by_its_exit_code_and_heard_when_it_fails(root, capsys):
    assert checks._tool("json.tool", "--help")([], root) == PASSED
    assert capsys.readouterr().out == ""
    assert checks._tool("json.tool", "/nowhere")([], root) == FAILED
    assert "/nowhere" in capsys.readouterr().out


def write_tests(root: Places, text: str) -> None:
    (root.root / "test_toy.py").write_text(text)


def test_pytest_is_counted_test_by_test(root):
    tests = ["def test_a(): pass", "def test_b(): assert 0", "@pytest.mark.skip\ndef test_c(): pass"]
    tests += ["@pytest.fixture\ndef f(): raise OSError", "def test_d(f): pass"]
    write_tests(root, "\n".join(["import pytest", *tests, ""]))
    assert checks._pytest(["-q"], root) == Result(1, 2, 1)


def test_pytest_that_collects_nothing_has_failed(root):
    write_tests(root, "def test_a(): pass\n")
    assert checks._pytest(["-q", "-k", "no_such_test"], root) == Result(0, 1, 0)


def test_pytest_that_cannot_start_has_failed(root):
    assert checks._pytest(["--no-such-option"], root) == FAILED


def test_registry_and_suites_that_fit_pass(capsys):
    assert checks._criteria([], Places(TOY, TOY / "suites", TOY / "variables", TOY)) == PASSED
    assert capsys.readouterr().out == ""


def test_a_registry_without_suites_fails(root, capsys):
    (root.root / "variables").mkdir()
    (root.root / "variables" / "criteria.yaml").write_text("HA-01: {source: x, needs: [redis]}\n")
    (root.root / "suites").mkdir()
    assert checks._criteria([], root) == FAILED
    assert "HA-01: no test states it" in capsys.readouterr().out


def test_the_dry_run_finds_a_keyword_that_does_not_exist(root, capsys):
    (root.root / "variables").mkdir()
    (root.root / "variables" / "quick.yaml").write_text("WRITE_RATE: 7\n")
    (root.root / "suites").mkdir()
    suite = root.root / "suites" / "a.robot"
    suite.write_text("*** Test Cases ***\nA\n    Log    ${WRITE_RATE}\n")
    assert checks._dry_run([], root) == PASSED
    suite.write_text("*** Test Cases ***\nA\n    No Such Keyword\n")
    assert checks._dry_run([], root) == FAILED


def proof(root: Places, text: str) -> None:
    (root.root / "proof").mkdir()
    (root.root / "proof" / "__init__.py").touch()
    (root.root / "proof" / "__main__.py").write_text(text)


@pytest.mark.parametrize(
    ("program", "result"),
    [
        ("print('HA-10 killed')\nprint('3 passed, 1 failed, 0 skipped')\nraise SystemExit(1)", Result(3, 1, 0)),
        ("print('3 passed, 0 failed, 0 skipped')", Result(3, 0, 0)),
        ("print('3 passed, 0 failed, 0 skipped')\nraise SystemExit(1)", Result(3, 1, 0)),
        ("print('all is well')", FAILED),
        ("raise SystemExit(0)", FAILED),
    ],
)
def test_the_proof_is_believed_only_with_its_closing_line(root, program, result):
    proof(root, program)
    assert checks._proof([], root) == result


def test_a_missing_proof_fails(root):
    assert checks._proof([], root) == FAILED
