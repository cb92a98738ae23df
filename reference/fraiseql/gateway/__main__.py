"""Start the gateway: `python reference/fraiseql/gateway/__main__.py --help`."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path

if not __package__:  # started by path: Python then looks for modules beside this file instead of in the project
    sys.path[0] = str(Path(__file__).resolve().parents[3])

from reference.defect import one_of
from reference.fraiseql.gateway.config import Settings, load
from reference.fraiseql.gateway.defects import Defect
from reference.fraiseql.gateway.schema import Schema, SchemaProblem, load_schema
from reference.toml_file import ConfigError


def main() -> int:
    """Run until SIGTERM or SIGINT."""
    options = _options()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    try:
        settings = load(options.config, os.environ)
        _run(settings, _schema(options.config, settings), options.config, options.defect)
    except ConfigError as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 2
    return 0


def _schema(file: Path, settings: Settings) -> Schema:
    try:
        return load_schema(settings.schema_path)
    except SchemaProblem as problem:
        raise ConfigError(f"{file}: schema_path: {problem}") from None


def _run(settings: Settings, schema: Schema, file: Path, defect: Defect | None) -> None:
    # Not before: what it needs takes a second to load, and a wrong configuration is to be told at once.
    from reference.fraiseql.gateway.program import run

    run(settings, schema, file, defect)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="fraiseql-gateway",
        description="GraphQL over HTTP and Arrow Flight in front of PostgreSQL.",
        epilog="Environment: FLIGHT_SESSION_SECRET (key of session tokens), FRAISEQL_MAX_PAGE_SIZE (0: no limit).",
    )
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="TOML; its keys are in config.py")
    parser.add_argument(
        "--defect", type=one_of(Defect), metavar="NAME", help="behave wrongly on purpose; see defects.py"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
