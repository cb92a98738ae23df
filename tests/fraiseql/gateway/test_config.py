"""The configuration file: what is read, what is refused, and in which words."""

from __future__ import annotations

from pathlib import Path

import pytest

from reference.fraiseql.gateway.config import (
    AuthSettings,
    BulkSettings,
    CacheSettings,
    EventsSettings,
    FlightSettings,
    Limits,
    load,
)
from reference.toml_file import ConfigError

LEAST = 'database_url = "postgres://u:p@127.0.0.1:5432/d"\nschema_path = "schema.graphql"\n'
EVERYTHING = (
    LEAST
    + """
bind_addr = "127.0.0.1:8001"
flight_bind_addr = "[::1]:50052"
flight_views = ["va_users"]
flight_upload_tables = ["tb_import"]
query_timeout_seconds = 7
metrics_enabled = true
metrics_token = "0123456789abcdef"
compat = "upstream"
[validation]
max_query_depth = 3
max_query_complexity = 4
max_query_aliases = 5
[auth]
issuer = "http://127.0.0.1:1/"
audience = "fraiseql"
jwks_uri = "http://127.0.0.1:1/keys"
[flight]
max_streams = 6
stall_seconds = 9
[cache]
redis_url = "redis://:secret@127.0.0.1:6379/0"
ttl_seconds = 8
[events]
clickhouse_url = "http://127.0.0.1:8123"
user = "u"
password = ""
database = "d"
table = "t"
[bulk]
tables = ["tb_order"]
batched_queries = true
"""
)


def loaded(tmp_path, text, **environment):
    file = tmp_path / "server.toml"
    file.write_text(text)
    return load(file, environment)


def refusal(tmp_path, text, **environment):
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, text, **environment)
    line, prefix = str(caught.value), f"{tmp_path / 'server.toml'}: "
    assert line.startswith(prefix)
    assert "\n" not in line
    assert ";" in line, "no cure is given"
    return line.removeprefix(prefix)


def test_everything_is_read(tmp_path):
    read = loaded(tmp_path, EVERYTHING, FLIGHT_SESSION_SECRET="s", FRAISEQL_MAX_PAGE_SIZE="9")
    assert read.database_url == "postgres://u:p@127.0.0.1:5432/d"
    assert read.schema_path == tmp_path / "schema.graphql"
    assert (read.bind_addr, read.flight_bind_addr) == (("127.0.0.1", 8001), ("::1", 50052))
    assert (read.flight_views, read.flight_upload_tables) == (("va_users",), ("tb_import",))
    assert (read.query_timeout_seconds, read.compat, read.session_secret) == (7, "upstream", "s")
    assert (read.metrics_enabled, read.metrics_token) == (True, "0123456789abcdef")
    assert read.validation == Limits(3, 4, 5, 9)
    assert read.auth == AuthSettings("http://127.0.0.1:1/", "fraiseql", "http://127.0.0.1:1/keys")
    assert read.flight == FlightSettings(6, 9)
    assert read.cache == CacheSettings("redis://:secret@127.0.0.1:6379/0", 8)
    assert read.events == EventsSettings("http://127.0.0.1:8123", "u", "", "d", "t")
    assert read.bulk == BulkSettings(("tb_order",), True)


def test_what_is_absent_is_as_in_the_contract(tmp_path):
    read = loaded(tmp_path, LEAST)
    assert (read.bind_addr, read.flight_bind_addr) == (("127.0.0.1", 8000), ("127.0.0.1", 50051))
    assert (read.flight_views, read.flight_upload_tables, read.bulk) == ((), (), BulkSettings((), False))
    assert read.validation == Limits(10, 100, 30, 1000)
    assert (read.query_timeout_seconds, read.metrics_enabled, read.session_secret) == (30, False, None)
    assert (read.auth, read.cache, read.events, read.flight) == (None, None, None, FlightSettings(256))


@pytest.mark.parametrize("value", ["0", "none"])
def test_the_page_size_can_be_lifted(tmp_path, value):
    assert loaded(tmp_path, LEAST, FRAISEQL_MAX_PAGE_SIZE=value).validation.page_size is None


def test_no_secret_is_shown(tmp_path):
    shown = repr(loaded(tmp_path, EVERYTHING, FLIGHT_SESSION_SECRET="unheard-of"))
    assert all(secret not in shown for secret in ("u:p@", "0123456789abcdef", "unheard-of", ":secret@"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "database_url: is missing; add it"),
        ('database_url = "postgres://h/d"', "schema_path: is missing; add it"),
        (LEAST + "colour = 1", "colour: is no key; remove it, or use one of database_url, schema_path, bind_addr, "),
        (LEAST + "[flight]\nspeed = 1", "flight.speed: is no key; remove it, or use one of max_streams"),
        (LEAST + "[colours]", "colours: is no key; remove it"),
        ("flight = 3\n" + LEAST, "flight: is not a section; write [flight] and its keys below"),
        (LEAST + 'bind_addr = "8000"', "bind_addr: '8000' is not HOST:PORT; write it as \"127.0.0.1:8000\""),
        (LEAST + 'bind_addr = "127.0.0.1:70000"', "bind_addr: '127.0.0.1:70000' is not HOST:PORT"),
        (LEAST + "bind_addr = 8000", "bind_addr: 8000 is not text; write it in quotes"),
        (LEAST + 'flight_views = "va_users"', "flight_views: 'va_users' is not a list of names; write it as"),
        (LEAST + "flight_views = [1]", "flight_views: [1] is not a list of names"),
        (LEAST + "metrics_enabled = 1", "metrics_enabled: 1 is neither true nor false; write true or false"),
        (LEAST + "metrics_enabled = true", "metrics_token: is missing; add one of 16 characters or more, or set"),
        (LEAST + 'metrics_token = "short"', "metrics_token: has 5 characters; use 16 or more"),
        (LEAST + 'compat = "old"', "compat: 'old' is not known; use '' or 'upstream'"),
        (LEAST + "query_timeout_seconds = 0", "query_timeout_seconds: 0 is out of range; use at least 1"),
        (
            LEAST + '[flight]\nmax_streams = "5"',
            "flight.max_streams: '5' is not a whole number; write a number without",
        ),
        (LEAST + "[validation]\nmax_query_depth = true", "validation.max_query_depth: True is not a whole number"),
        (LEAST + '[auth]\nissuer = "http://h/"', "auth.audience: is missing; add it"),
        (LEAST + '[cache]\nredis_url = "http://h/"', "cache.redis_url: is not a URL of the kind redis://; write it as"),
        (LEAST + '[events]\nclickhouse_url = "h"', "events.clickhouse_url: is not a URL of the kind http://"),
        ('database_url = "mysql://h/d"\nschema_path = "s"', "database_url: is not a URL of the kind postgres://"),
        ('database_url = ""\nschema_path = "s"', "database_url: is empty; write something in it"),
        ("[flight\n", "is not valid TOML"),
    ],
)
def test_a_mistake_is_named_with_its_cure(tmp_path, text, says):
    assert refusal(tmp_path, text).startswith(says)


def test_a_wrong_page_size_is_named(tmp_path):
    says = refusal(tmp_path, LEAST, FRAISEQL_MAX_PAGE_SIZE="many")
    assert says.startswith("FRAISEQL_MAX_PAGE_SIZE: 'many' is not a number of rows; set a number")


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(ConfigError, match="no-such-file: cannot be read"):
        load(Path(tmp_path / "no-such-file"), {})
    (tmp_path / "server.toml").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="is not UTF-8; save it as UTF-8"):
        load(tmp_path / "server.toml", {})
