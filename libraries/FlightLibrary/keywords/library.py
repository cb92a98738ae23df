"""The library itself: all its keywords, and the end of a test."""

from __future__ import annotations

from robot.api.deco import keyword, library

from FlightLibrary.keywords.admission import AdmissionKeywords
from FlightLibrary.keywords.base import undo_all
from FlightLibrary.keywords.crowds import CrowdKeywords
from FlightLibrary.keywords.data import DataKeywords
from FlightLibrary.keywords.events import EventKeywords
from FlightLibrary.keywords.latency import LatencyKeywords
from FlightLibrary.keywords.memory import MemoryKeywords
from FlightLibrary.keywords.program import ProgramKeywords
from FlightLibrary.keywords.querying import QueryingKeywords
from FlightLibrary.keywords.refusal import RefusalKeywords
from FlightLibrary.keywords.speed import SpeedKeywords
from FlightLibrary.keywords.traffic import TrafficKeywords
from FlightLibrary.keywords.writing import WritingKeywords
from LoadLibrary.rate import Rate


@library(scope="GLOBAL", auto_keywords=False, doc_format="MARKDOWN", converters={Rate: Rate.parse})
class FlightLibrary(
    QueryingKeywords,
    ProgramKeywords,
    AdmissionKeywords,
    RefusalKeywords,
    WritingKeywords,
    TrafficKeywords,
    EventKeywords,
    DataKeywords,
    SpeedKeywords,
    MemoryKeywords,
    LatencyKeywords,
    CrowdKeywords,
):
    """What clients of FraiseQL do over Arrow Flight, and what they may expect, beside HTTP/JSON.

    Sessions are minted with the environment's secret, or opened by a handshake. What a test begins or writes is ended
    and deleted by `Undo What The Test Did`, which belongs into the teardown of every test.
    """

    @keyword
    def undo_what_the_test_did(self) -> None:
        """End readers and streams and delete uploaded rows, last begun first.

        Raises:
            Exception: something could not be undone; the rest was.
        """
        undo_all()
