"""Requests over HTTP: what is one, what is refused, with which status and code; and the pages beside /graphql."""

from __future__ import annotations

import http.client
import json
import socket
from contextlib import closing

import pytest

from environments.embedded.ports import HOST
from tests.fraiseql.gateway.programs import TOKEN, told

JSON = {"Content-Type": "application/json"}
MEBIBYTE = 1 << 20
ONE = "{ users(limit: 1) { name } }"
FIRST = {"data": {"users": [{"name": "Zoë Ångström"}]}}


def test_get_reads(gateway):
    query = "query Q($n: Int) { users(limit: $n) { name } } query R { __typename }"
    parameters = {"query": query, "variables": json.dumps({"n": 1}), "operationName": "Q"}
    answer = gateway.get("/graphql", params=parameters)
    assert (answer.status_code, answer.json()) == (200, FIRST)
    assert answer.headers["Content-Type"] == "application/json"


def test_get_changes_nothing(gateway, postgres):
    query = 'mutation { createUser(name: "got", email: "got@example.org") { id } }'
    answer = gateway.get("/graphql", params={"query": query})
    assert told(answer) == (405, "METHOD_NOT_ALLOWED")
    assert answer.headers["Allow"] == "POST"
    assert postgres.value("SELECT count(*) FROM tb_user WHERE name = 'got'") == 0


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("{", 200, "PARSE_ERROR"),
        ("{ users { colour } }", 200, "VALIDATION_ERROR"),
        ("{ __schema { types { name } } }", 200, "INTROSPECTION_DISABLED"),
        ("{ users(limit: -1) { id } }", 400, "BAD_USER_INPUT"),
        ('{ user(id: "1") { id } }', 400, "BAD_USER_INPUT"),
        ("query A { __typename } query B { __typename }", 400, "REQUEST_ERROR"),
    ],
)
def test_a_document_is_refused(gateway, query, status, code):
    assert gateway.refused(query) == (status, code)
    assert told(gateway.get("/graphql", params={"query": query})) == (status, code)
    assert gateway.post(ONE).json() == FIRST


def test_an_error_tells_where_it_is(gateway):
    answer = gateway.post("{ users {\n colour } }").json()
    message = "Cannot query field 'colour' on type 'User'."
    assert answer == {
        "errors": [{"message": message, "code": "VALIDATION_ERROR", "locations": [{"line": 2, "column": 2}]}]
    }


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "REQUEST_ERROR"),
        (b"{", 400, "REQUEST_ERROR"),
        (b'{"query": "\xff"}', 400, "REQUEST_ERROR"),
        (b'"text"', 400, "REQUEST_ERROR"),
        (b"{}", 400, "REQUEST_ERROR"),
        (b'{"query": null}', 400, "REQUEST_ERROR"),
        (b'{"query": " "}', 400, "REQUEST_ERROR"),
        (b'{"query": "{ __typename }", "variables": [1]}', 400, "REQUEST_ERROR"),
        (b'{"query": "{ __typename }", "operationName": 3}', 400, "REQUEST_ERROR"),
        (json.dumps({"query": "{ __typename }", "variables": dict.fromkeys(map(str, range(1001)))}).encode(), 400,
         "REQUEST_ERROR"),
        (b'[{"query": "{ __typename }"}]', 422, "UNPROCESSABLE"),
    ],
    ids=lambda value: value[:30] if isinstance(value, bytes) else None,
)  # fmt: skip
def test_a_body_is_refused(gateway, body, status, code):
    assert told(gateway.send(data=body, headers=JSON)) == (status, code)


def test_bodies_may_say_more_and_less(gateway):
    body: dict[str, object] = {"query": ONE, "variables": None, "operationName": None, "extensions": {}}
    assert gateway.send(json=body).json() == FIRST
    answer = gateway.send(data=json.dumps({"query": ONE}), headers={"Content-Type": "Application/JSON; charset=utf-8"})
    assert answer.json() == FIRST


@pytest.mark.parametrize("kind", ["application/graphql", "application/x-www-form-urlencoded", "text/plain", ""])
def test_other_content_types_are_refused(gateway, kind):
    answer = gateway.send(data=json.dumps({"query": ONE}), headers={"Content-Type": kind})
    assert told(answer) == (415, "UNSUPPORTED_MEDIA_TYPE")
    assert answer.json()["errors"][0]["extensions"] == {"code": "UNSUPPORTED_MEDIA_TYPE"}


def padded(size: int) -> bytes:
    body: bytes = json.dumps({"query": ONE}).encode()
    return body + b" " * (size - len(body))


def test_the_largest_body_is_served_and_one_byte_more_refused(gateway):
    assert gateway.send(data=padded(MEBIBYTE), headers=JSON).json() == FIRST
    assert told(gateway.send(data=padded(MEBIBYTE + 1), headers=JSON)) == (413, "PAYLOAD_TOO_LARGE")
    assert told(gateway.send(data=iter([b"{" * MEBIBYTE] * 2), headers=JSON)) == (413, "PAYLOAD_TOO_LARGE")
    assert gateway.post(ONE).json() == FIRST


def test_who_sends_far_too_much_can_read_why_it_is_refused(gateway):
    with closing(http.client.HTTPConnection(HOST, gateway.port, timeout=30)) as client:
        client.request("POST", "/graphql", padded(8 * MEBIBYTE), JSON)  # fails where nobody reads all of it
        answer = client.getresponse()
        assert (answer.status, json.loads(answer.read())["errors"][0]["code"]) == (413, "PAYLOAD_TOO_LARGE")


