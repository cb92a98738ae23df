"""How to reach a system that was kept up is told on every console."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

import EnvironmentLibrary
from environments.system import Running, running, use
from runner import progress

TEXT = "kept: psql 127.0.0.1:5432"


@pytest.fixture
def said(tmp_path, monkeypatch):
    """Keep a system up, and return what Robot Framework's own console was told."""
    lines: list[str] = []
    cluster = SimpleNamespace(keep=lambda results: TEXT)
    monkeypatch.setattr(
        EnvironmentLibrary, "BuiltIn", lambda: SimpleNamespace(get_variable_value=lambda name, default: True)
    )
    monkeypatch.setattr("robot.api.logger.console", lines.append)
    use(Running("kept", "embedded", "quick", str(tmp_path), 1.0, 7, system=cluster, system_name="cluster"))
    yield lines
    progress.observe(None)
    use(None)


def test_our_console_shows_it_above_its_status_line(said):
    shown: list[tuple[str, str]] = []
    progress.observe(lambda kind, text: shown.append((kind, text)))
    EnvironmentLibrary.EnvironmentLibrary().stop_system("cluster")
    assert (shown, said) == ([("note", TEXT)], [])
    assert running().system is None


def test_another_console_shows_it_too(said):
    EnvironmentLibrary.EnvironmentLibrary().stop_system("cluster")
    assert said == [TEXT]
