"""The vendor's PgDog: where its program comes from, and what is taken for a finished build."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from environments.embedded import vendor_pgdog
from environments.embedded.programs import Found
from environments.embedded.vendor_pgdog import PROGRAM, TAG, TOOLS, VERSION
from environments.errors import EnvironmentProblem
from environments.sections.pgdog import Proxy

Cargo = Callable[..., Path]

CARGO = """#!/bin/sh
# stands in for cargo build --release ..., in the directory of the source
echo "$(pwd) $(cat made-of) $RUSTFLAGS" >> "{calls}"
printf '   Compiling one v1\\n    Building [=>    ] 1/2: one\\r    Building [==>   ] 2/2: two\\n' >&2
{rest}
mkdir -p "$CARGO_TARGET_DIR/release"
cp "{made}" "$CARGO_TARGET_DIR/release/pgdog"
"""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache and programs of the test's own: no vendor's program, no cargo, no mold."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(_tools(tmp_path / "tools")))
    return vendor_pgdog.cache_directory()


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository whose tag is the pinned commit, and which has gone on since."""
    repository = tmp_path / "repository"
    repository.mkdir()
    for text, tag in (("the tag", TAG), ("later", "v0.1.18")):
        (repository / "made-of").write_text(text, encoding="utf-8")
        for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", tag], ["tag", tag]):
            _git(repository, *command)
    monkeypatch.setattr(vendor_pgdog, "COMMIT", _git(repository, "rev-parse", TAG))
    return repository


@pytest.fixture
def cargo(tmp_path: Path) -> Cargo:
    """Put a cargo on PATH that runs some shell lines before it builds; it writes each call to the returned file."""

    def put(rest: str = "", made: str = VERSION) -> Path:
        calls = tmp_path / "calls"
        text = CARGO.format(calls=calls, made=_pgdog(tmp_path / "made", made), rest=rest)
        (tmp_path / "tools" / "cargo").write_text(text, encoding="utf-8")
        (tmp_path / "tools" / "cargo").chmod(0o755)
        return calls

    return put


def _tools(directory: Path) -> Path:
    directory.mkdir()
    for name in ("sh", "cat", "cp", "mkdir", "pwd", "git"):
        (directory / name).symlink_to(next(p for p in (Path("/usr/bin") / name, Path("/bin") / name) if p.exists()))
    for name in ("clang", "cmake"):
        _program(directory / name, "exit 0")
    return directory


