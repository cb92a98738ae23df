"""Keywords of memory: what answers cost a client that holds them or lets each batch go, and a gateway."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from robot.api.deco import keyword

from EnvironmentLibrary import context
from EnvironmentLibrary.telling import say, settle
from FlightLibrary.keywords.base import flight_connection, http_connection, processes
from FlightLibrary.keywords.held import Held, held_by_a_process
from FlightLibrary.keywords.speed import SYSTEM
from FlightLibrary.tickets import GraphQLQuery
from LoadLibrary.rate import Rate
from measurement.drawing import label_of
from measurement.memory import MEGABYTE, SETTLED, Look, Memory, memory_curve
from measurement.usage import ResidentMemory, cpu_seconds, resident_bytes
from measurement.verdicts import Inconclusive, Judgement, Verdict

DEADLINE_SECONDS = 120.0
LEAST_GROWTH = 1 << 20  # below it, a memory says nothing of what is held in it


@dataclass(frozen=True, slots=True)
class Streamed:
    """One large answer that was streamed: the client's account and memory, the gateway's memory meanwhile."""

    client: Held
    gateway_before: int
    gateway_most: int
    server_cpu_seconds: float
    gateway_looks: Sequence[Look] = ()


@dataclass(frozen=True, slots=True)
class Repeated:
    """The gateway's memory after each round of the same answers.

    Attributes:
        memory: by number of the round.
        rows: of each answer.
        times: how many rounds there were after the warm-up.
        ended: when each round was over, epoch seconds.
    """

    memory: Memory
    rows: int
    times: int
    ended: Sequence[float] = ()


class MemoryKeywords:
    """What large answers cost."""

    @keyword
    def answer_is_held_by_a_process_each(self, query: str) -> tuple[Held, Held]:
        """Let a new process read the answer over Flight and hold it as Arrow, another one over HTTP as decoded JSON.

        Args:
            query: with one root field.
        """
        flight = held_by_a_process("flight", {"query": query}, keep=True)
        http = held_by_a_process("http", {"query": query}, keep=True)
        if flight.rows != http.rows:
            raise AssertionError(f"Flight gave {flight.rows} rows, HTTP {http.rows}")
        for held in (flight, http):
            say(
                f"{held.rows} rows over {held.over}: {held.needed / MEGABYTE:.0f} MB needed, "
                f"{held.held / MEGABYTE:.0f} MB of them still held at the end"
            )
        return flight, http

    @keyword
    def arrow_should_need_times_less_memory(self, held: tuple[Held, Held], times: float, stretch: float) -> None:
        """Hold the memory that a client needs to get an answer as decoded JSON against that of Arrow.

        Args:
            held: what letting a process each hold the answer returned.
            times: as many times as much is wanted of JSON, at least.
            stretch: a further target, reported.
        """
        arrow, json = held
        if arrow.needed < LEAST_GROWTH:
            raise Inconclusive(f"Arrow's process grew by {arrow.needed} bytes only, too little to compare with")
        ratio = json.needed / arrow.needed
        _draw_clients(arrow, json, times)
        context.record_value("memory of JSON / Arrow", round(ratio, 2), "x")
        met = "met" if ratio >= stretch else "not met"
        facts = (
            f"{json.rows} rows need {json.needed / MEGABYTE:.0f} MB as JSON and {arrow.needed / MEGABYTE:.0f} MB as "
            f"Arrow, {ratio:.1f} times as much; at least {times:g} times wanted, {stretch:g} times {met}"
        )
        settle(Judgement(Verdict.PASS if ratio >= times else Verdict.FAIL, facts))

    @keyword
    def rows_are_streamed_without_keeping_them(self, query: str) -> Streamed:
        """Let a new process read an answer batch by batch and keep none, and watch the gateway's memory meanwhile."""
        gateway = processes("gateway")
        used = cpu_seconds(processes(*SYSTEM))
        with ResidentMemory(gateway) as memory, context.timed("rows are streamed", "measuring"):
            client = held_by_a_process("flight", {"query": query}, keep=False)
        used = cpu_seconds(processes(*SYSTEM)) - used
        return Streamed(client, memory.before, memory.most, used, memory.looks)

    @keyword
    def all_rows_should_have_come(self, streamed: Streamed, rows: int, within: timedelta, rate: Rate) -> None:
        """Demand so many rows within a deadline, at a rate."""
        client = streamed.client
        achieved = client.rows / client.seconds
        context.record_value("rows a second", round(achieved), "/s")
        facts = f"{client.rows} rows in {client.seconds:.2f} s, {achieved:.0f} rows/s"
        if client.rows != rows:
            raise AssertionError(f"{facts}; {rows} rows expected")
        if client.seconds >= within.total_seconds() or achieved < rate.per_second:
            raise AssertionError(
                f"{facts}; less than {within.total_seconds():g} s and at least {rate.per_second:g} rows/s expected"
            )
        say(f"{facts}, {streamed.server_cpu_seconds:.2f} s of CPU on the server")

    @keyword
    def both_should_have_stayed_below(self, streamed: Streamed, limit: float) -> None:
        """Hold the most memory of client and gateway against a limit in MB (10^6 bytes).

        Raises:
            Inconclusive: the gateway's processes cannot be looked at.
        """
        if streamed.gateway_most == 0:
            raise Inconclusive("the environment does not tell which processes the gateway has")
        found = {"gateway": streamed.gateway_most / MEGABYTE, "client": streamed.client.peak / MEGABYTE}
        for name, most in found.items():
            context.record_value(f"memory of the {name}", round(most, 1), "MB")
        facts = ", ".join(f"{name} {most:.0f} MB" for name, most in found.items())
        looks = {"gateway": streamed.gateway_looks, "client": streamed.client.looks}
        _draw(
            f"Memory while {label_of(streamed.client.rows)} rows are streamed: at most {facts}",
            {name: [look for look in seen if look[0] >= streamed.client.began] for name, seen in looks.items()},
            limit,
            f"less than {limit:g} MB wanted of each",
        )
        verdict = Verdict.PASS if max(found.values()) < limit else Verdict.FAIL
        settle(Judgement(verdict, f"most memory: {facts}; less than {limit:g} MB wanted"))

    @keyword
    def rows_are_asked_for_again_and_again(self, query: str, rows: int, times: int) -> Repeated:
        """Read an answer over Flight and over HTTP in turns, and look at the gateway's memory after each round.

        Half as many rounds as are wanted come before them, in which caches, pools and heaps get what they need.

        Args:
            query: with one root field.
            rows: that each answer must have.
            times: over each transport, after the warm-up.
        """
        gateway, ticket = processes("gateway"), GraphQLQuery(query)
        held, ended = list[float](), list[float]()
        rounds = math.ceil(times / (1 - SETTLED))
        with (
            flight_connection(deadline_seconds=DEADLINE_SECONDS) as flight,
            http_connection(deadline_seconds=DEADLINE_SECONDS) as http,
            context.timed("rows are asked for again and again", "measuring"),
        ):
            for _ in range(rounds):
                came = (flight.read(ticket, keep=False).rows, len(http.read(query).rows))
                if came != (rows, rows):
                    raise AssertionError(f"{came[0]} rows came over Flight and {came[1]} over HTTP, expected {rows}")
                held.append(float(resident_bytes(gateway)))
                ended.append(time.time())
        return Repeated(Memory("gateway", tuple(map(float, range(rounds))), tuple(held)), rows, times, ended)

    @keyword("Gateway's Memory Should Have Stayed Flat")
    def memory_of_the_gateway_should_have_stayed_flat(self, repeated: Repeated, limit: float) -> None:
        """Hold the growth of the gateway's memory over the rounds after the warm-up against a limit in MB (10^6 bytes).

        The growth is that of the straight line through the lowest looks of eight stretches.

        Raises:
            AssertionError: the whole 95 % interval of the growth is above the limit.
            Inconclusive: the line is above it and its interval is not; or the gateway's processes cannot be looked at.
        """
        memory, times = repeated.memory, repeated.times
        if not all(memory.bytes):
            raise Inconclusive("the environment does not tell which processes the gateway has")
        rise = memory.rise()
        if rise is None or rise.low is None or rise.high is None:
            raise Inconclusive(f"{len(memory.at)} rounds are too few to tell growth from noise")
        growth, low, high = (bound * times / MEGABYTE for bound in (rise.value, rise.low, rise.high))
        context.record_value("growth over repeated queries", round(growth, 1), "MB")
        _draw_rounds(repeated, growth, limit)
        facts = (
            f"the gateway's memory grew by {growth:.1f} MB [{low:.1f}, {high:.1f}] over {times} answers of "
            f"{repeated.rows} rows each way, and held {memory.most / MEGABYTE:.0f} MB at most"
        )
        verdict = Verdict.FAIL if low >= limit else Verdict.INCONCLUSIVE if growth >= limit else Verdict.PASS
        settle(Judgement(verdict, f"{facts}; less than {limit:g} MB wanted"))


