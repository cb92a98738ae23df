"""Each mistake is one: the right file is accepted by the reference, and every wrong one is refused by its key."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from environments.config import ROOT
from environments.pgdog import Written, filled, written
from environments.sections.pgdog import Dialect
from PgDogLibrary.wrong_files import OPTIONS, wrong_files
from reference.pgdog.config import load
from reference.toml_file import ConfigError

PROGRAM = ROOT / "reference" / "pgdog" / "__main__.py"
BLANKS: dict[str, str | int] = {
    "port": 5000, "admin_port": 5001, "metrics_port": 5002, "primary_port": 5003, "mirror_port": 5004,
    "app_password": "a", "other_password": "o", "admin_password": "s",
}  # fmt: skip
DIALECTS: tuple[Dialect, ...] = ("plan", "upstream")


def right(dialect):
    return written(OPTIONS, dialect, {})


def files(directory, text, users):
    """Write both files with all blanks filled in, as the environment does."""
    config, logins = directory / "pgdog.toml", directory / "users.toml"
    config.write_text(filled(text, BLANKS), encoding="utf-8")
    logins.write_text(filled(users, BLANKS), encoding="utf-8")
    return config, logins


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_right_file_is_accepted(dialect, tmp_path):
    assert load(*files(tmp_path, right(dialect).text, right(dialect).users)).dialect == dialect


@pytest.mark.parametrize(
    ("dialect", "file"),
    [
        pytest.param(dialect, file, id=f"{dialect}: {file.what}")
        for dialect in DIALECTS
        for file in wrong_files(right(dialect), dialect)
    ],
)
def test_a_wrong_file_is_refused_by_its_key(dialect, file, tmp_path):
    with pytest.raises(ConfigError) as caught:
        load(*files(tmp_path, file.text, file.users))
    what = str(caught.value).removeprefix(str(tmp_path))
    assert re.search(rf"\b{file.key}\b", what), what
    assert file.key in ("mirror_exposrue", "mirror_of") or "is not known" not in what, "a value is wrong, not a key"


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_program_itself_tells_right_from_wrong(dialect, tmp_path):
    good, wrong = right(dialect), wrong_files(right(dialect), dialect)[0]
    for text, status in ((good.text, 0), (wrong.text, 2)):
        config, logins = files(tmp_path, text, good.users)
        command = [sys.executable, PROGRAM, "--config", config, "--users", logins, "--check"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=20)
        assert done.returncode == status, done.stderr
        assert (wrong.key in done.stderr) == (status == 2)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_mistake_has_a_name_of_its_own_and_no_other_file(dialect):
    made = wrong_files(right(dialect), dialect)
    assert len({one.what for one in made}) == len({one.text for one in made}) == len(made) >= 15


def test_a_mistake_that_could_not_be_made_is_told():
    text = right("plan").text.replace("[general]", "[all]")
    with pytest.raises(ValueError, match="a key that nobody knows: the right file has nothing to be changed for that"):
        wrong_files(Written(text, None), "plan")
