"""The console as psql, psycopg2 and asyncpg see it."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import struct
import subprocess
from contextlib import closing
from decimal import Decimal

import asyncpg
import psycopg2
import pytest

from tests.pgdog.control.conftest import HOST

pytestmark = pytest.mark.servers
COMMANDS = "SHOW MIRRORS, SHOW MIRROR READINESS, SHOW STATS, SHOW VERSION, SHOW CONFIG, RELOAD"
TRAFFIC = [
    *["succeed app app_mirror app 0.1"] * 3,
    "fail app app_mirror app connection",
    *["fail app app_mirror app query"] * 2,
    "fail app app_mirror app timeout",
    "overflow app app_mirror app",
    "sample_out app app_mirror app",
    "wait app app_mirror app",
    "succeed app app_mirror other 0.25",
]


@pytest.fixture
def console(proxy):
    running = proxy(general="mirror_min_requests = 10\nmirror_min_runtime_hours = 0\n")
    running.count(*TRAFFIC)
    return running


def psql(running, *commands, database="pgdog", user="admin", **environment):
    """Run psql; return its status, output and errors."""
    found = shutil.which("psql")
    if found is None:
        pytest.skip("no psql")
    words = [found, "-X", "-h", HOST, "-p", str(running.admin_port), "-U", user, "-d", database]
    words += [word for command in commands for word in ("-c", command)]
    done = subprocess.run(
        words, capture_output=True, text=True, timeout=30, env={**os.environ, "PGCONNECT_TIMEOUT": "10", **environment}
    )
    return done.returncode, done.stdout, done.stderr


def test_mirrors_of_the_plan(console):
    with closing(console.connect()) as session, session.cursor() as cursor:
        cursor.execute("SHOW MIRRORS;")
        columns = [column.name for column in cursor.description]
        assert columns[:7] == [
            "database", "user", "total_count", "mirrored_count", "dropped_count", "error_count", "queue_length",
        ]  # fmt: skip
        assert columns[7:] == [
            "sampled_out_count", "connection_errors", "query_errors", "timeout_errors", "buffer_full_errors",
            "avg_latency_ms", "max_latency_ms",
        ]  # fmt: skip
        assert cursor.fetchall() == [
            ("app", "app", 10, 3, 1, 5, 1, 1, 1, 2, 1, 1, 100.0, 100),
            ("app", "other", 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 250.0, 250),
        ]


def test_mirrors_before_any_success_have_no_latency(proxy):
    running = proxy()
    running.count("fail app app_mirror app query")
    [row] = running.ask("SHOW MIRRORS")
    assert row[-2:] == (None, None)


def test_the_report_is_a_row_for_each_line(console):
    lines = [line for (line,) in console.ask("show  mirror\nreadiness")]
    assert lines[0] == "=== Mirror Migration Readiness Report ==="
    assert "Status: NOT READY" in lines
    assert "  Total Requests: 11" in lines
    assert "  - Error rate 45.45% exceeds threshold 1.00%" in lines
    assert len(lines) == 24


def test_what_the_proxy_says_of_itself(console):
    assert console.ask("SHOW VERSION") == [("PgDog reference mirror proxy 1.0",)]
    stats = dict(console.ask("SHOW STATS"))
    assert (stats["mirror_sessions"], stats["held_bytes"], stats["attempted"], stats["backlog"]) == (2, 345, 11, 1)
    config = dict(console.ask("SHOW CONFIG"))
    assert (config["dialect"], config["mirror_metrics_enabled"]) == ("plan", "true")
    assert config["app -> app_mirror"] == "exposure 1, queue 128"
    assert not any("secret" in row for row in config.values())


def test_an_unknown_command_is_told_which_there_are(console):
    with closing(console.connect()) as session, session.cursor() as cursor:
        with pytest.raises(psycopg2.errors.SyntaxError, match=f"use one of {COMMANDS}"):
            cursor.execute("SHOW MIRROR_STATS")
        cursor.execute("SHOW VERSION")
        assert cursor.fetchall()


def test_psycopg2_may_use_transactions(console):
    with closing(console.connect()) as session:
        session.autocommit = False
        with session, session.cursor() as cursor:
            cursor.execute("SHOW VERSION")
            assert session.get_transaction_status() == psycopg2.extensions.TRANSACTION_STATUS_INTRANS
        assert session.get_transaction_status() == psycopg2.extensions.TRANSACTION_STATUS_IDLE
        session.rollback()


def test_psql_shows_the_report(console):
    status, output, errors = psql(console, "SHOW MIRROR READINESS", "SHOW VERSION; -- both\nSHOW CONFIG;")
    assert (status, errors) == (0, "")
    assert "Status: NOT READY" in output
    assert "app -> app_mirror" in output
    assert psql(console, "RELOAD")[:2] == (0, "RELOAD\n")


def test_psql_is_told_what_is_wrong(console):
    assert psql(console, "SHOW MIRROR")[0] == 1
    assert "42601" in psql(console, "\\set VERBOSITY verbose", "SHOW MIRROR")[2]
    assert "there is no database 'app' here" in psql(console, "SHOW VERSION", database="app")[2]
    assert "'app' may not use the console" in psql(console, "SHOW VERSION", user="app")[2]


def test_asyncpg_may_use_it_in_the_plans_dialect(console):
    async def use():
        session = await asyncpg.connect(host=HOST, port=console.admin_port, user="admin", database="pgdog", timeout=10)
        try:
            rows = await session.fetch("SHOW MIRRORS")
            assert [(row["user"], row["total_count"], row["avg_latency_ms"]) for row in rows] == [
                ("app", 10, 100.0),
                ("other", 1, 250.0),
            ]
            with pytest.raises(asyncpg.PostgresSyntaxError):
                await session.fetch("SHOW NOTHING")
            async with session.transaction():
                assert await session.fetchval("SHOW VERSION") == "PgDog reference mirror proxy 1.0"
            assert await session.execute("RELOAD") == "RELOAD"
            assert await session.fetch("RELOAD") == []
        finally:
            await session.close()

    asyncio.run(use())


def test_upstreams_has_its_own_columns_a_password_and_a_row_for_each_login(proxy):
    running = proxy("upstream")
    running.count(*TRAFFIC)
    with closing(running.connect()) as session, session.cursor() as cursor:
        cursor.execute("SHOW MIRRORS")
        assert [column.name for column in cursor.description] == [
            "database", "user", "total_count", "mirrored_count", "dropped_count", "error_count", "queue_length",
        ]  # fmt: skip
        rows = {row[:2]: row[2:] for row in cursor.fetchall()}
        assert rows == {
            ("app_mirror", "app"): (10, 8, 1, 3, 1),
            ("app_mirror", "other"): (1, 1, 0, 0, 0),
            ("app", "app"): (0,) * 5,
            ("app", "other"): (0,) * 5,
        }
        assert all(isinstance(number, Decimal) for row in rows.values() for number in row)
        for command in ("SHOW MIRROR READINESS", "BEGIN", "SET x = 1"):
            with pytest.raises(psycopg2.errors.SyntaxError, match="syntax error in admin command"):
                cursor.execute(command)
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed for user 'admin'"):
        running.connect(password="wrong")
    assert psql(running, "SHOW VERSION", database="admin", PGPASSWORD="open")[0] == 0


def test_upstreams_takes_simple_queries_only(proxy):
    running = proxy("upstream")

    async def use():
        session = await asyncpg.connect(
            host=HOST, port=running.port, user="admin", database="admin", password="open", timeout=10
        )  # fmt: skip
        with pytest.raises(asyncpg.FeatureNotSupportedError):
            await session.fetch("SHOW MIRRORS")
        session.terminate()

    asyncio.run(use())


def test_nothing_counted_is_said(proxy):
    running = proxy(general="mirror_metrics_enabled = false\n")
    with closing(running.connect()) as session, session.cursor() as cursor:
        for command in ("SHOW MIRRORS", "SHOW MIRROR READINESS"):
            with pytest.raises(psycopg2.errors.ObjectNotInPrerequisiteState, match="mirror_metrics_enabled = true"):
                cursor.execute(command)


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (struct.pack(">ii", 8, 80877103) + struct.pack(">ii", 8, 80877104) + struct.pack(">ii", 7, 0), b"NN"),
        (struct.pack(">iiii", 16, 80877102, 1, 2), b""),
        (struct.pack(">ii", 8, 2 << 16), b""),
        (b"GET / HTTP/1.0\r\n\r\n", b""),
    ],
    ids=["asks for encryption, then nonsense", "cancels", "version 2", "HTTP"],
)
def test_what_is_no_session_ends(proxy, sent, answer):
    running = proxy()
    with socket.create_connection((HOST, running.admin_port), timeout=10) as client:
        client.sendall(sent)
        assert client.makefile("rb").read() == answer
    assert running.ask("SHOW VERSION")


@pytest.mark.parametrize("sent", [b"Q\x7f\xff\xff\xff", b"Q\0\0\0\0", b"?\0\0\0\x04", b"B\0\0\0\x05\0", b"Q\0\0\0\x04"])
def test_a_session_that_sends_nonsense_is_ended_with_a_reason(proxy, sent):
    running = proxy()
    startup = b"user\0admin\0database\0pgdog\0\0"
    with socket.create_connection((HOST, running.admin_port), timeout=10) as client:
        client.sendall(struct.pack(">ii", 8 + len(startup), 3 << 16) + startup + sent)
        assert b"C08P01" in client.makefile("rb").read()
    assert running.ask("SHOW VERSION")


def test_a_startup_in_pieces_is_one(proxy):
    running = proxy()
    startup = b"user\0admin\0database\0pgdog\0\0"
    with socket.create_connection((HOST, running.admin_port), timeout=10) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in struct.pack(">ii", 8 + len(startup), 3 << 16) + startup + b"X\0\0\0\x04":
            client.sendall(bytes([byte]))
        assert client.makefile("rb").read().endswith(b"Z\0\0\0\x05I")
