"""Namespaces chosen by where Citus puts them: a criterion that needs two workers may not leave that to a hash."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from CitusLibrary.catalog import ENTRIES, homes
from CitusLibrary.nodes import Node, workers

CANDIDATES_FOR_WORKERS = 200
CANDIDATES_A_SHARD = 32
"""With so many names for each of 32 shards, one run of a million million leaves a shard without a name."""


@dataclass(frozen=True, slots=True)
class Namespace:
    """A namespace and where its rows belong."""

    name: str
    node: Node
    relation: str


def on_every_worker(stem: str, each: int) -> list[Namespace]:
    """Invent namespaces, the same number for each worker.

    Args:
        stem: how their names begin; the rest is random.
        each: how many for each worker.

    Raises:
        AssertionError: a worker holds no shard of memory entries, or the table is not distributed.
    """
    return first_of_each([worker.name for worker in workers()], each, _located(stem, CANDIDATES_FOR_WORKERS))


def one_for_each_shard(stem: str, shard_count: int) -> list[Namespace]:
    """Invent one namespace for every shard.

    Raises:
        AssertionError: there are fewer shards, or the table is not distributed.
    """
    found = {place.relation: place for place in _located(stem, CANDIDATES_A_SHARD * shard_count)}
    if len(found) != shard_count:
        raise AssertionError(f"the namespaces reach {len(found)} shards of {ENTRIES}, expected {shard_count}")
    return [found[relation] for relation in sorted(found)]


def first_of_each(workers: Sequence[str], each: int, located: Iterable[Namespace]) -> list[Namespace]:
    """Take the first few namespaces of each worker, in the order of the workers.

    Raises:
        AssertionError: there are not enough for a worker.
    """
    by_worker: Mapping[str, list[Namespace]] = {worker: [] for worker in workers}
    for place in located:
        by_worker.get(place.node.name, []).append(place)
    for worker, places in by_worker.items():
        if len(places) < each:
            share = ", ".join(f"{len(places)} to {name}" for name, places in by_worker.items())
            raise AssertionError(f"{worker} has no shard of {ENTRIES} for new namespaces: of all tried, {share} belong")
    return [place for places in by_worker.values() for place in places[:each]]


def _located(stem: str, number: int) -> list[Namespace]:
    names = [f"{stem}-{secrets.token_hex(4)}-{count}" for count in range(number)]
    return [Namespace(name, *home) for name, home in homes(names).items()]
