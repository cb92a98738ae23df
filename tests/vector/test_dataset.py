"""Seeded vectors: the same each time, distinct, of unit length, and with neighbours worth finding."""

from __future__ import annotations

import json

import numpy as np
import pytest

from VectorLibrary.dataset import INTRINSIC_DIMENSIONS, embeddings, texts


def test_the_same_seed_gives_the_same_vectors() -> None:
    assert np.array_equal(embeddings(50, 384, 7), embeddings(50, 384, 7))
    assert not np.array_equal(embeddings(50, 384, 7), embeddings(50, 384, 8))


def test_more_vectors_begin_with_the_same_ones() -> None:
    assert np.array_equal(embeddings(80, 384, 7)[:50], embeddings(50, 384, 7))


def test_vectors_are_distinct_and_of_unit_length() -> None:
    vectors = embeddings(2000, 384, 7)
    assert vectors.dtype == np.float32
    assert len(np.unique(vectors, axis=0)) == 2000
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3)


def test_vectors_that_are_not_distinct_are_refused() -> None:
    with pytest.raises(ValueError, match="3 vectors of 1 dimensions with seed 7 are not distinct"):
        embeddings(3, 1, 7)


def test_few_directions_hold_most_of_the_variance() -> None:
    strengths = np.linalg.svd(embeddings(2000, 384, 7), compute_uv=False) ** 2
    share = strengths[:INTRINSIC_DIMENSIONS].sum() / strengths.sum()
    assert 0.95 < share < 1  # the rest is the noise in every dimension


def test_neighbours_are_nearer_than_strangers() -> None:
    vectors = embeddings(2000, 384, 7)
    distances = np.sort(1 - vectors[:20] @ vectors.T, axis=1)
    assert (distances[:, 10] < 0.6 * np.median(distances, axis=1)).all()


def test_texts_give_back_every_number() -> None:
    vectors = embeddings(20, 384, 7)
    read = np.array([json.loads(text) for text in texts(vectors)])
    assert np.array_equal(read.astype(np.float32), vectors)
