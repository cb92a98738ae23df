"""The words for how a criterion ended, and how Robot Framework's status and message tell them apart."""

from __future__ import annotations

from typing import Literal

from measurement.verdicts import PREFIX

Word = Literal["pass", "fail", "inconclusive", "skip", "not run"]
WORDS: tuple[Word, ...] = ("fail", "inconclusive", "not run", "skip", "pass")
"""Worst first: the order in which pages list them."""

KILLED = "The run was killed before this ended."
_STOPPED = "Test execution stopped due to a fatal error."  # what Robot Framework says of tests it never started


def verdict_of(status: str, message: str) -> Word:
    """Return the word for a test's result.

    Args:
        status: Robot Framework's status: PASS, FAIL, SKIP or NOT RUN.
        message: the test's message.
    """
    if status == "PASS":
        return "pass"
    if status == "SKIP":
        return "skip"
    text = message.removeprefix("*HTML*").strip()
    if status == "NOT RUN" or text in (_STOPPED, KILLED):
        return "not run"
    settled_nothing = text.removeprefix("Setup failed:\n").startswith(PREFIX) and "Also teardown failed:" not in text
    return "inconclusive" if settled_nothing else "fail"
