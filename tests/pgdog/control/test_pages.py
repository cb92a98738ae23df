"""The page over HTTP: what is answered, and that nobody who asks strangely is in the way of others."""

from __future__ import annotations

import socket

import pytest

from tests.pgdog.control.conftest import HOST, value

pytestmark = pytest.mark.servers


def raw(running, request, *, close=False):
    with socket.create_connection((HOST, running.metrics_port), timeout=10) as client:
        client.sendall(request)
        if close:
            client.shutdown(socket.SHUT_WR)
        return client.makefile("rb").read()


def test_the_page(proxy):
    running = proxy()
    status, headers, body = running.get()
    assert status == 200
    assert headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert int(headers["Content-Length"]) == len(body.encode())
    assert running.get("/metrics?name=x")[0] == 200
    running.count("succeed app app_mirror app 0.1")
    assert value(running.samples(), "mirror", type="mirrored") == 1


def test_head_is_the_page_without_it(proxy):
    status, headers, body = proxy().get(method="HEAD")
    assert (status, body) == (200, "")
    assert int(headers["Content-Length"]) > 100


def test_other_paths_and_methods(proxy):
    running = proxy()
    assert running.get("/")[0] == 404
    assert "see /metrics" in running.get("/other")[2]
    status, headers, _ = running.get(method="POST")
    assert (status, headers["Allow"]) == (405, "GET, HEAD")


def test_upstreams_page_stands_at_every_path(proxy):
    running = proxy("upstream")
    assert "mirror_total_count" in running.get("/anything")[2]
    assert running.get(method="DELETE")[0] == 405


@pytest.mark.parametrize(
    ("request_", "close"),
    [
        (b"nonsense\r\n\r\n", False),
        (b"GET /metrics\r\n\r\n", False),
        (b"GET metrics HTTP/1.1\r\n\r\n", False),
        (b"GET /metrics FTP/1.1\r\n\r\n", False),
        (b"\x00\xff\xfe\r\n\r\n", False),
        (b"GET /metrics HTTP/1.1\r\n", True),
        (b"", True),
        (b"GET /" + b"x" * 20_000, False),
    ],
    ids=["nonsense", "HTTP/0.9", "no path", "not HTTP", "bytes", "unfinished", "nothing", "too long"],
)
def test_bad_requests(proxy, request_, close):
    running = proxy()
    assert raw(running, request_, close=close).startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert running.get()[0] == 200


def test_those_who_ask_and_do_not_go_on_are_not_in_the_way(proxy):
    running = proxy()
    idle = [socket.create_connection((HOST, running.metrics_port), timeout=10) for _ in range(40)]
    try:
        assert running.get()[0] == 200
        assert running.ask("SHOW VERSION")
    finally:
        for one in idle:
            one.close()
