from __future__ import annotations

import json
import subprocess
import sys
import time
from itertools import pairwise

import psutil
import pytest

from measurement.sampler import Sampler, read_samples, used_between
from measurement.sampler_process import descendants
from runner.children import start
from tests.waiting import until

SPIN = "while True: pass"
PARENT = """
import subprocess, sys, time
subprocess.Popen([sys.executable, '-c', "import subprocess, time; subprocess.Popen(['sleep', '60']); time.sleep(60)"])
time.sleep(60)
"""
RUN = """
import time
from measurement.sampler import Sampler
Sampler(dict, {path!r}, 0.05).start()
time.sleep(60)
"""
REST = "import time; time.sleep(60)"
HOLD = "import time; kept = bytearray(64 * 2**20); files = [open('/dev/null') for _ in range(50)]; time.sleep(60)"


@pytest.fixture
def spawn():
    children = []

    def spawn_one(code, **options):
        children.append(start([sys.executable, "-c", code], **options))
        return children[-1]

    yield spawn_one
    for child in children:
        below = psutil.Process(child.pid).children(recursive=True) if child.poll() is None else []
        for process in below:
            process.kill()
        child.kill()
        child.wait()


def samples_in(path, service=None):
    return len([s for s in read_samples(path) if service in (None, s["service"])])


def sampled(path, samples, service=None):
    until(lambda: samples_in(path, service) >= samples)


def of(path, service):
    return [s for s in read_samples(path) if s["service"] == service]


def cpu_seconds(child):
    return sum(psutil.Process(child.pid).cpu_times()[:2])


def test_cpu_memory_and_files_of_each_service_are_told_apart(spawn, tmp_path):
    busy, idle, big = spawn(SPIN), spawn(REST), spawn(HOLD)
    until(lambda: psutil.Process(big.pid).num_fds() > 50)
    path = tmp_path / "samples.jsonl"
    start = time.time()
    with Sampler(lambda: {"busy": [busy.pid], "idle": [idle.pid], "big": [big.pid]}, path, 0.2):
        sampled(path, 5, "busy")
    use = {u.service: u for u in used_between(path, start, time.time())}
    assert set(use) == {"busy", "idle", "big", "client"}
    assert use["busy"].cpu_percent_mean > 5 * use["idle"].cpu_percent_mean
    assert use["big"].rss_bytes_max > use["idle"].rss_bytes_max + 60 * 2**20
    assert (use["big"].private_bytes_max or 0) > 60 * 2**20
    assert (use["big"].fds_max or 0) > 50 > 20 > (use["idle"].fds_max or 0)


def test_cpu_shares_add_up_to_the_cpu_time_that_was_used(spawn, tmp_path):
    busy, path = spawn(SPIN), tmp_path / "samples.jsonl"
    with Sampler(lambda: {"busy": [busy.pid]}, path, 0.2, own_name=None):
        sampled(path, 1)
        used = cpu_seconds(busy)
        sampled(path, 7)
        used = cpu_seconds(busy) - used
    samples = of(path, "busy")[:7]
    counted = sum(b["cpu_percent"] / 100 * (b["t"] - a["t"]) for a, b in pairwise(samples))
    assert counted == pytest.approx(used, rel=0.3, abs=0.05)  # the kernel counts in steps of 10 ms


def test_several_processes_of_a_service_add_up(spawn, tmp_path):
    one, two = spawn(REST), spawn(REST)
    until(lambda: min(psutil.Process(p.pid).memory_info().rss for p in (one, two)) > 5 * 2**20)
    path = tmp_path / "samples.jsonl"
    with Sampler(lambda: {"both": [one.pid, two.pid], "one": [one.pid]}, path, 0.05):
        sampled(path, 2, "both")
    both, single = of(path, "both")[-1], of(path, "one")[-1]
    assert both["processes"] == 2
    assert 1.5 * single["rss_bytes"] < both["rss_bytes"] < 2.5 * single["rss_bytes"]
    assert both["fds"] == 2 * single["fds"]


def test_what_a_service_starts_belongs_to_it_and_not_to_the_client(spawn, tmp_path):
    parent, path = spawn(PARENT), tmp_path / "samples.jsonl"
    until(lambda: len(psutil.Process(parent.pid).children(recursive=True)) == 2)
    with Sampler(lambda: {"service": [parent.pid]}, path, 0.05):
        sampled(path, 2, "service")
    assert of(path, "service")[-1]["processes"] == 3
    assert of(path, "client")[-1]["processes"] == 1


