"""The commands of the admin console, and what they answer."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from reference.pgdog import readiness
from reference.pgdog.metrics.process import resident
from reference.pgdog.metrics.upstream import failed, queued, rows
from reference.pgdog.settings import Thresholds
from reference.pgdog.state import State
from reference.pgdog.tally import Tally
from reference.toml_file import ConfigError

VERSION = "PgDog reference mirror proxy 1.0"
SERVER_VERSION = "16.0"  # what drivers are told; they take it for PostgreSQL's

Kind = Literal["text", "int8", "numeric", "float8"]
Value = str | int | float | None


@dataclass(frozen=True, slots=True)
class Result:
    """What a command answers: columns (name, kind) and rows, or no columns at all; and the tag of its end."""

    tag: str
    columns: tuple[tuple[str, Kind], ...] = ()
    rows: tuple[tuple[Value, ...], ...] = ()


class CommandError(Exception):
    """What the console answers instead: SQLSTATE and message."""

    def __init__(self, state: str, message: str) -> None:
        super().__init__(message)
        self.state = state


_PLAN_COLUMNS: tuple[tuple[str, Kind], ...] = (
    ("database", "text"), ("user", "text"), ("total_count", "int8"), ("mirrored_count", "int8"),
    ("dropped_count", "int8"), ("error_count", "int8"), ("queue_length", "int8"), ("sampled_out_count", "int8"),
    ("connection_errors", "int8"), ("query_errors", "int8"), ("timeout_errors", "int8"),
    ("buffer_full_errors", "int8"), ("avg_latency_ms", "float8"), ("max_latency_ms", "int8"),
)  # fmt: skip
_UPSTREAM_COLUMNS: tuple[tuple[str, Kind], ...] = (
    ("database", "text"), ("user", "text"), ("total_count", "numeric"), ("mirrored_count", "numeric"),
    ("dropped_count", "numeric"), ("error_count", "numeric"), ("queue_length", "numeric"),
)  # fmt: skip

# What drivers ask and set of themselves when they connect, or around a command.
_PARAMETERS = {
    "server_version": SERVER_VERSION,
    "client_encoding": "UTF8",
    "server_encoding": "UTF8",
    "datestyle": "ISO, MDY",
    "timezone": "UTC",
    "standard_conforming_strings": "on",
    "transaction isolation level": "read committed",
    "transaction_isolation": "read committed",
    "default_transaction_isolation": "read committed",
    "default_transaction_read_only": "off",
    "transaction_read_only": "off",
}
_DRIVER = {"begin": "BEGIN", "start": "BEGIN", "commit": "COMMIT", "end": "COMMIT", "rollback": "ROLLBACK"}
_QUIET = {"set": "SET", "reset": "RESET", "discard": "DISCARD ALL", "deallocate": "DEALLOCATE"}


class Console:
    """Runs commands. The plan's dialect has the report of readiness, and takes what drivers say of themselves.

    Args:
        state: what is shown.
        reload: reads the configuration again.
    """

    def __init__(self, state: State, reload: Callable[[], None]) -> None:
        self.state, self._reload = state, reload
        self._of_plan = state.settings.dialect == "plan"
        self.commands: Mapping[str, Callable[[], Result]] = {
            "show mirrors": self.mirrors,
            **({"show mirror readiness": self.report} if self._of_plan else {}),
            "show stats": self.stats,
            "show version": self._version,
            "show config": self._config,
            "reload": self._reloaded,
        }

    def run(self, command: str) -> Result:
        """Run one command, without its semicolon.

        Raises:
            CommandError: there is none of this name, or it cannot be done.
        """
        words = " ".join(command.lower().split())
        if words in self.commands:
            return self.commands[words]()
        if self._of_plan and (result := self._of_a_driver(words)):
            return result
        names = ", ".join(name.upper() for name in self.commands)
        raise CommandError("42601", f"syntax error in admin command; use one of {names}")

    def mirrors(self) -> Result:
        """Return a row for each database and user: of the plan as clients name it, upstream as the mirror is named."""
        self._need_counters()
        if self._of_plan:
            found = self.state.tallies.grouped(lambda one: (one.source, one.user))
            return _table(_PLAN_COLUMNS, [(*key, *_plan_numbers(tally)) for key, tally in found.items()])
        clusters = rows(self.state.settings, self.state.tallies)
        return _table(_UPSTREAM_COLUMNS, [(*key, *_upstream_numbers(tally)) for key, tally in clusters.items()])

    def report(self) -> Result:
        """Return the report, a row for each line."""
        self._need_counters()
        seen, limits = readiness.observed(self.state.tallies), self.state.settings.thresholds
        lines = readiness.report(self.judged(seen, limits), seen, limits)
        return _table((("readiness", "text"),), [(line,) for line in lines])

    def judged(self, seen: readiness.Observed, limits: Thresholds) -> readiness.Verdict:
        """Return the verdict."""
        return readiness.assess(seen, limits)

    def stats(self) -> Result:
        """Return what concerns the proxy as a whole."""
        total, held = self.state.tallies.total(), self.state.held
        values = {
            "uptime_seconds": int(time.monotonic() - self.state.tallies.started),
            "clients": len(held.clients),
            "mirror_sessions": held.mirror_sessions,
            "held_bytes": held.bytes_held,
            "resident_bytes": resident(),
            "attempted": total.attempted,
            "sampled_out": total.sampled_out,
            "mirrored": total.mirrored,
            "overflow": total.overflowed,
            "connection_errors": total.connection,
            "query_errors": total.query,
            "timeout_errors": total.timeout,
            "backlog": total.backlog,
        }
        return _table((("name", "text"), ("value", "int8")), list(values.items()))

    def _version(self) -> Result:
        return _table((("version", "text"),), [(VERSION,)])

    def _config(self) -> Result:
        settings = self.state.settings
        values = {
            "dialect": settings.dialect,
            "host": settings.host,
            "port": settings.port,
            "mirror_metrics_enabled": str(settings.metrics_enabled).lower(),
            "connect_timeout": f"{1000 * settings.connect_timeout:g}",
            "query_timeout": f"{1000 * settings.query_timeout:g}",
            "mirror_queue_bytes": settings.queue_bytes,
        }
        for source in settings.sources.values():
            values |= {
                f"{source.name} -> {mirror.name}": f"exposure {mirror.exposure:g}, queue {mirror.queue}"
                for mirror in source.mirrors
            }
        return _table((("name", "text"), ("value", "text")), [(name, str(value)) for name, value in values.items()])

    def _reloaded(self) -> Result:
        try:
            self._reload()
        except ConfigError as problem:
            raise CommandError("F0000", str(problem)) from None
        return Result("RELOAD")

    def _need_counters(self) -> None:
        if not self.state.tallies.counting:
            raise CommandError("55000", "nothing is counted; set mirror_metrics_enabled = true and restart the proxy")

    def _of_a_driver(self, words: str) -> Result | None:
        first, _, rest = words.partition(" ")
        if first == "show" and rest in _PARAMETERS:
            return _table(((rest.replace(" ", "_"), "text"),), [(_PARAMETERS[rest],)])
        if first in _DRIVER:
            return Result(_DRIVER[first])
        return Result(_QUIET[first]) if first in _QUIET else None


def commands_of(text: str) -> list[str]:
    """Return the commands of a query text; comments are left out, and what is empty."""
    plain = re.sub(r"--[^\n]*|/\*.*?\*/", " ", text, flags=re.DOTALL)
    return [command for command in (part.strip() for part in plain.split(";")) if command]


def _table(columns: tuple[tuple[str, Kind], ...], found: Sequence[tuple[Value, ...]]) -> Result:
    return Result("SHOW", columns, tuple(found))


def _plan_numbers(tally: Tally) -> tuple[Value, ...]:
    counted = (
        tally.attempted, tally.mirrored, tally.overflowed, tally.errors, tally.backlog, tally.sampled_out,
        tally.connection, tally.query, tally.timeout, tally.overflowed,
    )  # fmt: skip
    if not tally.latency_count:
        return *counted, None, None
    return *counted, round(tally.latency_ms, 3), round(1000 * tally.slowest)


def _upstream_numbers(tally: Tally) -> tuple[Value, ...]:
    return tally.attempted, queued(tally), tally.sampled_out, failed(tally), tally.backlog
