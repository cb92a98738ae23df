"""The command line of run.sh."""

from __future__ import annotations

from pathlib import Path

import pytest

from reporting.texts import ranges
from runner.arguments import HELP, Request, default_citus, parse
from runner.usage import UsageProblem, unknown


def test_nothing_given_means_everything_in_the_quick_profile():
    assert parse([]) == Request(environment="embedded", profile="quick")


def test_every_option_is_read():
    request = parse(
        [
            "--system",
            "cluster",
            "--phase",
            "chaos,stress",
            "--phase",
            "performance",
            "--criterion",
            "ha-10, RC-03",
            "--environment",
            "my.yaml",
            "--profile",
            "full",
            "--keep",
            "--list",
        ]
    )
    assert request == Request(
        systems=("cluster",),
        phases=("chaos", "stress", "performance"),
        criteria=("HA-10", "RC-03"),
        environment="my.yaml",
        profile="full",
        keep=True,
        list_only=True,
    )


def test_what_stands_after_the_dashes_goes_to_robot_untouched():
    request = parse(["--phase", "chaos", "--", "-t", "A test", "--", "--loglevel", "TRACE"])
    assert request.phases == ("chaos",)
    assert request.robot_options == ("-t", "A test", "--", "--loglevel", "TRACE")


def test_citus_is_taken_from_the_cache_unless_a_directory_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert parse([]).citus is None
    assert parse(["--with-citus"]).citus == tmp_path / "acceptance" / "citus"
    assert parse(["--with-citus", "/opt/citus"]).citus == Path("/opt/citus")
    assert parse(["--with-citus", "--", "-t", "x"]).citus == tmp_path / "acceptance" / "citus"


def test_the_vendors_server_is_found_unless_a_directory_is_named():
    assert not parse([]).vendor
    assert parse(["--vendor"]).vendor
    assert parse(["--vendor"]).vendor_directory is None
    assert parse(["--vendor", "/opt/fraiseql"]).vendor_directory == Path("/opt/fraiseql")


def test_a_command_that_repeats_a_run_has_its_conditions():
    assert parse([]).conditions == parse(["--system", "cluster", "--keep"]).conditions == []
    given = ["--environment", "own.yaml", "--profile", "full", "--with-citus", "/citus", "--vendor", "/opt/bin"]
    assert parse(["--phase", "chaos", *given]).conditions == given
    assert parse(["--vendor"]).conditions == ["--vendor"]


def test_without_a_cache_variable_the_home_directory_holds_the_cache(monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", "/home/somebody")
    assert default_citus() == Path("/home/somebody/.cache/acceptance/citus")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--phse", "chaos"], "unknown option '--phse'; did you mean --phase? Robot Framework's own come after --"),
        (["--pha", "chaos"], "unknown option '--pha'; did you mean --phase?"),
        (["--zzz"], "unknown option '--zzz'; Robot Framework's own come after --"),
        (["suites"], "unexpected argument 'suites'; Robot Framework's own come after --"),
        (["--phase"], "argument --phase: expected one argument; see ./run.sh --help"),
        (["--keep=3"], "argument --keep: ignored explicit argument '3'; see ./run.sh --help"),
    ],
)
def test_a_wrong_option_is_one_line_with_what_was_meant(arguments, line):
    with pytest.raises(UsageProblem) as raised:
        parse(arguments)
    assert len(raised.value.problems) == 1
    assert raised.value.problems[0].startswith(line)


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["--phase", "chaos", "--help"]])
def test_help_fits_one_screen_and_names_every_option(arguments, capsys):
    with pytest.raises(SystemExit) as raised:
        parse(arguments)
    assert raised.value.code == 0
    shown = capsys.readouterr().out
    assert shown == HELP
    assert len(shown.splitlines()) <= 26
    assert max(len(line) for line in shown.splitlines()) <= 100
    for option in ("system", "phase", "criterion", "environment", "profile", "keep", "list", "with-citus", "vendor"):
        assert f"--{option}" in shown


def test_an_unknown_name_is_answered_with_close_ones_first():
    problem = unknown("criterion", "HA-1O", ["CL-01", "CL-02", "CL-03", "HA-10", "HA-11"])
    assert str(problem).startswith("unknown criterion 'HA-1O'; did you mean HA-1")
    assert str(problem).endswith("Known: CL-01..03, HA-10..11")


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        (["HA-01", "HA-02", "HA-03", "HA-05"], ["HA-01..03", "HA-05"]),
        (["HA-09", "HA-10", "CL-01"], ["CL-01", "HA-09..10"]),
        (["FQ-C01", "FQ-C02", "FQ-D01"], ["FQ-C01..02", "FQ-D01"]),
        (["quick", "full"], ["full", "quick"]),
        ([], []),
    ],
)
def test_consecutive_ids_are_shortened(names, shown):
    assert ranges(names) == shown
