"""Keywords of the criteria under races and faults: held readers, traffic around outages, old entries that return."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from robot.api import logger
from robot.api.deco import keyword

from CacheLibrary.base import cache_client, new_cache_client, redis_client, shown
from CacheLibrary.row_keywords import check_read
from CacheLibrary.rows import Row
from CacheLibrary.server import Client, entries_with
from CacheLibrary.traffic import Plan, Traffic
from CacheLibrary.wire import Read, Refused
from EnvironmentLibrary.context import criterion, record_value, results, scaled, timed
from environments.system import running
from measurement.verdicts import Inconclusive
from oracles.versions import Report
from PostgresLibrary.base import on_test_end
from runner import progress
from TemporalLibrary.core import wait_until

GATE_SECONDS = 5.0  # for a held reader to arrive at its gate
ENOUGH = 20  # answers that a window needs


@dataclass
class HeldReader:
    """A reader that has read a row from the database and is held before it fills the cache."""

    row: Row
    gate: str
    thread: threading.Thread | None = None
    answer: list[Read | Exception | None] = field(default_factory=list)


class RaceKeywords:
    """Races, outages and restarts."""

    # -- one reader, one writer, in a known order ----------------------------------------------------------

    @keyword
    def hold_a_reader_before_it_fills_the_cache(self, row: Row) -> HeldReader:
        """Let a reader miss and read the row from the database; it is held before it can fill the cache.

        Raises:
            Inconclusive: it did not come that far, so there is no race.
        """
        held = HeldReader(row, f"gate-{secrets.token_hex(4)}")

        def read() -> None:
            with new_cache_client() as client:
                try:
                    held.answer.append(client.read(row.namespace, row.key, hold=held.gate))
                except (Refused, OSError) as error:
                    held.answer.append(error)

        held.thread = threading.Thread(target=read, daemon=True)
        held.thread.start()
        client = cache_client()
        on_test_end(client.release, held.gate)
        try:
            wait_until(
                lambda: None if client.held(held.gate) == 1 else f"held: {client.held(held.gate)}, {held.answer}",
                GATE_SECONDS,
                "the reader to be held",
                interval=0.01,
            )
        except AssertionError as error:
            raise Inconclusive(f"the reader was not held between database and cache: {error}") from None
        return held

    @keyword
    def release_the_reader(self, held: HeldReader) -> None:
        """Let the reader go on: it must come back with the row as it was when it read it from the database.

        Raises:
            Inconclusive: nobody was held any more, or it read something else, so there was no race.
        """
        if cache_client().release(held.gate) != 1:
            raise Inconclusive("the reader was no longer held when it was to be released")
        assert held.thread is not None
        held.thread.join(GATE_SECONDS)
        answer = held.answer[0] if held.answer else None
        if not isinstance(answer, Read) or (answer.value, answer.source) != (held.row.value, "database"):
            raise Inconclusive(
                f"the held reader came back with {answer!r}, expected {shown(held.row.value)} of the database"
            )

    @keyword
    def reads_should_return(self, row: Row, times: int) -> None:
        """Read the row several times through the cache: each must return its value, the last from the cache.

        Raises:
            AssertionError: another value, or an entry that does not come back.
        """
        client = cache_client()
        for number in range(1, times + 1):
            check_read(client.read(row.namespace, row.key), row, "cache" if number == times else "")

    @keyword
    def cache_should_answer_again(self, rows: Sequence[Row], within: timedelta) -> None:
        """Read rows until the cache answers for each; the value must be right each time, wherever it comes from.

        Raises:
            AssertionError: a wrong value, at once; or the database still answers at the deadline.
        """
        client = cache_client()

        def missing() -> str | None:
            sources = []
            for row in rows:
                read = client.read(row.namespace, row.key)
                check_read(read, row)
                sources.append(read.source if read else "nowhere")
            return None if set(sources) == {"cache"} else f"the rows come from: {', '.join(sources)}"

        took = wait_until(missing, scaled(within), "the cache to answer again", interval=0.05)
        record_value("cache answers again", took, "s")

    # -- traffic -------------------------------------------------------------------------------------------

    @keyword
    def start_traffic(self, namespace: str, readers: int, writers: int, keys: int, pause: timedelta) -> Traffic:
        """Let readers and writers go for a few rows at once, until `Stop Traffic` or the end of the test.

        Args:
            namespace: of the rows.
            readers: threads that read.
            writers: threads that write, each its own rows.
            keys: rows.
            pause: of each thread between an answer and its next request; 0 for as fast as it goes.
        """
        plan = Plan(keys, writers, readers, pause.total_seconds())
        traffic = Traffic(new_cache_client, namespace, plan, running().seed).start()
        on_test_end(traffic.stop)
        return traffic

    @keyword
    def traffic_should_see(self, traffic: Traffic, window: str, within: timedelta, **counts: int) -> None:
        """Begin a window and wait until so much has been answered in it.

        Args:
            traffic: in the background.
            window: its name in the history and in messages.
            within: the deadline.
            **counts: how many of what: `cache` and `database` reads, `acked` writes.

        Raises:
            AssertionError: less was answered by then, or something was refused.
        """
        traffic.mark(window)

        def missing() -> str | None:
            traffic.report(criterion()).check_all_answered()
            seen = traffic.seen(window)
            less = [f"{seen[what]} of {needed} '{what}'" for what, needed in counts.items() if seen[what] < needed]
            return f"answered since '{window}': {', '.join(less)} ({dict(seen)})" if less else None

        with timed(f"traffic while {window}", "measuring"), progress.step(f"traffic while {window}", within):
            wait_until(missing, scaled(within), f"answers in '{window}'", interval=0.05)

    @keyword
    def stop_traffic(self, traffic: Traffic) -> Report:
        """Stop the traffic and write its history to the run's results."""
        traffic.stop()
        report = traffic.report(criterion())
        path = report.write(results() / "histories" / f"{criterion() or 'none'}-cache.jsonl")
        windows: Mapping[str, Any] = {label: dict(counts) for label, counts in report.windows().items()}
        logger.info(f"{len(report.history.operations)} operations in {path.name}: {windows}")
        return report

    @keyword
    def no_read_should_be_stale(self, report: Report) -> None:
        """Judge the history: no stale read, none that goes backwards, none that nobody wrote."""
        logger.info(report.check_right())

    @keyword
    def every_answer_should_have_come_within(self, report: Report, limit: timedelta) -> None:
        """Demand that each read was answered, each write acknowledged, and none took longer."""
        report.check_all_answered()
        record_value("slowest answer", report.slowest, "s")
        took = report.check_answered_within(scaled(limit))
        logger.info(f"the slowest of {len(report.history.operations)} answers took {took:.3f} s")

    # -- old entries ---------------------------------------------------------------------------------------

    @keyword
    def stop_recording_changes_in_redis(self) -> None:
        """Have Redis write nothing more to its file, so that a restart brings back what it holds now.

        An operator's mistake or a lost disk does the same. Redis's own setting comes back with its restart.

        Raises:
            Inconclusive: Redis keeps no file, so nothing could come back.
        """
        server: Client = redis_client()
        if server.config_get("appendonly").get("appendonly") != "yes":
            raise Inconclusive("Redis keeps no append-only file, so a restart brings nothing back")
        server.config_set("appendonly", "no")
        state = server.info("persistence")["aof_enabled"]
        if int(state) != 0:
            raise Inconclusive("Redis goes on recording changes")

    @keyword
    def redis_should_hold_again(self, rows: Sequence[Row]) -> None:
        """Look for the rows' values in Redis: the premise of a restart with old data.

        Raises:
            Inconclusive: an old entry did not come back, so it cannot be served either.
        """
        for row in rows:
            entries = entries_with(redis_client(), row.value)
            if not entries:
                raise Inconclusive(f"the old entry {shown(row.value)} did not come back with Redis")
            logger.info(f"Redis holds the old value in {', '.join(map(repr, entries))}")
