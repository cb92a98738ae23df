"""Compares an answer of HTTP with a recorded one, exactly, but for what the recording calls variable."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

_VARIABLE = re.compile(r"<(\w+)>")


def first_difference(golden: Any, actual: Any, path: str = "$") -> str | None:
    """Say where an answer first differs from the recorded one; None when nowhere.

    The order of an object's keys counts: GraphQL answers in the order of the question. Numbers are compared by their
    exact value: 1 is 1.0, as in JSON, and no digit of a big one may be missing.

    Args:
        golden: as recorded; a text `<uuid>`, `<instant>`, `<text>`, `<number>` or `<any>` stands for what varies, and a
            key that ends with `?` may be missing.
        actual: as answered.
        path: of both, in the answer.
    """
    variable = _VARIABLE.fullmatch(golden) if isinstance(golden, str) else None
    if variable is not None:
        return None if _KINDS[variable[1]](actual) else f"{path}: {actual!r} is no {variable[1]}"
    if isinstance(golden, Mapping) and isinstance(actual, Mapping):
        return _object_difference(golden, actual, path)
    if isinstance(golden, list) and isinstance(actual, list):
        if len(golden) != len(actual):
            return f"{path}: expected {len(golden)} items, were {len(actual)}"
        pairs = enumerate(zip(golden, actual, strict=True))
        return next((found for i, (g, a) in pairs if (found := first_difference(g, a, f"{path}[{i}]"))), None)
    if _is_number(golden) and _is_number(actual):
        return None if golden == actual else f"{path}: expected {golden!r}, was {actual!r}"
    if type(golden) is not type(actual) or golden != actual:
        return f"{path}: expected {golden!r}, was {actual!r}"
    return None


def _object_difference(golden: Mapping[str, Any], actual: Mapping[str, Any], path: str) -> str | None:
    optional = {key.removesuffix("?"): value for key, value in golden.items() if key.endswith("?")}
    required = {key: value for key, value in golden.items() if not key.endswith("?")}
    missing, more = required.keys() - actual.keys(), actual.keys() - required.keys() - optional.keys()
    if missing or more:
        told = [f"without {', '.join(sorted(missing))}"] if missing else []
        told += [f"with {', '.join(sorted(more))} besides"] if more else []
        return f"{path}: the object is {' and '.join(told)}"
    order = [key for key in actual if key in required]
    if list(required) != order:
        return f"{path}: expected the keys in the order {list(required)}, were {order}"
    recorded = {**optional, **required}
    return next((found for k in actual if (found := first_difference(recorded[k], actual[k], f"{path}.{k}"))), None)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_uuid(value: Any) -> bool:
    try:
        return isinstance(value, str) and str(UUID(value)) == value.lower()
    except ValueError:
        return False


def _is_instant(value: Any) -> bool:
    try:
        return isinstance(value, str) and datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False


_KINDS: dict[str, Callable[[Any], bool]] = {
    "uuid": _is_uuid,
    "instant": _is_instant,
    "text": lambda value: isinstance(value, str) and value != "",
    "number": _is_number,
    "any": lambda _: True,
}
