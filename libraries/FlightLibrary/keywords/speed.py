"""Keywords of speed: Flight against HTTP/JSON in turns, beside a bare server that holds the same rows in memory."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa
from robot.api import logger
from robot.api.deco import keyword

from EnvironmentLibrary import context
from EnvironmentLibrary.context import scaled
from EnvironmentLibrary.telling import say, settle
from FlightLibrary.client import FlightConnection
from FlightLibrary.compared import BARE, DIRECT, HTTP, LIVE, VIEW, Compared, Needed, as_table, by_way
from FlightLibrary.directly import DirectConnection
from FlightLibrary.graphql_http import HttpConnection
from FlightLibrary.jobs import Job
from FlightLibrary.keywords.base import addresses, flight_connection, http_connection, processes, right_token
from FlightLibrary.keywords.held import held_by_a_process
from FlightLibrary.tickets import GraphQLQuery, OptimizedView, Ticket
from FlightLibrary.turns import Way, take_turns
from FlightLibrary.wire import CountingRelay
from LoadLibrary.measure import Busy, leave_record
from measurement.baseline import beside_baseline
from measurement.budgets import milliseconds
from measurement.records import Target
from measurement.statistics import Interval
from measurement.usage import ResidentMemory, cpu_seconds
from measurement.verdicts import Judgement, Verdict
from runner import progress

DEADLINE_SECONDS = 120.0
START_SECONDS = 30.0  # of a process of its own
SYSTEM = ("gateway", "postgresql")
VIEW_NAMES = {"created_at": "createdAt", "customer_name": "customerName"}


class SpeedKeywords:
    """How long the same rows take by each way."""

    @keyword
    def rows_are_got_in_turns(
        self, query: str, rows: int, rounds: int, view: str | None = None, sql: str | None = None, reads: int = 1
    ) -> Compared:
        """Get the same rows over HTTP/JSON, over Flight, and by ways without the gateway, in turns.

        Those are a bare Flight server that holds the rows in memory, and PostgreSQL's own answer by ADBC: what a view
        and what a live query could be at best on this machine.

        Nothing comes from a cache of answers. Each is timed from its call to rows that a program can use: an Arrow
        table, or JSON decoded by orjson. The rows of each round are compared with each other outside that time.

        Args:
            query: with one root field that gives so many rows, such as `{ orders(limit: 1000) { id total } }`.
            rows: of the answer.
            rounds: of each way; at least five.
            view: a column-oriented view with the very columns of the query, which is then read too.
            sql: that gives the very rows and columns of the query, which PostgreSQL is then asked too.
            reads: of each way in a round, whose median counts; for answers that take no time.
        """
        ticket = GraphQLQuery(query)
        name = f"{rows} rows by each way"
        with ExitStack() as open_:
            client = open_.enter_context(flight_connection(deadline_seconds=DEADLINE_SECONDS))
            http = open_.enter_context(http_connection(deadline_seconds=DEADLINE_SECONDS))
            address = open_.enter_context(bare_server(client.read(ticket).kept()))
            bare = open_.enter_context(FlightConnection(address, None, deadline_seconds=scaled(DEADLINE_SECONDS)))
            # a comment that differs makes each text one that no cache knows
            texts = (f"{query} # {number}" for number in itertools.count())
            ways = [Way(LIVE, lambda: client.read(ticket)), Way(HTTP, lambda: http.read(next(texts)))]
            if view is not None:
                wanted = OptimizedView(view, limit=rows)
                ways.append(Way(VIEW, lambda: client.read(wanted), VIEW_NAMES))
            if sql is not None:
                database, statement = open_.enter_context(DirectConnection(addresses())), sql
                ways.append(Way(DIRECT, lambda: database.read(statement)))
            ways.append(Way(BARE, lambda: bare.read(b"")))
            with context.timed(name, "measuring"), progress.step(f"{name}: {rounds} rounds"), Busy() as busy:
                turns = take_turns(ways, rows, rounds, reads, lambda: cpu_seconds(processes(*SYSTEM)))
        compared = Compared(turns, _bytes_on_the_wire(query, view, rows), busy.percent, _memory(query, view, rows))
        logger.info(as_table(compared), html=True)
        context.record_curve("sizes", by_way(compared))
        return compared

    @keyword
    def flight_should_be_at_least_times_as_fast(self, compared: Compared, times: float, by: str = LIVE) -> None:
        """Hold the speed of Flight against HTTP/JSON; leave the record of the comparison.

        Args:
            compared: what getting rows in turns returned.
            times: such as 50; the whole confidence interval must be above.
            by: `live query over Flight` or `view over Flight`.

        Raises:
            AssertionError: it is slower, though the way without the gateway is as fast.
            Inconclusive: the interval reaches the limit.
            UnfitMachine: not even PostgreSQL by ADBC (a live query) or a bare Flight server (a view) is so many times
                as fast as HTTP/JSON on this machine.
        """
        found = compared.speed(by, HTTP)
        facts = f"{by} is {found} times as fast as HTTP/JSON at {compared.turns.rows} rows, at least {times:g} wanted"
        best = DIRECT if by == LIVE and DIRECT in [way.name for way in compared.turns.ways] else BARE
        without = compared.speed(best, HTTP)
        beside = f"{best} is {without.ratio:.1f} times as fast"
        judgement = beside_baseline(_at_least(found, times, facts), attainable=without.ratio >= times, baseline=beside)
        _leave(compared, by, HTTP, judgement, Target(f"speed of {by} / HTTP/JSON", times, "x", "at least"))
        settle(judgement)

    @keyword
    def flight_should_reach_percent_of(
        self, compared: Compared, percent: float, of: str = BARE, by: str = VIEW
    ) -> None:
        """Hold the rate of rows against that of a way without the gateway.

        Args:
            compared: what getting rows in turns returned.
            percent: of the other way's rate.
            of: `bare Flight server` or `PostgreSQL by ADBC`.
            by: `live query over Flight` or `view over Flight`.
        """
        found = compared.speed(by, of)
        facts = f"{by} has {found} of the rate of {of} at {compared.turns.rows} rows, at least {percent / 100:g} wanted"
        judgement = _at_least(found, percent / 100, facts)
        _leave(compared, by, of, judgement, Target(f"rate of {by} / {of}", percent / 100, "ratio", "at least"))
        settle(judgement)

    @keyword
    def flight_should_have_taken_less_than(self, compared: Compared, limit: timedelta, by: str = LIVE) -> None:
        """Hold the slowest round over Flight against a limit."""
        seconds = max(compared.turns.way(by).seconds)
        context.record_value(f"{compared.turns.rows} rows by {by}", seconds, "s")
        facts = (
            f"{compared.turns.rows} rows by {by} took at most {milliseconds(seconds)} "
            f"(n = {len(compared.turns.way(by).seconds)} rounds), less than {limit.total_seconds():g} s wanted"
        )
        settle(Judgement(Verdict.PASS if seconds < limit.total_seconds() else Verdict.FAIL, facts))

    @keyword
    def speed_is_told(self, *all_compared: Compared) -> None:
        """Put the ratios of all sizes beside the verdict, and leave their records; there is no limit to hold."""
        for compared in all_compared:
            for by in (way.name for way in compared.turns.ways if way.name in (LIVE, VIEW)):
                found = compared.speed(by, HTTP)
                _leave(compared, by, HTTP, None, None)
                say(f"{compared.turns.rows} rows: {by} {found.ratio:.1f} times as fast as HTTP/JSON")


@contextmanager
def bare_server(table: pa.Table) -> Iterator[str]:
    """Run pyarrow's own Flight server with these rows in a process of its own; its address."""
    with tempfile.TemporaryDirectory(prefix="bare-") as directory:
        path = Path(directory) / "rows.arrow"
        with pa.ipc.new_file(str(path), table.schema) as file:
            file.write_table(table)
        with Job("serve", path=str(path)) as job:
            yield str(job.answer(START_SECONDS)["address"])


