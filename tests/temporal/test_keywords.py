"""The three keywords in real, tiny Robot Framework runs: verdicts, messages, and what the log keeps."""

from __future__ import annotations

import json
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from robot import result
from robot.api import ExecutionResult
from robot.run import run as run_robot

from environments.system import Running, use

Run = Callable[..., result.TestCase]

COUNTER = '''
import time

class Counter:
    """Passes or fails by how often it was called."""

    def __init__(self):
        self.calls = 0
        self.begin = None

    def passes_after(self, calls: int, answer="done"):
        self.calls += 1
        assert self.calls > calls, f"call {self.calls}"
        return answer

    def fails_after(self, calls: int):
        self.calls += 1
        assert self.calls <= calls, f"call {self.calls}"
        return self.calls

    def fails_doubting(self):
        raise AssertionError("INCONCLUSIVE: no load")

    def calls_should_be(self, expected: int):
        assert self.calls == expected, f"{self.calls} calls"
'''

SUITE = """
*** Settings ***
Library    TemporalLibrary    interval=50ms
Library    {counter}

*** Variables ***
${{LIMIT}}    3

*** Test Cases ***
The Test
{body}

*** Keywords ***
Outer Keyword
    [Arguments]    ${{calls}}
    Log    not for the log
    Passes After    ${{calls}}

Broken Keyword
    Passes After    1
    No Such Keyword
"""


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run one test; returns its result, read back from the output file."""
    (tmp_path / "Counter.py").write_text(COUNTER)

    def run(body: str, **options: object) -> result.TestCase:
        suite = SUITE.format(
            counter=tmp_path / "Counter.py", body=textwrap.indent(textwrap.dedent(body).strip(), "    ")
        )
        (tmp_path / "suite.robot").write_text(suite)
        output = tmp_path / "output.xml"
        run_robot(str(tmp_path / "suite.robot"), output=str(output), log=None, report=None, console="none", **options)
        test = ExecutionResult(output).suite.tests[0]
        assert isinstance(test, result.TestCase)
        return test

    return run


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[Running]:
    one = Running("unit", "embedded", "quick", str(tmp_path), timeout_multiplier=2.0, seed=1)
    use(one)
    yield one
    use(None)


def messages(test: result.TestCase) -> list[str]:
    return [message.message for keyword in test.body for message in keyword.body if hasattr(message, "message")]


def test_eventually_passes_and_hands_on_the_return_value(run: Run) -> None:
    test = run(
        """
        ${value} =    Eventually Within    2 seconds    Passes After    3    answer=yes
        Should Be Equal    ${value}    yes
        Calls Should Be    4
        """
    )
    assert test.passed, test.message


def test_eventually_fails_with_count_time_and_last_message(run: Run) -> None:
    begin = time.monotonic()
    test = run("Eventually Within    0.5 seconds    Passes After    1000")
    assert test.failed
    assert test.message.startswith("not within 0.5 s: call ")
    assert " attempts in 0.5" in test.message
    assert 0.5 <= time.monotonic() - begin < 2.5


def test_arguments_are_resolved_anew_for_each_attempt_and_only_once(run: Run) -> None:
    test = run(
        r"""
        Eventually Within    2 seconds    Passes After    ${LIMIT}
        Eventually Within    2 seconds    Should Be Equal    \${LIMIT}    $\{LIMIT}
        """
    )
    assert test.passed, test.message


def test_always_fails_at_the_first_failure(run: Run) -> None:
    test = run("Always For    2 seconds    Fails After    4")
    assert test.failed
    assert "of 2 s, then: call 5 (5 attempts in " in test.message
    assert test.elapsed_time.total_seconds() < 1.5


def test_always_passes_after_the_whole_window(run: Run) -> None:
    test = run("Always For    0.4 seconds    Fails After    1000")
    assert test.passed, test.message
    assert 0.4 <= test.elapsed_time.total_seconds() < 1.4


def test_never_fails_when_it_passes_once(run: Run) -> None:
    test = run("Never Within    2 seconds    Passes After    4")
    assert test.failed
    assert "it must never hold within 2 s (5 attempts in " in test.message


def test_never_passes_after_the_whole_window(run: Run) -> None:
    test = run("Never Within    0.4 seconds    Passes After    1000")
    assert test.passed, test.message
    assert 0.4 <= test.elapsed_time.total_seconds() < 1.4


@pytest.mark.parametrize("keyword", ["Eventually Within", "Always For", "Never Within"])
@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("No Such Keyword", "No keyword with name 'No Such Keyword' found."),
        ("Passes After", "Keyword 'Counter.Passes After' expected 1 to 2 arguments, got 0."),
        ("Passes After    many", "ValueError: Argument 'calls' got value 'many' that cannot be converted to integer."),
        ("Passes After    ${NONE SUCH}", "Variable '${NONE SUCH}' not found."),
        ("Outer Keyword", "Keyword 'Outer Keyword' expected 1 argument, got 0."),
    ],
)
def test_a_mistake_in_the_call_is_an_error_at_once(run: Run, keyword: str, call: str, message: str) -> None:
    test = run(f"{keyword}    20 seconds    {call}")
    assert test.failed
    assert test.message == message
    assert test.elapsed_time.total_seconds() < 1


def test_a_mistake_deeper_down_is_an_error_too(run: Run) -> None:
    test = run("Eventually Within    20 seconds    Broken Keyword")
    assert test.message == "No keyword with name 'No Such Keyword' found."
    assert test.elapsed_time.total_seconds() < 1.5


def test_what_cannot_tell_is_inconclusive(run: Run) -> None:
    test = run("Never Within    0.2 seconds    Fails Doubting")
    assert test.message == "INCONCLUSIVE: cannot tell whether it never holds: no load"
    test = run("Eventually Within    0.2 seconds    Fails Doubting")
    assert test.message.startswith("INCONCLUSIVE: not within 0.2 s: no load (")


def test_a_skip_inside_is_a_skip(run: Run) -> None:
    test = run("Eventually Within    20 seconds    Skip    not here")
    assert test.skipped
    assert test.elapsed_time.total_seconds() < 1


def test_a_test_timeout_ends_the_wait(run: Run) -> None:
    test = run("[Timeout]    0.5 seconds\nEventually Within    20 seconds    Passes After    1000")
    assert test.message == "Test timeout 500 milliseconds exceeded."
    assert test.elapsed_time.total_seconds() < 2


def test_the_log_has_one_line_on_all_attempts(run: Run) -> None:
    test = run("Eventually Within    2 seconds    Outer Keyword    5\nLog    after")
    wait, after = test.body
    assert not [item for item in wait.body if item.type == item.KEYWORD]
    assert len(wait.body) == 1
    line = wait.body[0].message
    assert line.startswith("eventually Outer Keyword: 6 attempts in 0.2")
    assert "first failed after 0" in line
    assert line.endswith("; the last failure said: call 5")
    assert [message.message for message in after.body] == ["after"], "the log level is back"


def test_at_level_debug_the_log_tells_all(run: Run) -> None:
    test = run("Eventually Within    2 seconds    Outer Keyword    5", loglevel="DEBUG")
    assert messages(test).count("not for the log") == 6


def test_the_log_level_is_back_after_a_failure(run: Run) -> None:
    test = run("Run Keyword And Expect Error    held for*    Always For    1s    Fails After    0\nLog    after")
    assert test.passed, test.message
    assert [message.message for message in test.body[1].body] == ["after"]


def test_deadlines_grow_with_the_multiplier_and_windows_do_not(run: Run, environment: Running) -> None:
    test = run("Eventually Within    0.3 seconds    Passes After    1000")
    assert test.message.startswith("not within 0.6 s: ")
    test = run("Always For    0.3 seconds    Fails After    1000")
    assert test.passed
    assert test.elapsed_time.total_seconds() < 0.55
    kinds = [json.loads(line)["kind"] for line in Path(environment.results, "timings.jsonl").read_text().splitlines()]
    assert kinds == ["waiting", "measuring"]


def test_a_dry_run_finds_unknown_keywords_inside(run: Run) -> None:
    test = run("Eventually Within    20 seconds    No Such Keyword", dryrun=True)
    assert test.message == "No keyword with name 'No Such Keyword' found."
    test = run("Eventually Within    20 seconds    Passes After", dryrun=True)
    assert test.message == "Keyword 'Counter.Passes After' expected 1 to 2 arguments, got 0."


def test_there_are_three_keywords_and_they_are_documented() -> None:
    from robot.libdocpkg import LibraryDocumentation

    documentation = LibraryDocumentation("TemporalLibrary")
    assert [keyword.name for keyword in documentation.keywords] == ["Always For", "Eventually Within", "Never Within"]
    assert all(keyword.doc and keyword.tags == ["robot:flatten"] for keyword in documentation.keywords)
