"""Which database is mirrored into which: the blocks of either dialect, checked and joined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reference.pgdog.config.section import Section
from reference.pgdog.settings import Destination, Source


@dataclass(frozen=True, slots=True)
class Database:
    """A database that the file names, and where the file does so."""

    section: Section
    name: str
    host: str
    port: int
    database: str
    user: str | None = None
    password: str | None = None

    @property
    def place(self) -> tuple[str, int, str]:
        """Which database it is, whatever the file calls it."""
        return self.host, self.port, self.database


@dataclass(frozen=True, slots=True)
class Block:
    """One line from a source to a destination, both by name, with the key of the file that names each."""

    section: Section
    source_key: str
    source: str
    destination_key: str
    destination: str
    exposure: float
    queue: int


def named(databases: Sequence[Database], own: Mapping[str, int], own_host: str) -> dict[str, Database]:
    """Return databases by name.

    Args:
        databases: what the file names.
        own: the proxy's own ports, by key of [general].
        own_host: where it listens.

    Raises:
        ConfigError: two have one name, or one is the proxy itself.
    """
    found: dict[str, Database] = {}
    for one in databases:
        if one.name in found:
            one.section.refuse("name", f"'{one.name}' is there twice", "give each a name of its own")
        if one.port in own.values() and one.host in (own_host, "localhost", "127.0.0.1", "::1"):
            one.section.refuse("port", f"{one.port} is the proxy's own", "write the port of the PostgreSQL server")
        found[one.name] = one
    return found


def check_own_ports(section: Section, own: Mapping[str, int]) -> None:
    """Refuse ports of the proxy that are the same.

    Raises:
        ConfigError: the second key of such a port.
    """
    seen: dict[int, str] = {}
    for key, port in own.items():
        if port in seen:
            section.refuse(key, f"{port} is the port of {seen[port]} as well", "choose another")
        seen[port] = key


def joined(databases: Mapping[str, Database], blocks: Sequence[Block]) -> dict[str, Source]:
    """Return every database as clients see it, with its mirrors.

    Raises:
        ConfigError: a block names what is not there, itself, a circle, or what another block has named already.
    """
    seen: dict[str, list[str]] = {}
    for block in blocks:
        _check(block, databases, seen)
        seen.setdefault(block.source, []).append(block.destination)
    mirrors: dict[str, list[Destination]] = {name: [] for name in databases}
    for block in blocks:
        one = databases[block.destination]
        mirror = Destination(
            one.name, one.host, one.port, one.database, block.exposure, block.queue, one.user, one.password
        )
        mirrors[block.source].append(mirror)
    return {
        name: Source(name, one.host, one.port, one.database, tuple(mirrors[name])) for name, one in databases.items()
    }


def _check(block: Block, databases: Mapping[str, Database], seen: Mapping[str, list[str]]) -> None:
    section, source, destination = block.section, block.source, block.destination
    for key, name in ((block.source_key, source), (block.destination_key, destination)):
        if name not in databases:
            section.refuse(key, f"'{name}' is not there", f"name one of {', '.join(databases) or 'yours'}")
    key = block.destination_key
    if source == destination:
        section.refuse(key, f"'{destination}' would be mirrored into itself", "name another database")
    if destination in seen.get(source, ()):
        section.refuse(key, f"'{source}' is mirrored into '{destination}' already", "remove one of the two")
    for other in (source, *seen.get(source, ())):
        if databases[other].place == databases[destination].place:
            what = f"'{destination}' is the same database as '{other}', where every change would be made twice"
            section.refuse(key, what, "name another database")
    if source in _reached(destination, seen):
        section.refuse(key, f"'{destination}' leads to '{source}', which makes a circle", "break it")


def _reached(start: str, seen: Mapping[str, list[str]]) -> set[str]:
    """What the blocks so far lead to from a database."""
    reached: set[str] = set()
    left = [start]
    while left:
        for name in seen.get(left.pop(), ()):
            if name not in reached:
                reached.add(name)
                left.append(name)
    return reached
