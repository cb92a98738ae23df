"""Recall and order are judged against distances computed another way."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from VectorLibrary.nearest import METRICS, TIE, Answer, defects, recall

TRUTH = np.array([[0.5, 0.1, 0.4, 0.2, 0.3], [0.1, 0.2, 0.3, 0.4, 0.5]])
RIGHT = [Answer((1, 3, 4), (0.1, 0.2, 0.3)), Answer((0, 1, 2), (0.1, 0.2, 0.3))]


def test_all_true_neighbours_are_a_recall_of_one() -> None:
    assert recall(RIGHT, TRUTH, 3) == 1
    assert [defects(answer, truth, 3) for answer, truth in zip(RIGHT, TRUTH, strict=True)] == [[], []]


def test_each_missed_neighbour_costs_its_share() -> None:
    assert recall([Answer((1, 3, 2), ()), RIGHT[1]], TRUTH, 3) == pytest.approx(5 / 6)
    assert recall([Answer((), ()), RIGHT[1]], TRUTH, 3) == 0.5
    assert recall([Answer((0,), ()), Answer((4,), ())], TRUTH, 3) == 0


def test_a_row_returned_twice_counts_once() -> None:
    assert recall([Answer((1, 1, 1), ()), RIGHT[1]], TRUTH, 3) == pytest.approx(4 / 6)


def test_more_rows_than_asked_for_do_not_make_up_for_another_search() -> None:
    ties = np.array([[0.1, 0.1, 0.1, 0.1], [0.1, 0.2, 0.3, 0.4]])
    assert recall([Answer((0, 1, 2, 3), ()), Answer((0,), ())], ties, 2) == pytest.approx(3 / 4)


def test_equal_distances_are_equally_right() -> None:
    ties = np.array([[0.1, 0.3, 0.3 + TIE / 2, 0.9]])
    assert recall([Answer((0, 2), ())], ties, 2) == 1
    assert recall([Answer((0, 3), ())], ties, 2) == 0.5


@pytest.mark.parametrize(
    ("answers", "k", "says"),
    [
        ([], 3, "0 answers|one truth|at least one"),
        (RIGHT[:1], 3, "not 2"),
        (RIGHT, 6, "needs at least 6 vectors, not 5"),
    ],
)
def test_what_cannot_be_judged_is_refused(answers: list[Answer], k: int, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        recall(answers, TRUTH, k)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (Answer((1, 3), (0.1, 0.2)), "2 rows instead of 3"),
        (Answer((1, 1, 3), (0.1, 0.1, 0.2)), "a row is returned twice"),
        (Answer((3, 1, 4), (0.2, 0.1, 0.3)), "distance 0.100000 comes after 0.200000"),
        (Answer((1, 3, 4), (0.1, 0.2, 0.35)), "row 4 has distance 0.350000 instead of 0.300000"),
        (Answer((), ()), "0 rows instead of 3"),
    ],
)
def test_each_defect_of_an_answer_is_named(answer: Answer, says: str) -> None:
    assert defects(answer, TRUTH[0], 3) == [says]


def test_metrics_are_those_of_their_definitions() -> None:
    one, other = [3.0, 4.0, 0.0], [1.0, 2.0, 2.0]
    inner = sum(a * b for a, b in zip(one, other, strict=True))
    expected = {
        "<=>": 1 - inner / (math.dist(one, [0] * 3) * math.dist(other, [0] * 3)),
        "<->": math.dist(one, other),
        "<#>": -inner,
    }
    for operator, metric in METRICS.items():
        found = metric(np.array([one]), np.array([other, one]))
        assert found.shape == (1, 2)
        assert found[0, 0] == pytest.approx(expected[operator])


@given(st.integers(0, 2**32 - 1), st.integers(1, 8), st.sampled_from(sorted(METRICS)))
def test_an_exact_search_has_a_recall_of_one_and_no_defects(seed: int, k: int, operator: str) -> None:
    random = np.random.default_rng(seed)
    vectors, queries = random.standard_normal((30, 5)), random.standard_normal((4, 5))
    truth = METRICS[operator](queries, vectors)
    rows = np.argsort(truth, axis=1)[:, :k]
    answers = [
        Answer(tuple(map(int, found)), tuple(distances[found])) for found, distances in zip(rows, truth, strict=True)
    ]
    assert recall(answers, truth, k) == 1
    assert all(not defects(answer, one, k) for answer, one in zip(answers, truth, strict=True))
    worst = np.argsort(truth, axis=1)[:, -k:]
    assert recall([Answer(tuple(map(int, found)), ()) for found in worst], truth, k) == 0
