from __future__ import annotations

import csv
import io
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from HAProxyLibrary import statistics
from HAProxyLibrary.statistics import NoStatistics

RECORDED = Path(__file__).with_name("statistics-2.8.25.csv").read_text(encoding="utf-8")  # three members, member1 leads


def changed(proxy, server, **columns):
    """The recorded page with some columns of one server changed."""
    rows = list(csv.DictReader(io.StringIO(RECORDED.removeprefix("# "))))
    for row in rows:
        if (row["pxname"], row["svname"]) == (proxy, server):
            row.update(columns)
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return "# " + out.getvalue()


def test_a_recorded_page_shows_one_primary_and_two_replicas_up():
    page = statistics.parse(RECORDED)
    assert page.up("primary") == ("member1",)
    assert sorted(page.up("replicas")) == ["member2", "member3"]


def test_frontends_and_backends_are_no_servers():
    assert {s.name for s in statistics.parse(RECORDED).servers} == {"member1", "member2", "member3"}


def test_columns_are_found_by_name_wherever_they_stand():
    rows = list(csv.DictReader(io.StringIO(RECORDED.removeprefix("# "))))
    out = io.StringIO()
    writer = csv.DictWriter(out, list(reversed(rows[0])))
    writer.writeheader()
    writer.writerows(rows)
    assert statistics.parse("# " + out.getvalue()) == statistics.parse(RECORDED)


def test_a_second_server_that_is_up_is_seen():
    page = statistics.parse(changed("primary", "member2", status="UP", check_status="L7OK"))
    assert sorted(page.up("primary")) == ["member1", "member2"]


@pytest.mark.parametrize(
    "columns",
    [
        {"status": "DOWN", "check_status": "L7STS"},
        {"status": "no check", "check_status": ""},
        {"status": "UP", "check_status": ""},  # nobody checks it, so nobody knows
        {"status": "UP 1/2", "check_status": "L7OK"},  # on its way up or down
        {"status": "MAINT", "check_status": "L7OK"},
    ],
)
def test_only_a_confirmed_server_is_up(columns):
    assert statistics.parse(changed("primary", "member1", **columns)).up("primary") == ()


def test_a_check_under_way_still_tells_its_last_result():
    page = statistics.parse(changed("primary", "member1", check_status="* L7OK"))
    assert page.up("primary") == ("member1",)
    assert "member1 UP (L7OK, " in page.describe("primary")


def test_sessions_are_counted_by_server():
    page = statistics.parse(changed("primary", "member2", scur="3"))
    assert {s.name: s.sessions for s in page.of("primary") if s.name != "member1"} == {"member2": 3, "member3": 0}
    assert "member2 DOWN (L7STS, 3 sessions)" in page.describe("primary")


def test_an_unknown_proxy_is_named_with_those_there_are():
    with pytest.raises(LookupError, match="no proxy 'batman' with servers; it has: primary, replicas"):
        statistics.parse(RECORDED).up("batman")


@pytest.mark.parametrize("text", ["", "<html>", "# pxname,svname\nprimary,member1\n"])
def test_what_is_no_statistics_page_is_said_so(text):
    with pytest.raises(NoStatistics):
        statistics.parse(text)


@pytest.fixture
def page():
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            status = 200 if self.path == "/stats;csv" else 401
            self.send_response(status)
            self.end_headers()
            self.wfile.write(RECORDED.encode())

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("path", ["/stats", "/stats;csv"])
def test_the_page_is_read_with_or_without_its_suffix(page, path):
    assert statistics.read(page + path).up("primary") == ("member1",)


def test_any_other_status_is_no_statistics(page):
    with pytest.raises(NoStatistics, match="answered 401, not 200"):
        statistics.read(page + "/other")


def test_a_page_that_is_not_there_is_no_statistics():
    with pytest.raises(NoStatistics, match="does not answer"):
        statistics.read("http://127.0.0.1:1/")
