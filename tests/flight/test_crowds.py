from __future__ import annotations

import json
import threading
from datetime import timedelta

import pytest
from pyarrow import flight

from FlightLibrary import FlightLibrary
from FlightLibrary.crowd import Crowd, Guest
from FlightLibrary.keywords import crowds
from FlightLibrary.keywords.crowds import BesideSlow
from FlightLibrary.streams import Stream, recovered_after
from measurement.verdicts import Inconclusive
from tests.flight.tiny import Gateway, TinyFlight
from tests.waiting import until

library = FlightLibrary()
QUERY = "{ users { id name visits } }"


@pytest.fixture(autouse=True)
def said(monkeypatch):
    told: list[str] = []
    monkeypatch.setattr("FlightLibrary.keywords.crowds.say", told.append)
    monkeypatch.setattr("EnvironmentLibrary.telling.say", told.append)
    return told


class Capped(TinyFlight):
    """Has room for three streams at a time."""

    room: threading.Semaphore

    def do_get(self, context, ticket):
        if not self.room.acquire(blocking=False):
            raise flight.FlightUnavailableError("Max concurrent Flight streams reached")
        return super().do_get(context, ticket)

    def batches(self, table):
        try:
            yield from table.to_batches(max_chunksize=100)
        finally:
            self.room.release()


def crowd_of(system, flight, http, kind=TinyFlight, over=None):
    system(kind, over=over)
    return library.clients_ask_at_once(QUERY, flight, http)


def test_a_crowd_is_answered_rightly_and_all_at_once(system, said):
    crowd = crowd_of(system, 12, 6)
    library.all_should_have_been_answered_rightly(crowd)
    assert crowd.open_at_once == 12
    assert [text.partition(":")[0] for text in said] == ["12 clients over Flight", "6 clients over HTTP"]


def test_clients_that_are_refused_are_seen_and_hold_nobody_up(system):
    Capped.room = threading.Semaphore(3)
    over = Gateway(200_000)  # does not fit into the buffers on the way
    crowd = crowd_of(system, 6, 0, Capped, over)
    assert sorted(guest.problem is None for guest in crowd.guests) == [False] * 3 + [True] * 3
    with pytest.raises(AssertionError, match="3 of 6 clients had no right answer; Flight: UNAVAILABLE: Max concurrent"):
        library.all_should_have_been_answered_rightly(crowd)


def test_a_wrong_answer_in_a_crowd_is_seen(system):
    class Mixes(TinyFlight):
        """Gives one client of the crowd the rows of another question."""

        asked = 0

        def do_get(self, context, ticket):
            self.asked += 1
            other = flight.Ticket(ticket.ticket.replace(b"users {", b"users(limit: 7) {"))
            return super().do_get(context, other if self.asked == 4 else ticket)

    crowd = crowd_of(system, 5, 0, Mixes)
    with pytest.raises(AssertionError, match="1 of 5 clients had no right answer; Flight: 7 rows in this answer"):
        library.all_should_have_been_answered_rightly(crowd)


def test_streams_that_were_never_open_at_once_settle_nothing():
    guests = [Guest("Flight", 0.1, None), Guest("Flight", 0.1, None)]
    with pytest.raises(Inconclusive, match="only 1 of 2 Flight streams"):
        library.all_should_have_been_answered_rightly(Crowd(guests, 1))


# -- streams that are cut --------------------------------------------------------------------------------------------


class Slowly(TinyFlight):
    """Sends its rows in parts, and ends in the middle when it is told to."""

    how: str = ""
    go_on: threading.Event

    def batches(self, table):
        parts = table.to_batches(max_chunksize=200)
        for number, part in enumerate(parts):
            if number == 5:
                self.go_on.wait(0.05)
                if self.how == "error":
                    raise flight.FlightUnavailableError("the database is gone")
                if self.how == "short":
                    return
            yield part


@pytest.fixture
def slowly(system):
    Slowly.how, Slowly.go_on = "", threading.Event()
    system(Slowly)
    return Slowly


def test_streams_that_break_off_with_an_error_are_right(slowly, said):
    streams = library.streams_are_kept_going(QUERY, 4)
    library.streams_should_be_open(streams, 2)
    until(lambda: any(stream.whole for stream in streams.seen), "a whole stream")
    slowly.how = "error"
    until(lambda: sum(stream.cut for stream in streams.seen) >= 5, "streams to be cut")
    slowly.how = ""
    library.streams_should_be_whole_again_within(streams, timedelta(seconds=5))
    library.each_stream_should_have_been_whole_or_an_error(streams, 5)
    assert "UNAVAILABLE x" in said[-1]
    assert "whole again" in said[-1]


def test_a_part_that_is_taken_for_a_whole_is_seen(slowly):
    streams = library.streams_are_kept_going(QUERY, 2)
    slowly.how = "short"
    until(lambda: any(stream.problem for stream in streams.seen), "a short stream")
    with pytest.raises(AssertionError, match="ended well and were not right: 1000 rows in this answer, 2000 in"):
        library.each_stream_should_have_been_whole_or_an_error(streams, 0)


