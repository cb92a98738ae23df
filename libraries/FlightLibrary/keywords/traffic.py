"""Keywords: Flight clients in the background, while HTTP is tested."""

from __future__ import annotations

from robot.api.deco import keyword

from EnvironmentLibrary.context import scaled
from FlightLibrary.keywords.base import flight_connection
from FlightLibrary.tickets import GraphQLQuery, OptimizedView, Ticket
from FlightLibrary.traffic import Streaming

CLIENTS = 4
ROWS = 1000
PAUSE_SECONDS = 0.02
MEANWHILE = 2  # results of each client, at least
MEANWHILE_SECONDS = 10.0


class TrafficKeywords:
    """Keeps Flight busy."""

    _streaming: Streaming | None = None
    _since: list[int]

    @keyword
    def flight_clients_stream(self) -> None:
        """Keep four Flight clients streaming from now on, half of them views, half of them GraphQL queries.

        Each takes 1 000 rows fifty times a second at most. They go on over several tests, until
        `Flight Clients Are Ended`. Returns when each has had a whole result.
        """
        if self._streaming is None:
            questions: list[tuple[Ticket, int]] = [
                (OptimizedView("va_orders", limit=ROWS), ROWS),
                (GraphQLQuery(f"{{ orders(limit: {ROWS}) {{ id total createdAt }} }}"), ROWS),
            ]
            self._streaming = Streaming(flight_connection, questions * (CLIENTS // 2), PAUSE_SECONDS)
        self._streaming.problems()  # of what an earlier test did on purpose
        self._since = self._streaming.whole()
        self.flight_clients_should_have_streamed_meanwhile(1)
        self._since = self._streaming.whole()

    @keyword
    def flight_clients_should_have_streamed_meanwhile(self, results: int = MEANWHILE) -> None:
        """Fail unless every Flight client has had whole results since the test began, without an error.

        Args:
            results: of each client; they have ten seconds more for them.
        """
        assert self._streaming is not None, "Flight Clients Stream comes first"
        enough = self._streaming.wait_for(self._since, results, scaled(MEANWHILE_SECONDS))
        problems = self._streaming.problems()
        if problems:
            raise AssertionError(f"Flight clients met {len(problems)} problems: {problems[0]}")
        if not enough:
            had = [now - before for now, before in zip(self._streaming.whole(), self._since, strict=True)]
            raise AssertionError(f"expected {results} whole results of each Flight client meanwhile, were {had}")

    @keyword
    def flight_clients_are_ended(self) -> None:
        """End the Flight clients in the background; nothing happens when there are none."""
        if self._streaming is not None:
            self._streaming.end()
            self._streaming = None
