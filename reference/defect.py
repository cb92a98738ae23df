"""What a switch for wrong behaviour is, in every program of ours that has some."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from enum import StrEnum
from typing import Self, TypeVar


class NamedDefect(StrEnum):
    """A named wrong behaviour, and the real mistake it stands for; a program has at most one."""

    why: str

    def __new__(cls, name: str, why: str = "") -> Self:
        """Make a member whose value is its name on the command line."""
        member = str.__new__(cls, name)
        member._value_ = name
        member.why = why
        return member


_Kind = TypeVar("_Kind", bound=NamedDefect)


def one_of(kind: type[_Kind]) -> Callable[[str], _Kind]:
    """Return what reads a defect of this kind from the command line, and names them all where it is none."""

    def read(name: str) -> _Kind:
        try:
            return kind(name)
        except ValueError:
            raise argparse.ArgumentTypeError(f"'{name}' is none of {', '.join(kind)}") from None

    return read