def _draw(title: str, processes: Mapping[str, Sequence[Look]], limit: float, label: str, **more: Any) -> None:
    """Leave what memory over time is drawn from: from the first look on, against a limit in MB."""
    instants = [at for looks in processes.values() for at, _ in looks]
    if instants:
        line = [(at, limit * MEGABYTE) for at in (min(instants), max(instants))]
        more.setdefault("origin", min(instants))
        context.record_curve("memory", memory_curve(title, processes, line, label, **more))


def _draw_clients(arrow: Held, json: Held, times: float) -> None:
    """Show what each of both needed over the time since its own call."""
    clients = {"Arrow": arrow, "JSON": json}
    _draw(
        f"What a client needs for {label_of(json.rows)} rows: {json.needed / MEGABYTE:.0f} MB as JSON, "
        f"{arrow.needed / MEGABYTE:.0f} MB as Arrow",
        {name: [(at - held.began, size) for at, size in held.looks] for name, held in clients.items()},
        times * arrow.needed / MEGABYTE,
        f"{times:g} times as much as Arrow: JSON is to need more",
        origin=0.0,
        bases={name: float(held.before) for name, held in clients.items()},
    )


def _draw_rounds(repeated: Repeated, growth: float, limit: float) -> None:
    """Show what the gateway held after each round, from the end of the warm-up on."""
    if not repeated.ended:
        return
    settled = len(repeated.ended) - repeated.times
    answers = f"{repeated.times} answers of {label_of(repeated.rows)} rows each way"
    _draw(
        f"Growth of the gateway's memory over {answers}: {growth:.1f} MB",
        {"gateway": list(zip(repeated.ended, repeated.memory.bytes, strict=True))},
        limit,
        f"less than {limit:g} MB wanted",
        bases={"gateway": repeated.memory.bytes[settled]},
        bands=[("warm-up", repeated.ended[0], repeated.ended[settled])],
    )
