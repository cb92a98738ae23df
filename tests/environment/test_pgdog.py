"""PgDog of the embedded environment: it starts, more proxies can be started beside the first, and nothing is left."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import psycopg2
import pytest
import requests
from psycopg2.extensions import connection

import environments
from environments.config import EnvironmentFile, load_environment
from environments.embedded import vendor_pgdog
from environments.embedded.pgdog import EmbeddedPgdog
from environments.embedded.processes import wait_until
from environments.embedded.proxy import Proxy, Ways
from environments.errors import EnvironmentProblem
from environments.external.pgdog import ExternalPgdog
from environments.pgdog import DATABASES, Mirrored, ProxyOptions
from environments.system import Endpoint, Login, PgdogAddresses
from FaultLibrary import doors
from FaultLibrary.observers import Outcome
from tests.environment.conftest import Homes

pytestmark = pytest.mark.servers

VENDOR = vendor_pgdog.cache_directory() / "bin" / "pgdog"
WAYS = {
    "plan": {},
    "upstream": {"dialect": "upstream"},
    "vendor": pytest.param(
        {"vendor": True, "path": str(VENDOR)},
        marks=pytest.mark.skipif(not VENDOR.exists(), reason="this user has not built the vendor's PgDog"),
    ),
}


@pytest.fixture(scope="module", params=list(WAYS.values()), ids=list(WAYS))
def system(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPgdog]:
    overlay = {"systems": {"pgdog": {"services": {"proxy": request.param}}}}
    file = load_environment("embedded", overlay)
    one = environments.start_system("pgdog", file, tmp_path_factory.mktemp("results"))
    assert isinstance(one, EmbeddedPgdog)
    yield one
    assert one.stop() == []
    assert not one.directory.exists()


def connected(endpoint: Endpoint, database: str, login: Login) -> connection:
    session = psycopg2.connect(
        host=endpoint.host, port=endpoint.port, dbname=database, user=login.user, password=login.password.value
    )
    session.autocommit = True
    return session


def asked(endpoint: Endpoint, database: str, login: Login, statement: str) -> list[tuple[object, ...]]:
    with closing(connected(endpoint, database, login)) as session, session.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def mirrored(system: EmbeddedPgdog, client: Endpoint, name: str, database: str, table: str) -> None:
    """Write through a proxy as each user, and wait for the rows on the mirror."""
    where = system.addresses
    for login in where.users:
        mine = f"{table}_{login.user}"
        asked(client, name, login, f"CREATE TABLE {mine} (a int)")
        asked(client, name, login, f"INSERT INTO {mine} VALUES (7)")

        def missing(mine: str = mine) -> str | None:
            try:
                rows = asked(where.mirror, database, where.superuser, f"SELECT a FROM {mine}")
            except psycopg2.errors.UndefinedTable:
                return "no table"
            return None if rows == [(7,)] else f"rows {rows}"

        wait_until(missing, 10, f"{mine} on the mirror")


def test_both_servers_have_the_users_and_the_databases(system: EmbeddedPgdog) -> None:
    where = system.addresses
    for server in (where.primary, where.mirror):
        for login in where.users:
            for database in DATABASES:
                asked(server, database, login, "CREATE TABLE probe (); DROP TABLE probe")
        ((logging,),) = asked(server, "app", where.superuser, "SELECT current_setting('fsync')")
        assert logging == "off"


def test_what_is_written_through_the_proxy_is_mirrored_for_both_users(system: EmbeddedPgdog) -> None:
    mirrored(system, system.addresses.client, "app", "app", "first")
    assert system.link_counters("proxy-mirror")["connections"] > 0
    assert "mirror" in requests.get(str(system.addresses.metrics), timeout=5).text


def test_another_proxy_has_databases_ports_and_files_of_its_own(system: EmbeddedPgdog) -> None:
    options = ProxyOptions(databases=(Mirrored("shop", "db_0", mirror_database="db_1"), Mirrored("other", "other")))
    another = system.launch(options)
    assert another.client != system.addresses.client
    assert another.options == options
    mirrored(system, another.client, "shop", "db_1", "second")
    assert asked(another.client, "other", system.users[0], "SELECT 1") == [(1,)]
    another.control.stop()
    wait_until(lambda: "not waited for" if another.exit_status() is None else None, 5, "its end to be known")
    assert another.exit_status() == 0
    system.end(another)  # of one that has ended already
    assert asked(system.addresses.client, "app", system.users[0], "SELECT 1") == [(1,)]


def test_a_proxy_reads_its_new_configuration_when_it_is_told(system: EmbeddedPgdog) -> None:
    another = system.launch(ProxyOptions())
    another.reconfigure(ProxyOptions(databases=(Mirrored("app"), Mirrored("later", "db_2"))))
    with pytest.raises(psycopg2.OperationalError):
        asked(another.client, "later", system.users[0], "SELECT 1")
    os.kill(another.control.roots()[0], signal.SIGHUP)

    def missing() -> str | None:
        try:
            asked(another.client, "later", system.users[0], "SELECT 1")
        except psycopg2.OperationalError as error:
            return str(error)
        return None

    wait_until(missing, 10, "the new database")
    system.end(another)


def test_a_wrong_configuration_is_refused_with_its_key(system: EmbeddedPgdog) -> None:
    written = system.configuration(ProxyOptions())
    wrong = system.launch_raw(written.text.replace("port =", "prot =", 1), written.users)
    wait_until(lambda: "it runs" if wrong.exit_status() is None else None, 10, "the proxy to refuse it")
    assert wrong.exit_status() in (1, 2)
    assert "prot" in wrong.log.read_text(encoding="utf-8")
    right = system.launch_raw(written.text, written.users)
    wait_until(right.missing, 10, "the same without the mistake")
    system.end(right)


def test_every_service_answers_at_its_door_and_every_link_can_be_cut(system: EmbeddedPgdog) -> None:
    named = {facts.name for facts in system.facts}
    assert named == system.services.keys() - {"links"}
    for name in named:
        (door,) = doors.of_service(system, name)
        assert door.knock().outcome is Outcome.ANSWERS, name
    for link in ("client-proxy", "proxy-mirror"):
        assert doors.of_link(system, link).knock().outcome is Outcome.ANSWERS, link
        system.set_link(link, {"cut": True})
        try:
            assert doors.of_link(system, link).knock().outcome is Outcome.REFUSES, link
        finally:
            system.set_link(link, None)


def test_prometheus_sees_the_proxy_and_pgbouncer_leads_to_the_primary(system: EmbeddedPgdog) -> None:
    if not {"prometheus", "pgbouncer"} <= system.capabilities:
        pytest.skip("no Prometheus or no PgBouncer on this machine")
    where = system.addresses

    def missing() -> str | None:
        query = {"query": '{__name__=~"mirror.*"}'}
        answer = requests.get(f"{where.prometheus}/api/v1/query", params=query, timeout=5).json()
        return None if answer["data"]["result"] else "no series of the mirror"

    wait_until(missing, 20, "a scrape")  # the first one comes after 5 s
    assert where.pgbouncer is not None
    for login in where.users:
        port = asked(where.pgbouncer, "app", login, "SELECT inet_server_port()")
        assert port == [(where.primary.port,)]
    bouncer = psutil.Process(system.services["pgbouncer"].roots()[0])
    assert bouncer.is_running()


def test_a_killed_mirror_comes_back_with_its_rows(system: EmbeddedPgdog) -> None:
    where = system.addresses
    asked(where.mirror, "db_9", where.superuser, "CREATE TABLE kept AS SELECT 1 AS a")
    system.services["mirror"].kill()
    with pytest.raises(psycopg2.OperationalError):
        asked(where.mirror, "db_9", where.superuser, "SELECT 1")
    system.services["mirror"].start()
    system.ready(system.mirror)
    assert asked(where.mirror, "db_9", where.superuser, "SELECT a FROM kept") == [(1,)]


def test_a_proxy_that_overhears_the_first_request_to_stop_is_asked_again(homes: Homes, tmp_path: Path) -> None:
    heard = tmp_path / "heard"
    script = f"import signal, sys; n = []; f = open({str(heard)!r}, 'w')\n"
    script += "signal.signal(2, lambda *_: (f.write('SIGINT '), f.flush(), n and sys.exit(0), n.append(1)))\n"
    script += "f.write('ready '); f.flush()\nwhile True: signal.pause()"
    ways = Ways([sys.executable, "-c", script], "plan", {}, {"admin_password": "x"})
    proxy = Proxy(homes.home("proxy"), ways, homes.endpoint(), homes.endpoint)
    proxy.stop_deadline = 0.5
    proxy.start()
    wait_until(lambda: None if heard.exists() and heard.read_text() else "not there yet", 10, "it to start")
    proxy.stop()
    assert heard.read_text() == "ready SIGINT SIGINT "


def mine(**services: Any) -> EnvironmentFile:
    section = {"capabilities": ["process-faults"], "services": services}
    return EnvironmentFile.model_validate({"name": "mine", "driver": "embedded", "systems": {"pgdog": section}})


def test_a_proxy_that_ends_while_starting_is_told_with_its_log(tmp_path: Path) -> None:
    program = tmp_path / "pgdog"
    program.write_text('#!/bin/sh\necho "PgDog v0.1.17 [main]"; exit 3\n', encoding="utf-8")
    program.chmod(0o755)
    with pytest.raises(EnvironmentProblem, match=r"proxy: ended with status 3 while starting; read .*proxy\.log"):
        environments.start_system("pgdog", mine(proxy={"vendor": True, "path": str(program)}), tmp_path / "results")


def test_what_is_kept_can_be_tested_by_the_external_driver(
    system: EmbeddedPgdog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(system.keeper, "detach", lambda: system.keeper.pid)  # it is needed by the tests after this one
    text = system.keep(tmp_path)
    assert f"proxy {system.addresses.client}" in text
    for line in (system.directory / "reach.sh").read_text(encoding="utf-8").splitlines():
        name, _, value = line.removeprefix("export ").partition("=")
        monkeypatch.setenv(name, value)
    assert os.environ["PGDOG_PRIMARY_PORT"] == str(system.addresses.primary.port)
    assert os.environ["PGDOG_MIRROR_PORT"] == str(system.addresses.mirror.port)
    assert os.environ["PGDOG_METRICS"] == system.addresses.metrics
    assert (Path(os.environ["PGDOG_STATE"]) / "proxy" / "pgdog.toml").is_file()
    assert os.environ["PGDOG_LOGS"] == str(tmp_path / "sut")
    file = load_environment(str(tmp_path / "kept.yaml"))
    assert environments.preflight(file) == []
    external = environments.start_system("pgdog", file, tmp_path)
    ours, theirs = system.addresses, external.addresses
    secret = {"users": 0, "superuser": 0, "admin": 0}
    assert {**vars(theirs), **secret} == {**vars(ours), **secret}
    assert external.capabilities == system.capabilities - {"process-faults", "link-faults", "steady-machine"}
    assert isinstance(theirs, PgdogAddresses)
    assert asked(theirs.client, "app", theirs.users[1], "SELECT 1") == [(1,)]
    assert isinstance(external, ExternalPgdog)
    proxy = external.proxy
    assert (proxy.client, proxy.metrics, proxy.admin.endpoint) == (
        ours.client,
        ours.metrics,
        system.proxy.admin.endpoint,
    )
    assert proxy.options is None
    with pytest.raises(LookupError, match="declare no 'process-faults'"):
        proxy.control.processes()
    assert external.stop() == []
