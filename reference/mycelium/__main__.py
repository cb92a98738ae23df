"""Start the broker: `python reference/mycelium/__main__.py --help`."""

from __future__ import annotations

import argparse
import gc
import logging
import os
import signal
import sys
from pathlib import Path

if not __package__:  # started by path: Python then looks for modules beside this file instead of in the project
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from reference.mycelium.config import ConfigError, Settings, load

_log = logging.getLogger("mycelium")


def main() -> int:
    """Run until SIGTERM or SIGINT."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # one that comes before there is anything to reload
    options = _options()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    try:
        return _run(options.config, load(options.config), options.defect)
    except ConfigError as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 2


def _run(file: Path, settings: Settings, defect: str | None) -> int:
    from reference.mycelium.broker import Broker  # not before the configuration is known to be good: this takes longer
    from reference.mycelium.control import Control
    from reference.mycelium.lifecycle import Claim
    from reference.mycelium.pages import Pages
    from reference.mycelium.parts import Parts

    for note in settings.notes:
        _log.warning("%s", note)
    claim = Claim(Path(settings.server.socket_path), file)
    try:
        broker = Broker(settings, Parts())
        pages = Pages(broker, settings.server.metrics_port, file) if settings.server.metrics_port else None
        Control(broker, file)
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


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="mycelium-broker",
        description="A message broker on a Unix socket: topics with one or all subscribers served.",
        epilog="MYCELIUM_<SECTION>_<KEY> overrides a key, such as MYCELIUM_SERVER_MAX_CONNECTIONS=100.",
    )
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="TOML, see README.md")
    parser.add_argument("--defect", metavar="NAME", default=os.environ.get("MYCELIUM_DEFECT") or None)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
