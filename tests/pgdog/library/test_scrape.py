from __future__ import annotations

import http.server
import threading

import pytest

from measurement.prometheus import Answer
from PgDogLibrary.dialect import is_count
from PgDogLibrary.scrape import Scrape, faults, scrape
from tests.pgdog.library.test_dialect import text

KIND = "text/plain; version=0.0.4; charset=utf-8"


def answer(page, status=200, kind=KIND):
    return Answer(status, kind, page.encode(), 0.001)


@pytest.mark.parametrize(("dialect", "page"), [("plan", "plan-ten"), ("upstream", "upstream-two-users")])
def test_a_right_page_has_no_faults(dialect, page):
    assert faults(answer(text(page)), is_count(dialect)) == []


HEAD = "# TYPE mirror gauge\n# HELP mirror Mirror traffic\n"
TOTAL = 'mirror{type="total"} 1\n'


@pytest.mark.parametrize(
    ("page", "fault"),
    [
        (HEAD + TOTAL.rstrip("\n"), "the last line does not end with a newline"),
        (HEAD.replace("\n", "\r\n") + TOTAL, "lines end with carriage returns"),
        (TOTAL, "mirror has 0 HELP lines, expected one"),
        ("# HELP mirror x\n" + TOTAL, "mirror has 0 TYPE lines, expected one"),
        (HEAD + HEAD + TOTAL, "mirror has 2 TYPE lines, expected one"),
        (
            HEAD + TOTAL + '# TYPE a gauge\n# HELP a x\na 1\nmirror{type="b"} 1\n',
            "mirror: its lines do not stand togeth",
        ),
        (HEAD + TOTAL + TOTAL, 'mirror{type="total"} is 2 times on the page'),
        (HEAD + 'mirror{a="1",b="2"} 1\nmirror{b="2",a="1"} 1\n', 'mirror{a="1",b="2"} is 2 times on the page'),
        (HEAD + TOTAL.replace(" 1", " 1.000"), 'mirror{type="total"} is 1.000, which is no bare whole number'),
        (HEAD + TOTAL.replace(" 1", " -1"), "is -1, which is no bare whole number"),
        (HEAD + TOTAL.replace(" 1", " 1e3"), "is 1e3, which is no bare whole number"),
        (HEAD.replace("gauge", "number") + TOTAL, "mirror is of the unknown type 'number'"),
        (TOTAL + HEAD, "mirror: its TYPE line stands behind its samples"),
        ("# TYPE mirror\n# HELP mirror x\n" + TOTAL, "'# TYPE mirror' is no right TYPE line"),
        (HEAD + TOTAL + "mirror{ 1\n", "'mirror{ 1' is not a line of a Prometheus page"),
    ],
)
def test_each_fault_of_a_page_is_told(page, fault):
    assert any(told.startswith(fault) or fault in told for told in faults(answer(page), is_count("plan")))


def test_status_and_content_type_are_judged():
    assert faults(answer(HEAD + TOTAL, 500), is_count("plan")) == ["the status is 500, expected 200"]
    for kind in ("", "text/html; version=0.0.4; charset=utf-8", "text/plain; charset=utf-8"):
        [fault] = faults(answer(HEAD + TOTAL, kind=kind), is_count("plan"))
        assert f"the content type is '{kind}'" in fault
    broken = Answer(200, KIND, b"\xff\n", 0.0)
    assert "not UTF-8" in faults(broken, is_count("plan"))[0]


def test_parts_of_a_histogram_belong_to_it():
    page = '# HELP h x\n# TYPE h histogram\nh_bucket{le="+Inf"} 1\nh_sum 0.5\nh_count 1\n'
    page += "# HELP g x\n# TYPE g gauge\ng 1\n"
    assert faults(answer(page), is_count("plan")) == []
    assert faults(answer(page + "h_other 1\n"), is_count("plan")) == [
        "h_other has 0 HELP lines, expected one",
        "h_other has 0 TYPE lines, expected one",
    ]


def test_measured_values_may_have_decimals():
    assert faults(answer(HEAD + 'mirror{stat="avg_latency_ms"} 1.500\n'), is_count("plan")) == []


def test_a_series_is_found_by_exactly_its_labels():
    page = Scrape.of('a 5\na{x="1"} 2\na{x="1",y="2"} 3\nb 1\nb 2\n')
    assert (page.value("a"), page.value("a", x="1"), page.value("a", y="2", x="1")) == (5, 2, 3)
    assert page.value("a", y="2") is None
    assert page.has("a")
    assert not Scrape.of("a 5\n").has("b")
    with pytest.raises(AssertionError, match="b is 2 times on the page"):
        page.value("b")


def test_a_page_is_fetched_with_its_time_and_refused_with_its_status():
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path == "/metrics" else 500)
            self.end_headers()
            self.wfile.write(b"mirror_total_count 1\n" if self.path == "/metrics" else b"no memory")

        def log_message(self, *_):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/"
    page = scrape(url + "metrics")
    assert page.value("mirror_total_count") == 1
    assert page.answer.seconds > 0
    with pytest.raises(AssertionError, match="answers with status 500: no memory"):
        scrape(url)
    server.shutdown()
    server.server_close()
