"""What the keyword classes of this library share: the broker's address, brokers of a test's own, and undoing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from robot.api import logger

from BrokerLibrary.connection import ConnectionLost
from BrokerLibrary.exchange import Exchange, judge
from BrokerLibrary.raw import RawConnection
from BrokerLibrary.records import Backoff
from EnvironmentLibrary.context import criterion, results, timed
from environments.system import BrokerInstance, broker, running
from oracles import messages
from oracles.history import History
from TemporalLibrary.core import wait_until

START_SECONDS = 10.0  # until a broker of a test's own answers a ping
POLL_SECONDS = 0.02

STANDARD_ROUTING = {"market_data": "Fanout", "signals": "Fanout", "execution": "Queue"}
"""How the three topics of the tickets hand out their messages (MYC-003)."""

_at_the_end = ExitStack()


def on_test_end(action: Callable[..., object], *arguments: object) -> None:
    """Do something when the test ends, after what was named later; `End What The Test Began` runs it."""
    _at_the_end.callback(action, *arguments)


def undo_all() -> None:
    """Do what was to be done at the end of the test: all of it, even where some of it fails."""
    _at_the_end.pop_all().close()


def new_exchange(routing: Mapping[str, str], *, socket: Path | None = None, backoff: Backoff | None = None) -> Exchange:
    """Begin an exchange whose clients the test's end closes; its history is kept then, whatever happened.

    Args:
        routing: topic -> Fanout or Queue.
        socket: of the broker; None: the one of the environment.
        backoff: how its clients reconnect; None: never.
    """
    exchange = Exchange(socket or broker().addresses.socket, routing, backoff)
    on_test_end(keep, exchange)
    on_test_end(exchange.close)
    return exchange


def keep(exchange: Exchange) -> None:
    """Write an exchange's history below the results, where it can be judged again."""
    number, stem = 1, criterion() or "run"
    while (path := results() / "histories" / f"{stem}-messages-{number}.jsonl").exists():
        number += 1
    exchange.history(criterion=criterion()).write(path)


def own_broker(configuration: str, environment: Mapping[str, str] | None = None) -> BrokerInstance:
    """Start a broker that the test's end stops, and wait until it answers a ping.

    Args:
        configuration: see `BrokerSystem.launch`.
        environment: variables for it.

    Raises:
        AssertionError: it ended, or did not answer in time.
    """
    with timed("start a broker of the test's own", "startup"):
        instance = launched(configuration, environment)
        await_answer(instance)
    return instance


def launched(configuration: str, environment: Mapping[str, str] | None = None) -> BrokerInstance:
    """Start a broker that the test's end stops, ready or not."""
    instance = broker().launch(configuration, environment)
    on_test_end(end, instance)
    return instance


def end(instance: BrokerInstance) -> None:
    """Kill a broker of the test's own, unless it has ended."""
    if instance.exit_status() is None:
        instance.control.kill()


def await_answer(instance: BrokerInstance, socket: Path | None = None) -> float:
    """Wait until a broker answers a ping; return the seconds it took.

    Args:
        instance: the broker.
        socket: where it is asked; None: at its usual place.

    Raises:
        AssertionError: it ended, or did not answer in time.
    """

    def missing() -> str | None:
        status = instance.exit_status()
        if status is not None:
            raise AssertionError(f"the broker ended with status {status} instead of starting: {logged(instance)}")
        return None if answers(where) else f"it does not answer a ping at {where.name}"

    where = socket or instance.socket
    return wait_until(missing, START_SECONDS * running().timeout_multiplier, "the broker", interval=POLL_SECONDS)


def answers(socket: Path, seconds: float = 1.0) -> bool:
    """Whether a broker answers a ping on a connection of its own."""
    try:
        with RawConnection(socket, seconds) as connection:
            return connection.answers_ping(seconds)
    except (ConnectionLost, TimeoutError):
        return False


def logged(instance: BrokerInstance) -> str:
    """Return what a broker of the test's own has written so far."""
    return instance.log.read_text(encoding="utf-8", errors="replace").strip() if instance.log.exists() else ""


def require_right(
    exchange: Exchange, minimum: int, oracles: Sequence[str] = tuple(messages.ALL), history: History | None = None
) -> History:
    """Demand that nothing went wrong with the messages of an exchange.

    Args:
        exchange: settled.
        minimum: acknowledged messages that it needs.
        oracles: names of the properties, all by default.
        history: of the exchange, when it has been made already.

    Raises:
        AssertionError: an oracle found something, or the broker did what no broker may do.
        Inconclusive: there is too little to judge by.
    """
    history = history or exchange.history(criterion=criterion())
    for findings in judge(history, minimum, oracles):
        logger.info(findings.reason)
    if violations := exchange.violations():
        raise AssertionError(f"{len(violations)} violations of the wire format; first: {violations[0]}")
    return history
