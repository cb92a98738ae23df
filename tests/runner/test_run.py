"""Whole runs of the toy suites: files, console, exit codes and the last line."""

from __future__ import annotations

import errno
import json
import os
import re
from pathlib import Path

import pytest

from runner.command import main

CLOSING = re.compile(r"^\d+ passed, \d+ failed, \d+ skipped$")


def test_a_run_ends_with_its_numbers_and_robots_exit_code(toy):
    code, lines, err = toy.finish()
    assert (code, lines[-1], err) == (2, "3 passed, 2 failed, 2 skipped", "")


def test_all_passed_is_zero(toy):
    code, lines, _ = toy.finish("--criterion", "CL-01,HA-12")
    assert (code, lines[-1]) == (0, "2 passed, 0 failed, 0 skipped")


def test_every_file_of_a_run_is_there(toy):
    toy.finish()
    files = {str(path.relative_to(toy.latest)) for path in toy.latest.rglob("*") if path.is_file()}
    assert files >= {
        *("output.xml", "log.html", "report.html", "xunit.xml", "summary.md", "index.html"),
        *("environment.yaml", "criteria.json"),
        *(f"{p}/{n}" for p in ("integration", "chaos") for n in ("output.xml", "log.html", "report.html", "xunit.xml")),
    }
    assert toy.latest.parent == toy.results


def test_libraries_are_told_environment_profile_seed_and_run(toy):
    toy.finish("--profile", "full", "--keep", "--criterion", "CL-01")
    told = dict(line.split("=", 1) for line in (toy.latest / "teardown-ran").read_text().splitlines())
    assert told["ENVIRONMENT"] == str(toy.latest / "environment.yaml")
    assert (told["PROFILE"], told["KEEP"], told["WRITE_RATE"]) == ("full", "True", "9")
    assert told["RUN_ID"] == toy.latest.name
    assert 1 <= int(told["SEED"]) < 1_000_000


def test_variables_after_the_dashes_win(toy):
    toy.finish("--criterion", "CL-01", "--", "--variable", "SEED:8731", "--variable", "WRITE_RATE:3")
    told = dict(line.split("=", 1) for line in (toy.latest / "teardown-ran").read_text().splitlines())
    assert (told["SEED"], told["WRITE_RATE"]) == ("8731", "3")


def test_robot_options_choose_among_the_criteria_and_only_those_are_expected(toy):
    code, lines, _ = toy.finish("--phase", "chaos", "--", "-t", "What comes*")
    assert (code, lines[-1]) == (0, "1 passed, 0 failed, 0 skipped")
    assert [criterion["id"] for criterion in json.loads((toy.latest / "criteria.json").read_text())] == ["HA-13"]


def test_the_environment_is_handed_over_merged_and_without_secrets(toy, tmp_path, monkeypatch):
    base = tmp_path / "base.yaml"
    base.write_text("{name: base, driver: external, systems: {cluster: {capabilities: [postgresql], addresses: "
                    "{primary: 'h:1', replicas: 'h:2', user: u, password: '%{TOY_PASSWORD}'}}}}")  # fmt: skip
    (tmp_path / "mine.yaml").write_text("{extends: base, name: mine}")
    monkeypatch.setenv("TOY_PASSWORD", "hush-hush")
    toy._environment["TOY_PASSWORD"] = "hush-hush"
    code, *_ = toy.finish("--environment", str(tmp_path / "mine.yaml"), "--criterion", "CL-01")
    assert code == 0
    text = (toy.latest / "environment.yaml").read_text()
    assert "name: mine" in text
    assert "driver: external" in text
    assert "extends" not in text
    assert "%{TOY_PASSWORD}" in text
    everything = b"".join(path.read_bytes() for path in toy.latest.rglob("*") if path.is_file())
    assert b"hush-hush" not in everything


def test_last_verdicts_are_kept_for_the_list(toy):
    toy.finish()
    toy.finish("--criterion", "HA-10", "--", "--variable", "HOLD:0")
    verdicts = json.loads((toy.results / "verdicts.json").read_text())
    assert {identifier: fields["verdict"] for identifier, fields in verdicts.items()} == {
        "CL-01": "pass",
        "CT-01": "skip",
        "CT-02": "skip",
        "HA-10": "fail",
        "HA-11": "inconclusive",
        "HA-12": "pass",
        "HA-13": "pass",
    }
    assert verdicts["HA-10"]["run"] == toy.latest.name != verdicts["HA-11"]["run"]


