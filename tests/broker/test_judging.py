"""What keywords conclude from what clients wrote down: right runs pass, each kind of wrong one is told."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from BrokerLibrary import victims
from BrokerLibrary.configuration import WrongConfiguration
from BrokerLibrary.doubles import Double
from BrokerLibrary.innocents import Innocents
from BrokerLibrary.keywords import account, configuration, reliability, subscription
from BrokerLibrary.keywords.account import FANOUT, QUEUE, AccountKeywords, Books, Moment
from BrokerLibrary.keywords.configuration import Attempted, ConfigurationKeywords
from BrokerLibrary.keywords.lifecycle import ended_within
from BrokerLibrary.keywords.reliability import ReliabilityKeywords
from BrokerLibrary.keywords.subscription import Leaver, SubscriptionKeywords
from BrokerLibrary.numbered import compose
from BrokerLibrary.records import Acknowledged, Delivery, Session
from BrokerLibrary.stats import TOPIC_COUNTERS
from measurement.prometheus import samples
from measurement.verdicts import Inconclusive
from oracles.messages import MessageId

Fake: Any = SimpleNamespace


@pytest.fixture(autouse=True)
def silent(monkeypatch):
    for module in (account, configuration, reliability, subscription):
        monkeypatch.setattr(module, "say", lambda text: None)


def deliveries(numbers, connection=0, topic="t"):
    return [Delivery(topic, compose(MessageId("p", topic, n), 60), 1.0 + n, connection) for n in numbers]


# -- a consumer that leaves and comes back


def left(numbers, ends=(0, 40, 40, 40), away=60):
    acknowledged = [
        Acknowledged("t", begun, 1.0, 0, delivered)
        for begun, delivered in zip((True, False, False, True), ends, strict=True)
    ]
    client = Fake(acknowledged=acknowledged, deliveries=deliveries(numbers))
    return Leaver(client, Fake(), "t", away)


RIGHT = [*range(10, 50), *range(70, 110)]


def test_two_whole_subscriptions_with_nothing_between_are_right():
    SubscriptionKeywords().nothing_should_have_come_while_it_was_away(left(RIGHT))


@pytest.mark.parametrize(
    ("leaver", "sentence"),
    [
        (left(RIGHT, ends=(2, 40, 40, 40)), "2 messages came before the subscription was acknowledged"),
        (left(RIGHT, ends=(0, 40, 43, 43)), "3 messages came after the end of the subscription was acknowledged"),
        (left(RIGHT, ends=(0, 40, 40, 41)), "1 messages came after the end"),
        (left(RIGHT, away=71), "began with message 70, though 71 had been acknowledged before"),
        (left([*range(10, 30), *range(31, 51), *range(70, 110)]), "missing within a subscription: 31 follows 29"),
        (left([*range(10, 50), *range(70, 90), *range(91, 111)]), "91 follows 89"),
    ],
)
def test_a_wrong_subscription_is_told(leaver, sentence):
    with pytest.raises(AssertionError, match=sentence):
        SubscriptionKeywords().nothing_should_have_come_while_it_was_away(leaver)


def test_too_short_a_subscription_settles_nothing():
    with pytest.raises(Inconclusive, match="29 messages came in one subscription"):
        SubscriptionKeywords().nothing_should_have_come_while_it_was_away(left(RIGHT[:69]))


# -- accounts


def topic(routing, **changes):
    numbers = dict.fromkeys(TOPIC_COUNTERS, 0)
    return {"routing": routing, **numbers, **changes}


def moment(what="two readers had everything", expected=None, fanout=None, queue=None, page=None):
    whole = {"published": 10, "copies": 20, "delivered": 20, "high_water": 5}
    statistics = {"topics": {FANOUT: topic("Fanout", **(fanout or whole)), QUEUE: topic("Queue", **(queue or {}))}}
    return Moment(what, expected or {"fanout_published": 10, "fanout_copies": 20}, statistics, page)


def accounted(*moments):
    books = Books(Fake(), Fake(), Fake(), moments=list(moments))
    AccountKeywords().everything_should_be_accounted_for(books, len(moments))


def test_a_balanced_moment_is_right_though_nobody_knows_what_the_kernel_took():
    stalled = {"published": 10, "copies": 10, "delivered": 3, "lagged": 2, "depth": 5, "high_water": 5}
    accounted(moment(), moment("a reader had stalled", {"fanout_delivered": 20, "fanout_published": 10}, stalled))


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (moment(fanout={"published": 10, "copies": 20, "delivered": 19}), "20 copies, but 19 delivered"),
        (moment(expected={"fanout_published": 11}), "published is 10, by the clients' ledger 11"),
        (moment(expected={"queue_depth": 3}), "accounted_queue.depth is 0, by the clients' ledger 3"),
        (moment("a reader had stalled", {"fanout_published": 9}), "published is 10, by the clients' ledger 9"),
        (moment(page=samples("a 1")), "published: statistics 10, Prometheus page does not have it"),
    ],
)
def test_an_unbalanced_moment_is_told(wrong, sentence):
    with pytest.raises(AssertionError, match=sentence):
        accounted(moment(), wrong)


def test_a_moment_that_is_missing_settles_nothing():
    with pytest.raises(Inconclusive, match="0 quiet moments, expected 1"):
        AccountKeywords().everything_should_be_accounted_for(Books(Fake(), Fake(), Fake()), 1)


# -- wrong files


def attempt(status=2, said="error: broker.toml: server.max_connections: 0 is too few", *, served=False):
    return Attempted(WrongConfiguration("none allowed", "", "max_connections"), status, 0.3, said, served)


def test_a_refused_file_is_right():
    ConfigurationKeywords().each_should_have_ended_with_the_name_of_its_key([attempt(), attempt(1)])


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (attempt(None, served=True), "1 of 1 wrong files: none allowed: the broker serves"),
        (attempt(None), "it still runs after 0.3 s"),
        (attempt(0), "it ended with status 0"),
        (attempt(said="error: no"), "'max_connections' is not named in 'error: no'"),
        (attempt(said="Traceback ... max_connections"), "it crashed instead of saying what is wrong"),
    ],
)
def test_a_file_that_is_not_refused_well_is_told(wrong, sentence):
    with pytest.raises(AssertionError, match=sentence):
        ConfigurationKeywords().each_should_have_ended_with_the_name_of_its_key([wrong])


def test_the_end_of_a_broker_is_awaited_until_the_deadline():
    states = iter([None, None, -9, -9])
    assert ended_within(Fake(exit_status=lambda: next(states)), 2) == -9
    assert ended_within(Fake(exit_status=lambda: None), 0.05) is None


# -- beyond a link


def beyond(*parts, sessions=2):
    came = [one for connection, numbers in enumerate(parts) for one in deliveries(numbers, connection)]
    return Fake(name="beyond", violations=[], sessions=[Session(0.0)] * sessions, deliveries=came)


def test_a_client_that_lost_only_what_came_while_it_was_away_is_right():
    ReliabilityKeywords()._beyond_is_right(beyond(range(100), range(150, 250)))


@pytest.mark.parametrize(
    ("client", "sentence"),
    [
        (beyond(range(100), range(150, 250), sessions=3), "has had 3 connections, expected 2"),
        (beyond([*range(50), *range(51, 100)], range(150, 250)), "gap within connection 0: 51 follows 49"),
        (beyond(range(100), [*range(150, 200), *range(199, 250)]), "gap within connection 1: 199 follows 199"),
        (beyond(range(100), range(99, 250)), "got message 99 again after 99"),
        (beyond(range(100), range(150, 160)), "INCONCLUSIVE: 10 messages came on connection 1"),
    ],
)
def test_what_else_is_wrong_beyond_a_link_is_told(client, sentence):
    with pytest.raises(AssertionError, match=sentence):
        ReliabilityKeywords()._beyond_is_right(client)


# -- innocents and victims


def test_the_longest_silence_is_that_of_the_consumer_that_waited_longest():
    consumers = {
        "a": Fake(deliveries=deliveries([0, 1, 2])),
        "b": Fake(deliveries=deliveries([0, 5, 6])),
    }
    innocents = Innocents(Fake(consumers=consumers), "p", "t", 1)
    assert innocents.longest_silence() == 5
    assert Innocents(Fake(consumers={}), "p", "t", 1).longest_silence() is None


@pytest.fixture
def victim(socket_path):
    running = []

    def start(role):
        running.append(Double(role, [str(socket_path), "t"], module="BrokerLibrary.victims"))
        return running[-1]

    yield start
    for one in running:
        one.kill()


def test_a_producer_stops_in_the_middle_of_a_frame(broker, victim):
    running = broker()
    one = victim("producer")
    one.await_lines("there", 1, 15)
    assert [f[3] for f in running.frames] == [victims.message("t", n)[1] for n in range(victims.WHOLE)]
    one.kill()
    assert len(running.frames) == victims.WHOLE


def test_a_consumer_stops_in_the_middle_of_a_delivery(broker, victim, connect):
    broker()
    one = victim("consumer")
    one.await_lines("subscribed", 1, 15)
    assert not one.said("there")
    connect().publish("t", b"x")
    one.await_lines("there", 1, 5)
