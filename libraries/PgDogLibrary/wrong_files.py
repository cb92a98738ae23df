"""Configuration files with one mistake each, made from a right one, in both dialects."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from environments.pgdog.options import Mirrored, ProxyOptions
from environments.pgdog.written import Written
from environments.sections.pgdog import Dialect


@dataclass(frozen=True, slots=True)
class WrongFile:
    """What is wrong, the key that a refusal must name, and the files."""

    what: str
    key: str
    text: str
    users: str | None


Edit = Callable[[str], str]

OPTIONS = ProxyOptions(databases=(Mirrored(queue=100),))
"""Of a right file: every key that is given a wrong value stands in it, where it belongs."""


def wrong_files(right: Written, dialect: Dialect) -> list[WrongFile]:
    """Return files with one mistake each.

    Args:
        right: files that are right, of `OPTIONS`, with blanks for what is only known later.
        dialect: of the files.

    Raises:
        ValueError: an edit changed nothing, so that its file would be right.
    """
    return [_wrong(right, what, key, edit) for what, key, edit in (*_BOTH, *_OF[dialect])]


def _wrong(right: Written, what: str, key: str, edit: Edit) -> WrongFile:
    text = edit(right.text)
    if text == right.text:
        raise ValueError(f"{what}: the right file has nothing to be changed for that; the mistake could not be made")
    return WrongFile(what, key, text, right.users)


def _set(key: str, value: str) -> Edit:
    """Give the first such key another value."""
    return lambda text: re.sub(rf"(?m)^{key} = .*$", f"{key} = {value}", text, count=1)


def _with(table: str, key: str, value: str) -> Edit:
    """Give the first such table one more key."""
    return lambda text: text.replace(f"{table}\n", f"{table}\n{key} = {value}\n", 1)


def _without(key: str) -> Edit:
    return lambda text: re.sub(rf"(?m)^{key} = .*\n", "", text, count=1)


def _twice(table: str) -> Edit:
    """Repeat the first table of an array of tables."""

    def edit(text: str) -> str:
        start = text.find(f"[[{table}]]")
        if start < 0:
            return text
        end = text.find("[[", start + 2)
        block = text[start : end if end > 0 else len(text)]
        return text.rstrip("\n") + "\n\n" + block

    return edit


_BOTH: Sequence[tuple[str, str, Edit]] = (
    ("a key that nobody knows", "mirror_exposrue", _with("[general]", "mirror_exposrue", "0.5")),
    ("a port in words", "port", _set("port", '"many"')),
    ("a port beyond the last one", "port", _set("port", "70000")),
    ("a file that is no TOML", "TOML", lambda text: text + "\n[unfinished\n"),
)

_OF: dict[Dialect, Sequence[tuple[str, str, Edit]]] = {
    "plan": (
        ("an exposure of 2", "mirror_exposure", _set("mirror_exposure", "2.0")),
        ("an exposure below 0", "mirror_exposure", _set("mirror_exposure", "-0.1")),
        ("an exposure that is no number", "mirror_exposure", _set("mirror_exposure", "nan")),
        ("a queue of 0", "mirror_queue", _set("mirror_queue", "0")),
        ("a queue below 0", "mirror_queue", _set("mirror_queue", "-1")),
        ("a mirror that is not there", "mirror_of", _set("mirror_of", '"nobody"')),
        ("a pool that mirrors itself", "mirror_of", _set("mirror_of", '"app"')),
        ("two pools of one name", "name", _twice("pools")),
        ("a pool without a name", "name", _without("name")),
        ("a rate of errors in percent", "mirror_max_error_rate", _set("mirror_max_error_rate", "5")),
        ("metrics that are perhaps on", "mirror_metrics_enabled", _set("mirror_metrics_enabled", '"perhaps"')),
    ),
    "upstream": (
        ("an exposure of 2", "exposure", _set("exposure", "2.0")),
        ("an exposure below 0", "exposure", _set("exposure", "-0.1")),
        ("an exposure that is no number", "exposure", _set("exposure", "nan")),
        ("a queue of 0", "queue_length", _set("queue_length", "0")),
        ("a queue below 0", "queue_length", _set("queue_length", "-1")),
        ("a queue of 0 for all", "mirror_queue", _with("[general]", "mirror_queue", "0")),
        ("a source that is not there", "source_db", _set("source_db", '"nobody"')),
        ("a destination that is not there", "destination_db", _set("destination_db", '"nobody"')),
        ("a database that mirrors itself", "destination_db", _set("destination_db", '"app"')),
        ("the same mirroring twice", "mirroring", _twice("mirroring")),
        ("mirroring without a destination", "destination_db", _without("destination_db")),
        ("the plan's key mirror_of", "mirror_of", _with("[[databases]]", "mirror_of", '"app"')),
    ),
}
