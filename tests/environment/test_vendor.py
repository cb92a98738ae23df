"""The vendor's programs: where they come from, and what is taken for a finished build."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from environments.embedded import vendor
from environments.embedded.processes import wait_until
from environments.errors import EnvironmentProblem
from environments.sections.base import Program

Cargo = Callable[..., Path]

CARGO = """#!/bin/sh
# stands in for cargo install CRATE --version V --root ROOT ...
echo "$2" >> "{calls}"
printf '   Compiling one v1\\n    Building [=>    ] 1/2: one\\r    Building [==>   ] 2/2: two\\n' >&2
command -v npm >&2 && exit 9
{rest}
mkdir -p "$6/bin"
cp "{programs}/$2" "$6/bin/$2"
"""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own, and no vendor's program or cargo on PATH."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    return vendor.cache_directory()


@pytest.fixture
def cargo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cargo:
    """Put a cargo on PATH that runs some shell lines before it installs; it writes each call to the returned file."""

    def put(rest: str = "") -> Path:
        directory, calls = tmp_path / "rust", tmp_path / "calls"
        directory.mkdir()
        _program(directory / "npm", "exit 0")
        text = CARGO.format(calls=calls, programs=_programs(tmp_path / "made"), rest=rest)
        (directory / "cargo").write_text(text, encoding="utf-8")
        (directory / "cargo").chmod(0o755)
        monkeypatch.setenv("PATH", f"{directory}:/usr/bin:/bin")
        return calls

    return put


def _program(path: Path, body: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    path.chmod(0o755)


def _programs(directory: Path, version: str = vendor.VERSION, options: str = "--flight-bind-addr") -> Path:
    for name in (vendor.SERVER, vendor.CLI):
        _program(directory / name, f'[ "$1" = --help ] && echo "{options}" || echo "{name} {version}"')
    return directory


def test_the_path_of_the_environment_file_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine, on_path = _programs(tmp_path / "mine"), _programs(tmp_path / "path")
    monkeypatch.setenv("PATH", f"{on_path}:/usr/bin:/bin")
    expected = vendor.VendorPrograms(mine / vendor.SERVER, mine / vendor.CLI, vendor.VERSION, "environment file")
    assert vendor.prepare(Program(path=mine)) == expected
    assert vendor.prepare(Program(path=mine / vendor.SERVER)) == expected


@pytest.mark.parametrize(
    ("options", "version", "message"),
    [
        ("--flight-bind-addr", "2.14.1", "is version 2.14.1, but version 2.19.0 is wanted"),
        ("--bind-addr", "2.19.0", "was built without Arrow Flight"),
    ],
)
def test_a_named_program_that_cannot_be_used_is_told(tmp_path: Path, options: str, version: str, message: str) -> None:
    _programs(tmp_path / "mine", version, options)
    with pytest.raises(EnvironmentProblem, match=rf"gateway\.path: .*{message}; correct or remove the key"):
        vendor.prepare(Program(path=tmp_path / "mine"))


def test_a_named_directory_without_the_compiler_is_told(tmp_path: Path) -> None:
    (_programs(tmp_path / "mine") / vendor.CLI).unlink()
    with pytest.raises(EnvironmentProblem, match="fraiseql-cli is not a program that runs"):
        vendor.prepare(Program(path=tmp_path / "mine"))


def test_path_comes_before_the_cache(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _programs(cache / "bin")
    assert vendor.prepare(Program()).provider == "published crates"
    monkeypatch.setenv("PATH", f"{_programs(tmp_path / 'path')}:/usr/bin:/bin")
    assert vendor.prepare(Program()).provider == "PATH"


def test_a_server_on_path_without_flight_is_passed_over(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _programs(cache / "bin")
    monkeypatch.setenv("PATH", f"{_programs(tmp_path / 'path', options='--bind-addr')}:/usr/bin:/bin")
    assert vendor.prepare(Program()).server == cache / "bin" / vendor.SERVER


def test_without_cargo_the_cure_is_told(cache: Path) -> None:
    with pytest.raises(EnvironmentProblem, match=r"no cargo to build it with; install Rust") as told:
        vendor.prepare(Program())
    assert len(str(told.value).splitlines()) == 1
    assert not cache.exists()


def test_another_version_is_not_built(cargo: Cargo) -> None:
    calls = cargo()
    with pytest.raises(EnvironmentProblem, match=r"gateway\.version: 2\.20 is neither on PATH nor built"):
        vendor.prepare(Program(version="2.20"))
    assert not calls.exists()


def test_both_are_built_once_and_only_the_programs_are_kept(
    cargo: Cargo, cache: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    calls = cargo('mkdir -p "$CARGO_TARGET_DIR"')
    assert vendor.prepare(Program()) == vendor.prepare(Program())
    assert "fraiseql-server: 1 of 2 crates" in capfd.readouterr().err
    assert calls.read_text().split() == [vendor.CLI, vendor.SERVER]
    assert sorted(path.name for path in cache.iterdir()) == ["bin", "build.log", "lock"]


def test_npm_is_hidden_from_the_build_and_all_else_is_not(tmp_path: Path) -> None:
    for name in ("npm", "node", "cc"):
        _program(tmp_path / "tools" / name, "exit 0")
    _program(tmp_path / "plain" / "ld", "exit 0")
    (tmp_path / "shadow").mkdir()
    path = vendor.path_without_npm(f"{tmp_path / 'plain'}:{tmp_path / 'tools'}:/no/such", tmp_path / "shadow")
    plain, links = path.split(":")
    assert plain == str(tmp_path / "plain")
    assert os.listdir(links) == ["cc"]


def test_a_failed_build_tells_the_reason_and_is_not_taken_for_a_finished_one(cargo: Cargo, cache: Path) -> None:
    calls = cargo('[ "$2" = fraiseql-server ] && { echo "error: no space left on device" >&2; exit 101; }')
    for _ in range(2):
        with pytest.raises(EnvironmentProblem, match=r"fraiseql-server could not be built \(error: no space left on"):
            vendor.prepare(Program())
    assert not (cache / "bin").exists()
    assert calls.read_text().split() == [vendor.CLI, vendor.SERVER] * 2


def test_a_damaged_program_is_built_anew(cargo: Cargo, cache: Path) -> None:
    calls = cargo('mkdir -p "$CARGO_TARGET_DIR"')
    (_programs(cache / "bin") / vendor.SERVER).write_bytes(b"\x7fELF")
    assert vendor.prepare(Program()).version == vendor.VERSION
    assert calls.exists()


def test_what_was_built_but_does_not_run_is_told(cargo: Cargo, tmp_path: Path, cache: Path) -> None:
    cargo()
    _program(tmp_path / "made" / vendor.SERVER, "exit 1")
    with pytest.raises(EnvironmentProblem, match="is not a program that runs, though it was built"):
        vendor.prepare(Program())
    assert not (cache / "bin").exists()


def test_two_runs_at_once_build_it_once(cargo: Cargo, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    go = tmp_path / "go"
    calls = cargo(f'mkdir -p "$CARGO_TARGET_DIR"; until [ -e "{go}" ]; do sleep 0.02; done')
    found: list[vendor.VendorPrograms] = []
    runs = [threading.Thread(target=lambda: found.append(vendor.prepare(Program()))) for _ in range(2)]
    told = ""

    def waiting() -> str | None:
        nonlocal told
        told += capfd.readouterr().err
        return None if "another run is getting it" in told else f"told {told!r}"

    for run in runs:
        run.start()
    try:
        wait_until(waiting, 10, "one run to wait for the other")
    finally:
        go.touch()
        for run in runs:
            run.join(20)
    assert len(found) == 2
    assert calls.read_text().split() == [vendor.CLI, vendor.SERVER]


def test_a_killed_run_s_build_is_waited_for(cargo: Cargo, tmp_path: Path, cache: Path) -> None:
    """The lock ends with cargo, not with the run that started it: two of them would spoil each other's files."""
    go = tmp_path / "go"
    calls = cargo(f'mkdir -p "$CARGO_TARGET_DIR"; until [ -e "{go}" ]; do sleep 0.02; done')
    code = "from environments.embedded import vendor; from environments.sections.base import Program; "
    run = subprocess.Popen([sys.executable, "-c", code + "vendor.prepare(Program())"])
    try:
        wait_until(lambda: None if calls.exists() else "no call", 10, "the build to begin")
    finally:
        run.kill()
        run.wait()
    later = threading.Thread(target=vendor.prepare, args=(Program(),))
    later.start()
    later.join(0.3)
    assert calls.read_text().split() == [vendor.CLI]
    go.touch()
    later.join(20)
    assert not later.is_alive()
    assert calls.read_text().split() == [vendor.CLI, vendor.CLI, vendor.SERVER]
    assert (cache / "bin" / vendor.SERVER).exists()
