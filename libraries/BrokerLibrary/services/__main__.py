"""Runs one service double; see `service.py` for what it understands."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from BrokerLibrary.client import BrokerClient
from BrokerLibrary.connection import ConnectionLost
from BrokerLibrary.lasting import ANSWER_SECONDS
from BrokerLibrary.records import Backoff
from BrokerLibrary.services.kinds import KINDS, RELAY_NAMES
from BrokerLibrary.services.service import Service


def default_socket() -> Path:
    """Where a broker listens unless told otherwise: `mycelium.sock` in the directory for temporary files."""
    return Path(tempfile.gettempdir()) / "mycelium.sock"


def main(arguments: Sequence[str]) -> int:
    """Run a service until its input ends; return 0, or 1 when there is no broker."""
    parser = argparse.ArgumentParser(prog="python -m BrokerLibrary.services", description=__doc__)
    parser.add_argument("name", choices=sorted(KINDS))
    parser.add_argument("--socket", type=Path, default=default_socket(), help="of the broker (default: %(default)s)")
    parser.add_argument("--topics", help="to subscribe to, with commas; by their names or as the relays called them")
    parser.add_argument("--backoff-ms", type=float, default=1000, help="before the first attempt to reconnect")
    options = parser.parse_args(arguments)
    kind = KINDS[options.name]
    names = options.topics.split(",") if options.topics and kind.topics else kind.topics
    topics = [RELAY_NAMES.get(name, name) for name in names]
    backoff = Backoff(options.backoff_ms / 1000)
    try:
        client = BrokerClient(options.socket, kind.name, backoff=backoff, answer_seconds=ANSWER_SECONDS)
    except ConnectionLost as lost:
        print(json.dumps({"event": "error", "problem": str(lost)}), flush=True)
        return 1
    with client:
        Service(kind, client, topics).run(sys.stdin)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
