"""The record of what has been proven able to fail, as reports and lists read it."""

from __future__ import annotations

import json

import pytest

from criteria import Kill, read_kills

KILL = {"defect": "loses-writes", "date": "2026-11-20", "sha": "abc1234", "seconds": 3.0, "message": "3 writes lost"}


def test_a_kill_reads_back(tmp_path):
    path = tmp_path / "kills.json"
    path.write_text(json.dumps({"HA-10": KILL}))
    assert read_kills(path) == {"HA-10": Kill("loses-writes", "2026-11-20", "abc1234", 3.0, "3 writes lost")}


def test_without_a_record_nothing_is_proven(tmp_path):
    assert read_kills(tmp_path / "kills.json") == {}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"HA-10": {"defect": "d"}}', '{"HA-10": 3}'])
def test_a_damaged_record_is_told(tmp_path, text):
    path = tmp_path / "kills.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"kills\.json: is no record of kills"):
        read_kills(path)
