"""The library itself: all its keywords."""

from __future__ import annotations

from robot.api.deco import library

from LoadLibrary.rate import Rate
from ObserverLibrary.keywords.account import AccountKeywords
from ObserverLibrary.keywords.flow import FlowKeywords
from ObserverLibrary.keywords.lone import LoneKeywords
from ObserverLibrary.keywords.pipeline import PipelineKeywords
from ObserverLibrary.keywords.stress import StressKeywords


@library(scope="GLOBAL", auto_keywords=False, doc_format="MARKDOWN", converters={Rate: Rate.parse})
class ObserverLibrary(LoneKeywords, FlowKeywords, AccountKeywords, StressKeywords, PipelineKeywords):
    """Events of FraiseQL's observer pipeline: published to NATS, and looked for in ClickHouse, search and Flight.

    Loads run in a process of their own by intended times (open loop); what became of every event stays in a ledger
    below `histories/`. Publishers and watches end by `Undo What The Test Did`, which belongs into every teardown.
    """
