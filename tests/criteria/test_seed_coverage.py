"""Every test of the seed stands in the source of some criterion, so that none was forgotten."""

from __future__ import annotations

from pathlib import Path

from criteria import load_registry

SEED_TESTS = Path(__file__).with_name("seed_004_tests.txt").read_text(encoding="utf-8").split()


def test_the_seed_has_63_tests_in_24_classes() -> None:
    assert len(SEED_TESTS) == len(set(SEED_TESTS)) == 63
    assert len({name.partition(".")[0] for name in SEED_TESTS}) == 24


def test_every_test_of_the_seed_is_the_source_of_a_criterion() -> None:
    sources = " ".join(entry.source for entry in load_registry().values())
    missing = [name for name in SEED_TESTS if name.partition(".")[2] not in sources]
    assert missing == []
