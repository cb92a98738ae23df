"""The configuration file: what is read, what is refused, and in which words."""

from __future__ import annotations

import pytest

from reference.mycelium.config import load
from reference.toml_file import ConfigError
from tests.mycelium.conftest import STANDARD, configuration, topic


def loaded(tmp_path, text, **environment):
    file = tmp_path / "broker.toml"
    file.write_text(text)
    return load(file, environment)


def refusal(tmp_path, text, **environment):
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, text, **environment)
    line = str(caught.value)
    prefix = f"{tmp_path / 'broker.toml'}: "
    assert line.startswith(prefix)
    assert "\n" not in line
    assert ";" in line, "no cure is given"
    return line.removeprefix(prefix)


def test_everything_is_read(tmp_path):
    text = configuration(
        tmp_path, *STANDARD, topic("b", overflow="block"), server="metrics_port = 9100\ndrain_timeout_ms = 7"
    )
    read = loaded(tmp_path, text)
    assert (read.server.max_connections, read.server.metrics_port, read.server.drain_timeout_ms) == (100, 9100, 7)
    assert [(t.name, t.routing, t.buffer_size, t.max_message_size, t.overflow) for t in read.topics] == [
        ("market_data", "Fanout", 100_000, 65_536, "drop_oldest"),
        ("signals", "Fanout", 50_000, 32_768, "drop_oldest"),
        ("execution", "Queue", 25_000, 16_384, "block"),
        ("b", "Fanout", 1000, 1024, "block"),
    ]
    assert (read.performance.batch_size, read.performance.flush_interval_ms) == (1000, 1)
    assert read.notes == ()


def test_optional_keys_may_be_absent(tmp_path):
    read = loaded(tmp_path, configuration(tmp_path, *STANDARD))
    assert (read.server.metrics_port, read.server.drain_timeout_ms) == (None, 5000)


REQUIRED = [
    "server.bind_address", "server.socket_path", "server.max_connections", "server.connection_timeout_ms",
    "performance.worker_threads", "performance.channel_capacity", "performance.batch_size",
    "performance.flush_interval_ms",
]  # fmt: skip


@pytest.mark.parametrize("key", REQUIRED)
def test_a_missing_key_is_named(tmp_path, key):
    lines = configuration(tmp_path, *STANDARD).splitlines(keepends=True)
    text = "".join(line for line in lines if not line.startswith(key.partition(".")[2]))
    assert refusal(tmp_path, text).startswith(f"{key}: is missing; add it, such as ")


@pytest.mark.parametrize("key", ["name", "routing", "buffer_size", "max_message_size"])
def test_a_missing_key_of_a_topic_is_named(tmp_path, key):
    broken = "".join(line for line in topic("t").splitlines(keepends=True) if not line.startswith(key))
    text = configuration(tmp_path, topic("first"), broken)
    assert refusal(tmp_path, text).startswith(f"topics[1].{key}: is missing; add it, such as ")


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"max_connections": 0}, "server.max_connections: 0 is out of range; use at least 1"),
        ({"worker_threads": 0}, "performance.worker_threads: 0 is out of range; use at least 1"),
        ({"channel_capacity": 0}, "performance.channel_capacity: 0 is out of range; use at least 1"),
        ({"batch_size": -1}, "performance.batch_size: -1 is out of range; use at least 1"),
        ({"flush_interval_ms": -1}, "performance.flush_interval_ms: -1 is out of range; use at least 0"),
        ({"max_connections": '"many"'}, "server.max_connections: 'many' is not a whole number; write a number"),
        ({"max_connections": 1.5}, "server.max_connections: 1.5 is not a whole number; write a number"),
        ({"max_connections": "true"}, "server.max_connections: True is not a whole number; write a number"),
        ({"bind_address": 7}, "server.bind_address: 7 is not text; write it in quotes"),
        ({"socket_path": f'"/{"x" * 107}"'}, "server.socket_path: has 108 bytes; use a path of 1 to 107 bytes"),
        ({"socket_path": '""'}, "server.socket_path: has 0 bytes; use a path of 1 to 107 bytes"),
        ({"server": "metrics_port = 70000"}, "server.metrics_port: 70000 is out of range; use at most 65535"),
    ],
)
def test_a_wrong_value_is_named_with_its_cure(tmp_path, changed, says):
    assert refusal(tmp_path, configuration(tmp_path, *STANDARD, **changed)).startswith(says)


