"""Which directories hold a Citus that can be used, and the one line that each mistake gets."""

from __future__ import annotations

from pathlib import Path

import pytest

from environments.embedded.citus_installation import find_installation
from environments.embedded.programs import Found
from environments.errors import EnvironmentProblem
from environments.sections.cluster import Citus

PG18 = Found(Path("/pg/bin/postgres"), "18.4", "a test")


def installed(
    home: Path, lib: str = "lib", share: str = "share", control: str = "default_version = '14.0-1'\n"
) -> Path:
    (home / lib).mkdir(parents=True)
    (home / lib / "citus.so").touch()
    (home / share / "extension").mkdir(parents=True)
    (home / share / "extension" / "citus.control").write_text(f"# Citus extension\n{control}")
    return home


@pytest.mark.parametrize("lib", ["lib", "lib/postgresql"])
@pytest.mark.parametrize("share", ["share", "share/postgresql"])
def test_an_installation_is_found_in_its_usual_places(tmp_path, lib, share):
    found = find_installation(Citus(path=installed(tmp_path, lib, share)), PG18)
    assert (found.lib, found.share, found.version) == (tmp_path / lib, tmp_path / share, "14.0-1")


def line(wanted: Citus, postgresql: Found = PG18) -> str:
    with pytest.raises(EnvironmentProblem) as caught:
        find_installation(wanted, postgresql)
    (problem,) = caught.value.problems
    return problem


def test_an_older_postgresql_is_refused_with_the_reason(tmp_path):
    problem = line(Citus(path=installed(tmp_path)), Found(Path("/pg/bin/postgres"), "16.14", "a test"))
    assert problem == (
        "systems.cluster.services.citus: needs PostgreSQL 18 or newer, because older ones load extensions from their "
        "own directories only, not 16.14; correct services.postgresql or run without Citus"
    )


def test_a_path_is_needed():
    assert line(Citus()) == "systems.cluster.services.citus.path: missing; name the directory that holds lib/citus.so"


@pytest.mark.parametrize("absent", ["lib/citus.so", "share/extension/citus.control"])
def test_a_directory_without_a_part_of_citus_is_told(tmp_path, absent):
    (installed(tmp_path) / absent).unlink()
    assert line(Citus(path=tmp_path)) == (
        f"systems.cluster.services.citus.path: {tmp_path} has no {absent}; name a directory that Citus is installed in"
    )


def test_a_control_file_without_a_version_is_told(tmp_path):
    assert "citus.control names no default_version" in line(Citus(path=installed(tmp_path, control="comment = ''\n")))


def test_another_version_than_wanted_is_told(tmp_path):
    installed(tmp_path)
    assert line(Citus(path=tmp_path, version="13.2")) == (
        f"systems.cluster.services.citus.path: {tmp_path} holds Citus 14.0-1, but version 13.2 is wanted; "
        "correct either key"
    )


@pytest.mark.parametrize("version", ["14", "14.0", "14.0-1"])
def test_a_version_is_wanted_by_its_beginning(tmp_path, version):
    assert find_installation(Citus(path=installed(tmp_path), version=version), PG18).version == "14.0-1"


def test_one_is_not_the_beginning_of_fourteen(tmp_path):
    assert "version 1 is wanted" in line(Citus(path=installed(tmp_path), version="1"))