def _git(repository: Path, *arguments: str) -> str:
    me = ("-c", "user.name=test", "-c", "user.email=test@test")
    done = subprocess.run(["git", "-C", repository, *me, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _program(path: Path, body: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def _pgdog(path: Path, version: str = VERSION) -> Path:
    """A PgDog that is given a configuration it refuses: it tells its version, and then what is wrong."""
    return _program(path, f'echo "INFO PgDog v{version} [main@e1dbbad, rustc 1.95.0]" >&2; cat "$2" >&2; exit 1')


def prepared(**proxy: object) -> Found:
    return vendor_pgdog.prepare(Proxy.model_validate({"vendor": True, **proxy}))


def refused(**proxy: object) -> tuple[str, ...]:
    with pytest.raises(EnvironmentProblem) as told:
        prepared(**proxy)
    assert all("\n" not in line for line in told.value.problems)
    return tuple(told.value.problems)


def test_the_path_of_the_environment_file_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = _pgdog(tmp_path / "mine" / PROGRAM)
    monkeypatch.setenv("PATH", f"{_pgdog(tmp_path / 'path' / PROGRAM).parent}:{os.environ['PATH']}")
    assert prepared(path=mine) == Found(mine, VERSION, "environment file")
    assert prepared(path=mine.parent) == Found(mine, VERSION, "environment file")
    assert prepared().provider == "PATH"


def test_a_named_program_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    other = _pgdog(tmp_path / "other", "0.1.54")
    (line,) = refused(path=other)
    assert f"proxy.path: {other} is version 0.1.54, but version 0.1.17 is wanted; correct either key" in line
    assert prepared(path=other, version="0.1.54").version == "0.1.54"
    (line,) = refused(path=tmp_path / "nothing")
    assert "is not a program that runs; correct or remove the key" in line


def test_path_comes_before_the_cache_but_not_with_another_version(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished = _pgdog(cache / "bin" / PROGRAM)
    monkeypatch.setenv("PATH", f"{_pgdog(tmp_path / 'new' / PROGRAM, '0.1.54').parent}:{os.environ['PATH']}")
    assert prepared() == Found(finished, VERSION, "built from tag v0.1.17")
    monkeypatch.setenv("PATH", f"{_pgdog(tmp_path / 'path' / PROGRAM).parent}:{os.environ['PATH']}")
    assert prepared().provider == "PATH"


def test_each_missing_tool_is_told_with_its_cure(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    lines = refused()
    assert len(lines) == len(TOOLS)
    for line, (tool, cure) in zip(lines, TOOLS.items(), strict=True):
        assert f"no {tool}, which building PgDog 0.1.17 needs; install {cure}, or name" in line
    assert not cache.exists()


def test_another_version_is_not_built(cargo: Cargo) -> None:
    calls = cargo()
    (line,) = refused(version="0.1.54")
    assert "proxy.version: 0.1.54 is neither on PATH nor built" in line
    assert not calls.exists()


def test_the_tag_is_built_once_and_only_the_program_is_kept(
    cargo: Cargo, cache: Path, source: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    calls = cargo()
    assert prepared(source=source) == prepared(source=source)
    told = capfd.readouterr().err
    assert f"getting PgDog {TAG} from {source}" in told
    assert "pgdog: 1 of 2 crates" in told
    assert calls.read_text().splitlines() == [f"{cache / 'source'} the tag "], "the tag, not what came later; no mold"
    assert sorted(path.name for path in cache.iterdir()) == ["bin", "build.log", "lock"]
    assert _git(source, "status", "--porcelain") == ""


def test_a_linker_that_is_there_is_used_wherever_it_is(cargo: Cargo, tmp_path: Path, source: Path) -> None:
    calls = cargo()
    mold = _program(tmp_path / "tools" / "mold", "exit 0")
    prepared(source=source)
    assert calls.read_text().strip().endswith(f" -C link-arg=--ld-path={mold}")


def test_a_tag_at_another_commit_is_not_built(cargo: Cargo, source: Path, cache: Path) -> None:
    calls = cargo()
    _git(source, "tag", "--force", TAG, "HEAD")
    (line,) = refused(source=source)
    assert f"tag v0.1.17 of {source} is {_git(source, 'rev-parse', 'HEAD')}, not the pinned" in line
    assert not calls.exists()
    assert not (cache / "bin").exists()


def test_a_source_without_the_tag_is_told(cargo: Cargo, tmp_path: Path, source: Path) -> None:
    cargo()
    _git(source, "tag", "--delete", TAG)
    (line,) = refused(source=source)
    assert f"tag v0.1.17 cannot be had from {source} (" in line
    assert "not found" in line
    assert line.endswith("or name a clone that has it (--vendor SOURCE)")
    (line,) = refused(source=tmp_path / "nowhere")
    assert "does not exist" in line


def test_a_failed_build_tells_the_reason_and_is_not_taken_for_a_finished_one(
    cargo: Cargo, source: Path, cache: Path
) -> None:
    calls = cargo('echo "error: no space left on device" >&2; exit 101')
    for _ in range(2):
        (line,) = refused(source=source)
        assert "pgdog could not be built (error: no space left on device); read" in line
    assert len(calls.read_text().splitlines()) == 2
    assert not (cache / "bin").exists()


def test_what_was_built_but_does_not_run_is_told(cargo: Cargo, source: Path, cache: Path) -> None:
    cargo(made="0.0.0")
    (line,) = refused(source=source)
    assert "does not run, though it was built; read" in line
    assert not (cache / "bin").exists()


def test_a_damaged_program_is_built_anew(cargo: Cargo, source: Path, cache: Path) -> None:
    calls = cargo()
    _pgdog(cache / "bin" / PROGRAM).write_bytes(b"\x7fELF")
    assert prepared(source=source).version == VERSION
    assert calls.exists()