def test_too_few_cut_streams_settle_nothing(slowly):
    streams = library.streams_are_kept_going(QUERY, 2)
    until(lambda: any(stream.whole for stream in streams.seen), "a whole stream")
    with pytest.raises(Inconclusive, match="0 cut, no error; at least 1 must be cut"):
        library.each_stream_should_have_been_whole_or_an_error(streams, 1)


def test_streams_that_do_not_come_back_are_seen(slowly):
    streams = library.streams_are_kept_going(QUERY, 2)
    slowly.how = "error"
    until(lambda: any(stream.cut for stream in streams.seen), "a cut stream")
    with pytest.raises(AssertionError, match="no stream has been whole since, UNAVAILABLE x"):
        library.streams_should_be_whole_again_within(streams, timedelta(seconds=0.5))
    slowly.how = ""


def test_a_stage_that_could_not_be_set_settles_nothing(slowly, monkeypatch):
    monkeypatch.setattr(crowds, "PATIENCE", timedelta(seconds=0.3))
    streams = library.streams_are_kept_going(QUERY, 2)
    with pytest.raises(Inconclusive, match=r"open, 3 wanted .*; so far [1-9]\d* were whole, none refused"):
        library.streams_should_be_open(streams, 3)


def stream(begun, ended, status="OK"):
    return Stream(begun, ended, 5, status, "gone", None)


def test_recovery_counts_from_the_first_break_to_the_end_of_a_whole_stream_that_began_later():
    broken = [stream(0, 10, "UNAVAILABLE"), stream(10, 11, "UNAVAILABLE")]
    assert recovered_after([stream(0, 1), *broken, stream(9, 10.5), stream(12, 13.5), stream(13, 14)]) == 3.5
    assert recovered_after([stream(0, 1)]) is None
    assert recovered_after(broken) is None


# -- bad readers -----------------------------------------------------------------------------------------------------


def test_prompt_clients_are_asked_beside_slow_and_vanished_ones(system, said):
    system(over=Gateway(100_000))
    beside = library.readers_are_slow_and_vanish(QUERY, 4, timedelta(seconds=1), "{ users(limit: 5) { id } }")
    assert beside.streams == 4
    assert len(beside.seconds) > 10
    assert beside.looks[0][0] < beside.held[0] < beside.held[1] < beside.looks[-1][0]
    library.others_should_not_have_been_slowed_to(beside, timedelta(seconds=2))
    library.as_many_streams_should_be_served_as_before("{ users { id } }", 4)


def test_readers_whose_answers_do_not_begin_settle_nothing(system, monkeypatch):
    class Ponders(TinyFlight):
        def batches(self, table):
            if table.num_rows > 5:
                threading.Event().wait(1.5)
            yield from table.to_batches()

    monkeypatch.setattr(crowds, "PATIENCE", timedelta(seconds=1))
    system(Ponders)
    with pytest.raises(Inconclusive, match="not all slow readers had a first batch within 1 s"):
        library.readers_are_slow_and_vanish(QUERY, 2, timedelta(seconds=0.2), "{ users(limit: 5) { id } }")


def test_places_that_vanished_readers_keep_are_seen(system):
    class Keeps(Capped):
        def batches(self, table):
            yield from table.to_batches(max_chunksize=100)  # and never gives its place back

    Keeps.room = threading.Semaphore(3)
    system(Keeps)
    with pytest.raises(AssertionError, match="2 of 4 streams are refused after others vanished: UNAVAILABLE"):
        library.as_many_streams_should_be_served_as_before(QUERY, 4)


def test_slowness_and_growth_beside_slow_readers_are_held_against_limits(system):
    system()
    beside = BesideSlow(100, [0.01, 0.5], [0.01], 30_000_000)
    with pytest.raises(AssertionError, match="the slowest of 2 answers took 500 ms"):
        library.others_should_not_have_been_slowed_to(beside, timedelta(seconds=0.1))
    with pytest.raises(AssertionError, match=r"grew by 30\.0 MB beside 100 slow readers, less than 20 MB"):
        library.gateway_should_have_grown_by_less_than(20, beside)


def test_memory_beside_slow_readers_is_drawn_as_growth_since_they_came(system, tmp_path):
    system()
    looks = [(100.0, 50e6), (105.0, 60e6), (110.0, 75e6)]
    library.gateway_should_have_grown_by_less_than(
        20, BesideSlow(4, [0.01], [0.01], 15_000_000, 60_000_000, looks, (105.0, 108.0))
    )
    (curve,) = [json.loads(line) for line in (tmp_path / "curves.jsonl").read_text().splitlines()]
    assert curve["processes"] == {"gateway": [[-5.0, -10e6], [0.0, 0], [5.0, 15e6]]}
    assert curve["limit"]["points"] == [[0.0, 20e6], [5.0, 20e6]]
    assert curve["bands"] == [["4 slow readers", 0.0, 3.0]]
    assert curve["title"] == "Growth of the gateway's memory beside 4 slow readers: 15.0 MB at most"
