"""Which criterion a test states, and whether this environment can settle it."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping

from criteria import ID, Entry, load_registry


def criterion_of(tags: Iterable[str]) -> str:
    """Return the one tag that is a criterion's id, "" when there is none."""
    return next((tag for tag in tags if ID.match(tag)), "")


def skip_reason(criterion: str, capabilities: frozenset[str]) -> str | None:
    """Say why a criterion cannot be settled here; None when it can, or when the registry does not know it.

    Args:
        criterion: an id of `variables/criteria.yaml`.
        capabilities: what the running environment declares.
    """
    entry = _registry().get(criterion)
    missing = [need for need in entry.needs if need not in capabilities] if entry else []
    if entry is None or not missing:
        return None
    return f"{criterion} ({entry.source}) needs {', '.join(missing)}, which this environment does not declare"


@functools.cache
def _registry() -> Mapping[str, Entry]:
    return load_registry()
