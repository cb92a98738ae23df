"""Answers against recorded ones."""

from __future__ import annotations

from typing import Any

import pytest

from GoldenLibrary.matching import first_difference

SAME: list[tuple[Any, Any]] = [
    ({"data": {"users": [{"id": "<uuid>"}]}}, {"data": {"users": [{"id": "bb9836f5-e2ce-756d-059b-9a4556283bc0"}]}}),
    ("<instant>", "2026-01-25T12:39:00.123456+00:00"),
    ("<text>", "any message"),
    ("<number>", 3.5),
    ("<any>", None),
    ({"message": "<text>", "locations?": "<any>"}, {"message": "no"}),
    ({"message": "<text>", "locations?": "<any>"}, {"locations": [], "message": "no"}),
    (9007199254740993, 9007199254740993),
    (5140.0, 5140),
]

DIFFERENT: list[tuple[Any, Any, str]] = [
    (9007199254740993, 9007199254740992, "$: expected 9007199254740993, was 9007199254740992"),
    (9007199254740993, 9007199254740992.0, "$: expected 9007199254740993, was 9007199254740992.0"),
    (1, True, "$: expected 1, was True"),
    (1, "1", "$: expected 1, was '1'"),
    ([1, 2], [1], "$: expected 2 items, were 1"),
    ({"a": [{"b": 1}]}, {"a": [{"b": 2}]}, "$.a[0].b: expected 1, was 2"),
    ({"a": 1, "b": 2}, {"b": 2, "a": 1}, "$: expected the keys in the order ['a', 'b'], were ['b', 'a']"),
    ({"a": 1}, {}, "$: the object is without a"),
    ({}, {"a": 1}, "$: the object is with a besides"),
    ({"a": 1}, {"b": 1}, "$: the object is without a and with b besides"),
    ("<uuid>", "bb9836f5", "$: 'bb9836f5' is no uuid"),
    ("<instant>", "2026-01-25T12:39:00", "$: '2026-01-25T12:39:00' is no instant"),
    ("<number>", True, "$: True is no number"),
    ("<text>", "", "$: '' is no text"),
    ({"a?": 1}, {"a": 2}, "$.a: expected 1, was 2"),
    ({"a?": 1}, {"b": 2}, "$: the object is with b besides"),
    ({"a": None}, {"a": 0}, "$.a: expected None, was 0"),
]


@pytest.mark.parametrize(("golden", "actual"), SAME)
def test_what_is_recorded_is_found_again(golden: Any, actual: Any) -> None:
    assert first_difference(golden, actual) is None


@pytest.mark.parametrize(("golden", "actual", "told"), DIFFERENT)
def test_any_other_answer_is_told_apart(golden: Any, actual: Any, told: str) -> None:
    assert first_difference(golden, actual) == told
