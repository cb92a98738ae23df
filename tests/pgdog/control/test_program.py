"""Starting, reloading and ending."""

from __future__ import annotations

import signal
import socket
from contextlib import closing

import psycopg2
import pytest

from tests.pgdog.control.conftest import HOST, USERS, Proxy, plan, value
from tests.waiting import until

pytestmark = pytest.mark.servers
SLOW = "mirror_max_latency_ms = 77\n"


def test_an_end_in_order(proxy):
    for number in (signal.SIGTERM, signal.SIGINT):
        running = proxy()
        running.process.send_signal(number)
        assert running.process.wait(15) == 0
        assert running.log.read_text().endswith("stopped\n")


def test_what_is_wrong_is_one_line_and_status_2(tmp_path):
    running = Proxy(tmp_path, general="connect_timeout = 0\n")
    assert running.process.wait(15) == 2
    cure = "0 is out of range; use at least 1"
    assert running.log.read_text() == f"error: {running.file}: general.connect_timeout: {cure}\n"


@pytest.mark.parametrize("key", ["port", "admin_port", "metrics_port"])
def test_a_port_that_is_taken_is_named(tmp_path, key):
    with socket.create_server((HOST, 0)) as taken:
        running = Proxy(tmp_path / key)
        first = running.process
        first.kill()
        first.wait(15)
        running.log.write_text("")
        setattr(running, key, taken.getsockname()[1])
        running.write()
        running.start()
        assert running.process.wait(15) == 2
        assert f"general.{key}: cannot listen on {taken.getsockname()[1]}" in running.log.read_text()


@pytest.mark.parametrize(("general", "status"), [("", 0), ("connect_timeout = 0\n", 2)])
def test_a_configuration_can_be_checked(tmp_path, general, status):
    running = Proxy(tmp_path, "plan", "--check", general=general)
    assert running.process.wait(15) == status
    assert ("can be used" in running.log.read_text()) == (status == 0)


def test_a_user_without_a_login_on_the_mirror_is_a_warning(tmp_path, proxy):
    running = proxy("upstream")
    running.end()
    (running.directory / "users.toml").write_text(USERS + '[[users]]\nname = "third"\ndatabase = "app"\n')
    running.log.write_text("")
    running.start()
    running.until_ready()
    [warning] = [line for line in running.log.read_text().splitlines() if "WARNING" in line]
    assert "'third' of 'app' has no login on 'app_mirror'" in warning


@pytest.mark.parametrize("dialect", ["plan", "upstream"])
def test_a_reload_keeps_counters_and_clients(proxy, dialect):
    running = proxy(dialect)
    running.count("succeed app app_mirror app 0.1")
    with socket.create_connection((HOST, running.port), timeout=10) as client, client.makefile("r") as answers:
        client.sendall(b"attempt app app_mirror app\n")
        assert answers.readline() == "ok\n"
        running.write("connect_timeout = 77\n")
        running.ask("RELOAD")
        assert dict(running.ask("SHOW CONFIG"))["connect_timeout"] == "77"
        client.sendall(b"attempt app app_mirror app\n")
        assert answers.readline() == "ok\n"
    assert dict(running.ask("SHOW STATS"))["attempted"] == 3


def test_a_signal_reloads_too(proxy):
    running = proxy()
    running.write(SLOW)
    running.process.send_signal(signal.SIGHUP)
    until(lambda: "reloaded" in running.log.read_text(), "the reload")
    assert ("  Max Latency: 77ms",) in running.ask("SHOW MIRROR READINESS")


def test_a_reload_of_a_bad_file_changes_nothing_and_names_the_key(proxy):
    running = proxy(general=SLOW)
    running.write("mirror_min_requests = -1\n")
    with closing(running.connect()) as session, session.cursor() as cursor:
        with pytest.raises(psycopg2.DatabaseError, match=r"general\.mirror_min_requests: -1 is out of range"):
            cursor.execute("RELOAD")
        cursor.execute("SHOW MIRROR READINESS")
        assert ("  Max Latency: 77ms",) in cursor.fetchall()
    running.process.send_signal(signal.SIGHUP)
    until(lambda: "reload refused" in running.log.read_text(), "the refusal in the log")
    assert running.get()[0] == 200


@pytest.mark.parametrize(
    ("general", "key"),
    [("mirror_metrics_enabled = false\n", "mirror_metrics_enabled"), ("", "port"), ("", "metrics_port")],
)
def test_what_needs_a_restart_is_refused_by_name(proxy, general, key):
    running = proxy()
    if not general:
        setattr(running, key, getattr(running, key) + 1)
    running.write(general)
    if not general:
        setattr(running, key, getattr(running, key) - 1)
    with pytest.raises(psycopg2.DatabaseError, match=rf"general\.{key}: cannot change while running; restart"):
        running.ask("RELOAD")


def test_the_dialect_needs_a_restart_too(proxy):
    running = proxy("upstream")
    running.file.write_text(plan())
    with pytest.raises(psycopg2.DatabaseError, match="dialect cannot change"):
        running.ask("RELOAD")


def test_a_restart_begins_at_zero(proxy):
    running = proxy()
    running.count("succeed app app_mirror app 0.1")
    assert value(running.samples(), "mirror", type="total") == 1
    assert running.end() == 0
    running.log.write_text("")
    running.start()
    running.until_ready()
    assert value(running.samples(), "mirror", type="total") == 0


def test_switched_off_metrics_have_no_family_and_the_rest_stays(proxy):
    running = proxy(general="mirror_metrics_enabled = false\n")
    running.count("succeed app app_mirror app 0.1")
    body = running.get()[2]
    assert "mirror" not in body
    assert "# HELP clients" in body
