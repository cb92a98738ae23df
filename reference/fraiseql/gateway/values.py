"""What a value in the configuration file may be: one function a kind, which returns it as the program uses it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

SHORTEST_TOKEN = 16  # characters


class Unfit(Exception):
    """What is wrong with a value, and the cure."""

    def __init__(self, what: str, cure: str) -> None:
        super().__init__(what)
        self.what, self.cure = what, cure


class Address(NamedTuple):
    """Where a server listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def any_text(value: object) -> str:
    """Text, perhaps empty."""
    if not isinstance(value, str):
        raise Unfit(f"{value!r} is not text", "write it in quotes")
    return value


def text(value: object) -> str:
    """Text."""
    if not any_text(value):
        raise Unfit("is empty", "write something in it")
    return any_text(value)


def token(value: object) -> str:
    """A secret that is long enough; it does not stand in what is said about it."""
    if len(any_text(value)) < SHORTEST_TOKEN:
        raise Unfit(f"has {len(any_text(value))} characters", f"use {SHORTEST_TOKEN} or more")
    return any_text(value)


def path(value: object) -> Path:
    """A path, which counts from the directory of the configuration file."""
    return Path(text(value))


def flag(value: object) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise Unfit(f"{value!r} is neither true nor false", "write true or false without quotes")
    return value


def names(value: object) -> tuple[str, ...]:
    """A list of names."""
    if not isinstance(value, list) or not all(isinstance(name, str) and name for name in value):
        raise Unfit(f"{value!r} is not a list of names", 'write it as ["one", "two"]')
    return tuple(value)


def address(value: object) -> Address:
    """HOST:PORT."""
    host, _, port = text(value).rpartition(":")
    if not host or not port.isdecimal() or not 1 <= int(port) <= 65535:
        raise Unfit(f"'{value}' is not HOST:PORT", 'write it as "127.0.0.1:8000"')
    return Address(host.strip("[]"), int(port))


def url(*schemes: str) -> Callable[[object], str]:
    """A URL of one of these schemes; it may hold a password and does not stand in what is said about it."""

    def read(value: object) -> str:
        try:
            parts = urlsplit(text(value))
            usable = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
        except ValueError:
            usable = False
        if not usable:
            raise Unfit(f"is not a URL of the kind {schemes[0]}://", f"write it as {schemes[0]}://host:port/...")
        return text(value)

    return read


def at_least(least: int) -> Callable[[object], int]:
    """A whole number that is not smaller."""

    def read(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise Unfit(f"{value!r} is not a whole number", "write a number without quotes")
        if value < least:
            raise Unfit(f"{value} is out of range", f"use at least {least}")
        return value

    return read


def one_of(*words: str) -> Callable[[object], str]:
    """One of these words."""

    def read(value: object) -> str:
        if any_text(value) not in words:
            raise Unfit(f"'{value}' is not known", f"use {' or '.join(repr(word) for word in words)}")
        return any_text(value)

    return read
