"""The library itself: all its keywords, and the end of a test."""

from __future__ import annotations

from robot.api.deco import keyword, library

from LoadLibrary.rate import Rate
from PgDogLibrary.amount import Amount
from PgDogLibrary.keywords.base import undo_all
from PgDogLibrary.keywords.chaos import ChaosKeywords
from PgDogLibrary.keywords.contents import ContentsKeywords
from PgDogLibrary.keywords.counters import CounterKeywords
from PgDogLibrary.keywords.load import SpeedKeywords
from PgDogLibrary.keywords.operation import OperationKeywords
from PgDogLibrary.keywords.page import PageKeywords
from PgDogLibrary.keywords.readiness import ReadinessKeywords
from PgDogLibrary.keywords.traffic import TrafficKeywords
from PgDogLibrary.keywords.transactions import TransactionKeywords


@library(
    scope="GLOBAL", auto_keywords=False, doc_format="MARKDOWN", converters={Rate: Rate.parse, Amount: Amount.parse}
)
class PgDogLibrary(
    TrafficKeywords,
    CounterKeywords,
    ContentsKeywords,
    TransactionKeywords,
    ReadinessKeywords,
    PageKeywords,
    OperationKeywords,
    SpeedKeywords,
    ChaosKeywords,
):
    """What clients of a mirror proxy do, and what its counters, its console and both servers must tell of it.

    Proxies, clients and tables of a test's own end by `End What The Test Began`, which belongs into the teardown of
    every test. Each test works in a schema of its own, made on both servers directly.
    """

    @keyword
    def end_what_the_test_began(self) -> None:
        """End clients and proxies of the test's own, last begun first, and remove its tables.

        Raises:
            Exception: something could not be ended; the rest was.
        """
        undo_all()
