from __future__ import annotations

import os
import subprocess
import sys
import threading

import psutil
import pytest

from measurement.openloop import offer
from measurement.punctual import be_punctual, processors_awake
from measurement.schedule import constant_rate

WHAT_A_PLAIN_USER_IS_GRANTED = (
    "import os; from measurement.punctual import be_punctual; os.setuid(65534); print(be_punctual())"
)


def in_a_thread(function):
    found = []
    thread = threading.Thread(target=lambda: found.append(function()))
    thread.start()
    thread.join()
    return found[0]


def policy_after():
    granted = be_punctual()
    child = subprocess.run(
        [sys.executable, "-c", "import os; print(os.sched_getscheduler(0))"], capture_output=True, text=True
    )
    return granted, os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK, int(child.stdout)


def test_what_is_granted_is_what_the_kernel_does_and_children_do_not_inherit_it():
    granted, policy, of_child = in_a_thread(policy_after)
    assert policy == (os.SCHED_RR if granted == "real-time" else os.SCHED_OTHER)
    assert of_child == os.SCHED_OTHER
    assert os.sched_getscheduler(0) == os.SCHED_OTHER  # other threads stay as they were


def test_a_refusal_is_no_error(monkeypatch):
    def refused(*arguments):
        raise PermissionError("not for you")

    monkeypatch.setattr(os, "sched_setscheduler", refused)
    assert in_a_thread(be_punctual) in ("short slices", "ordinary")
    monkeypatch.setattr("measurement.punctual.platform.machine", lambda: "vax")
    assert in_a_thread(be_punctual) == "ordinary"


@pytest.mark.skipif(os.geteuid() != 0, reason="not root, so no other user can be taken on; run this test as root")
def test_a_plain_user_gets_what_is_free_for_all():
    answer = subprocess.run([sys.executable, "-c", WHAT_A_PLAIN_USER_IS_GRANTED], capture_output=True, text=True)
    assert answer.stdout.strip() in ("short slices", "ordinary"), answer.stderr


def test_a_load_tells_how_its_workers_were_run():
    result = offer(lambda _: None, constant_rate(100, 0.1), workers=2)
    assert result.client_scheduling == in_a_thread(be_punctual)


def opened():
    return [file.path for file in psutil.Process().open_files()]


def test_processors_are_kept_awake_as_long_as_the_request_is_held(tmp_path, monkeypatch):
    device = tmp_path / "latency"
    device.write_bytes(b"")
    monkeypatch.setattr("measurement.punctual.SLEEPLESS", device)
    with processors_awake() as granted:
        assert granted
        assert device.read_bytes() == bytes(4)  # at most 0 us to wake up
        assert str(device) in opened()
    assert str(device) not in opened()


def test_without_the_right_to_it_processors_sleep_as_they_like(tmp_path, monkeypatch):
    monkeypatch.setattr("measurement.punctual.SLEEPLESS", tmp_path / "nothing" / "latency")
    with processors_awake() as granted:
        assert not granted
