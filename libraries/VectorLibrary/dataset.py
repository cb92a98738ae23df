"""Seeded vectors that look like embeddings: distinct, of unit length, with few directions that matter.

Embeddings of text fill a small part of their space; estimates of their intrinsic dimension lie between about 10 and
30. So these are points of a 16-dimensional Gaussian, mapped at random into all dimensions, with a little noise in every
one. Independent Gaussian numbers in 384 dimensions would have no near neighbours at all (all distances are
nearly equal), and an approximate search over them measures nothing: at pgvector's default settings its recall is 0.36.
"""

from __future__ import annotations

from typing import cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

INTRINSIC_DIMENSIONS = 16
DECIMALS = 4  # of each number, which is 0.05 in size: as text, 10 000 vectors are 29 MB instead of 47 MB
NOISE = 0.5  # standard deviation in each dimension; that of the signal is 4

Vectors = NDArray[np.float32]


def embeddings(number: int, dimensions: int, seed: int) -> Vectors:
    """Return distinct vectors of unit length (to three decimals); the first n are the same for every `number` >= n.

    Args:
        number: of vectors, the rows of the result.
        dimensions: of each, at least 1.
        seed: of the pseudo-random generators.

    Raises:
        ValueError: two are equal, which happens only in very few dimensions.
    """
    space, points, noise = (np.random.default_rng([seed, part]) for part in range(3))
    directions = space.standard_normal((INTRINSIC_DIMENSIONS, dimensions))
    raw = points.standard_normal((number, INTRINSIC_DIMENSIONS)) @ directions
    raw += NOISE * noise.standard_normal((number, dimensions))
    vectors = np.round(raw / np.linalg.norm(raw, axis=1, keepdims=True), DECIMALS).astype(np.float32)
    if len(np.unique(vectors, axis=0)) != number:
        raise ValueError(f"{number} vectors of {dimensions} dimensions with seed {seed} are not distinct")
    return cast("Vectors", vectors)


def texts(vectors: Vectors) -> list[str]:
    """Write each vector in the server's input format, every number with the digits that give it back exactly."""
    number, dimensions = vectors.shape
    numbers = pc.cast(pa.array(vectors.ravel()), pa.string())
    ends = pa.array(np.arange(0, number * dimensions + 1, dimensions, dtype=np.int32))
    return [f"[{text}]" for text in pc.binary_join(pa.ListArray.from_arrays(ends, numbers), ",").to_pylist()]
