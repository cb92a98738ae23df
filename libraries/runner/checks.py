"""What `test.sh` does: every check of the project itself, one line each, and one closing line.

How the closing line counts: pytest's and the proof's own numbers, and one for each other check (passed, or failed). The
dry run of the suites is one check; the criteria it reads are not counted again.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from criteria import CriteriaProblem, check, discover, load_registry
from reporting.closing import PATTERN, closing
from reporting.texts import duration
from runner.children import child, terminate_like_interrupt
from runner.keyword_docs import write_pages
from runner.places import PROJECT, Places
from runner.usage import USAGE_ERROR, UsageProblem, unknown

TWO_AT_ONCE = ("-n", "2", "--dist", "loadfile")  # most tests wait for something; those of a file share its servers
PROOF_SECONDS = 120  # about how long the part of the proof takes that the checks run; the day decides which part
HELP = """\
usage: ./test.sh [--only CHECK,...] [--skip CHECK,...] [-- PYTEST OPTIONS]

Runs the project's own checks, all of them even when one fails:
{checks}

  --only CHECK,...   only these             --skip CHECK,...   all but these
  -- PYTEST OPTIONS  handed to pytest, such as: ./test.sh --only pytest -- -k links
"""


@dataclass(frozen=True, slots=True)
class Result:
    """How a check ended."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: Result) -> Result:
        return Result(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)


PASSED, FAILED = Result(passed=1), Result(failed=1)


@dataclass(frozen=True, slots=True)
class Check:
    """One check: its name, what it makes sure of, and how it is run."""

    name: str
    meaning: str
    run: Callable[[Sequence[str], Places], Result]


def main(arguments: Sequence[str], places: Places = PROJECT) -> int:
    """Run the checks asked for.

    Returns:
        0: all passed; 1: something failed; 252: wrong use; 130: stopped by Ctrl-C or SIGTERM.
    """
    try:
        chosen, pytest_options = _chosen(arguments)
    except UsageProblem as problem:
        print(f"error: {problem}", file=sys.stderr)
        return USAGE_ERROR
    with terminate_like_interrupt():
        return _run(chosen, pytest_options, places)


def _run(chosen: Sequence[Check], pytest_options: Sequence[str], places: Places) -> int:
    total, stopped = Result(), False
    for one in chosen:
        print(f"== {one.name}", flush=True)
        began = time.monotonic()
        try:
            result = one.run(pytest_options, places)
        except KeyboardInterrupt:
            print("stopped", file=sys.stderr)
            result, stopped = FAILED, True
        total += result
        word = "failed" if result.failed else "ok"
        print(f"== {one.name}: {word} in {duration(time.monotonic() - began)}\n", flush=True)
        if stopped:
            break
    print(closing(total.passed, total.failed, total.skipped), flush=True)
    return 130 if stopped else int(total.failed > 0)


