"""A run that is broken off leaves nothing of the real cluster behind, whichever step it was in."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.broken_off import Started, started
from tests.waiting import until

pytestmark = pytest.mark.servers


def is_running_the_criterion(run: Started) -> bool:
    """The sampler begins when the cluster is up."""
    results = run.results()
    return results is not None and (results / "samples.jsonl").exists()


def has_judged(run: Started) -> bool:
    """The verdict is printed; teardown is next."""
    return "pass " in run.text()


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Started]:
    """A run of one criterion that takes five seconds."""
    with started(tmp_path, "runner", "--criterion", "HA-02") as one:
        yield one


STEPS = [Started.is_starting, is_running_the_criterion, has_judged]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.__name__)
def test_a_signal_stops_everything_in_each_step(
    run: Started, step: Callable[[Started], bool], number: signal.Signals
) -> None:
    run.until(lambda: step(run), step.__name__)
    run.process.send_signal(number)
    code = run.process.wait(timeout=40)
    assert code == 1 or (code == 0 and step is has_judged), "the criterion did not end, so it counts as failed"
    assert run.services() == []
    assert list(run.state.iterdir()) == []
    assert run.text().rstrip().endswith("skipped"), "no closing line"
    assert "Traceback" not in run.text()


def test_sigkill_leaves_nothing_of_the_cluster(run: Started) -> None:
    run.until(lambda: is_running_the_criterion(run), "running")
    run.process.kill()
    run.process.wait(timeout=10)
    until(run.is_gone, "gone", 40)