def test_like_upstream_a_bad_body_is_refused_in_plain_text(start):
    gateway = start(top='compat = "upstream"').ready()
    for body, status in ((b"{", 400), (b"[]", 422), (padded(MEBIBYTE + 1), 413)):
        answer = gateway.send(data=body, headers=JSON)
        assert (answer.status_code, answer.headers["Content-Type"]) == (status, "text/plain; charset=utf-8")
        assert answer.text
    assert told(gateway.send(data=b"{}", headers=JSON)) == (400, "REQUEST_ERROR")


def test_a_long_comment_is_no_reason_to_refuse(gateway):
    assert gateway.post(ONE + "#" + "x" * 900_000).json() == FIRST


@pytest.mark.parametrize(
    ("parameters", "status", "code"),
    [
        ({}, 400, "REQUEST_ERROR"),
        ({"query": ONE, "variables": "{"}, 400, "REQUEST_ERROR"),
        ({"query": ONE, "variables": "[1]"}, 400, "REQUEST_ERROR"),
        ({"query": ONE + " " * 65_535}, 413, "PAYLOAD_TOO_LARGE"),
    ],
    ids=["no query", "no JSON", "no object", "too long"],
)
def test_a_get_is_refused(gateway, parameters, status, code):
    assert told(gateway.get("/graphql", params=parameters)) == (status, code)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
def test_other_methods_are_refused(gateway, method):
    answer = gateway.session.request(method, f"{gateway.url}/graphql", timeout=30)
    assert told(answer) == (405, "METHOD_NOT_ALLOWED")
    assert answer.headers["Allow"] == "GET, POST"
    assert told(gateway.session.request(method, f"{gateway.url}/health", timeout=30)) == (405, "METHOD_NOT_ALLOWED")


def test_what_is_no_http_is_refused(gateway):
    with socket.create_connection((HOST, gateway.port), 10) as client:
        client.sendall(b"\x16\x03\x01 what is this\r\n\r\n")
        head, _, body = b"".join(iter(lambda: client.recv(4096), b"")).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert json.loads(body)["errors"][0]["code"] == "REQUEST_ERROR"


def test_there_is_nothing_elsewhere(gateway):
    assert told(gateway.get("/elsewhere")) == (404, "NOT_FOUND")


def test_a_client_that_hangs_up_in_its_body_harms_nobody(gateway):
    with socket.create_connection((HOST, gateway.port)) as client:
        client.sendall(
            b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"
        )
    assert gateway.post(ONE).json() == FIRST


def test_health_and_readiness_say_what_is_true(gateway):
    health = gateway.get("/health")
    assert health.status_code == 200
    assert health.json()["status"] == "healthy"
    assert health.json()["database"].keys() == {
        "connected", "database_type", "active_connections", "idle_connections",
    }  # fmt: skip
    assert "cache" not in health.json()
    ready = gateway.get("/readiness")
    assert (ready.status_code, ready.json()) == (200, {"status": "ready"})


def test_metrics_are_for_who_has_the_token(gateway, start):
    assert told(gateway.get("/metrics")) == (401, "UNAUTHENTICATED")
    assert told(gateway.get("/metrics", headers={"Authorization": f"Basic {TOKEN}"})) == (401, "UNAUTHENTICATED")
    assert told(gateway.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}x"})) == (403, "FORBIDDEN")
    page = gateway.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert page.status_code == 200
    assert page.headers["Content-Type"].startswith("text/plain")
    without = start(top="").ready()
    without.file.write_text(without.file.read_text().replace("metrics_enabled = true", ""))
    without.end()
    without.launch()
    assert told(without.ready().get("/metrics")) == (404, "NOT_FOUND")


NAMES = """fraiseql_graphql_queries_total fraiseql_graphql_queries_success fraiseql_graphql_queries_error
fraiseql_graphql_query_duration_ms fraiseql_database_queries_total fraiseql_validation_errors_total
fraiseql_parse_errors_total fraiseql_execution_errors_total fraiseql_http_requests_total fraiseql_http_responses_2xx
fraiseql_http_responses_4xx fraiseql_http_responses_5xx fraiseql_cache_hits fraiseql_cache_misses
fraiseql_cache_hit_ratio fraiseql_db_pool_connections_total fraiseql_db_pool_connections_idle
fraiseql_db_pool_connections_active fraiseql_db_pool_requests_waiting fraiseql_query_duration_seconds_count
fraiseql_http_request_duration_seconds_count fraiseql_flight_streams_active"""


def test_metrics_count(gateway):
    before = gateway.counters()
    for _ in range(3):
        gateway.post(ONE)
    gateway.refused("{ users { colour } }")
    gateway.refused("{")
    gateway.refused('{ user(id: "1") { id } }')
    gateway.get("/elsewhere")
    after = gateway.counters()
    moved = {name: after[name] - before.get(name, 0) for name in after if after[name] != before.get(name, 0)}
    assert {name: moved.get(f"fraiseql_{name}", 0) for name in (
        "graphql_queries_total", "graphql_queries_success", "graphql_queries_error", "database_queries_total",
        "validation_errors_total", "parse_errors_total", "execution_errors_total", "http_requests_total",
        "http_responses_2xx", "http_responses_4xx", "http_responses_5xx",
    )} == {
        "graphql_queries_total": 6, "graphql_queries_success": 3, "graphql_queries_error": 3,
        "database_queries_total": 3, "validation_errors_total": 1, "parse_errors_total": 1,
        "execution_errors_total": 1, "http_requests_total": 8, "http_responses_2xx": 6, "http_responses_4xx": 2,
        "http_responses_5xx": 0,
    }  # fmt: skip
    assert moved['fraiseql_query_duration_seconds_count{operation="query"}'] == 6
    present = {name.partition("{")[0] for name in after}
    assert set(NAMES.split()) <= present
