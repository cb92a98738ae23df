"""What is wrong with a configuration is told by its key, with the cure, on one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from reference.fraiseql.observers.config import Settings, SinkName, load
from reference.toml_file import ConfigError

RIGHT = """
[nats]
url = "nats://user:s3cret@127.0.0.1:4222"
[clickhouse]
url = "http://127.0.0.1:8123"
"""


def loaded(directory: Path, text: str) -> Settings:
    file = directory / "observers.toml"
    file.write_text(text, encoding="utf-8")
    return load(file, SinkName.CLICKHOUSE)


def test_what_is_not_said_has_defaults(tmp_path: Path) -> None:
    settings = loaded(tmp_path, RIGHT)
    assert settings.search is None
    assert settings.clickhouse is not None
    assert settings.clickhouse.table == "fraiseql_events"
    assert (settings.nats.stream, settings.nats.subject) == ("fraiseql_events", "fraiseql.mutation")
    assert settings.nats.duplicate_window_seconds == 20
    assert (settings.batch.size, settings.batch.linger_ms) == (2000, 100)
    assert (settings.retry.first_ms, settings.retry.most_ms) == (100, 5000)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[nats", "is not valid TOML"),
        (RIGHT.replace("[nats]", "[nets]"), "nets: is not known; use one of nats, clickhouse, search, batch, retry"),
        (RIGHT.replace("[clickhouse]", "[search]"), "clickhouse: is missing; add the section [clickhouse]"),
        (RIGHT + "tabel = 'x'", "clickhouse.tabel: is not known; use one of url, user, password, database, table"),
        (RIGHT + "table = 5", "clickhouse.table: 5 is not text; write it in quotes"),
        (RIGHT + "[batch]\nsize = 0", "batch.size: 0 is out of range; use 1 to 5000"),
        (RIGHT + "[batch]\nsize = true", "batch.size: True is not a whole number; write a number without quotes"),
        ("batch = 5\n" + RIGHT, "batch: is not a section; write [batch] and its keys below"),
        ('[nats]\n[clickhouse]\nurl = ""', 'nats.url: is missing; add it, such as url = "nats://127.0.0.1:4222"'),
        (RIGHT.replace("nats://", "http://"), "nats.url: is no address; write one with a port, such as"),
        (RIGHT.replace(":4222", ""), "nats.url: is no address"),
        (RIGHT.replace(":4222", ":port"), "nats.url: is no address"),
    ],
)
def test_mistakes(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(ConfigError) as problem:
        loaded(tmp_path, text)
    assert told in str(problem.value)
    assert str(problem.value).startswith(f"{tmp_path / 'observers.toml'}: ")
    assert "\n" not in str(problem.value)
    assert "s3cret" not in str(problem.value), "a password was told"


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path / "none.toml", SinkName.SEARCH)
