from __future__ import annotations

import pyarrow as pa
import pytest
from pyarrow import flight

from FlightLibrary import FlightLibrary
from FlightLibrary.refusals import GOOD
from FlightLibrary.tickets import LARGEST_TICKET, encode
from tests.flight.tiny import TinyFlight

library = FlightLibrary()


class Strict(TinyFlight):
    """Refuses all but the good query, with the status that is expected: the right answers of a right server."""

    def do_get(self, context, ticket):
        data = ticket.ticket
        if len(data) <= LARGEST_TICKET and data.replace(b" ", b"") == encode(GOOD).replace(b" ", b""):
            return super().do_get(context, ticket)
        text = data[:200].decode(errors="replace")
        if ("BulkExport" in text and '"table"' in text) or "BatchedQueries" in text:
            raise flight.FlightUnauthorizedError("off")
        if "va_nothing" in text or "tb_user" in text or "SELECT 1" in text:
            raise KeyError("no such view")
        raise pa.ArrowInvalid("Invalid ticket")

    def do_action(self, context, action):
        if action.type == "MakeCoffee":
            raise pa.ArrowInvalid("unknown action")
        raise flight.FlightUnauthorizedError("scope admin is needed")


class Internal(Strict):
    def do_get(self, context, ticket):
        if b"not-an-id" in ticket.ticket:
            raise flight.FlightInternalError("invalid input syntax for type uuid")
        return super().do_get(context, ticket)


class ServesLong(Strict):
    def do_get(self, context, ticket):
        return super().do_get(context, flight.Ticket(ticket.ticket.replace(b"  ", b"")))


class Mute(Strict):
    def do_get(self, context, ticket):
        if ticket.ticket == b"":
            raise pa.ArrowInvalid("")
        return super().do_get(context, ticket)


class Spoilt(Strict):
    """Serves nothing right after half a ticket."""

    spoilt: bool = False

    def do_get(self, context, ticket):
        if self.spoilt:
            raise flight.FlightInternalError("the parser is stuck")
        if ticket.ticket.startswith(b'{"type": "GraphQLQue') and len(ticket.ticket) == 20:
            self.spoilt = True
        return super().do_get(context, ticket)


def test_right_refusals_pass(system):
    system(Strict, capabilities=frozenset({"flight_views", "flight_events"}))
    answers = library.everything_wrong_is_sent_over_flight()
    library.each_should_have_been_told_its_status(answers)
    library.next_request_should_have_been_served(answers)
    library.largest_ticket_should_be_served()
    assert len(answers) > 50
    assert len({answer.wrong.what for answer in answers}) == len(answers)


def test_only_what_is_declared_is_asked(system):
    system(Strict, capabilities=frozenset())
    less = library.everything_wrong_is_sent_over_flight()
    system(Strict, capabilities=frozenset({"flight_views", "flight_events"}))
    more = library.everything_wrong_is_sent_over_flight()
    assert len(more) - len(less) == 9 + 5


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (
            Internal,
            r"1 of \d+ wrong .*\n.*no UUID: expected INVALID_ARGUMENT, was INTERNAL \(invalid input",
        ),
        (ServesLong, r"one byte above 256 KiB: expected INVALID_ARGUMENT, was served"),
        (Mute, "an empty ticket: INVALID_ARGUMENT without a message"),
    ],
)
def test_wrong_refusals_are_seen(system, kind, message):
    system(kind)
    answers = library.everything_wrong_is_sent_over_flight()
    with pytest.raises(AssertionError, match=message):
        library.each_should_have_been_told_its_status(answers)


def test_a_server_that_does_not_recover_is_seen_and_not_asked_on_and_on(system):
    system(Spoilt)
    answers = library.everything_wrong_is_sent_over_flight()
    assert len(answers) < 10
    with pytest.raises(AssertionError, match="after a ticket: half a ticket: INTERNAL: the parser is stuck"):
        library.next_request_should_have_been_served(answers)


def test_a_largest_ticket_that_is_refused_is_seen(system):
    class Small(Strict):
        def do_get(self, context, ticket):
            if len(ticket.ticket) > 100_000:
                raise pa.ArrowInvalid("too long")
            return super().do_get(context, ticket)

    system(Small)
    with pytest.raises(Exception, match="too long"):
        library.largest_ticket_should_be_served()
