"""The library itself: all its keywords, and the end of a test."""

from __future__ import annotations

from robot.api.deco import keyword, library

from BrokerLibrary.account_keywords import AccountKeywords
from BrokerLibrary.base import undo_all
from BrokerLibrary.codec_rate_keywords import CodecRateKeywords
from BrokerLibrary.compatibility_keywords import CompatibilityKeywords
from BrokerLibrary.configuration_keywords import ConfigurationKeywords
from BrokerLibrary.delivery_keywords import DeliveryKeywords
from BrokerLibrary.isolation_keywords import IsolationKeywords
from BrokerLibrary.latency_keywords import LatencyKeywords
from BrokerLibrary.lifecycle_keywords import LifecycleKeywords
from BrokerLibrary.load_keywords import LoadKeywords
from BrokerLibrary.recovery_keywords import RecoveryKeywords
from BrokerLibrary.refusal_keywords import RefusalKeywords
from BrokerLibrary.reliability_keywords import ReliabilityKeywords
from BrokerLibrary.service_keywords import ServiceKeywords
from BrokerLibrary.stress_keywords import StressKeywords
from BrokerLibrary.subscription_keywords import SubscriptionKeywords
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
