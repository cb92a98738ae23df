"""What `run.sh` was asked for."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import NoReturn

from runner.usage import UsageProblem

PROFILES = ("quick", "full")
HELP = """\
usage: ./run.sh [OPTIONS] [-- ROBOT OPTIONS]

Runs acceptance criteria against real systems. Without options: all criteria that the embedded
environment can settle, quick profile. Names may be given as comma-separated lists.

which criteria
  --system NAME          only those of this system, such as cluster
  --phase NAME           only those of this phase: integration, regression, compatibility,
                         performance, stress, chaos
  --criterion ID         only these, such as HA-10 or HA-10,RC-03
  --list                 print the criteria chosen with their last verdict; run nothing

against what, and how
  --environment X        an environment file, or the name of one in variables/ (default: embedded)
  --profile NAME         quick (minutes, default) or full (longer load, tighter statistics)
  --with-citus [DIR]     run the Citus criteria too, on the Citus installed in DIR
                         (default: ~/.cache/acceptance/citus)
  --vendor [DIR]         the vendors' own programs in the place of our reference ones, FraiseQL and
                         PgDog: on PATH or in the cache, else built once (needs cargo; minutes);
                         with --system fraiseql DIR holds the programs, with --system pgdog it is
                         a clone of PgDog's git repository to build from
  --keep                 leave the services up at the end and print how to reach them
  -- ROBOT OPTIONS       anything `robot --help` names, such as -- -t "Reads*" -L TRACE

Results: results/latest/index.html. Exit code: 0 all passed, 1-249 failed criteria, 250+ as Robot
Framework defines (252: wrong use, nothing was started).
"""


@dataclass(frozen=True, slots=True)
class Request:
    """The command line, read but not yet compared with what exists."""

    systems: tuple[str, ...] = ()
    phases: tuple[str, ...] = ()
    criteria: tuple[str, ...] = ()
    environment: str = "embedded"
    profile: str = "quick"
    keep: bool = False
    list_only: bool = False
    citus: Path | None = None
    vendor: bool = False
    vendor_directory: Path | None = None
    robot_options: tuple[str, ...] = ()

    @property
    def conditions(self) -> list[str]:
        """The options that say against what and how criteria run: those of a command that repeats this one."""
        given = ["--environment", self.environment] if self.environment != "embedded" else []
        given += ["--profile", self.profile] if self.profile != "quick" else []
        given += ["--with-citus", str(self.citus)] if self.citus else []
        if self.vendor:
            given += ["--vendor", str(self.vendor_directory)] if self.vendor_directory else ["--vendor"]
        return given


def parse(arguments: Sequence[str]) -> Request:
    """Read the arguments of `run.sh`.

    Raises:
        UsageProblem: an option is unknown or lacks its value.
        SystemExit: `--help` was asked for and has been printed.
    """
    own, robot_options = _split(arguments)
    parser = _Parser(add_help=False, allow_abbrev=False)
    parser.add_argument("-h", "--help", action="store_true")
    for option in ("--system", "--phase", "--criterion"):
        parser.add_argument(option, action="append", default=[])
    parser.add_argument("--environment", default="embedded")
    parser.add_argument("--profile", default="quick")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--with-citus", nargs="?", type=Path, const=default_citus(), default=None)
    parser.add_argument("--vendor", nargs="?", type=Path, const=Path(), default=None)
    given, rest = parser.parse_known_args(own)
    if given.help:
        sys.stdout.write(HELP)
        raise SystemExit(0)
    if rest:
        raise _unknown_option(rest[0], [option for action in parser._actions for option in action.option_strings])
    return Request(
        systems=_names(given.system),
        phases=_names(given.phase),
        criteria=tuple(name.upper() for name in _names(given.criterion)),
        environment=given.environment,
        profile=given.profile,
        keep=given.keep,
        list_only=given.list,
        citus=given.with_citus,
        vendor=given.vendor is not None,
        vendor_directory=given.vendor if given.vendor != Path() else None,
        robot_options=tuple(robot_options),
    )


def default_citus() -> Path:
    """Where `--with-citus` looks when no directory is named."""
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser() / "acceptance" / "citus"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageProblem(f"{message}; see ./run.sh --help")


def _split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    if "--" not in arguments:
        return list(arguments), []
    place = list(arguments).index("--")
    return list(arguments[:place]), list(arguments[place + 1 :])


def _unknown_option(given: str, known: list[str]) -> UsageProblem:
    if not given.startswith("-"):
        return UsageProblem(f"unexpected argument '{given}'; Robot Framework's own come after --, see ./run.sh --help")
    close = get_close_matches(given.partition("=")[0], known, n=1)
    meant = f"did you mean {close[0]}? " if close else ""
    return UsageProblem(f"unknown option '{given}'; {meant}Robot Framework's own come after --, see ./run.sh --help")


def _names(given: list[str]) -> tuple[str, ...]:
    return tuple(name.strip() for text in given for name in text.split(",") if name.strip())
