"""What the criterion under way has written, so that its teardown can remove it."""

from __future__ import annotations

from collections.abc import Sequence

from CitusLibrary import entries
from CitusLibrary.namespaces import Namespace


class Written:
    """Namespaces, keys of metadata and tables that will be removed; each is noted before it is written."""

    def __init__(self) -> None:
        self._namespaces: list[str] = []
        self._keys: list[str] = []
        self._tables: list[str] = []

    def namespaces(self, places: Sequence[Namespace]) -> list[Namespace]:
        """Note namespaces and return them."""
        self._namespaces += [place.name for place in places]
        return list(places)

    def key(self, key: str) -> str:
        """Note a key of metadata and return it."""
        self._keys.append(key)
        return key

    def table(self, table: str) -> str:
        """Note a whole table and return its name."""
        self._tables.append(table)
        return table

    def remove(self) -> None:
        """Remove everything noted."""
        namespaces, keys, tables = self._namespaces, self._keys, self._tables
        self._namespaces, self._keys, self._tables = [], [], []
        if namespaces or keys or tables:
            entries.remove(namespaces, keys, tables)
