"""What a configuration says in either dialect; everything wrong is one line that names the key."""

from __future__ import annotations

import pytest

from reference.pgdog.config import load
from reference.pgdog.settings import Destination, Source, Thresholds
from reference.toml_file import ConfigError
from tests.pgdog.control.conftest import USERS, plan, upstream


def read(directory, text, users=None):
    file = directory / "pgdog.toml"
    file.write_text(text)
    if users is not None:
        (directory / "users.toml").write_text(users)
    return load(file, directory / "users.toml" if users is not None else None)


def refusal(directory, text, users=None):
    """The line without its file."""
    with pytest.raises(ConfigError) as refused:
        read(directory, text, users)
    line = str(refused.value)
    assert "\n" not in line
    assert line.startswith(str(directory))
    assert ";" in line
    return line.partition(": ")[2]


def test_the_plan_says_all_of_it(tmp_path):
    general = """
port = 7432
admin_port = 7433
metrics_port = 7090
mirror_metrics_enabled = false
mirror_error_threshold = 100
mirror_latency_threshold_ms = 5000
mirror_metrics_reset_interval = 3600
mirror_consecutive_success = 10000
mirror_failure_threshold = 1
mirror_max_error_rate = 0.05
mirror_max_latency_ms = 500
mirror_min_runtime_hours = 0.5
mirror_min_requests = 100
connect_timeout = 250
query_timeout = 0
mirror_queue_bytes = 1000
"""
    pools = """
[[pools]]
name = "primary"
database = "app"
host = "db.example"
port = 5001
user = "u"
password = "p"
mirror_of = "mirror"
mirror_exposure = 0.25
mirror_queue = 7
[[pools]]
name = "mirror"
port = 5002
user = "m"
password = "pm"
"""
    found = read(tmp_path, plan(general, pools))
    assert (found.dialect, found.host, found.port, found.admin_port) == ("plan", "127.0.0.1", 7432, 7433)
    assert (found.metrics_host, found.metrics_port, found.metrics_enabled) == ("127.0.0.1", 7090, False)
    assert (found.admin_user, found.admin_database, found.admin_password) == ("admin", "pgdog", None)
    assert found.thresholds == Thresholds(0.05, 500, 0.5, 100)
    assert (found.connect_timeout, found.query_timeout, found.queue_bytes) == (0.25, 0, 1000)
    mirror = Destination("mirror", "127.0.0.1", 5002, "mirror", 0.25, 7, "m", "pm")
    assert found.sources == {
        "primary": Source("primary", "db.example", 5001, "app", (mirror,)),
        "mirror": Source("mirror", "127.0.0.1", 5002, "mirror"),
    }
    assert found.login("anybody", mirror) == ("m", "pm")


def test_the_plan_needs_little(tmp_path):
    found = read(tmp_path, '[[pools]]\nname = "a"\ndatabase = "d"\nmirror_of = "b"\n[[pools]]\nname = "b"\n')
    assert (found.host, found.port, found.admin_port, found.metrics_port) == ("0.0.0.0", 6432, 6433, 9090)
    assert found.thresholds == Thresholds(0.01, 1000, 24, 100_000)
    assert (found.connect_timeout, found.query_timeout, found.queue_bytes) == (0.5, 5.0, 128 << 20)
    [mirror] = found.sources["a"].mirrors
    assert (mirror.exposure, mirror.queue, mirror.database) == (1.0, 128, "b")
    assert found.login("someone", mirror) == ("someone", "")


def test_upstream_says_all_of_it(tmp_path):
    general = """
port = 7432
openmetrics_port = 7090
openmetrics_host = "127.0.0.2"
mirror_queue = 9
mirror_exposure = 0.75
checkout_timeout = 500
connect_timeout = 250
query_timeout = 700
query_parser = "on"
pooler_mode = "session"
shutdown_timeout = 2000
default_pool_size = 10
min_pool_size = 1
"""
    mirroring = """
[[mirroring]]
source_db = "app"
destination_db = "app_mirror"
queue_length = 3
exposure = 0.5
level = "all"
"""
    found = read(tmp_path, upstream(general, mirroring), USERS)
    assert (found.dialect, found.port, found.admin_port) == ("upstream", 7432, None)
    assert (found.metrics_host, found.metrics_port, found.metrics_enabled) == ("127.0.0.2", 7090, True)
    assert (found.admin_user, found.admin_database, found.admin_password) == ("admin", "admin", "open")
    assert (found.connect_timeout, found.query_timeout, found.drain) == (0.25, 0.7, 2.0)
    [mirror] = found.sources["app"].mirrors
    assert mirror == Destination("app_mirror", "127.0.0.1", 5002, "app", 0.5, 3)
    assert found.login("other", mirror) == ("other", "of other")
    assert found.login("nobody", mirror) is None
    assert found.notes == ()


