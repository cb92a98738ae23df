"""Keywords of refusals: what is wrong is answered with the status it should have, and the next one is served."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
from robot.api import logger
from robot.api.deco import keyword

from EnvironmentLibrary.telling import say
from FlightLibrary import calls, refusals
from FlightLibrary.calls import OK, Told
from FlightLibrary.client import FlightConnection
from FlightLibrary.comparing import difference
from FlightLibrary.errors import FlightFailure
from FlightLibrary.keywords.base import addresses, declares, flight_connection
from FlightLibrary.refusals import GOOD, Wrong
from FlightLibrary.tickets import LARGEST_TICKET, padded

ANSWER_SECONDS = 5.0  # deadline of each call: a refusal takes no time
MOST_SHOWN = 20
MOST_AFTER_A_DEATH = 3  # wrong requests whose next good one was not served; then no more is sent


@dataclass(frozen=True, slots=True)
class Refused:
    """What was answered to something wrong, and what the good request after it met (None: it was served)."""

    wrong: Wrong
    told: Told
    next_problem: str | None


class RefusalKeywords:
    """Wrong tickets, queries, views, exports, events and actions."""

    @keyword
    def everything_wrong_is_sent_over_flight(self) -> list[Refused]:
        """Send each wrong request that the environment's capabilities allow, and a good one after each."""
        wrong = [*refusals.wrong_tickets(), *refusals.wrong_queries(), *refusals.wrong_exports()]
        wrong += refusals.wrong_actions()
        if declares("flight_views"):
            wrong += refusals.wrong_views(addresses().views[0])
        if declares("flight_events"):
            wrong += refusals.wrong_events()
        with flight_connection(deadline_seconds=ANSWER_SECONDS) as client:
            expected = client.read(GOOD).kept()
            return _send_all(client, wrong, expected)

    @keyword
    def each_should_have_been_told_its_status(self, answers: Sequence[Refused]) -> None:
        """Demand the right status of each, from the contract, with a message."""
        problems = [text for answer in answers if (text := _problem(answer)) is not None]
        if problems:
            heading = f"{len(problems)} of {len(answers)} wrong requests were not refused as they should be"
            raise AssertionError("\n".join([heading, *problems[:MOST_SHOWN]]))
        say(f"{len(answers)} wrong requests refused, each with its status")

    @keyword
    def next_request_should_have_been_served(self, answers: Sequence[Refused]) -> None:
        """Demand that the good request after each wrong one gave the same rows as ever."""
        problems = [f"after {a.wrong.what}: {a.next_problem}" for a in answers if a.next_problem is not None]
        if problems:
            raise AssertionError(f"the next request was not served: {'; '.join(problems[:MOST_SHOWN])}")

    @keyword
    def largest_ticket_should_be_served(self) -> None:
        """Demand that a ticket of exactly 256 KiB is served."""
        with flight_connection() as client:
            expected, reading = client.read(GOOD), client.read(padded(GOOD, LARGEST_TICKET))
        if (found := difference(reading.kept(), expected.kept(), ("the largest ticket", "a short one"))) is not None:
            raise AssertionError(f"a ticket of {LARGEST_TICKET} bytes gives another answer than a short one: {found}")


def _send_all(client: FlightConnection, wrong: Sequence[Wrong], expected: pa.Table) -> list[Refused]:
    answers: list[Refused] = []
    for each in wrong:
        told = calls.told(client, "a right token", each.what, each.call)
        answers.append(Refused(each, told, _good_problem(client, expected)))
        logger.info(f"{each.what}: {told.status} ({told.message[:200]})")
        if sum(answer.next_problem is not None for answer in answers) >= MOST_AFTER_A_DEATH:
            break
    return answers


def _good_problem(client: FlightConnection, expected: pa.Table) -> str | None:
    try:
        return difference(client.read(GOOD).kept(), expected, ("now", "before"))
    except FlightFailure as failure:
        return str(failure)


def _problem(answer: Refused) -> str | None:
    """Say what is wrong with a refusal."""
    told, statuses = answer.told, answer.wrong.statuses
    if told.status not in statuses:
        met = "served" if told.status == OK else f"{told.status} ({told.message[:100]})"
        return f"{answer.wrong.what}: expected {' or '.join(sorted(statuses))}, was {met}"
    return (
        None if told.message.strip() or told.status == OK else f"{answer.wrong.what}: {told.status} without a message"
    )
