"""Every defect does the wrong thing it is named for, and a gateway without it does not."""

from __future__ import annotations

import json
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from time import monotonic

import jwt
import psutil
import pyarrow.flight as fl
import pytest
import requests

from environments.embedded.ports import HOST
from reference.fraiseql.gateway.defects import Defect
from reference.fraiseql.gateway.parts import Parts
from reference.fraiseql.gateway.wrong.switch import parts_with
from tests.fraiseql.gateway.conftest import ROOMY
from tests.fraiseql.gateway.programs import SECRET, told
from tests.fraiseql.gateway.test_requests import JSON, MEBIBYTE, padded
from tests.waiting import until

FIRST = {"name": "Zoë Ångström", "email": "user1@example.org"}


def over_flight(gateway, query):
    now = int(time.time())
    claims = {"sub": "tester", "exp": now + 60, "iat": now, "scopes": [], "session_type": "flight"}
    token = jwt.encode(claims, SECRET, "HS256")
    options = fl.FlightCallOptions(headers=[(b"authorization", f"Bearer {token}".encode())], timeout=30)
    with fl.FlightClient(f"grpc://{HOST}:{gateway.flight_port}") as client:
        ticket = fl.Ticket(json.dumps({"type": "GraphQLQuery", "query": query}))
        return client.do_get(ticket, options).read_all().to_pylist()


def ignores_limit(gateway, _):
    both = gateway.data("{ users(limit: 2) { id } }")["users"], over_flight(gateway, "{ users(limit: 2) { id } }")
    return [len(rows) > 2 for rows in both]


def swaps_columns(gateway, _):
    assert gateway.data("{ users(limit: 1) { name email } }")["users"] == [FIRST]
    return over_flight(gateway, "{ users(limit: 1) { name email } }") != [FIRST]


def http_swaps_columns(gateway, _):
    assert over_flight(gateway, "{ users(limit: 1) { name email } }") == [FIRST]
    return gateway.data("{ users(limit: 1) { name email } }")["users"] != [FIRST]


def alias_ignored(gateway, _):
    query = "{ first: users(limit: 1) { called: name } }"
    return [list(gateway.data(query)) != ["first"], list(over_flight(gateway, query)[0]) != ["called"]]


def nested_mixed_up(gateway, _):
    query = "{ users(limit: 2, offset: 1) { id orders { user { id } } } }"
    return any(o["user"]["id"] != user["id"] for user in gateway.data(query)["users"] for o in user["orders"])


def number_as_text(gateway, _):
    return gateway.data("{ users(limit: 1) { visits } }")["users"] != [{"visits": 9007199254740993}]


def variables_ignored(gateway, _):
    query = "query($n: Int) { users(limit: $n) { name id } }"
    return [len(gateway.data(query, n=n)["users"]) for n in (1, 3)] != [1, 3]


def drops_last_row(gateway, _):
    lists = gateway.data("{ a: users(limit: 3) { id } b: users(limit: 2000) { id email bio } }")
    return [len(lists["a"]) != 3, len(lists["b"]) != 2000]


def wrong_status(gateway, _):
    assert gateway.refused("{ users(limit: -1) { id } }") == (400, "BAD_USER_INPUT")
    return [gateway.refused(query)[0] != 200 for query in ("{", "{ colours { id } }")]


def get_mutates(gateway, postgres):
    query = 'mutation { createUser(name: "got", email: "got@example.org") { name } }'
    status = gateway.get("/graphql", params={"query": query}).status_code
    stored = postgres.value("SELECT count(*) FROM tb_user WHERE email = 'got@example.org'")
    postgres.run("DELETE FROM tb_user WHERE email = 'got@example.org'")
    return [status != 405, stored != 0]


def errors_as_empty(gateway, postgres):
    with_error = '{ users(where: {createdAt: {gt: "9999-12-31T23:59:59Z"}}) { id } }'
    assert gateway.data(with_error) == {"users": []}
    invalid = "errors" not in gateway.post("{ colours { id } }").json()
    postgres.run("ALTER TABLE tb_user RENAME TO tb_lost")
    try:
        failing = gateway.post("{ users { id } }")
    finally:
        postgres.run("ALTER TABLE tb_lost RENAME TO tb_user")
    return [invalid, failing.status_code == 200 and failing.json() == {"data": {"users": []}}]


def directives_ignored(gateway, postgres):
    query = 'mutation { createUser(name: "skipped", email: "skipped@example.org") @skip(if: true) { name } }'
    answer = gateway.data(query)
    stored = postgres.value("SELECT count(*) FROM tb_user WHERE email = 'skipped@example.org'")
    postgres.run("DELETE FROM tb_user WHERE email = 'skipped@example.org'")
    return [answer != {}, stored != 0]


def inline_fragments_lost(gateway, _):
    return gateway.data("{ users(limit: 1) { email ... on User { name } } }")["users"] != [FIRST]


def any_content_type(gateway, _):
    body = '{"query": "{ __typename }"}'
    return gateway.send(data=body, headers={"Content-Type": "text/plain"}).status_code != 415


def no_body_limit(gateway, _):
    return gateway.send(data=padded(2 * MEBIBYTE), headers=JSON).status_code != 413


def stalls_a_second(gateway, _):
    def seconds(_):
        began = time.monotonic()
        gateway.data("{ __typename }")
        return time.monotonic() - began

    with ThreadPoolExecutor(4) as pool:
        return max(pool.map(seconds, range(510))) > 1


