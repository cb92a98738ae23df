"""Reading Robot Framework's output, whole or broken off anywhere."""

from __future__ import annotations

import pytest
from robot.api import ExecutionResult

from reporting.outcomes import read_output
from reporting.verdicts import KILLED, verdict_of


@pytest.mark.parametrize(
    ("status", "message", "word"),
    [
        ("PASS", "", "pass"),
        ("SKIP", "needs citus", "skip"),
        ("FAIL", "lost 14 writes", "fail"),
        ("FAIL", "INCONCLUSIVE: too few writes", "inconclusive"),
        ("FAIL", "Setup failed:\nINCONCLUSIVE: unsteady before", "inconclusive"),
        ("FAIL", "INCONCLUSIVE: too few writes\n\nAlso teardown failed:\nprocess left", "fail"),
        ("FAIL", "lost 14 writes, which makes it INCONCLUSIVE: no", "fail"),
        ("FAIL", "Parent suite setup failed:\nno etcd", "fail"),
        ("FAIL", "Test execution stopped due to a fatal error.", "not run"),
        ("FAIL", KILLED, "not run"),
        ("NOT RUN", "", "not run"),
        ("FAIL", "*HTML* INCONCLUSIVE: too few", "inconclusive"),
    ],
)
def test_status_and_message_make_one_word(status, message, word):
    assert verdict_of(status, message) == word


def test_a_whole_output_is_read(made_once):
    output = read_output(made_once / "output.xml")
    assert output is not None
    assert output.complete
    assert {outcome.id: outcome.verdict for outcome in output.outcomes} == {
        "CL-01": "pass",
        "CT-01": "skip",
        "CT-02": "skip",
        "CL-16": "pass",
        "HA-10": "pass",
        "HA-11": "fail",
        "HA-12": "inconclusive",
    }
    outcome = next(outcome for outcome in output.outcomes if outcome.id == "HA-11")
    assert (outcome.phase, outcome.system, outcome.long_name.split(".")[0]) == ("chaos", "cluster", "Acceptance")
    assert outcome.log_id.startswith("s1-s3-t")
    assert outcome.started is not None
    assert outcome.ended is not None
    assert outcome.ended >= outcome.started


def test_a_missing_output_is_none(tmp_path):
    assert read_output(tmp_path / "output.xml") is None


@pytest.mark.parametrize("text", ["", "<?xml version='1.0'?>\n<robot generator='x'>", "not XML"])
def test_an_output_without_a_suite_is_none(tmp_path, text):
    (tmp_path / "output.xml").write_text(text)
    assert read_output(tmp_path / "output.xml") is None


def test_an_output_broken_off_anywhere_is_read_as_far_as_it_goes(made_once, tmp_path):
    whole = (made_once / "output.xml").read_bytes()
    all_names = {test.name for test in ExecutionResult(made_once / "output.xml").suite.all_tests}
    path = tmp_path / "output.xml"
    ended_before = 0
    begun = whole.index(b">", whole.index(b"<suite")) + 1  # how long that tag is depends on where the run is
    for length in range(begun, len(whole), 97):
        path.write_bytes(whole[:length])
        output = read_output(path)
        assert output is not None, length
        if not output.complete:
            assert {outcome.name for outcome in output.outcomes} <= all_names
        ended = sum(outcome.verdict != "not run" for outcome in output.outcomes)
        assert ended >= ended_before, length
        ended_before = ended
    assert ended_before == len(all_names)


def test_elements_that_a_hard_stop_wrote_into_an_open_one_are_left_out(made_once, tmp_path):
    whole = (made_once / "output.xml").read_text()
    cut = (
        whole[: whole.rindex("<kw")]
        + '<kw name="Wait" owner="X">\n<errors>\n<msg level="ERROR">stopped</msg>\n</errors>\n</robot>\n'
    )
    (tmp_path / "output.xml").write_text(cut)
    output = read_output(tmp_path / "output.xml")
    assert output is not None
    assert not output.complete
    assert output.outcomes[-1].message == KILLED
