"""What all tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from runner.children import terminate_like_interrupt


@pytest.fixture(scope="session", autouse=True)
def terminated_like_interrupted() -> Iterator[None]:
    """SIGTERM lets fixtures stop what they started, as Ctrl-C does."""
    with terminate_like_interrupt():
        yield
