"""Ports: what one run has chosen, no other run chooses, although no server listens there yet."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest

from environments.config import ROOT
from environments.embedded import ports
from environments.embedded.ports import HOST, Ports, is_free

CHOOSE = """
from environments.embedded import ports
ports._RANGE = range({first}, {first} + 2)
try:
    print(ports.Ports().choose())
except RuntimeError as error:
    print(error)
"""


def chosen_elsewhere(first: int) -> str:
    """What another process chooses of the two ports from `first` on."""
    command = [sys.executable, "-c", CHOOSE.format(first=first)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=30).stdout.strip()


def test_a_chosen_port_is_not_chosen_by_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    first = 14700
    monkeypatch.setattr(ports, "_RANGE", range(first, first + 2))
    mine = Ports().choose()
    other = ({first, first + 1} - {mine}).pop()
    assert is_free(mine)
    assert chosen_elsewhere(first) == str(other)
    assert Ports().choose() == other
    assert "no free port" in chosen_elsewhere(first)


def test_a_port_in_use_is_not_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as server:
        server.bind((HOST, 0))
        port = server.getsockname()[1]
        monkeypatch.setattr(ports, "_RANGE", range(port, port + 1))
        with pytest.raises(RuntimeError, match="no free port"):
            Ports().choose()


def test_a_process_marks_no_more_ports_than_it_may_open_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "_MARKED", 3)
    for _ in range(10):
        Ports().choose()
    assert len(ports._marks) == 3
