"""Threads that wake up when they are due, although other processes keep every core busy.

A load generator uses little time but needs it at once: on a machine whose cores are all taken by the system under
test, an ordinary thread that wakes up waits several milliseconds for its turn, and that wait would be measured as if
the system had caused it. Three things are asked of the kernel for the calling thread; each may be refused:

* timers that are not put off (50 us otherwise);
* real-time scheduling at the lowest priority, which needs root or a limit on real-time priority above 0;
* failing that, short slices, which let a thread that wakes up go before others more often (Linux 6.12).

Real-time threads that never rest still leave the other processes a share (the kernel's default is 5 % of each second),
and children of the thread do not inherit its priority.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

Scheduling = Literal["real-time", "short slices", "ordinary"]

TIMER_SLACK_NANOSECONDS = 1
SLICE_NANOSECONDS = 100_000  # the shortest that the kernel grants

SLEEPLESS = Path("/dev/cpu_dma_latency")

_PR_SET_TIMERSLACK = 29
_SCHED_SETATTR = {"x86_64": 314, "aarch64": 274}


class _Attributes(ctypes.Structure):
    _fields_ = (
        ("size", ctypes.c_uint32),
        ("policy", ctypes.c_uint32),
        ("flags", ctypes.c_uint64),
        ("nice", ctypes.c_int32),
        ("priority", ctypes.c_uint32),
        ("runtime", ctypes.c_uint64),
        ("deadline", ctypes.c_uint64),
        ("period", ctypes.c_uint64),
    )


def be_punctual() -> Scheduling:
    """Ask for the calling thread to run as soon as it is due, and return what was granted."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "prctl"):
        libc.prctl(_PR_SET_TIMERSLACK, ctypes.c_ulong(TIMER_SLACK_NANOSECONDS), 0, 0, 0)
    try:
        lowest = os.sched_get_priority_min(os.SCHED_RR)
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(lowest))
    except (AttributeError, OSError):
        return "short slices" if _ask_for_short_slices(libc) else "ordinary"
    return "real-time"


@contextmanager
def processors_awake() -> Iterator[bool]:
    """Keep idle processors from sleeping within the block; yields whether the kernel grants that (it needs root).

    A processor that sleeps takes its time to wake up: in a virtual machine about 40 us for each process that a message
    goes through. Where microseconds are measured at a low rate, that would be most of the result, and the machine's.
    """
    try:
        device = SLEEPLESS.open("wb", buffering=0)
    except OSError:
        yield False
        return
    with device:  # the request holds as long as the file is open
        device.write(struct.pack("i", 0))
        yield True


def _ask_for_short_slices(libc: ctypes.CDLL) -> bool:
    call = _SCHED_SETATTR.get(platform.machine())
    if call is None or platform.system() != "Linux":
        return False
    attributes = _Attributes(size=ctypes.sizeof(_Attributes), runtime=SLICE_NANOSECONDS)
    return bool(libc.syscall(call, 0, ctypes.byref(attributes), 0) == 0)