def test_upstream_falls_back_to_the_general_keys(tmp_path):
    found = read(tmp_path, upstream("mirror_queue = 9\nmirror_exposure = 0.75"), USERS)
    [mirror] = found.sources["app"].mirrors
    assert (mirror.queue, mirror.exposure) == (9, 0.75)
    assert (found.metrics_host, found.metrics_port) == ("127.0.0.1", None)


def test_users_stand_beside_the_file_where_none_is_named(tmp_path):
    (tmp_path / "users.toml").write_text(USERS)
    assert ("app", "app_mirror") in read(tmp_path, upstream()).logins


def test_users_can_have_all_databases_and_another_name_on_the_server(tmp_path):
    users = """
[[users]]
name = "a"
password = "p"
all_databases = true
[[users]]
name = "b"
databases = ["app", "app_mirror"]
server_user = "b2"
server_password = "p2"
"""
    found = read(tmp_path, upstream(), users)
    [mirror] = found.sources["app"].mirrors
    assert (found.login("a", mirror), found.login("b", mirror)) == (("a", "p"), ("b2", "p2"))


@pytest.mark.parametrize(
    "other",
    ["", '[[users]]\nname = "b"\ndatabase = "app_mirror"\n'],
    ids=["no login", "no password"],
)
def test_a_user_without_a_login_on_the_mirror_is_a_note(tmp_path, other):
    users = '[[users]]\nname = "a"\nall_databases = true\npassword = "p"\n[[users]]\nname = "b"\ndatabase = "app"\n'
    found = read(tmp_path, upstream(), users + other)
    [note] = found.notes
    assert "'b' of 'app' has no login on 'app_mirror', its work is counted as connection errors" in note


def test_the_plan_can_have_a_file_of_users_too(tmp_path):
    pools = '[[pools]]\nname = "app"\nmirror_of = "m"\n[[pools]]\nname = "m"\n'
    users = '[[users]]\nname = "a"\nall_databases = true\npassword = "p"\n[[users]]\nname = "b"\ndatabase = "app"\n'
    found = read(tmp_path, plan("", pools), users)
    [mirror] = found.sources["app"].mirrors
    assert (found.login("a", mirror), found.login("b", mirror)) == (("a", "p"), None)
    assert len(found.notes) == 1


def test_a_database_is_found_by_name_else_by_the_only_one_that_has_it(tmp_path):
    found = read(tmp_path, plan("", POOL.format("a", "x", "") + POOL.format("b", "y", "") + POOL.format("c", "y", "")))
    assert [found.source(name) and found.source(name).name for name in ("a", "x", "y", "z")] == ["a", "a", None, None]


POOL = '[[pools]]\nname = "{}"\ndatabase = "{}"\n{}\n'
_A, _B = POOL.format("a", "x", 'mirror_of = "b"'), POOL.format("b", "y", "")


