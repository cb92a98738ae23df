"""What processes use, as the kernel says."""

from __future__ import annotations

import mmap
import os

import psutil
import pytest

from measurement.usage import ResidentMemory, cpu_seconds, resident_bytes
from tests.waiting import until

MB = 1 << 20


def test_all_processes_count_and_those_that_are_gone_do_not() -> None:
    own = psutil.Process()
    nobody = 1 << 22  # above the kernel's highest process id
    times = own.cpu_times()
    assert resident_bytes(lambda: [own.pid, nobody, own.pid]) == pytest.approx(2 * own.memory_info().rss, rel=0.1)
    assert cpu_seconds(lambda: [own.pid, nobody, own.pid]) == pytest.approx(2 * (times.user + times.system), rel=0.1)
    assert resident_bytes(list) == cpu_seconds(list) == 0


def test_the_most_memory_of_a_block_is_seen_after_it_is_given_back() -> None:
    with ResidentMemory(lambda: [os.getpid()]) as memory, mmap.mmap(-1, 64 * MB) as block:
        block.write(b"x" * (64 * MB))
        until(lambda: memory.most > memory.before + 60 * MB, "the block to be seen")
    assert memory.growth > 60 * MB
    assert max(size for _, size in memory.looks) == memory.most
    assert [at for at, _ in memory.looks] == sorted(at for at, _ in memory.looks)