def test_the_longest_socket_path_is_taken(tmp_path):
    path = f"/{'x' * 106}"
    assert loaded(tmp_path, configuration(tmp_path, *STANDARD, socket_path=f'"{path}"')).server.socket_path == path


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (topic("t", buffer=0), "buffer_size: 0 is out of range; use at least 1"),
        (topic("t", largest=0), "max_message_size: 0 is out of range; use at least 1"),
        (topic("t", largest=2**31), f"max_message_size: {2**31} is out of range; use at most"),
        (topic("t", "fanout"), "routing: 'fanout' is not known; use Fanout or Queue (case matters)"),
        (topic("t", overflow="drop"), "overflow: 'drop' is not known; use block or drop_oldest"),
        (topic(""), "name: has 0 bytes; use 1 to 255 bytes"),
        (topic("ä" * 128), "name: has 256 bytes; use 1 to 255 bytes"),
        (topic("first"), "name: 'first' is a duplicate; give every topic a name of its own"),
    ],
)
def test_a_wrong_topic_is_named_with_its_cure(tmp_path, wrong, says):
    assert refusal(tmp_path, configuration(tmp_path, topic("first"), wrong)).startswith(f"topics[1].{says}")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "server: is missing; add the section [server]"),
        ("topics = []\n[server]\n[performance]\n", "server.bind_address: is missing"),
        ("server = 3\ntopics = []\n[performance]\n", "server: is not a section; write [server]"),
        ("[server\n", "is not valid TOML"),
    ],
)
def test_a_file_that_is_none_is_refused(tmp_path, text, says):
    assert refusal(tmp_path, text).startswith(says)


def test_no_topic_at_all_is_refused(tmp_path):
    assert refusal(tmp_path, configuration(tmp_path)).startswith("topics: is missing; add [[topics]]")
    text = "topics = []\n" + configuration(tmp_path)
    assert refusal(tmp_path, text).startswith("topics: there is none; add at least one [[topics]] entry")


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(ConfigError, match="no-such-file: cannot be read"):
        load(tmp_path / "no-such-file", {})
    (tmp_path / "broker.toml").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="is not UTF-8"):
        load(tmp_path / "broker.toml", {})


def test_every_key_of_server_and_performance_may_be_overridden(tmp_path):
    environment = {f"MYCELIUM_{key.replace('.', '_').upper()}": str(n) for n, key in enumerate(REQUIRED, 11)}
    read = loaded(tmp_path, configuration(tmp_path, *STANDARD), **environment, MYCELIUM_SERVER_METRICS_PORT="9")
    got = [getattr(getattr(read, key.partition(".")[0]), key.partition(".")[2]) for key in REQUIRED]
    assert got == ["11", "12", *range(13, 19)]
    assert read.server.metrics_port == 9


def test_a_variable_can_stand_for_a_key_that_the_file_lacks(tmp_path):
    lines = configuration(tmp_path, *STANDARD).splitlines(keepends=True)
    text = "".join(line for line in lines if not line.startswith("max_connections"))
    assert loaded(tmp_path, text, MYCELIUM_SERVER_MAX_CONNECTIONS="5").server.max_connections == 5


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("0", "server.max_connections (from MYCELIUM_SERVER_MAX_CONNECTIONS): 0 is out of range"),
        ("x", "server.max_connections (from MYCELIUM_SERVER_MAX_CONNECTIONS): 'x' is not a whole number"),
    ],
)
def test_a_wrong_variable_is_named(tmp_path, value, says):
    text = configuration(tmp_path, *STANDARD)
    assert refusal(tmp_path, text, MYCELIUM_SERVER_MAX_CONNECTIONS=value).startswith(says)


def test_what_is_not_known_is_noted_and_ignored(tmp_path):
    text = configuration(tmp_path, topic("t") + "retention = 3\n", server="colour = 1") + "\n[extra]\n"
    notes = loaded(tmp_path, text, MYCELIUM_SERVER_COLOUR="red", MYCELIUM_OTHER="x").notes
    assert [note.removeprefix(f"{tmp_path / 'broker.toml'}: ") for note in notes] == [
        "extra: unknown key, ignored",
        "server.colour: unknown key, ignored",
        "topics[0].retention: unknown key, ignored",
        "environment variable MYCELIUM_SERVER_COLOUR names no key and is ignored",
    ]
