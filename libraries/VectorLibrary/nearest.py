"""What the nearest neighbours really are, and how many of them a search has found. Pure functions on arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Distances = NDArray[np.float64]
Matrix = NDArray[np.floating]

TIE = 1e-5
"""Distances this close count as equal: the server adds up 384 products in single precision."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one search returned, in its order."""

    rows: tuple[int, ...]  # numbers of vectors in the collection
    distances: tuple[float, ...]  # as the server computed them


def cosine_distances(queries: Matrix, vectors: Matrix) -> Distances:
    """Return 1 - cosine similarity of each query (a row of the result) to each vector, in double precision."""
    return np.asarray(1 - _unit(queries) @ _unit(vectors).T, dtype=np.float64)


def euclidean_distances(queries: Matrix, vectors: Matrix) -> Distances:
    """Return the length of the difference of each query (a row of the result) to each vector."""
    wide = vectors.astype(np.float64)
    return np.stack([np.linalg.norm(wide - query, axis=1) for query in queries.astype(np.float64)])


def negative_inner_products(queries: Matrix, vectors: Matrix) -> Distances:
    """Return minus the inner product of each query (a row of the result) with each vector."""
    return np.asarray(-(queries.astype(np.float64) @ vectors.astype(np.float64).T), dtype=np.float64)


METRICS: dict[str, Callable[[Matrix, Matrix], Distances]] = {
    "<=>": cosine_distances,
    "<->": euclidean_distances,
    "<#>": negative_inner_products,
}
"""What the distance operators of pgvector and RuVector compute."""


def recall(answers: Sequence[Answer], truth: Distances, k: int) -> float:
    """Return which share of the k nearest neighbours the searches found, over all searches together.

    A row counts when it is as near as the k-th nearest, so that equal distances cost nothing; a row that is returned
    twice counts once, and one that is missing counts as not found.

    Args:
        answers: of each search.
        truth: of each search (a row), the exact distance of every vector in the collection.
        k: neighbours asked for.

    Raises:
        ValueError: no searches, not as many truths as answers, or fewer vectors than neighbours.
    """
    if not answers or len(answers) != len(truth):
        raise ValueError(
            f"recall needs as many truths as answers and at least one, not {len(truth)} and {len(answers)}"
        )
    found = 0
    for answer, distances in zip(answers, truth, strict=True):
        if len(distances) < k:
            raise ValueError(f"recall at {k} needs at least {k} vectors, not {len(distances)}")
        limit = np.partition(distances, k - 1)[k - 1] + TIE
        found += min(k, sum(1 for row in set(answer.rows) if distances[row] <= limit))
    return found / (k * len(answers))


def defects(answer: Answer, truth: Distances, k: int) -> list[str]:
    """Name what is wrong with one answer whatever its recall: incomplete, repeated, out of order or wrong distances.

    Args:
        answer: of the search.
        truth: exact distance of every vector in the collection.
        k: neighbours asked for.
    """
    found = []
    if len(answer.rows) != k:
        found.append(f"{len(answer.rows)} rows instead of {k}")
    if len(set(answer.rows)) != len(answer.rows):
        found.append("a row is returned twice")
    steps = np.diff(answer.distances)
    if len(steps) and steps.min() < 0:
        place = int(steps.argmin())
        found.append(f"distance {answer.distances[place + 1]:.6f} comes after {answer.distances[place]:.6f}")
    errors = np.abs(np.asarray(answer.distances) - truth[list(answer.rows)]) if answer.rows else np.zeros(0)
    if len(errors) and errors.max() > TIE:
        worst = int(errors.argmax())
        expected = truth[answer.rows[worst]]
        found.append(f"row {answer.rows[worst]} has distance {answer.distances[worst]:.6f} instead of {expected:.6f}")
    return found


def _unit(vectors: Matrix) -> Distances:
    wide = vectors.astype(np.float64)
    return np.asarray(wide / np.linalg.norm(wide, axis=1, keepdims=True), dtype=np.float64)
