"""Wrong behaviour on purpose, one switch each: what the acceptance criteria must be able to catch."""

from __future__ import annotations

from enum import StrEnum


class Defect(StrEnum):
    """A named wrong behaviour; the program has at most one."""

    SKIPS_INVALIDATION = "skips-invalidation"
    """A write leaves the entry that is cached alone."""

    FILLS_WITHOUT_LEASE = "fills-without-lease"
    """A reader stores what it read, whatever was written since its miss."""

    NEVER_FILLS = "never-fills"
    """Every read misses and goes to the database."""

    ENTRIES_NEVER_EXPIRE = "entries-never-expire"
    """Entries are stored without a time to live."""

    LOSES_CHARACTERS = "loses-characters"
    """Values are stored as ASCII: every other character becomes a question mark."""

    ACKNOWLEDGES_BEFORE_DATABASE = "acknowledges-before-database"
    """A write-through is acknowledged once it is cached; the database never hears of it."""

    WRITE_THROUGH_STORES_NOTHING = "write-through-stores-nothing"
    """A write-through only invalidates, so the next read goes to the database."""

    FAILS_WITHOUT_REDIS = "fails-without-redis"
    """An error of Redis is an error of the request."""

    WAITS_FOR_REDIS = "waits-for-redis"
    """Redis may take ten seconds for each answer before the database is asked."""

    KEEPS_GENERATION = "keeps-generation"
    """Entries that were there before Redis went away are served again when it comes back."""
