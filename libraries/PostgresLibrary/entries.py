"""Rows of `memory_entries`: written, read back, loaded in bulk and counted."""

from __future__ import annotations

import hashlib
import io
import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

from psycopg2 import sql
from psycopg2.extensions import connection

from PostgresLibrary.sessions import rows

_INSERT = """
    INSERT INTO memory_entries (namespace, key, value, embedding, metadata, tags)
    VALUES (%s, %s, %s, %s::{type}, %s, %s) RETURNING id
"""
_READ = "SELECT id, value, embedding::text, metadata, tags FROM memory_entries WHERE namespace = %s AND key = %s"
COUNT = "SELECT count(*) FROM memory_entries WHERE namespace = %s"

_SUMMARY = """
    SELECT count(*), count(DISTINCT embedding::text),
           md5(coalesce(string_agg(key || '=' || value, ';' ORDER BY key COLLATE "C"), ''))
    FROM memory_entries WHERE namespace = %s
"""

_COPY = "COPY memory_entries (namespace, key, value, embedding) FROM STDIN"


@dataclass(frozen=True, slots=True)
class Entry:
    """One memory entry with everything a client sets."""

    namespace: str
    key: str
    value: str
    embedding: tuple[float, ...]
    metadata: dict[str, Any]
    tags: tuple[str, ...]
    id: int | None = None  # given by the server

    def differences(self, other: Entry) -> list[str]:
        """Name each field that is not equal, with both contents shortened."""
        pairs = [(f.name, getattr(self, f.name), getattr(other, f.name)) for f in fields(self)]
        return [f"{name}: wrote {str(a)[:80]!r}, read {str(b)[:80]!r}" for name, a, b in pairs if a != b]


@dataclass(frozen=True, slots=True)
class Load:
    """A bulk load that was committed."""

    namespace: str
    contents: tuple[tuple[str, str], ...]  # key and value of each
    seconds: float  # from the first byte to the answer of COMMIT

    @property
    def number(self) -> int:
        """How many rows there are."""
        return len(self.contents)

    @property
    def digest(self) -> str:
        """MD5 over keys and values in order, as the server is asked to compute it."""
        together = ";".join(f"{key}={content}" for key, content in self.contents)
        return hashlib.md5(together.encode(), usedforsecurity=False).hexdigest()


def insert(session: connection, entry: Entry, vector_type: str) -> int:
    """Insert one entry without committing, and return the id the server gave it.

    Raises:
        AssertionError: the server acknowledged the statement without inserting.
    """
    statement = sql.SQL(_INSERT).format(type=sql.Identifier(vector_type))
    content = (
        entry.namespace,
        entry.key,
        entry.value,
        vector_text(entry.embedding),
        json.dumps(entry.metadata),
        list(entry.tags),
    )
    returned = rows(session, statement, content)
    if len(returned) != 1:
        raise AssertionError(f"expected the insert of 1 entry to return its id, it returned {len(returned)} rows")
    return int(returned[0][0])


def read(session: connection, namespace: str, key: str) -> Entry | None:
    """Read one entry, None when there is none."""
    found = rows(session, _READ, (namespace, key))
    if not found:
        return None
    identity, text, embedding, metadata, tags = found[0]
    numbers = tuple(json.loads(embedding)) if embedding else ()
    return Entry(namespace, key, text, numbers, metadata, tuple(tags or ()), identity)


def load(session: connection, namespace: str, vectors: Iterable[str]) -> Load:
    """Load entries with COPY, PostgreSQL's bulk path, and commit.

    Args:
        session: of a role that may insert.
        namespace: of all of them.
        vectors: text of each entry's embedding.
    """
    pairs = [(f"row-{n:06d}", f"value {n}", vector) for n, vector in enumerate(vectors)]
    begin = time.monotonic()
    text = "".join(f"{namespace}\t{key}\t{content}\t{vector}\n" for key, content, vector in pairs)
    with session.cursor() as cursor:
        cursor.copy_expert(_COPY, io.StringIO(text))
    session.commit()
    seconds = time.monotonic() - begin
    return Load(namespace, tuple((key, content) for key, content, _ in pairs), seconds)


def check_stored(session: connection, expected: Load, where: str) -> None:
    """Demand that every loaded row is stored with its own key, value and embedding.

    Raises:
        AssertionError: rows are missing, repeated or changed.
    """
    number, vectors, digest = rows(session, _SUMMARY, (expected.namespace,))[0]
    if (number, vectors) != (expected.number, expected.number):
        raise AssertionError(
            f"{where}: expected {expected.number} rows with as many distinct embeddings, "
            f"found {number} rows with {vectors} distinct embeddings"
        )
    if digest != expected.digest:
        raise AssertionError(f"{where}: the {number} rows do not have the keys and values that were loaded")


def vector_text(numbers: Sequence[float]) -> str:
    """Write a vector as the server's input format has it."""
    return f"[{','.join(repr(float(n)) for n in numbers)}]"