def _bytes_on_the_wire(query: str, view: str | None, rows: int) -> dict[str, int]:
    """Get each answer once more through a relay that counts."""
    found = {}
    flight = urlsplit(addresses().flight)
    tickets: dict[str, Ticket] = {LIVE: GraphQLQuery(query)}
    if view is not None:
        tickets[VIEW] = OptimizedView(view, limit=rows)
    for name, ticket in tickets.items():
        with CountingRelay(str(flight.hostname), flight.port or 0) as relay:
            with FlightConnection(f"grpc://127.0.0.1:{relay.port}", right_token()) as client:
                client.read(ticket, keep=False, deadline_seconds=scaled(DEADLINE_SECONDS))
            found[name] = relay.down
    http = urlsplit(addresses().http)
    with CountingRelay(str(http.hostname), http.port or 80) as relay:
        with HttpConnection(f"http://127.0.0.1:{relay.port}", deadline_seconds=scaled(DEADLINE_SECONDS)) as client:
            client.read(query)
        found[HTTP] = relay.down
    return found


def _memory(query: str, view: str | None, rows: int) -> dict[str, Needed]:
    """Let a new process each get the answer and hold it, and watch the gateway meanwhile."""
    asked: dict[str, tuple[str, dict[str, Any]]] = {
        HTTP: ("http", {"query": query}),
        LIVE: ("flight", {"query": query}),
    }
    if view is not None:
        asked[VIEW] = ("flight", {"view": view, "limit": rows})
    needed = {}
    for name, (over, ticket) in asked.items():
        with ResidentMemory(processes("gateway")) as gateway:
            client = held_by_a_process(over, ticket, keep=True)
        needed[name] = Needed(client.needed, gateway.growth)
    return needed


def _at_least(found: Interval, wanted: float, facts: str) -> Judgement:
    """Judge a ratio of which more is better: a pass needs its whole interval."""
    if found.ratio < wanted:
        return Judgement(Verdict.FAIL, facts)
    if found.low < wanted:
        return Judgement(Verdict.INCONCLUSIVE, f"the interval reaches below: {facts}")
    return Judgement(Verdict.PASS, facts)


def _leave(compared: Compared, a: str, b: str, judgement: Judgement | None, target: Target | None) -> None:
    leave_record(
        f"{compared.turns.rows} rows: {a} against {b}",
        compared.turns.result(a),
        judgement,
        target,
        comparison=compared.turns.compare(b, a),  # of times; so it is the ratio of the speeds, as its target is
        busy_percent=compared.busy_percent,
    )
