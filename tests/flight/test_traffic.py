"""Flight clients in the background."""

from __future__ import annotations

import pytest

from FlightLibrary.tickets import OptimizedView
from FlightLibrary.traffic import Streaming

TICKET = OptimizedView("va_users", limit=100)
PAUSE = 0.005


@pytest.fixture
def streaming(flight_server, connect):
    begun = []

    def begin(*questions, over=None):
        begun.append(Streaming(lambda: connect(over or flight_server), questions, PAUSE))
        return begun[-1]

    yield begin
    for clients in begun:
        clients.end()


def test_each_client_goes_on_and_its_whole_results_are_counted(streaming):
    clients = streaming((TICKET, 100), (OptimizedView("va_users", limit=3), 3))
    assert clients.wait_for([0, 0], 3, 10)
    assert min(clients.whole()) >= 3
    assert clients.problems() == []


def test_a_result_with_other_rows_is_a_problem_and_not_counted(streaming):
    clients = streaming((TICKET, 99))
    assert clients.wait_for([0], 1, 10)
    assert clients.problems()[0] == "client 0: a result of 100 rows, expected 99"
    assert clients.whole() == [0]


def test_a_client_whose_server_is_gone_tells_and_tries_again(streaming, serve):
    server = serve()
    clients = streaming((TICKET, 100), over=server)
    assert clients.wait_for([0], 1, 10)
    server.shutdown()
    assert clients.wait_for(clients.whole(), 10**6, 10), "a problem ends the wait"
    assert "UNAVAILABLE" in clients.problems()[0]


def test_too_few_results_in_time_are_told(streaming):
    clients = streaming((TICKET, 100))
    assert not clients.wait_for([0], 10**6, 0.05)