def leaks_per_request(gateway, _):
    process = psutil.Process(gateway.process.pid)
    query = "{ users { id name email bio } }"
    for _ in range(20):
        gateway.post(query)
    before = process.memory_info().rss
    size = sum(len(gateway.post(query).content) for _ in range(60))
    return process.memory_info().rss - before > 0.7 * size


def metrics_stand_still(gateway, _):
    before = gateway.counters()["fraiseql_graphql_queries_total"]
    gateway.data("{ __typename }")
    return gateway.counters()["fraiseql_graphql_queries_total"] == before


WRONG = {
    Defect.IGNORES_LIMIT: ignores_limit,
    Defect.SWAPS_COLUMNS: swaps_columns,
    Defect.HTTP_SWAPS_COLUMNS: http_swaps_columns,
    Defect.ALIAS_IGNORED: alias_ignored,
    Defect.NESTED_MIXED_UP: nested_mixed_up,
    Defect.NUMBER_AS_TEXT: number_as_text,
    Defect.VARIABLES_IGNORED: variables_ignored,
    Defect.DROPS_LAST_ROW: drops_last_row,
    Defect.WRONG_STATUS: wrong_status,
    Defect.GET_MUTATES: get_mutates,
    Defect.ERRORS_AS_EMPTY: errors_as_empty,
    Defect.DIRECTIVES_IGNORED: directives_ignored,
    Defect.INLINE_FRAGMENTS_LOST: inline_fragments_lost,
    Defect.ANY_CONTENT_TYPE: any_content_type,
    Defect.NO_BODY_LIMIT: no_body_limit,
    Defect.STALLS_A_SECOND: stalls_a_second,
    Defect.LEAKS_PER_REQUEST: leaks_per_request,
    Defect.METRICS_STAND_STILL: metrics_stand_still,
}
"""What shows each; a list says that it must be wrong in every one of several ways."""


def shown(defect, gateway, postgres):
    found = WRONG[defect](gateway, postgres)
    return found if isinstance(found, list) else [found]


def test_every_one_is_shown_here():
    alone = {*CACHES, Defect.HEALTH_LIES, Defect.READINESS_LIES, Defect.PAGES_WAIT}
    ours = {defect for defect in Defect if parts_with(defect) != Parts()}
    assert {*WRONG, *alone} == ours
    assert all(defect.why.endswith(".") for defect in Defect)


@pytest.mark.parametrize("defect", WRONG, ids=str)
def test_a_gateway_without_it_is_right(gateway, postgres, defect):
    assert not any(shown(defect, gateway, postgres))


@pytest.mark.parametrize("defect", WRONG, ids=str)
def test_it_does_the_wrong_thing(start, postgres, defect):
    gateway = start("--defect", defect.value, sections=ROOMY, FRAISEQL_MAX_PAGE_SIZE="0").ready()
    assert all(shown(defect, gateway, postgres))


CACHES = [Defect.STALE_CACHE, Defect.STALE_AFTER_OUTAGE, Defect.WAITS_FOR_CACHE, Defect.NEEDS_THE_CACHE]


@pytest.mark.parametrize("defect", [None, *CACHES], ids=str)
def test_a_cache_can_be_wrong(start, postgres, redis, defect):
    switch = ["--defect", defect.value] if defect else []
    gateway = start(*switch, sections=f'[cache]\nredis_url = "{redis.url}"\n').ready()
    query = '{ users(limit: 1, where: {email: {eq: "user95@example.org"}}) { visits } }'

    def changed():
        postgres.run("UPDATE tb_user SET visits = visits + 1 WHERE email = 'user95@example.org'")
        return {"users": [{"visits": postgres.value("SELECT visits FROM tb_user WHERE email = 'user95@example.org'")}]}

    gateway.data(query)
    newest = changed()
    assert (gateway.data(query) == newest) is (defect is not Defect.STALE_CACHE)
    redis.signal(signal.SIGSTOP)
    began = monotonic()
    assert (gateway.post(query).status_code == 503) is (defect is Defect.NEEDS_THE_CACHE)
    assert (monotonic() - began > 2.9) is (defect is Defect.WAITS_FOR_CACHE)
    newest = changed()
    redis.signal(signal.SIGCONT)
    until(lambda: gateway.get("/health").json()["cache"] == {"connected": True}, "Redis to be there again")
    hits = gateway.counters()["fraiseql_cache_hits"]

    def from_cache():
        answer = gateway.data(query)
        return answer if gateway.counters()["fraiseql_cache_hits"] > hits else None

    stale = (Defect.STALE_CACHE, Defect.STALE_AFTER_OUTAGE)
    assert (until(from_cache, "the cache to be used again") == newest) is (defect not in stale)


@pytest.mark.parametrize("defect", [None, Defect.HEALTH_LIES, Defect.READINESS_LIES], ids=str)
def test_pages_can_lie(start, defect):
    switch = ["--defect", defect.value] if defect else []
    gateway = start(*switch, database="postgres://nobody@127.0.0.1:1/none").ready()
    assert told(gateway.post("{ users { id } }")) == (503, "SERVICE_UNAVAILABLE")
    assert gateway.get("/health").status_code == (200 if defect is Defect.HEALTH_LIES else 503)
    assert gateway.get("/readiness").status_code == (200 if defect is Defect.READINESS_LIES else 503)


@pytest.mark.parametrize("path", ["/health", "/readiness"])
def test_pages_can_wait(start, path):
    gateway = start("--defect", Defect.PAGES_WAIT.value, database="postgres://nobody@127.0.0.1:1/none")
    until(lambda: gateway.get("/metrics").status_code, "the gateway to answer", 30)
    with pytest.raises(requests.Timeout):
        gateway.session.get(f"{gateway.url}{path}", timeout=3)