def test_the_list_runs_nothing(toy):
    code, lines, _ = toy.finish("--list", "--phase", "chaos")
    assert code == 0
    assert lines[1].startswith("HA-10  chaos        never run")
    assert not toy.results.exists()


def test_a_dry_run_is_not_a_verdict(toy):
    code, *_ = toy.finish("--", "--dryrun")
    assert code == 0
    assert not (toy.results / "verdicts.json").exists()


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--criterion", "HA-99"], "error: unknown criterion 'HA-99'"),
        (["--environment", "nowhere"], "error: unknown environment 'nowhere'"),
        (["--profile", "fast"], "error: unknown profile 'fast'"),
        (["--", "--bogus"], "error: Robot Framework: option --bogus not recognized; see robot --help"),
        (["--", "--outputdir", "x"], "error: --outputdir cannot stand after --: run.sh sets it itself"),
        (["--phase", "chaos", "--", "--include", "x"], "error: --include cannot stand after --"),
        (["--with-citus", "/nowhere"], "error: --with-citus: no lib/citus.so below /nowhere"),
    ],
)
def test_wrong_use_is_one_line_and_starts_nothing(toy, arguments, line):
    code, lines, err = toy.finish(*arguments)
    assert code == 252
    assert lines == [""]
    assert err.startswith(line)
    assert err.count("\n") == 1
    assert not toy.results.exists()


def test_a_choice_robot_cannot_follow_leaves_no_run_behind(toy):
    code, _, err = toy.finish("--", "-t", "No such test")
    assert code == 252
    assert "contains no tests" in err
    assert list(toy.results.iterdir()) == []


@pytest.mark.parametrize(
    ("method", "number", "line"),
    [("mkdir", errno.EACCES, "Permission denied"), ("write_text", errno.ENOSPC, "No space left on device")],
)
def test_results_that_cannot_be_written_are_one_line(places, monkeypatch, capsys, method, number, line):
    def refuse(self, *arguments, **options):
        raise OSError(number, os.strerror(number), str(self))

    monkeypatch.setattr(Path, method, refuse)
    assert main(["--criterion", "CL-01"], places) == 252
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"error: results cannot be written to {places.results} ({line}); free some space")
    assert err.count("\n") == 1


def test_results_that_are_a_file_are_one_line(toy):
    toy.results.write_text("in the way")
    code, lines, err = toy.finish()
    assert (code, lines) == (252, [""])
    assert err.startswith(f"error: results cannot be written to {toy.results} (")
    assert err.count("\n") == 1


def test_the_console_shows_verdicts_faults_and_long_steps_as_plain_lines(toy):
    _, lines, _ = toy.finish()
    text = "\n".join(lines)
    assert "cluster · chaos (4)" in text
    assert re.search(r"^4/7  fail +\d+ ms  HA-10  No acknowledged write is lost$", text, re.MULTILINE)
    assert "        lost 14 of 120 acknowledged writes (first: 88)" in lines
    assert re.search(r"^5/7  inconclusive +\d+ ms  HA-11 ", text, re.MULTILINE)
    assert "        fault: leader killed" in lines
    assert "        waiting for a new leader (up to 25 s)" in lines
    assert "        fault: healed" in lines
    assert "\033" not in text
    assert "\r" not in text


def test_the_screen_at_the_end_says_what_matters_in_one_screen(toy):
    _, lines, _ = toy.finish()
    end = lines[next(i for i, line in enumerate(lines) if line.startswith("criteria 7:")) :]
    assert len(end) <= 24
    text = "\n".join(end)
    assert "criteria 7: 3 pass, 1 fail, 1 inconclusive, 2 skip" in text
    assert "x HA-10 No acknowledged write is lost\n    lost 14 of 120" in text
    assert "? HA-11 Writes stop for at most 10 seconds\n    INCONCLUSIVE: 3 acknowledged" in text
    assert "skipped 2: needs citus, which this environment does not declare  [CT-01..02]" in text
    assert f"results/{toy.latest.name}/index.html" in text
    assert CLOSING.match(lines[-1])