def test_a_kernel_that_does_not_list_children_is_searched_for_them(spawn, monkeypatch):
    parent = spawn(PARENT)
    until(lambda: len(psutil.Process(parent.pid).children(recursive=True)) == 2)
    quick = set(descendants(parent.pid))
    monkeypatch.setattr("measurement.sampler_process.KERNEL_LISTS_CHILDREN", False)
    assert set(descendants(parent.pid)) == quick
    assert len(quick) == 3


def test_processes_may_come_and_go(spawn, tmp_path):
    current = [spawn(REST)]
    path = tmp_path / "samples.jsonl"
    with Sampler(lambda: {"service": [p.pid for p in current]}, path, 0.05):
        sampled(path, 2, "service")
        current[0].kill()
        current[0].wait()
        ended = samples_in(path, "client")
        sampled(path, ended + 3, "client")  # nothing of the service to sample, and no error
        while_gone = samples_in(path, "service")
        current[0] = spawn(SPIN)
        until(lambda: cpu_seconds(current[0]) > 0.2)
        sampled(path, while_gone + 3, "service")
    samples = of(path, "service")
    assert sum(s["cpu_percent"] for s in samples) > 20
    assert all(s["cpu_percent"] >= 0 for s in samples)
    assert while_gone <= samples_in(path, "client") - 3


def test_cpu_of_a_process_younger_than_the_sample_before_counts(spawn, tmp_path):
    current: list[subprocess.Popen[str]] = []
    path = tmp_path / "samples.jsonl"
    with Sampler(lambda: {"service": [p.pid for p in current]}, path, 0.6):
        sampled(path, 1, "client")
        current.append(spawn(SPIN))
        sampled(path, 1, "service")
    assert of(path, "service")[0]["cpu_percent"] > 1


def test_a_system_that_cannot_tell_its_processes_is_missed_and_no_more(tmp_path):
    def stopping():
        raise RuntimeError("no environment is in use")

    with Sampler(stopping, tmp_path / "samples.jsonl", 0.02) as sampler:
        until(lambda: sampler.missed >= 3)
    assert read_samples(tmp_path / "samples.jsonl") == []


def test_the_sampler_costs_little_and_knows_what_it_costs(spawn, tmp_path):
    children = [spawn(REST) for _ in range(4)]
    path = tmp_path / "samples.jsonl"
    own = time.process_time()
    with Sampler(lambda: {"all": [c.pid for c in children]}, path, 0.1) as sampler:
        sampled(path, 10, "all")
    own = time.process_time() - own
    assert sampler.samples >= 10
    assert 0 < sampler.cpu_seconds < 0.3 + 0.01 * sampler.samples  # its start, and then little for each sample
    assert own < 0.5  # most of it is this test's own waiting: reading /proc is left to the other process


def test_the_sampling_ends_with_the_run_however_that_ends_and_does_not_complain(spawn, tmp_path):
    path = tmp_path / "samples.jsonl"
    run = spawn(RUN.format(path=str(path)), stderr=subprocess.PIPE)
    sampled(path, 2)
    (program,) = psutil.Process(run.pid).children()
    run.kill()
    run.wait()
    assert run.stderr.read() == ""  # until the last that had it open has ended
    until(lambda: not program.is_running() or program.status() == psutil.STATUS_ZOMBIE)


def test_stopping_twice_or_before_the_start_is_harmless(tmp_path):
    sampler = Sampler(dict, tmp_path / "s.jsonl", 0.1)
    sampler.stop()
    sampler.stop()


def test_samples_outside_the_window_do_not_count(tmp_path):
    path = tmp_path / "samples.jsonl"
    lines = [
        {"t": t, "service": "pg", "cpu_percent": cpu, "rss_bytes": rss, "fds": 5}
        for t, cpu, rss in ((9, 99, 900), (10, 10, 100), (11, 30, 300), (12, 99, 900))
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"t": 10.5, "serv', encoding="utf-8")
    (use,) = used_between(path, 10, 11)
    assert (use.samples, use.cpu_percent_mean, use.cpu_percent_max, use.rss_bytes_max) == (2, 20, 30, 300)
    assert used_between(path, 20, 30) == []
    assert used_between(tmp_path / "missing.jsonl", 0, 1) == []


def test_no_interval_is_refused(tmp_path):
    with pytest.raises(ValueError, match="interval"):
        Sampler(dict, tmp_path / "s.jsonl", 0)