@pytest.mark.parametrize(
    ("text", "key", "what"),
    [
        (plan("mirror_metric_enabled = true"), "general.mirror_metric_enabled", "is not known; use one of host, port"),
        (plan("", POOL.format("a", "x", "queue = 1")), "pools[0].queue", "is not known"),
        (plan() + "[extra]\n", "extra", "is not known; use one of general, pools"),
        (plan("port = 0"), "general.port", "0 is out of range; use at least 1"),
        (plan("port = 65536"), "general.port", "65536 is out of range; use at most 65535"),
        (plan('port = "6432"'), "general.port", "'6432' is not a whole number"),
        (plan("port = true"), "general.port", "true is not a whole number"),
        (plan("port = 6433"), "general.admin_port", "6433 is the port of port as well; choose another"),
        (plan("metrics_port = 6432"), "general.metrics_port", "6432 is the port of port as well"),
        (plan("mirror_metrics_enabled = 1"), "general.mirror_metrics_enabled", "1 is neither true nor false"),
        (plan("mirror_max_error_rate = 1.5"), "general.mirror_max_error_rate", "1.5 is out of range; use at most 1"),
        (plan("mirror_max_error_rate = nan"), "general.mirror_max_error_rate", "nan is not a number"),
        (plan("mirror_max_latency_ms = -1"), "general.mirror_max_latency_ms", "-1 is out of range; use at least 0"),
        (plan("mirror_min_runtime_hours = inf"), "general.mirror_min_runtime_hours", "inf is out of range"),
        (plan("mirror_min_requests = 0.5"), "general.mirror_min_requests", "0.5 is not a whole number"),
        (plan("mirror_error_threshold = -1"), "general.mirror_error_threshold", "-1 is out of range"),
        (plan("connect_timeout = 0"), "general.connect_timeout", "0 is out of range; use at least 1"),
        (plan("query_timeout = -1"), "general.query_timeout", "-1 is out of range"),
        (plan("mirror_queue_bytes = 0"), "general.mirror_queue_bytes", "0 is out of range"),
        ("general = 1\n" + _A + _B, "general", "is not a table; write [general]"),
        ("pools = 1", "pools", "is not an array of tables; write [[pools]]"),
        ("pools = [1]", "pools[0]", "is not a table"),
        ("[general]\nport = 1", "pools", "there is none; add [[pools]], or [[databases]]"),
        (plan() + '[[databases]]\nname = "x"\n', "databases", "stands beside [[pools]], which is another dialect"),
        (plan("", "[[pools]]\nport = 1\n"), "pools[0].name", 'is missing; add it, such as name = "primary"'),
        (plan("", POOL.format("", "x", "")), "pools[0].name", "is empty"),
        (plan("", POOL.format("a\\n", "x", "")), "pools[0].name", "is empty or has what cannot be printed"),
        (plan("", POOL.format("a", "x", "host = 1")), "pools[0].host", "1 is not text; write it in quotes"),
        (plan("", POOL.format("a", "x", "password = 1")), "pools[0].password", "is not text"),
        (plan("", POOL.format("a", "x", "mirror_exposure = 1.01")), "pools[0].mirror_exposure", "1.01 is out of range"),
        (plan("", POOL.format("a", "x", "mirror_exposure = -0.1")), "pools[0].mirror_exposure", "-0.1 is out of range"),
        (plan("", POOL.format("a", "x", "mirror_exposure = nan")), "pools[0].mirror_exposure", "nan is not a number"),
        (plan("", POOL.format("a", "x", "mirror_queue = 0")), "pools[0].mirror_queue", "0 is out of range"),
        (plan("", _A), "pools[0].mirror_of", "'b' is not there; name one of a"),
        (
            plan("", POOL.format("a", "x", 'mirror_of = "a"')),
            "pools[0].mirror_of",
            "'a' would be mirrored into itself; name another database",
        ),
        (
            plan("", _A + POOL.format("b", "y", 'mirror_of = "a"')),
            "pools[1].mirror_of",
            "'a' leads to 'b', which makes a circle",
        ),
        (
            plan("", _A + POOL.format("b", "y", 'mirror_of = "c"') + POOL.format("c", "z", 'mirror_of = "a"')),
            "pools[2].mirror_of",
            "'a' leads to 'c', which makes a circle",
        ),
        (plan("", _A + POOL.format("b", "x", "")), "pools[0].mirror_of", "'b' is the same database as 'a'"),
        (plan("", _A + _B + POOL.format("a", "z", "")), "pools[2].name", "'a' is there twice"),
        (plan("port = 5432", _A + _B), "pools[0].port", "5432 is the proxy's own"),
    ],
)
def test_the_plan_is_refused(tmp_path, text, key, what):
    line = refusal(tmp_path, text)
    assert line.startswith(f"{key}: {what}"), line


_TWICE = '[[mirroring]]\nsource_db = "app"\ndestination_db = "app_mirror"\n'
_ENTRY = '[[databases]]\nname = "app"\nhost = "h"\n{}\n'


