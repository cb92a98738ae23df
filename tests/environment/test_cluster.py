"""The embedded cluster as a whole: it starts, leaves nothing behind and keeps its secrets."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from environments import load_environment, preflight
from environments.config import ROOT
from environments.embedded.cluster import EmbeddedCluster
from environments.errors import EnvironmentProblem

pytestmark = pytest.mark.servers

SMOKE = ["CL-01", "CL-02", "HA-01", "HP-01", "RC-01", "RC-07", "MB-02"]  # together they reach every service
MARK = "uNg3sS-"


def occurrences(directory: Path, text: str) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]


@pytest.mark.parametrize("name", ["embedded", "embedded-pg16"])
def test_a_cluster_starts_and_leaves_nothing(name: str, tmp_path: Path) -> None:
    environment = load_environment(name)
    assert preflight(environment) == []
    cluster = EmbeddedCluster(environment, tmp_path)
    try:
        cluster.start()
        major = next(facts.version for facts in cluster.facts if facts.name == "postgresql").split(".")[0]
        wanted = environment.systems.cluster
        assert wanted is not None
        assert major == wanted.services.postgresql.version
    finally:
        assert cluster.stop() == []


def test_an_unusable_service_ends_the_start_with_its_log_and_leaves_nothing(tmp_path: Path) -> None:
    overlay = {"systems": {"cluster": {"services": {"redis": {"settings": {"no-such-setting": "yes"}}}}}}
    cluster = EmbeddedCluster(load_environment("embedded", overlay), tmp_path)
    with pytest.raises(EnvironmentProblem, match=r"redis: ended with status 1 while starting; read .*redis\.log"):
        cluster.start()
    assert not cluster.directory.exists()
    assert cluster.keeper.descendants() == []


def test_no_secret_appears_in_any_output_at_trace_level(tmp_path: Path) -> None:
    """The passwords of this run carry a mark; nothing the run leaves or prints may carry it too."""
    program = f"""
import itertools, sys
from robot import run_cli
from robot.api.types import Secret
from environments.embedded import cluster
numbers = itertools.count()
cluster._password = lambda: Secret("{MARK}%d" % next(numbers))
sys.exit(run_cli(sys.argv[1:]))
"""
    options = ["--loglevel", "TRACE", "--outputdir", str(tmp_path), "--variable", f"RUN_ID:{tmp_path.name}"]
    options += ["--variablefile", str(ROOT / "variables" / "quick.yaml")]
    for criterion in [*SMOKE, "CL-09", "RC-13", "HA-05"]:
        options += ["--include", criterion]
    command = [sys.executable, "-c", program, *options, str(ROOT / "suites")]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240)
    assert run.returncode == 0, run.stdout[-3000:]
    assert "Arguments: [" in (tmp_path / "output.xml").read_text(encoding="utf-8"), "the log level was not TRACE"
    assert occurrences(tmp_path, MARK) == []
    assert MARK not in run.stdout + run.stderr


def test_the_search_for_secrets_finds_one(tmp_path: Path) -> None:
    (tmp_path / "sut").mkdir()
    (tmp_path / "sut" / "a.log").write_text(f"password={MARK}0\n", encoding="utf-8")
    assert occurrences(tmp_path, MARK) == [tmp_path / "sut" / "a.log"]


@pytest.fixture
def bare_path(tmp_path: Path) -> str:
    """A PATH with python3, bash and the core utilities, and nothing else of this machine."""
    directory = tmp_path / "bin"
    directory.mkdir()
    core = (
        "basename cat chmod cp cut date dirname env head id ln ls mkdir mktemp mv "
        "readlink rm sleep sort tail touch tr wc"
    )
    for name in ["python3", "bash", "sh", *core.split()]:
        found = sys._base_executable if name == "python3" else where(name)  # type: ignore[attr-defined]
        (directory / name).symlink_to(found)
    return str(directory)


def where(name: str) -> str:
    found = shutil.which(name)
    assert found is not None, name
    return found


def test_a_plain_user_with_a_bare_path_needs_nothing_of_the_machine(bare_path: str, tmp_path: Path) -> None:
    """Compilers, Java, Docker or a system PostgreSQL must not be what makes it work."""
    become_plain = [] if os.geteuid() else [where("unshare"), "-U", "--map-user=1000", "--map-group=1000", "--"]
    choice = [argument for criterion in SMOKE for argument in ("--criterion", criterion)]
    home = tmp_path / "home"
    home.mkdir()
    run = subprocess.run(
        [*become_plain, str(ROOT / "run.sh"), *choice],
        env={"PATH": bare_path, "HOME": str(home), "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert run.stdout.rstrip().endswith(f"{len(SMOKE)} passed, 0 failed, 0 skipped"), run.stdout[-3000:] + run.stderr
    assert run.returncode == 0