def _chosen(arguments: Sequence[str]) -> tuple[list[Check], list[str]]:
    own = list(arguments)
    rest = own[own.index("--") + 1 :] if "--" in own else []
    own = own[: own.index("--")] if "--" in own else own
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("-h", "--help", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--skip", default="")
    try:
        given, strange = parser.parse_known_args(own)
    except argparse.ArgumentError as error:
        raise UsageProblem(f"{error}; see ./test.sh --help") from None
    if given.help:
        print(HELP.format(checks="\n".join(f"  {one.name:<10} {one.meaning}" for one in CHECKS)), end="")
        raise SystemExit(0)
    if strange:
        raise UsageProblem(f"unknown option '{strange[0]}'; pytest's own come after --, see ./test.sh --help")
    names = [one.name for one in CHECKS]
    only, skip = ([name for name in text.split(",") if name] for text in (given.only, given.skip))
    for name in (*only, *skip):
        if name not in names:
            raise unknown("check", name, names)
    return [one for one in CHECKS if (not only or one.name in only) and one.name not in skip], rest


def _tool(*command: str) -> Callable[[Sequence[str], Places], Result]:
    """Make a check of a program's exit code; its output is shown when it fails."""

    def run(_: Sequence[str], places: Places) -> Result:
        program = [sys.executable, "-m", *command]
        with child(program, cwd=places.root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as running:
            output, _ = running.communicate()
        if running.returncode == 0:
            return PASSED
        print(output.rstrip())
        return FAILED

    return run


def _criteria(_: Sequence[str], places: Places) -> Result:
    try:
        problems: Sequence[str] = check(load_registry(places.registry), discover(places.suites))
    except CriteriaProblem as problem:
        problems = problem.problems
    print(*problems, sep="\n", end="\n" if problems else "")
    return FAILED if problems else PASSED


def _docs(_: Sequence[str], places: Places) -> Result:
    with tempfile.TemporaryDirectory(prefix="acceptance-docs-") as directory:
        problems = write_pages(Path(directory), places)
    print(*problems, sep="\n", end="\n" if problems else "")
    return FAILED if problems else PASSED


def _dry_run(_: Sequence[str], places: Places) -> Result:
    profile = str(places.variables / "quick.yaml")
    options = (
        "--dryrun",
        "--quiet",
        "--output",
        "NONE",
        "--log",
        "NONE",
        "--report",
        "NONE",
        "--variablefile",
        profile,
    )
    return _tool("robot", *options, str(places.suites))([], places)


def _pytest(options: Sequence[str], places: Places) -> Result:
    with tempfile.TemporaryDirectory(prefix="acceptance-checks-") as directory:
        report = Path(directory) / "pytest.xml"
        command = [sys.executable, "-m", "pytest", f"--junitxml={report}", *TWO_AT_ONCE, *options]
        with child(command, cwd=places.root) as running:
            code = running.wait()
        if not report.is_file():
            return FAILED  # it could not even begin, and has said why
        root = ET.parse(report).getroot()  # noqa: S314, pytest has just written it
        suites = root.iter("testsuite")
        counted = sum((_counted(suite.attrib) for suite in suites), Result())
    # An exit code without a failed test (nothing collected, a broken plugin) must not pass unseen.
    return counted + FAILED if code != 0 and not counted.failed else counted


def _counted(suite: dict[str, str]) -> Result:
    tests, skipped = int(suite["tests"]), int(suite["skipped"])
    failed = int(suite["failures"]) + int(suite["errors"])
    return Result(tests - failed - skipped, failed, skipped)


def _proof(_: Sequence[str], places: Places) -> Result:
    """Run the proof's sample and take over its closing line; without one it has failed."""
    if not (places.root / "proof" / "__main__.py").is_file():
        print("proof/ holds no program; nothing is proven")
        return FAILED
    command = [sys.executable, "-m", "proof", "--environment", "shared-machine", "--sample", str(PROOF_SECONDS)]
    with child(command, cwd=places.root, stdout=subprocess.PIPE) as program:
        last = ""
        assert program.stdout is not None
        for line in program.stdout:
            print(line, end="", flush=True)
            last = line.strip() or last
    found = PATTERN.match(last)
    if found is None:
        return FAILED
    counted = Result(*(int(number) for number in found.groups()))
    return counted + FAILED if program.returncode != 0 and not counted.failed else counted


CHECKS = (
    Check("ruff", "Python: mistakes and style", _tool("ruff", "check", ".")),
    Check("format", "Python: layout", _tool("ruff", "format", "--check", ".")),
    Check("mypy", "Python: types", _tool("mypy")),
    Check("robocop", "suites and resources: mistakes and style", _tool("robocop", "check", "suites", "resources")),
    Check("layout", "suites and resources: layout", _tool("robocop", "format", "--check", "suites", "resources")),
    Check("criteria", "one test a criterion, one criterion a test", _criteria),
    Check("dryrun", "every step of every suite is a keyword that exists", _dry_run),
    Check("docs", "every keyword is documented, and its page can be made", _docs),
    Check("pytest", "libraries, environments and tools", _pytest),
    Check("proof", "a rotating sample of criteria fails on its defect", _proof),
)

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
