"""The library itself: all its keywords, and the end of a test."""

from __future__ import annotations

from robot.api.deco import keyword, library

from BrokerLibrary.keywords.account import AccountKeywords
from BrokerLibrary.keywords.base import undo_all
from BrokerLibrary.keywords.codec_rate import CodecRateKeywords
from BrokerLibrary.keywords.compatibility import CompatibilityKeywords
from BrokerLibrary.keywords.configuration import ConfigurationKeywords
from BrokerLibrary.keywords.delivery import DeliveryKeywords
from BrokerLibrary.keywords.isolation import IsolationKeywords
from BrokerLibrary.keywords.latency import LatencyKeywords
from BrokerLibrary.keywords.lifecycle import LifecycleKeywords
from BrokerLibrary.keywords.load import LoadKeywords
from BrokerLibrary.keywords.recovery import RecoveryKeywords
from BrokerLibrary.keywords.refusal import RefusalKeywords
from BrokerLibrary.keywords.reliability import ReliabilityKeywords
from BrokerLibrary.keywords.service import ServiceKeywords
from BrokerLibrary.keywords.stress import StressKeywords
from BrokerLibrary.keywords.subscription import SubscriptionKeywords
from LoadLibrary.rate import Rate


@library(scope="GLOBAL", auto_keywords=False, doc_format="MARKDOWN", converters={Rate: Rate.parse})
class BrokerLibrary(
    ServiceKeywords,
    SubscriptionKeywords,
    DeliveryKeywords,
    RefusalKeywords,
    LifecycleKeywords,
    ConfigurationKeywords,
    AccountKeywords,
    RecoveryKeywords,
    IsolationKeywords,
    ReliabilityKeywords,
    CompatibilityKeywords,
    CodecRateKeywords,
    LoadKeywords,
    LatencyKeywords,
    StressKeywords,
):
    """What clients of a Mycelium broker do, and what they may expect (MYC-wire/1 and Protocol V2).

    Clients, brokers of a test's own and service doubles end by `End What The Test Began`, which belongs into the
    teardown of every test. What they exchanged stays below `histories/`, where it can be judged again.
    """

    @keyword
    def end_what_the_test_began(self) -> None:
        """End clients, services and brokers of the test's own, last begun first, and keep their histories.

        Raises:
            Exception: something could not be ended; the rest was.
        """
        undo_all()
