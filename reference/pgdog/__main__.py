"""Start the mirror proxy: `python reference/pgdog --help`."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from pathlib import Path

if not __package__:  # started by path: Python then looks for modules beside this file instead of in the project
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from reference.defect import one_of
from reference.pgdog.config import load
from reference.pgdog.controls import Controls
from reference.pgdog.door import MakeSession
from reference.pgdog.program import DataPlane
from reference.pgdog.settings import Settings
from reference.pgdog.tally import Tallies
from reference.pgdog.wrong.switch import Defect
from reference.toml_file import ConfigError

_log = logging.getLogger("pgdog")


def main() -> int:
    """Run until SIGTERM or SIGINT."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # one that comes before there is anything to reload
    options = _options()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    try:
        if options.check:
            return _check(options.config, options.users)
        _run(options.config, options.users, options.defect)
    except ConfigError as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 2
    return 0


def _check(file: Path, users: Path | None) -> int:
    for note in load(file, users).notes:
        _log.warning("%s", note)
    print(f"{file}: can be used")
    return 0


def _run(file: Path, users: Path | None, defect: Defect | None) -> None:
    from reference.pgdog.relay.server import MirrorProxy

    def make_proxy(settings: Settings, tallies: Tallies, session: MakeSession) -> DataPlane:
        return MirrorProxy(settings, tallies, defect, session)

    controls = _controls(defect)
    asyncio.run(controls.program(file, users, controls, make_proxy).run())


def _controls(defect: Defect | None) -> Controls:
    if defect is None:
        return Controls()
    from reference.pgdog.wrong.controls import controls_with

    return controls_with(defect)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="pgdog",
        description="A proxy in front of PostgreSQL that repeats on a mirror what took effect on the primary.",
    )
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="TOML, see README.md")
    parser.add_argument("--users", type=Path, metavar="FILE", help="users.toml; upstream's dialect looks beside FILE")
    parser.add_argument("--check", action="store_true", help="read the configuration, say what is wrong, and end")
    parser.add_argument("--defect", type=one_of(Defect), metavar="NAME", help="behave wrongly on purpose")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
