"""Start the server: `python reference/clickhouse/__main__.py --help`."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import threading
from pathlib import Path

if not __package__:  # started by path: Python then looks for modules beside this file instead of in the project
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from reference.clickhouse.engine import VERSION, Engine
from reference.clickhouse.errors import QueryError
from reference.clickhouse.server import Account, Server

HOST = "127.0.0.1"
DRAIN_SECONDS = 10.0
_ENDING = {signal.SIGTERM, signal.SIGINT}
_log = logging.getLogger("clickhouse")


def main() -> int:
    """Run until SIGTERM or SIGINT."""
    options = _options()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    # Waited for instead of handled: the engine has threads of its own, and a signal that one of them is interrupted by
    # would wake nobody here.
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    try:
        password = options.password_file.read_text(encoding="utf-8").removesuffix("\n")
    except OSError as error:
        return _refuse("--password-file", f"{options.password_file} cannot be read ({error.strerror})")
    try:
        engine = Engine(options.data)
    except (QueryError, OSError) as error:
        return _refuse("--data", f"{options.data} cannot be opened: {error}")
    try:
        server = Server((HOST, options.port), engine, Account(options.user, password))
    except OSError as error:
        engine.close()
        return _refuse("--port", f"cannot listen on {HOST}:{options.port} ({error.strerror})")
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, name="accept", daemon=True).start()
    _log.info("ready: engine %s, listening on %s:%d, data in %s", VERSION, HOST, options.port, options.data)
    signal.sigwait(_ENDING)
    server.shutdown()
    server.server_close()
    drained = server.drain(DRAIN_SECONDS)
    if drained:
        engine.close()
    _log.info("stopped%s", "" if drained else "; requests were still being answered")
    return 0 if drained else 1


def _refuse(option: str, what: str) -> int:
    print(f"error: {option}: {what}", file=sys.stderr)
    return 2


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="clickhouse-front",
        description=f"ClickHouse's engine {VERSION} on a directory, over HTTP on {HOST}.",
    )
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="made if it is not there")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--user", required=True)
    parser.add_argument("--password-file", type=Path, required=True, metavar="FILE", help="holds the user's password")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
