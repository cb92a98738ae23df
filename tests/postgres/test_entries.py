"""Entries are compared field by field, bulk loads row by row."""

from __future__ import annotations

from dataclasses import replace

import pytest
from psycopg2.extensions import connection

from PostgresLibrary import entries
from PostgresLibrary.entries import Entry, Load
from PostgresLibrary.sessions import rows

ENTRY = Entry("ns", "key", "naïve 記憶", (0.5, -0.25), {"a": [1, None]}, ("one", "two words"), 7)


def test_equal_entries_have_no_differences() -> None:
    assert ENTRY.differences(replace(ENTRY)) == []


@pytest.mark.parametrize(
    "change",
    [{"value": "naive"}, {"embedding": (0.5, 0.25)}, {"metadata": {}}, {"tags": ("one",)}, {"id": 8}],
)
def test_each_field_counts(change: dict[str, object]) -> None:
    (difference,) = ENTRY.differences(replace(ENTRY, **change))  # type: ignore[arg-type]
    assert difference.startswith(f"{next(iter(change))}: wrote ")


def test_a_vector_is_written_with_every_digit() -> None:
    assert entries.vector_text([0.1, -1e-07, 3]) == "[0.1,-1e-07,3.0]"


@pytest.mark.servers
class TestOnAServer:
    def test_an_entry_reads_back_unchanged(self, owner: connection) -> None:
        written = replace(ENTRY, embedding=tuple([0.25, -0.5] * 192), value="'quoted' \\ and 記憶")
        identity = entries.insert(owner, written, "vector")
        read = entries.read(owner, "ns", "key")
        owner.rollback()
        assert read == replace(written, id=identity)

    def test_what_is_not_there_reads_as_none(self, owner: connection) -> None:
        assert entries.read(owner, "ns", "nothing") is None

    def test_a_bulk_load_is_found_whole(self, owner: connection, loaded: Load) -> None:
        assert loaded.number == 3
        assert loaded.seconds > 0
        entries.check_stored(owner, loaded, "here")

    @pytest.mark.parametrize(
        ("harm", "says"),
        [
            ("DELETE FROM memory_entries WHERE key = 'row-000001'", "found 2 rows with 2 distinct embeddings"),
            ("UPDATE memory_entries SET value = 'other' WHERE key = 'row-000001'", "not have the keys and values"),
            ("UPDATE memory_entries SET key = 'moved' WHERE key = 'row-000001'", "not have the keys and values"),
            (
                "UPDATE memory_entries SET embedding = (SELECT embedding FROM memory_entries LIMIT 1)",
                "found 3 rows with 1 distinct embeddings",
            ),
        ],
    )
    def test_harm_to_a_bulk_load_is_found(self, owner: connection, loaded: Load, harm: str, says: str) -> None:
        rows(owner, harm)
        with pytest.raises(AssertionError, match=f"here: .*{says}"):
            entries.check_stored(owner, loaded, "here")

    @pytest.fixture
    def loaded(self, owner: connection) -> Load:
        rows(owner, "DELETE FROM memory_entries")
        return entries.load(owner, "bulk", [entries.vector_text([n / 8] * 384) for n in range(3)])
