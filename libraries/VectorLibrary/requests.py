"""Searches that a load repeats, with what each must answer."""

from __future__ import annotations

from typing import Any

from environments.sections.cluster import Vector
from PostgresLibrary.operations import Request, Wrong
from VectorLibrary.dataset import Vectors, texts
from VectorLibrary.nearest import METRICS, Answer, defects
from VectorLibrary.search import parameters


def searches(vectors: Vectors, queries: Vectors, vector: Vector, neighbours: int) -> Request:
    """Ask one query after another for its nearest neighbours.

    Each answer must be complete, in order and have the right distances; how many of the true neighbours an
    approximate search finds is another criterion's matter.
    """
    truths = METRICS[vector.operator](queries, vectors)
    asked = texts(queries)

    def request(number: int) -> tuple[dict[str, Any], Wrong]:
        truth = truths[number % len(asked)]

        def wrong(rows: list[tuple[Any, ...]]) -> str | None:
            answer = Answer(tuple(key for key, _ in rows), tuple(distance for _, distance in rows))
            return "; ".join(defects(answer, truth, neighbours)) or None

        return parameters(asked[number % len(asked)], neighbours), wrong

    return request
