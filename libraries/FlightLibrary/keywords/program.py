"""Keywords of the client program: what it prints, and how it ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import timedelta

from robot.api import logger
from robot.api.deco import keyword

from EnvironmentLibrary.context import scaled
from EnvironmentLibrary.telling import say
from environments.config import ROOT
from FlightLibrary.errors import FlightFailure
from FlightLibrary.keywords.admission import identity_token
from FlightLibrary.keywords.base import addresses, flight_connection, right_token
from FlightLibrary.tickets import GraphQLQuery

PROGRAM = ROOT / "clients" / "fraiseql_client.py"
PATIENCE = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended, and what it printed."""

    exit: int
    out: str
    err: str

    def __str__(self) -> str:
        return f"exit code {self.exit}, standard error: {self.err.strip() or '(empty)'}"


class ProgramKeywords:
    """The client program as a user calls it."""

    @keyword
    def client_program_is_run(self, *arguments: str) -> Ended:
        """Run the client program with a session token.

        Args:
            arguments: such as `query    { users(limit: 10) { id } }`; the server's address is added.
        """
        return _run(arguments, {"FRAISEQL_TOKEN": right_token()})

    @keyword
    def client_program_is_run_with_an_identity_token(self, *arguments: str) -> Ended:
        """Run the client program, which gets its session by a handshake. See `Client Program Is Run`."""
        return _run((*arguments, "--handshake"), {"FRAISEQL_IDENTITY_TOKEN": identity_token()})

    @keyword
    def program_should_have_printed_rows(self, ended: Ended, rows: int) -> None:
        """Demand exit code 0, so many rows of JSON on standard output, and their number on standard error."""
        if ended.exit != 0:
            raise AssertionError(f"expected exit code 0, was {ended}")
        printed = json.loads(ended.out)
        if len(printed) != rows or not all(isinstance(row, dict) and row for row in printed):
            raise AssertionError(f"expected {rows} rows on standard output, came {len(printed)}: {ended.out[:200]}")
        if ended.err.split()[:2] != [str(rows), "rows"]:
            raise AssertionError(f"expected '{rows} rows' on standard error, was {ended.err.strip()!r}")
        say(f"{rows} rows, exit code 0")

    @keyword
    def program_should_have_failed_with_the_message_of_the_server(self, ended: Ended, query: str) -> None:
        """Demand a non-zero exit code, nothing on standard output, and what the server says to that very query.

        Args:
            ended: what running the program returned.
            query: the bad query that it was run with.
        """
        said = _refusal_of(query)
        if ended.exit == 0 or ended.out:
            raise AssertionError(
                f"expected a failure without output, was {ended}, standard output: {ended.out[:200]!r}"
            )
        if said not in ended.err:
            raise AssertionError(f"expected the server's message '{said}' on standard error, was {ended.err.strip()!r}")
        say(f"exit code {ended.exit}: {said}")


def _run(arguments: tuple[str, ...], secrets: dict[str, str]) -> Ended:
    command = [sys.executable, str(PROGRAM), *arguments, "--server", addresses().flight]
    if arguments[0] in ("query", "events") and "--format" not in arguments:
        command += ["--format", "json"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FRAISEQL_")}
    done = subprocess.run(
        command, env={**environment, **secrets}, capture_output=True, text=True, timeout=scaled(PATIENCE)
    )
    ended = Ended(done.returncode, done.stdout, done.stderr)
    logger.info(f"{' '.join(command[1:])}: {ended}")
    return ended


def _refusal_of(query: str) -> str:
    with flight_connection() as client:
        try:
            client.read(GraphQLQuery(query))
        except FlightFailure as failure:
            return failure.message
    raise AssertionError(f"the server does not refuse the query that was meant to be bad: {query}")