@pytest.mark.parametrize(
    ("text", "key", "what"),
    [
        (upstream("mirror_metrics_enabled = true"), "general.mirror_metrics_enabled", "is not known"),
        (upstream("admin_port = 1"), "general.admin_port", "is not known"),
        (upstream("port = 9090\nopenmetrics_port = 9090"), "general.openmetrics_port", "9090 is the port of port"),
        (upstream("mirror_queue = 0"), "general.mirror_queue", "0 is out of range"),
        (upstream("mirror_exposure = 2.0"), "general.mirror_exposure", "2.0 is out of range"),
        (upstream('pooler_mode = "transaction"'), "general.pooler_mode", "'transaction' is not offered"),
        (upstream('query_parser = "maybe"'), "general.query_parser", "'maybe' is not offered"),
        (upstream("checkout_timeout = -1"), "general.checkout_timeout", "-1 is out of range"),
        (upstream(databases='[[databases]]\nhost = "h"\n'), "databases[0].name", "is missing"),
        (upstream(databases='[[databases]]\nname = "app"\n'), "databases[0].host", "is missing"),
        (upstream(databases=_ENTRY.format('role = "replica"')), "databases[0].role", "'replica' is not offered"),
        (upstream(databases=_ENTRY.format("shard = 1")), "databases[0].shard", "1 is out of range"),
        (upstream(databases=_ENTRY.format("mirror_of = 1")), "databases[0].mirror_of", "is not known"),
        (upstream(databases=_ENTRY.format("") * 2), "databases[1].name", "'app' is there twice"),
        (upstream(mirroring='[[mirroring]]\nsource_db = "app"\n'), "mirroring[0].destination_db", "is missing"),
        (upstream(mirroring='[[mirroring]]\ndestination_db = "app"\n'), "mirroring[0].source_db", "is missing"),
        (upstream(mirroring=_TWICE.replace('"app"', '"x"')), "mirroring[0].source_db", "'x' is not there"),
        (upstream(mirroring=_TWICE.replace("app_mirror", "x")), "mirroring[0].destination_db", "'x' is not there"),
        (upstream(mirroring=_TWICE.replace("app_mirror", "app")), "mirroring[0].destination_db", "'app' would be"),
        (upstream(mirroring=_TWICE * 2), "mirroring[1].destination_db", "'app' is mirrored into 'app_mirror' already"),
        (
            upstream(mirroring=_TWICE + '[[mirroring]]\nsource_db = "app_mirror"\ndestination_db = "app"\n'),
            "mirroring[1].destination_db",
            "'app' leads to 'app_mirror', which makes a circle",
        ),
        (upstream(mirroring=_TWICE + "queue_length = 0\n"), "mirroring[0].queue_length", "0 is out of range"),
        (upstream(mirroring=_TWICE + "queue_length = -1\n"), "mirroring[0].queue_length", "-1 is out of range"),
        (upstream(mirroring=_TWICE + "exposure = nan\n"), "mirroring[0].exposure", "nan is not a number"),
        (upstream(mirroring=_TWICE + "queue_depth = 1\n"), "mirroring[0].queue_depth", "is not known"),
        (upstream(mirroring=_TWICE + 'level = "ddl"\n'), "mirroring[0].level", "'ddl' is not offered"),
        (upstream().replace("password =", "pass ="), "admin.pass", "is not known"),
        (upstream() + 'name = "app"\n', "admin.name", "is the name of a database of clients as well"),
    ],
)
def test_upstream_is_refused(tmp_path, text, key, what):
    line = refusal(tmp_path, text, USERS)
    assert line.startswith(f"{key}: {what}"), line


@pytest.mark.parametrize(
    ("users", "key", "what"),
    [
        ("[[user]]\n", "user", "is not known; use one of users"),
        ('[[users]]\ndatabase = "app"\n', "users[0].name", "is missing"),
        ('[[users]]\nname = "a"\n', "users[0].database", "is missing"),
        ('[[users]]\nname = "a"\ndatabase = "x"\n', "users[0].database", "'x' is not there; name one of app,"),
        ('[[users]]\nname = "a"\ndatabases = "app"\n', "users[0].databases", "'app' is not a list of texts"),
        ('[[users]]\nname = "a"\ndatabases = ["x"]\n', "users[0].databases", "'x' is not there"),
        ('[[users]]\nname = "a"\ndatabase = "app"\npool = 1\n', "users[0].pool", "is not known"),
        ('[[users]]\nname = "a"\ndatabase = "app"\n' * 2, "users[1].name", "'a' of 'app' is there twice"),
        ('[[users]]\nname = "a"\nall_databases = "yes"\n', "users[0].all_databases", "'yes' is neither true nor"),
    ],
)
def test_users_are_refused(tmp_path, users, key, what):
    line = refusal(tmp_path, upstream(), users)
    assert line.startswith(f"{key}: {what}"), line


def test_files_that_are_none_are_refused(tmp_path):
    assert "is not valid TOML" in refusal(tmp_path, "[general")
    with pytest.raises(ConfigError, match=r"users\.toml: cannot be read"):
        read(tmp_path, upstream())
    with pytest.raises(ConfigError, match=r"absent\.toml: cannot be read"):
        load(tmp_path / "absent.toml")


def test_a_password_is_never_shown(tmp_path):
    assert "12345" not in refusal(tmp_path, plan("", POOL.format("a", "x", "password = 12345")))
