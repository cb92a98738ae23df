from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import flight

from FlightLibrary import FlightLibrary
from FlightLibrary.keywords.program import Ended
from FlightLibrary.tokens import session_token
from tests.flight.conftest import *  # noqa: F403 - the fixtures of the tiny servers
from tests.flight.tiny import SECRET, TinyFlight

PROGRAM = Path(__file__).parents[2] / "clients" / "fraiseql_client.py"
QUERY = "{ users(limit: 15) { id name bio score createdAt } }"
library = FlightLibrary()


@pytest.fixture
def run(flight_server):
    """Run the program against the tiny server."""

    def program(*arguments, server=flight_server, **variables):
        environment = {name: value for name, value in os.environ.items() if not name.startswith("FRAISEQL_")}
        environment |= variables or {"FRAISEQL_TOKEN": session_token(SECRET)}
        command = [sys.executable, PROGRAM, *arguments, *(["--server", server.address] if server else [])]
        return subprocess.run(command, env=environment, capture_output=True, timeout=60)

    return program


def test_rows_come_as_a_table_and_their_number_on_standard_error(run):
    done = run("query", QUERY)
    lines = done.stdout.decode().splitlines()
    assert (done.returncode, done.stderr) == (0, b"15 rows\n")
    assert lines[0].split() == ["id", "name", "bio", "score", "createdAt"]
    assert len(lines) == 17
    assert "Zoë 🚀 7" in lines[9]


def test_rows_come_as_json(run):
    rows = json.loads(run("query", QUERY, "--format", "json").stdout)
    assert len(rows) == 15
    assert rows[0]["bio"] is None
    assert rows[0]["createdAt"] == "2023-11-14T22:13:20.000001+00:00"
    assert json.loads(run("query", '{ user(id: "nobody") { id } }', "--format", "json").stdout) == []


def test_rows_come_as_csv(run):
    rows = list(csv.DictReader(io.StringIO(run("query", QUERY, "--format", "csv").stdout.decode())))
    assert [row["name"] for row in rows][:2] == ["Zoë 🚀 0", "User 1"]


def test_rows_come_as_an_arrow_stream(run):
    table = pa.ipc.open_stream(run("query", QUERY, "--format", "arrow").stdout).read_all()
    assert table.num_rows == 15
    assert table.schema.field("createdAt").type == pa.timestamp("us", "UTC")


def test_what_the_server_refuses_is_told_and_nothing_else(run):
    done = run("query", "{ users { nothing } }")
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr == b"error: Query execution failed: Cannot query field 'nothing' on type 'User'.\n"
    expired = run("query", QUERY, FRAISEQL_TOKEN="garbage")
    assert (expired.returncode, expired.stdout, expired.stderr) == (1, b"", b"error: Not enough segments\n")


def test_a_server_that_is_not_there_is_told(run):
    class Gone:
        address = "grpc://127.0.0.1:1"

    done = run("query", QUERY, server=Gone)
    assert done.returncode == 1
    assert b"Connection refused" in done.stderr


def test_a_stream_that_breaks_off_is_a_failure(run, serve):
    class Breaking(TinyFlight):
        def batches(self, table):
            yield table.slice(0, 5).to_batches()[0]
            raise flight.FlightInternalError("the source is gone")

    done = run("query", QUERY, server=serve(Breaking))
    assert (done.returncode, done.stderr) == (1, b"error: the source is gone\n")


def test_a_session_is_opened_by_handshake(run):
    done = run("query", QUERY, "--handshake", FRAISEQL_IDENTITY_TOKEN="an identity")
    assert (done.returncode, done.stderr) == (0, b"15 rows\n")


@pytest.mark.parametrize(
    ("arguments", "variables", "message"),
    [
        ((), {}, "the following arguments are required: command"),
        (("query",), {}, "the following arguments are required: text"),
        (("query", QUERY), {"NOTHING": ""}, "variable FRAISEQL_TOKEN holds no token"),
        (("query", QUERY, "--handshake"), {"NOTHING": ""}, "variable FRAISEQL_IDENTITY_TOKEN holds no token"),
        (("query", QUERY, "--variables", "{"), {}, "--variables is no JSON"),
        (("query", QUERY, "--variables", "[1]"), {}, "--variables must be a JSON object"),
        (("query", QUERY, "--format", "xml"), {}, "invalid choice: 'xml'"),
        (("query", QUERY, "--server", "nonsense"), {}, "--server nonsense"),
        (("events", "Order", "--limit", "many"), {}, "invalid int value: 'many'"),
    ],
)
def test_wrong_use_is_told_with_exit_code_2(run, arguments, variables, message):
    done = run(*arguments, server=None, **variables)
    assert (done.returncode, done.stdout) == (2, b"")
    assert message in done.stderr.decode()


