"""No process outlives its environment, however the run ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import psutil
import pytest

from environments.config import ROOT
from environments.embedded.processes import EmbeddedService, Home, Keeper, wait_until
from environments.errors import EnvironmentProblem
from tests.waiting import until

SLEEPER = [sys.executable, "-c", "import time; time.sleep(600)"]
# Detaches a grandchild, as Patroni does with PostgreSQL, and ignores every polite signal.
DAEMON = [
    sys.executable,
    "-c",
    textwrap.dedent(
        """
        import os, signal, sys, time
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                open(sys.argv[1], "w").write(str(os.getpid()))
                time.sleep(600)
            os._exit(0)
        time.sleep(600)
        """
    ),
]


@pytest.fixture
def keeper(tmp_path: Path) -> Iterator[Keeper]:
    state = tmp_path / "state"
    state.mkdir()
    keeper = Keeper(state)
    yield keeper
    keeper.close()


def runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_close_kills_what_was_detached_and_removes_the_state(keeper: Keeper, tmp_path: Path) -> None:
    told = tmp_path / "pid"
    keeper.spawn([*DAEMON, str(told)], log=tmp_path / "log", cwd=tmp_path)
    until(lambda: told.exists() and bool(told.read_text()), "detached")
    detached = int(told.read_text())
    assert runs(detached)
    assert keeper.close() == []
    assert not runs(detached)
    assert not keeper.state_directory.exists()


def test_an_ended_process_tells_its_status(keeper: Keeper, tmp_path: Path) -> None:
    ended = keeper.spawn([sys.executable, "-c", "raise SystemExit(3)"], log=tmp_path / "log", cwd=tmp_path)
    killed = keeper.spawn(SLEEPER, log=tmp_path / "log", cwd=tmp_path)
    until(lambda: keeper.exit_status(ended) == 3, "status 3")
    assert keeper.exit_status(killed) is None
    os.kill(killed, signal.SIGKILL)
    until(lambda: keeper.exit_status(killed) == -signal.SIGKILL, "killed")


def test_a_program_that_cannot_start_is_named(keeper: Keeper, tmp_path: Path) -> None:
    with pytest.raises(EnvironmentProblem, match=r"/no/such/program: cannot be started .* check the program"):
        keeper.spawn(["/no/such/program"], log=tmp_path / "log", cwd=tmp_path)


def test_sigkill_of_the_keeper_ends_its_children(keeper: Keeper, tmp_path: Path) -> None:
    child = keeper.spawn(SLEEPER, log=tmp_path / "log", cwd=tmp_path)
    until(lambda: runs(child), "running")
    os.kill(keeper.pid, signal.SIGKILL)
    until(lambda: not runs(child), "gone")
    with pytest.raises(EnvironmentProblem, match="the keeper of the service processes is gone"):
        keeper.spawn(SLEEPER, log=tmp_path / "log", cwd=tmp_path)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda n: n.name)
def test_no_process_outlives_a_killed_run(number: signal.Signals, tmp_path: Path) -> None:
    state, told = tmp_path / "state", tmp_path / "pid"
    state.mkdir()
    program = f"""
import time
from pathlib import Path
from environments.embedded.processes import Keeper
keeper = Keeper(Path({str(state)!r}))
keeper.spawn({DAEMON!r} + [{str(told)!r}], log=Path({str(tmp_path / "log")!r}), cwd=Path({str(tmp_path)!r}))
time.sleep(600)
"""
    run = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stderr=subprocess.DEVNULL)
    until(lambda: told.exists() and bool(told.read_text()), "started")
    detached = int(told.read_text())
    run.send_signal(number)
    run.wait(timeout=10)
    until(lambda: not runs(detached), "gone")
    until(lambda: not state.exists(), "state removed")


def test_a_detached_keeper_stays_until_sigterm(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    program = f"""
from pathlib import Path
from environments.embedded.processes import Keeper
keeper = Keeper(Path({str(state)!r}))
child = keeper.spawn({SLEEPER!r}, log=Path({str(tmp_path / "log")!r}), cwd=Path({str(tmp_path)!r}))
print(keeper.detach(), child)
"""
    answer = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    keeper, child = map(int, answer.stdout.split())
    time.sleep(0.3)  # long enough for a keeper that had not detached to have killed it
    assert runs(child)
    os.kill(keeper, signal.SIGTERM)
    until(lambda: not runs(child) and not state.exists(), "gone")


class Sleeper(EmbeddedService):
    def command(self) -> tuple[Sequence[str], Mapping[str, str]]:
        return SLEEPER, {}


def test_a_service_freezes_resumes_dies_and_starts_again(keeper: Keeper, tmp_path: Path) -> None:
    service = Sleeper(Home("sleeper", keeper, tmp_path / "logs", keeper.state_directory / "sleeper"))
    service.start()
    assert service.pid is not None
    until(lambda: runs(service.pid or 0), "running")
    assert service.freeze() == [service.pid]
    until(lambda: psutil.Process(service.pid).status() == psutil.STATUS_STOPPED, "stopped")
    service.resume()
    until(lambda: psutil.Process(service.pid).status() != psutil.STATUS_STOPPED, "resumed")
    first = service.pid
    assert service.kill() == [first]
    assert service.processes() == []
    service.start()
    assert service.pid != first
    service.stop()
    assert service.processes() == []
    with pytest.raises(ValueError, match="'sleeper' has no part 'postmaster'; use 'all'"):
        service.kill("postmaster")


def test_waiting_tells_what_was_missing_and_keeps_its_deadline() -> None:
    begin = time.monotonic()
    with pytest.raises(TimeoutError, match="waited 0 s for tea: the water is cold"):
        wait_until(lambda: "the water is cold", 0.2, "tea")
    assert 0.2 <= time.monotonic() - begin < 1
