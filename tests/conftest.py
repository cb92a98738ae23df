"""What all tests share."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from runner.children import terminate_like_interrupt


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop() -> Generator[None, object, object]:
    """SIGTERM lets fixtures stop what they started, as Ctrl-C does: here, and in the processes that run the tests."""
    with terminate_like_interrupt():
        return (yield)
