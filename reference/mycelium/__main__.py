"""Start the broker: `python reference/mycelium/__main__.py --help`."""

from __future__ import annotations

import argparse
import gc
import logging
import os
import resource
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

if not __package__:  # started by path: Python then looks for modules beside this file instead of in the project
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from reference.defect import one_of
from reference.mycelium.config import load
from reference.mycelium.defects import Defect
from reference.mycelium.wrong.claims import claim_with
from reference.toml_file import ConfigError

_OTHER_DESCRIPTORS = 100  # files besides the connections of clients
_log = logging.getLogger("mycelium")


def main() -> int:
    """Run until SIGTERM or SIGINT."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # one that comes before there is anything to reload
    options = _options()
    defect: Defect | None = options.defect
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    try:
        environment = {} if defect is Defect.IGNORES_ENVIRONMENT else os.environ
        return _run(options.config, environment, defect)
    except ConfigError as problem:
        vague = defect is Defect.VAGUE_CONFIG_ERROR
        print("error: the configuration is invalid" if vague else f"error: {problem}", file=sys.stderr)
        return 2


def _run(file: Path, environment: Mapping[str, str], defect: Defect | None) -> int:
    settings = load(file, environment)
    for note in settings.notes:
        _log.warning("%s", note)
    _allow_descriptors(settings.server.max_connections)
    claim = claim_with(defect)(Path(settings.server.socket_path), file)
    try:
        # Not before: compiled code takes a second to load, and a broker that has no place here is to say so at once.
        from reference.mycelium.wrong.switch import parts_with

        parts = parts_with(defect)
        broker = parts.broker(settings, parts)
        pages = parts.pages(broker, settings.server.metrics_port, file) if settings.server.metrics_port else None
        parts.control(broker, file, environment)
        gc.freeze()  # what is there now is never looked through again
        broker.listen(claim.listener)
        _log.info("ready: listening at %s, defect %s", settings.server.socket_path, defect)
        broker.serve()
        if pages is not None:
            pages.close()
        broker.close()
    finally:
        claim.release()
    _log.info("stopped")
    return 0


def _allow_descriptors(connections: int) -> None:
    """Raise the limit of open files to what the connections need, as far as that is allowed."""
    needed = connections + _OTHER_DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < needed:
        allowed = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
        if allowed < needed:
            _log.warning("only %d files may be open, %d connections need %d", allowed, connections, needed)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="mycelium-broker",
        description="A message broker on a Unix socket: topics with one or all subscribers served.",
        epilog="MYCELIUM_<SECTION>_<KEY> overrides a key, such as MYCELIUM_SERVER_MAX_CONNECTIONS=100.",
    )
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="TOML, see README.md")
    parser.add_argument(
        "--defect", type=one_of(Defect), metavar="NAME", default=os.environ.get("MYCELIUM_DEFECT") or None
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
