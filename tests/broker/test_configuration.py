from __future__ import annotations

import tomllib

import pytest

from BrokerLibrary.configuration import Topic, configuration, wrong_configurations

WRONG = wrong_configurations()
REQUIRED = {
    "server": {"bind_address", "socket_path", "max_connections", "connection_timeout_ms"},
    "performance": {"worker_threads", "channel_capacity", "batch_size", "flush_interval_ms"},
}


def parsed(text):
    return tomllib.loads(text.replace("@metrics_port@", "9"))


def flattened(content):
    flat = {
        f"{section}.{key}": value for section in ("server", "performance") for key, value in content[section].items()
    }
    for number, topic in enumerate(content["topics"]):
        flat |= {f"topics.{number}.{key}": value for key, value in topic.items()}
    return flat


RIGHT = flattened(parsed(configuration([Topic("market_data"), Topic("signals"), Topic("execution", "Queue")])))


def test_a_right_file_has_every_key_of_the_contract():
    content = parsed(configuration([Topic("a", "Queue", 5, 6, "block"), Topic("b")], max_connections=7))
    for section, keys in REQUIRED.items():
        assert keys <= set(content[section])
    assert content["server"]["max_connections"] == 7
    assert content["topics"] == [
        {"name": "a", "routing": "Queue", "buffer_size": 5, "max_message_size": 6, "overflow": "block"},
        {"name": "b", "routing": "Fanout", "buffer_size": 1000, "max_message_size": 1024},
    ]


def test_text_is_quoted():
    assert parsed(configuration([Topic('a "b" \\c')]))["topics"][0]["name"] == 'a "b" \\c'


@pytest.mark.parametrize(
    "wrong", [w for w in WRONG if w.what not in ("no TOML", "no topics", "a topic that stands twice")]
)
def test_a_wrong_file_differs_from_the_right_one_in_the_key_it_names_alone(wrong):
    flat = flattened(parsed(wrong.text))
    differing = {key for key in RIGHT.keys() | flat.keys() if RIGHT.get(key) != flat.get(key)}
    assert [key.rpartition(".")[2] for key in differing] == [wrong.key]


def test_the_other_wrong_files_are_wrong():
    wrong = {w.what: w for w in WRONG}
    with pytest.raises(tomllib.TOMLDecodeError):
        parsed(wrong["no TOML"].text)
    assert parsed(wrong["no topics"].text)["topics"] == []
    names = [topic["name"] for topic in parsed(wrong["a topic that stands twice"].text)["topics"]]
    assert names == ["market_data", "signals", "execution", wrong["a topic that stands twice"].key]


def test_no_two_wrong_files_are_the_same():
    assert len({w.text for w in WRONG}) == len({w.what for w in WRONG}) == len(WRONG) >= 16
