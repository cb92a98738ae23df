from __future__ import annotations

import http.server
import threading

import pytest

from measurement.prometheus import Sample, fetch, read_page, samples


def test_labels_and_values_are_read():
    assert samples('a_b{topic="an \\"other\\"",x="1\\n2"} 2.5e3\n\n# c\nb NaN')[0] == Sample(
        "a_b", {"topic": 'an "other"', "x": "1\n2"}, 2500.0
    )
    assert [s.written for s in samples("a 12.0\nb 7 1700000000000\nc{} +Inf")] == ["12.0", "7", "+Inf"]


@pytest.mark.parametrize(
    "wrong",
    ["no value", "a{", "a b c d", 'a{b="c} 1', 'a{b="c" d="e"} 1', 'a{b="\\x"} 1', "a{b=c} 1", "a 1_000", "9a 1"],
)
def test_what_is_no_line_of_a_page_is_told(wrong):
    with pytest.raises(AssertionError, match="is not a line of a Prometheus page"):
        samples(f"right 1\n{wrong}")


def test_counters_without_total_keep_their_names():
    assert [s.name for s in samples("# TYPE mirror_total_count counter\nmirror_total_count 5")] == [
        "mirror_total_count"
    ]


def test_a_page_comes_over_http_or_not_at_all():
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path == "/metrics" else 404)
            self.send_header("Content-Type", "text/plain")
            self.end_headers()
            self.wfile.write(b"a 1\n")

        def log_message(self, *_):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/"
    assert read_page(url + "metrics") == [Sample("a", {}, 1.0)]
    with pytest.raises(AssertionError, match="answers with status 404"):
        read_page(url)
    answer = fetch(url)
    assert (answer.status, answer.content_type, answer.body) == (404, "text/plain", b"a 1\n")
    server.shutdown()
    server.server_close()
    with pytest.raises(AssertionError, match="does not answer"):
        read_page(url)
