"""How keywords tell what they measured, and what came of it."""

from __future__ import annotations

from robot.api import logger
from robot.libraries.BuiltIn import BuiltIn

from measurement.verdicts import Judgement, Verdict


def say(text: str) -> None:
    """Put a measured fact into the log and beside the verdict in the report."""
    logger.info(text)
    BuiltIn().set_test_message(text, append=True, separator="; ")


def settle(judgement: Judgement | None) -> None:
    """Tell a judgement in the log, and a pass beside the verdict too; raise for what is none."""
    assert judgement is not None, "what has a budget has a judgement"
    logger.info(judgement.reason)
    if judgement.verdict is Verdict.PASS:
        say(judgement.reason)
    judgement.require()
