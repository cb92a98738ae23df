"""Start the cache client: `python reference/cache/__main__.py --help`."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
from pathlib import Path

if not __package__:  # started by path: Python then looks for modules beside this file instead of in the project
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from reference.cache.database import Database
from reference.cache.defects import Defect
from reference.cache.entries import Entries
from reference.cache.gates import Gates
from reference.cache.generations import Generations, RedisAddress
from reference.cache.metrics import Metrics
from reference.cache.server import Application, Server

VERSION = "1.0"
DRAIN_SECONDS = 5.0
_REDIS_SECONDS = 0.5  # for one answer of Redis; a healthy one takes less than a millisecond, a starved one perhaps 100
_WATCH_SECONDS = 0.5  # how often the database is asked for its timeline
_log = logging.getLogger("reference.cache")


def main() -> int:
    """Run until SIGTERM or SIGINT."""
    options = _options()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    sys.setswitchinterval(0.0005)  # the default of 5 ms would show in the slowest reads
    defect = Defect(options.defect) if options.defect else None
    metrics, gates = Metrics(), Gates(options.maximum_hold)
    host, port = options.redis
    timeout = 10.0 if defect is Defect.WAITS_FOR_REDIS else _REDIS_SECONDS
    generations = Generations(
        RedisAddress(host, port, os.environ.get("CACHE_REDIS_PASSWORD"), timeout), metrics, defect
    )
    database = Database(
        options.database,
        os.environ.get("CACHE_DATABASE_PASSWORD"),
        options.table,
        metrics,
        lambda: generations.abandon(None, "the database has a new timeline"),
    )
    entries = Entries(database, generations, metrics, options.ttl, defect)
    about = {"name": "reference cache", "version": VERSION, "defect": options.defect}
    try:
        server = Server(options.listen, Application(entries, database, generations, metrics, gates, about))
    except OSError as error:
        print(f"cannot listen on {options.listen[0]}:{options.listen[1]}: {error.strerror}", file=sys.stderr)
        return 2
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    generations.start()
    threading.Thread(target=_watch, args=(database, stop), name="watch", daemon=True).start()
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, name="accept", daemon=True).start()
    _log.info("listening on %s:%d, table %s, defect %s", *server.server_address[:2], options.table, options.defect)
    stop.wait()
    gates.release_all()
    drained = server.drain(DRAIN_SECONDS)
    server.shutdown()
    generations.stop()
    database.close()
    _log.info("stopped%s", "" if drained else "; requests were still being answered")
    return 0 if drained else 1


def _watch(database: Database, stop: threading.Event) -> None:
    """Notice a failover of the database also when every read is answered from the cache."""
    while not stop.wait(_WATCH_SECONDS):
        database.reachable()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="cache",
        description="Rows of one table, cached in Redis, over HTTP.",
        epilog="Passwords: CACHE_REDIS_PASSWORD and CACHE_DATABASE_PASSWORD in the environment.",
    )
    parser.add_argument("--redis", type=_address, required=True, metavar="HOST:PORT")
    parser.add_argument("--database", required=True, metavar="DSN", help="libpq connection string, no password in it")
    parser.add_argument("--listen", type=_address, required=True, metavar="HOST:PORT")
    parser.add_argument("--ttl", type=_positive, default=300.0, metavar="SECONDS", help="an entry's time to live")
    parser.add_argument("--table", default="memory_entries", metavar="[SCHEMA.]NAME")
    parser.add_argument("--maximum-hold", type=_positive, default=10.0, metavar="SECONDS", help="bound of every gate")
    parser.add_argument("--defect", choices=[defect.value for defect in Defect], metavar="NAME")
    return parser.parse_args()


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise argparse.ArgumentTypeError(f"'{text}' is not host:port")
    return host, int(port)


def _positive(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 1e9:
        raise argparse.ArgumentTypeError(f"'{text}' is not a positive number of seconds")
    return seconds


if __name__ == "__main__":
    sys.exit(main())
