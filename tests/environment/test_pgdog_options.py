"""What a proxy is asked for stands in its files, in both dialects."""

from __future__ import annotations

import json
import tomllib
from typing import Any

import pytest

from environments import pgdog
from environments.pgdog import Mirrored, ProxyOptions, Readiness
from environments.sections.pgdog import Dialect
from environments.system import Endpoint

DIALECTS: tuple[Dialect, ...] = ("plan", "upstream")
PLACE = {"port": 6432, "admin_port": 6433, "metrics_port": 9090, "primary_port": 5001, "mirror_port": 5002}
PASSWORDS = {"app_password": 'quo"ted', "other_password": "b\\ack", "admin_password": "c"}
ASKED = ProxyOptions(
    databases=(
        Mirrored(exposure=0.5, queue=2, mirror=Endpoint("no.such.host", 1), mirror_database="elsewhere"),
        Mirrored("shop", "db_0"),
    ),
    readiness=Readiness(0.01, 250, 0.5, 7),
    connect_timeout_ms=300,
    query_timeout_ms=200,
)


def read(options: ProxyOptions, dialect: Dialect, **settings: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The configuration and the users as a proxy reads them."""
    written = pgdog.written(options, dialect, settings)
    assert written.users is not None
    values = PLACE | PASSWORDS
    return tomllib.loads(pgdog.filled(written.text, values)), tomllib.loads(pgdog.filled(written.users, values))


def test_the_plan_has_a_pool_for_each_database_and_one_for_its_mirror() -> None:
    content, _ = read(ASKED, "plan")
    host = "127.0.0.1"
    assert content["pools"] == [
        {"name": "app", "database": "app", "host": host, "port": 5001, "mirror_of": "app_mirror",
         "mirror_exposure": 0.5, "mirror_queue": 2},
        {"name": "app_mirror", "database": "elsewhere", "host": "no.such.host", "port": 1},
        {"name": "shop", "database": "db_0", "host": host, "port": 5001, "mirror_of": "shop_mirror",
         "mirror_exposure": 1.0},
        {"name": "shop_mirror", "database": "db_0", "host": host, "port": 5002},
    ]  # fmt: skip
    assert content["general"] == {
        "host": host, "port": 6432, "admin_port": 6433, "metrics_port": 9090, "mirror_metrics_enabled": True,
        "mirror_max_error_rate": 0.01, "mirror_max_latency_ms": 250, "mirror_min_runtime_hours": 0.5,
        "mirror_min_requests": 7, "connect_timeout": 300, "query_timeout": 200,
    }  # fmt: skip


def test_upstream_has_both_as_databases_and_says_who_mirrors_whom() -> None:
    content, _ = read(ASKED, "upstream")
    host = "127.0.0.1"
    assert content["databases"] == [
        {"name": "app", "host": host, "port": 5001, "database_name": "app"},
        {"name": "app_mirror", "host": "no.such.host", "port": 1, "database_name": "elsewhere"},
        {"name": "shop", "host": host, "port": 5001, "database_name": "db_0"},
        {"name": "shop_mirror", "host": host, "port": 5002, "database_name": "db_0"},
    ]
    assert content["mirroring"] == [
        {"source_db": "app", "destination_db": "app_mirror", "queue_length": 2, "exposure": 0.5},
        {"source_db": "shop", "destination_db": "shop_mirror", "exposure": 1.0},
    ]
    general = content["general"]
    assert (general["port"], general["openmetrics_port"]) == (6432, 9090)
    assert (general["connect_timeout"], general["checkout_timeout"], general["query_timeout"]) == (300, 300, 200)
    assert content["admin"] == {"name": "admin", "user": "admin", "password": "c"}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_user_has_its_login_on_both_sides_but_for_those_left_out(dialect: Dialect) -> None:
    _, users = read(ASKED, dialect)
    logins = {(user["name"], user["database"]): user["password"] for user in users["users"]}
    names = ("app", "app_mirror", "shop", "shop_mirror")
    assert logins == {(user, name): PASSWORDS[f"{user}_password"] for user in ("app", "other") for name in names}
    _, users = read(ProxyOptions(mirror_users=("other",)), dialect)
    listed = sorted((user["name"], user["database"]) for user in users["users"])
    assert listed == [("app", "app"), ("other", "app"), ("other", "app_mirror")]


def test_without_metrics_the_plan_says_so_and_upstream_has_no_page() -> None:
    plan, upstream = (read(ProxyOptions(metrics=False), dialect)[0]["general"] for dialect in DIALECTS)
    assert plan["mirror_metrics_enabled"] is False
    assert plan["metrics_port"] == 9090
    assert "openmetrics_port" not in upstream


@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_is_not_asked_for_is_left_to_the_program(dialect: Dialect) -> None:
    content, _ = read(ProxyOptions(), dialect)
    assert "query_timeout" not in content["general"]
    assert not any("queue" in key for table in content["pools" if dialect == "plan" else "mirroring"] for key in table)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_settings_of_the_environment_file_win(dialect: Dialect) -> None:
    general = read(ProxyOptions(), dialect, connect_timeout=9, pooler_mode="session")[0]["general"]
    assert (general["connect_timeout"], general["pooler_mode"]) == (9, "session")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_before_it_has_a_place_it_is_valid_and_holds_no_password(dialect: Dialect) -> None:
    written = pgdog.written(ASKED, dialect, {})
    assert written.users is not None
    assert tomllib.loads(written.text)["general"]["port"] == "@port@"
    assert {user["password"] for user in tomllib.loads(written.users)["users"]} == {
        "@app_password@",
        "@other_password@",
    }


def test_a_blank_that_is_not_known_stays() -> None:
    text = pgdog.filled('port = "@port@"\nhost = "@nobody@"\nuser = "@"', {"port": 5})
    assert text == 'port = 5\nhost = "@nobody@"\nuser = "@"'
    assert json.loads(pgdog.filled('"@p@"', {"p": 'a"\n'})) == 'a"\n'
