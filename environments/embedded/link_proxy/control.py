"""The control port, and the program around it."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import resource
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .addresses import listener, parsed
from .conditions import Condition
from .links import Link


@dataclass
class Control:
    """What the control port understands, one JSON object a line, answered by one JSON object each.

    {"add": {"name": str, "listen": address, "target": address}}  ->  {"listen": address}
    {"set": {"name": str, "condition": {...} or null}}            ->  {}
    {"links": {}}                                                 ->  {"links": {name: state}}
    anything wrong                                                ->  {"error": one line}

    An address is [host, port], where port 0 listens on any that is free, or the path of a Unix socket.
    """

    chance: random.Random
    links: dict[str, Link] = field(default_factory=dict)

    def answer(self, line: bytes) -> dict[str, Any]:
        """Do what one line asks."""
        try:
            ((verb, arguments),) = json.loads(line).items()
            match verb:
                case "add":
                    return self._add(**arguments)
                case "set":
                    return self._set(**arguments)
                case "links":
                    return {"links": {name: link.state() for name, link in self.links.items()}}
        except (ValueError, TypeError, AttributeError, OSError) as error:
            return {"error": str(error)}
        return {"error": f"'{verb}' is unknown; use add, set or links"}

    def _add(self, name: str, listen: object, target: object) -> dict[str, Any]:
        if name in self.links:
            raise ValueError(f"link '{name}' is there already")
        where_to = parsed(target)
        self.links[name] = link = Link(name, listener(parsed(listen)), where_to, self.chance)
        return {"listen": link.listener.address}

    def _set(self, name: str, condition: Mapping[str, object] | None) -> dict[str, Any]:
        link = self.links.get(name)
        if link is None:
            raise ValueError(f"link '{name}' is unknown; there are: {', '.join(self.links) or 'none'}")
        link.apply(Condition.parse(condition))
        return {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one client of the control port until it leaves."""
        with contextlib.suppress(ConnectionError):
            while line := await reader.readline():
                writer.write(json.dumps(self.answer(line)).encode() + b"\n")
                await writer.drain()
        writer.close()


async def run(announce: Path, seed: int) -> None:
    """Serve until SIGTERM, having written the control port's address to the file `announce`."""
    control = Control(random.Random(seed))
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    server = await asyncio.start_server(control.serve, "127.0.0.1", 0)
    content = {"control": list(server.sockets[0].getsockname()[:2]), "pid": os.getpid()}
    draft = announce.with_suffix(".draft")
    draft.write_text(json.dumps(content), encoding="utf-8")
    draft.rename(announce)
    await stop.wait()
    for link in control.links.values():
        link.close()


def main(arguments: list[str]) -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(description="proxy whose links can be made bad on purpose")
    parser.add_argument("--announce", type=Path, required=True, help="file that gets the control port's address")
    parser.add_argument("--seed", type=int, default=0, help="of the jitter")
    options = parser.parse_args(arguments)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    asyncio.run(run(options.announce, options.seed))
