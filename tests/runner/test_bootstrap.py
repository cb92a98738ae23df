"""Setting up .venv: once, again only when needed, safe when two start at once, and clear when it cannot."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import venv
from pathlib import Path

import pytest

from environments.config import ROOT
from runner import bootstrap
from runner.bootstrap import SetupProblem, VirtualEnvironment

NAMES = ("bootstrap.sh", "run.sh", "test.sh", "constraints.txt", "requirements.txt", "requirements-dev.txt")


class Light(VirtualEnvironment):
    """Leaves out what takes time: pip itself, and the packages."""

    def __init__(self, root: Path, hold: threading.Event | None = None) -> None:
        super().__init__(root)
        self.hold = hold

    def _create(self):
        venv.EnvBuilder(with_pip=False, clear=True, symlinks=True).create(self.path)

    def _works(self):
        return self.python.exists()

    def _install(self, requirements):
        with (self.root / "installed").open("a") as file:
            file.write(f"{requirements}\n")
        if self.hold is not None:
            self.hold.wait(20)


@pytest.fixture
def checkout(tmp_path):
    root = tmp_path / "a checkout with spaces"
    root.mkdir()
    for name in ("requirements.txt", "requirements-dev.txt", "constraints.txt"):
        (root / name).write_text(f"# {name}\n")
    return root


def installed(root: Path) -> list[str]:
    file = root / "installed"
    return file.read_text().split() if file.exists() else []


def test_it_is_made_once(checkout):
    light = Light(checkout)
    assert not light.is_current("requirements.txt")
    light.bring_up_to_date("requirements.txt")
    assert light.is_current("requirements.txt")
    light.bring_up_to_date("requirements.txt")
    assert installed(checkout) == ["requirements.txt"]


def test_programs_of_the_environment_import_the_root_and_the_libraries(checkout):
    light = Light(checkout)
    light.bring_up_to_date("requirements.txt")
    (checkout / "libraries" / "some").mkdir(parents=True)
    (checkout / "libraries" / "some" / "__init__.py").write_text("")
    (checkout / "environments.py").write_text("")
    command = [str(light.python), "-P", "-c", "import some, environments"]
    assert subprocess.run(command, cwd="/", capture_output=True).returncode == 0


def test_what_the_checks_need_includes_what_a_run_needs(checkout):
    light = Light(checkout)
    light.bring_up_to_date("requirements-dev.txt")
    assert light.is_current("requirements.txt")
    assert light.is_current("requirements-dev.txt")


@pytest.mark.parametrize("changed", ["requirements.txt", "constraints.txt"])
def test_changed_requirements_are_installed_again(checkout, changed):
    light = Light(checkout)
    light.bring_up_to_date("requirements-dev.txt")
    (checkout / changed).write_text("other==1\n")
    assert not light.is_current("requirements.txt")
    assert not light.is_current("requirements-dev.txt")


def test_changed_requirements_of_the_checks_do_not_concern_a_run(checkout):
    light = Light(checkout)
    light.bring_up_to_date("requirements-dev.txt")
    (checkout / "requirements-dev.txt").write_text("other==1\n")
    assert light.is_current("requirements.txt")
    assert not light.is_current("requirements-dev.txt")


def test_a_set_up_that_was_killed_is_begun_again_from_nothing(checkout):
    light = Light(checkout)
    light.bring_up_to_date("requirements.txt")
    (light.path / ".unfinished").touch()
    (light.path / "half-installed").touch()
    assert not light.is_current("requirements.txt")
    light.bring_up_to_date("requirements.txt")
    assert light.is_current("requirements.txt")
    assert not (light.path / "half-installed").exists()


def test_a_checkout_that_was_moved_gets_a_new_one(checkout, tmp_path):
    Light(checkout).bring_up_to_date("requirements.txt")
    moved = checkout.rename(tmp_path / "moved")
    assert not Light(moved).is_current("requirements.txt")
    Light(moved).bring_up_to_date("requirements.txt")
    (paths,) = moved.glob(".venv/lib/*/site-packages/acceptance.pth")
    assert paths.read_text().splitlines() == [str(moved), str(moved / "libraries")]


def test_another_python_gets_a_new_one(checkout, monkeypatch):
    Light(checkout).bring_up_to_date("requirements.txt")
    (checkout / ".venv" / "of-the-old-python").touch()
    monkeypatch.setattr(bootstrap, "_version", lambda: "3.99.0")
    assert not Light(checkout).is_current("requirements.txt")
    Light(checkout).bring_up_to_date("requirements.txt")
    assert not (checkout / ".venv" / "of-the-old-python").exists()


def test_two_that_start_at_once_take_turns(checkout, capfd):
    hold = threading.Event()
    first = threading.Thread(target=Light(checkout, hold).bring_up_to_date, args=("requirements.txt",), daemon=True)
    second = threading.Thread(target=Light(checkout).bring_up_to_date, args=("requirements.txt",), daemon=True)
    first.start()
    while first.is_alive() and not installed(checkout):
        first.join(0.01)
    second.start()
    second.join(0.3)
    assert second.is_alive()
    hold.set()
    first.join(20)
    second.join(20)
    assert not second.is_alive()
    assert installed(checkout) == ["requirements.txt"]
    assert "another set-up of .venv is under way, waiting for it" in capfd.readouterr().err


def test_a_package_that_cannot_be_had_is_one_line(checkout, monkeypatch, capfd):
    light = VirtualEnvironment(checkout)
    monkeypatch.setattr("runner.bootstrap.subprocess.run", lambda *_, **__: subprocess.CompletedProcess([], 1))
    with pytest.raises(SetupProblem, match=r"^requirements\.txt could not be installed .* check the network"):
        light._install("requirements.txt")


def test_a_checkout_that_cannot_be_written_is_one_line(checkout, monkeypatch):
    def refuse(self):
        raise PermissionError(13, "Permission denied", str(self.path))

    monkeypatch.setattr(Light, "_create", refuse)
    with pytest.raises(SetupProblem, match=r"\.venv: Permission denied; free some space or copy the checkout"):
        Light(checkout).bring_up_to_date("requirements.txt")


def script(root: Path, name: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/bash", str(root / name), *arguments],
        env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", **environment},
        cwd="/",
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("name", ["run.sh", "test.sh"])
def test_help_works_from_anywhere_whatever_the_shell_has_set(name):
    answer = script(ROOT, name, "--help", PYTHONPATH="/nowhere", PYTHONHOME="/nowhere")
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.startswith(f"usage: ./{name}")


def test_without_a_python_the_cure_is_one_line(checkout, tmp_path):
    (checkout / "libraries" / "runner").mkdir(parents=True)
    for name in NAMES[:3]:
        (checkout / name).write_text((ROOT / name).read_text())
    programs = tmp_path / "programs"
    programs.mkdir()
    for program in ("readlink", "dirname"):
        (programs / program).symlink_to(f"/usr/bin/{program}")
    answer = script(checkout, "run.sh", "--help", PATH=str(programs))
    assert answer.returncode == 252
    assert answer.stdout == ""
    assert answer.stderr.startswith("error: no Python 3.11 or newer with the venv module was found; install one")
    assert answer.stderr.count("\n") == 1


def test_an_old_python_is_passed_over(checkout, tmp_path):
    (checkout / "libraries" / "runner").mkdir(parents=True)
    for name in NAMES[:3]:
        (checkout / name).write_text((ROOT / name).read_text())
    (checkout / "libraries" / "runner" / "bootstrap.py").write_text("import sys; sys.exit(3)")
    programs = tmp_path / "programs"
    programs.mkdir()
    for program in ("readlink", "dirname"):
        (programs / program).symlink_to(f"/usr/bin/{program}")
    (programs / "python3").write_text("#!/bin/bash\nexit 1\n")
    (programs / "python3").chmod(0o755)
    newer = programs / "python3.12"
    newer.write_text(f'#!/bin/bash\necho "$@" >> {tmp_path}/asked\nexec {os.path.realpath(sys.executable)} "$@"\n')
    newer.chmod(0o755)
    script(checkout, "run.sh", PATH=str(programs))
    assert "bootstrap.py requirements.txt" in (tmp_path / "asked").read_text()
