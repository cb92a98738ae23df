"""Every test of the seeds stands in the source of some criterion, so that none was forgotten."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from criteria import load_registry

SHAPES = {"002": (10, 5), "004": (63, 24)}
"""Seed -> how many tests it has, in how many classes or files."""


def names_in(seed: str) -> list[str]:
    return Path(__file__).with_name(f"seed_{seed}_tests.txt").read_text(encoding="utf-8").split()


def sources_of(seed: str) -> set[str]:
    sources = (entry.source for entry in load_registry().values())
    return set(re.findall(r"\w+", " ".join(source for source in sources if source.startswith(seed))))


@pytest.mark.parametrize("seed", SHAPES)
def test_the_list_of_a_seeds_tests_is_whole(seed: str) -> None:
    names = names_in(seed)
    assert (len(names), len({name.partition(".")[0] for name in names})) == SHAPES[seed]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("seed", SHAPES)
def test_every_test_of_a_seed_is_the_source_of_a_criterion(seed: str) -> None:
    sources = sources_of(seed)
    missing = [name for name in names_in(seed) if name.partition(".")[2] not in sources]
    assert missing == []


def test_a_seed_test_that_is_no_source_would_be_missed() -> None:
    assert "broker_restart_recovery" in sources_of("002")
    assert "broker_restart" not in sources_of("002")
