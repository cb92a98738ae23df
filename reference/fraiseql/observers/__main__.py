"""Start an observer: `python reference/fraiseql/observers/__main__.py --help`."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from pathlib import Path

if not __package__:  # started by path: Python then looks for modules beside this file instead of in the project
    sys.path[0] = str(Path(__file__).resolve().parents[3])

import nats.errors

from reference.defect import one_of
from reference.fraiseql.observers.config import Settings, SinkName, load
from reference.fraiseql.observers.defects import Defect
from reference.fraiseql.observers.letters import replay
from reference.fraiseql.observers.metrics import Metrics
from reference.fraiseql.observers.observer import Observer, connected
from reference.fraiseql.observers.pages import HOST, serve
from reference.fraiseql.observers.parts import Parts
from reference.fraiseql.observers.sinks import Sink
from reference.toml_file import ConfigError

_log = logging.getLogger("observers")


def main() -> int:
    """Run until SIGTERM or SIGINT, or replay and end."""
    options = _options()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # what fails is told once, where it is handled
    try:
        settings = load(options.config, options.sink)
        if options.action == "replay":
            return asyncio.run(_replay(settings, options.sink))
        asyncio.run(_observe(settings, options))
    except ConfigError as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 2
    _log.info("stopped")
    logging.shutdown()
    os._exit(0)  # a sink that does not answer may still be waited for in a thread; nobody wants its answer any more


async def _observe(settings: Settings, options: argparse.Namespace) -> None:
    parts, metrics = _parts(options.defect), Metrics(options.sink)
    if options.metrics_port is not None:
        try:
            serve(metrics, options.metrics_port)
        except OSError as error:
            what = f"cannot listen on {HOST}:{options.metrics_port} ({error.strerror}); choose a free port"
            raise ConfigError(f"--metrics-port: {what}") from None
    _log.info("observer of %s started, defect %s", options.sink, options.defect)
    await Observer(settings, _sink(settings, parts, options.sink), metrics, parts).run()


async def _replay(settings: Settings, sink: SinkName) -> int:
    try:
        async with connected(settings.nats.url, f"replay for {sink}") as (client, _):
            count = await replay(client, settings.nats, sink)
    except (nats.errors.Error, OSError) as problem:
        print(f"error: nats: {problem}; what was not replayed is kept", file=sys.stderr)
        return 1
    print(f"{count} replayed")
    return 0


def _parts(defect: Defect | None) -> Parts:
    if defect is None:
        return Parts()
    from reference.fraiseql.observers.wrong.switch import parts_with

    return parts_with(defect)


def _sink(settings: Settings, parts: Parts, name: SinkName) -> Sink:
    if name is SinkName.CLICKHOUSE:
        assert settings.clickhouse is not None  # `load` has seen to it
        return parts.clickhouse(settings.clickhouse)
    assert settings.search is not None
    return parts.search(settings.search)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="observers", description="Brings the events of a JetStream stream into one sink, each exactly once."
    )
    parser.add_argument("action", choices=("run", "replay"), help="replay: publish the sink's dead letters again")
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="TOML, see README.md")
    parser.add_argument("--sink", type=SinkName, required=True, choices=list(SinkName), metavar="|".join(SinkName))
    parser.add_argument("--metrics-port", type=int, metavar="PORT", help=f"of {HOST}, for /metrics and /health")
    parser.add_argument("--defect", type=one_of(Defect), metavar="NAME")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
