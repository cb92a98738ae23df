"""What all tests share."""

from __future__ import annotations

import signal
from collections.abc import Generator

import pytest

from runner.children import terminate_like_interrupt


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop() -> Generator[None, object, object]:
    """SIGTERM lets fixtures stop what they started, as Ctrl-C does: here, and in the processes that run the tests."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell's background job, and so every program it starts
        signal.signal(signal.SIGINT, signal.default_int_handler)
    with terminate_like_interrupt():
        return (yield)