class Telling(TinyFlight):
    """Answers every ticket with its own text."""

    def do_get(self, context, ticket):
        table = pa.table({"ticket": [ticket.ticket.decode()]})
        return flight.RecordBatchStream(table)


@pytest.mark.parametrize(
    ("arguments", "ticket"),
    [
        (
            ("query", "{ a }", "--variables", '{"n": 3}'),
            {"type": "GraphQLQuery", "query": "{ a }", "variables": {"n": 3}},
        ),
        (("events", "Order"), {"type": "ObserverEvents", "entity_type": "Order"}),
        (
            ("events", "Order", "--start", "2026-01-01T00:00:00Z", "--end", "2026-02-01T00:00:00Z", "--limit", "5"),
            {
                "type": "ObserverEvents",
                "entity_type": "Order",
                "start_date": "2026-01-01T00:00:00Z",
                "end_date": "2026-02-01T00:00:00Z",
                "limit": 5,
            },
        ),
    ],
)
def test_the_ticket_is_what_was_asked_for(run, serve, arguments, ticket):
    (row,) = json.loads(run(*arguments, "--format", "json", server=serve(Telling)).stdout)
    assert json.loads(row["ticket"]) == ticket


def test_a_reader_that_goes_away_ends_the_program(run, serve, flight_server):
    command = [sys.executable, PROGRAM, "query", "{ users { id name email bio } }", "--server", flight_server.address]
    environment = {**os.environ, "FRAISEQL_TOKEN": session_token(SECRET)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as program:
        assert program.stdout
        assert program.stderr
        program.stdout.read(100)
        program.stdout.close()
        told = program.stderr.read()
        assert program.wait(30) == 1
    assert b"Traceback" not in told


# -- the keywords that judge it --------------------------------------------------------------------------------------


def test_the_program_passes_its_criterion(system):
    system()
    library.program_should_have_printed_rows(library.client_program_is_run("query", "{ users(limit: 10) { id } }"), 10)
    handed = library.client_program_is_run_with_an_identity_token("query", "{ users(limit: 10) { id } }")
    library.program_should_have_printed_rows(handed, 10)
    bad = "{ users { nothing } }"
    library.program_should_have_failed_with_the_message_of_the_server(library.client_program_is_run("query", bad), bad)


@pytest.mark.parametrize(
    ("ended", "message"),
    [
        (Ended(1, "[]", "error: no"), "expected exit code 0, was exit code 1, standard error: error: no"),
        (Ended(0, '[{"id": 1}]', "1 rows"), "expected 2 rows on standard output, came 1"),
        (Ended(0, '[{"id": 1}, {}]', "2 rows"), "expected 2 rows"),
        (Ended(0, '[{"id": 1}, {"id": 2}]', ""), "expected '2 rows' on standard error"),
    ],
)
def test_a_program_that_did_not_print_its_rows_is_seen(ended, message):
    with pytest.raises(AssertionError, match=message):
        library.program_should_have_printed_rows(ended, 2)


@pytest.mark.parametrize(
    ("ended", "message"),
    [
        (Ended(0, "", "Cannot query field 'nothing' on type 'User'."), "expected a failure without output"),
        (Ended(1, "[]", "Cannot query field 'nothing' on type 'User'."), "expected a failure without output"),
        (Ended(1, "", "something went wrong"), "expected the server's message 'Query execution failed: Cannot query"),
    ],
)
def test_a_program_that_hides_a_failure_is_seen(system, ended, message):
    system()
    with pytest.raises(AssertionError, match=message):
        library.program_should_have_failed_with_the_message_of_the_server(ended, "{ users { nothing } }")


def test_a_query_that_is_not_bad_is_no_test_of_a_bad_one(system):
    system()
    with pytest.raises(AssertionError, match="does not refuse the query that was meant to be bad"):
        library.program_should_have_failed_with_the_message_of_the_server(Ended(1, "", "x"), "{ users { id } }")
