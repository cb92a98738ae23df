"""How to reach a system that was kept up is told on every console, and what can be asked of it by hand is at hand."""

from __future__ import annotations

import stat
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace

import jwt
import pytest
from robot.api.types import Secret

import EnvironmentLibrary
from environments.embedded.kept import describe_fraiseql
from environments.system import (
    ClickHouseAddress,
    Endpoint,
    FraiseqlAddresses,
    Identity,
    Login,
    Running,
    SearchAddress,
    running,
    use,
)
from runner import progress

TEXT = "kept: psql 127.0.0.1:5432"


@pytest.fixture
def said(tmp_path, monkeypatch):
    """Keep a system up, and return what Robot Framework's own console was told."""
    lines: list[str] = []
    cluster = SimpleNamespace(keep=lambda results: TEXT)
    monkeypatch.setattr(
        EnvironmentLibrary, "BuiltIn", lambda: SimpleNamespace(get_variable_value=lambda name, default: True)
    )
    monkeypatch.setattr("robot.api.logger.console", lines.append)
    use(Running("kept", "embedded", "quick", str(tmp_path), 1.0, 7, system=cluster, system_name="cluster"))
    yield lines
    progress.observe(None)
    use(None)


def test_our_console_shows_it_above_its_status_line(said):
    shown: list[tuple[str, str]] = []
    progress.observe(lambda kind, text: shown.append((kind, text)))
    EnvironmentLibrary.EnvironmentLibrary().stop_system("cluster")
    assert (shown, said) == ([("note", TEXT)], [])
    assert running().system is None


def test_another_console_shows_it_too(said):
    EnvironmentLibrary.EnvironmentLibrary().stop_system("cluster")
    assert said == [TEXT]


@pytest.fixture
def reach(tmp_path):
    """Keep a FraiseQL; return the file that tells a shell how to reach it."""
    (tmp_path / "state").mkdir()
    where = FraiseqlAddresses(
        http="http://127.0.0.1:8000",
        flight="grpc://127.0.0.1:50051",
        session_secret=Secret("it's a session secret of more than 32"),
        metrics_token=Secret("metrics"),
        identity=Identity("http://127.0.0.1:9", "fraiseql", Path("/keys/key.pem"), "acceptance"),
        database=Endpoint("127.0.0.1", 5432),
        database_name="fraiseql",
        owner=Login("owner", Secret("password")),
        views=(),
        upload_table="tb_import",
        stream="events",
        subject="fraiseql",
        nats="nats://acceptance:nats-password@127.0.0.1:4222",
        clickhouse=ClickHouseAddress("http://127.0.0.1:8123", Login("default", Secret("ch")), "default", "events"),
        search=SearchAddress("http://127.0.0.1:9200", "fraiseql"),
        redis=Endpoint("127.0.0.1", 6379),
        redis_password=Secret("redis"),
    )
    text = describe_fraiseql(
        where, ["mutations"], {"gateway": 41, "observer-search": 42}, tmp_path / "state", 7, tmp_path
    )
    assert str(tmp_path / "state" / "reach.sh") in text
    return tmp_path / "state" / "reach.sh"


def in_a_shell(reach: Path, name: str) -> str:
    done = subprocess.run(["bash", "-c", f'. {reach}; printf %s "${name}"'], capture_output=True, text=True, check=True)
    return done.stdout


def test_a_shell_knows_addresses_processes_and_where_things_are(reach):
    expected = {
        "FRAISEQL_HTTP": "http://127.0.0.1:8000",
        "FRAISEQL_FLIGHT": "grpc://127.0.0.1:50051",
        "FRAISEQL_ISSUER": "http://127.0.0.1:9",
        "FRAISEQL_IDENTITY_KEY": "/keys/key.pem",
        "FRAISEQL_STATE": str(reach.parent),
        "FRAISEQL_LOGS": str(reach.parent.parent / "sut"),
        "GATEWAY_PID": "41",
        "OBSERVER_SEARCH_PID": "42",
        "PGDATABASE": "fraiseql",
    }
    assert {name: in_a_shell(reach, name) for name in expected} == expected
    assert stat.S_IMODE(reach.stat().st_mode) == 0o600


def test_its_session_token_is_valid_for_the_day_and_for_flight_only(reach):
    secret = in_a_shell(reach, "FRAISEQL_SESSION_SECRET")
    claims = jwt.decode(in_a_shell(reach, "FRAISEQL_TOKEN"), secret, algorithms=["HS256"])
    assert claims.keys() == {"sub", "iat", "exp", "scopes", "session_type"}
    assert (claims["scopes"], claims["session_type"]) == ([], "flight")
    assert 23 * 3600 < claims["exp"] - time.time() <= 24 * 3600
