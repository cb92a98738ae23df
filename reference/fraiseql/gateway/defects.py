"""Wrong behaviour on purpose, one switch each: what the acceptance criteria must be able to catch.

What behaves so is in `wrong/` and `flight/wrong/`; without a switch none of it is even loaded.
"""

from __future__ import annotations

from enum import StrEnum


class Defect(StrEnum):
    """A named wrong behaviour, and the real mistake it stands for; the program has at most one."""

    why: str

    def __new__(cls, name: str, why: str = "") -> Defect:
        """Make a member whose value is its name on the command line."""
        member = str.__new__(cls, name)
        member._value_ = name
        member.why = why
        return member

    # Of the answers: what SQL is written for a document, for both transports or for one of them.
    IGNORES_LIMIT = (
        "ignores-limit",
        "The limit of a field is validated and never reaches the statement.",
    )
    SWAPS_COLUMNS = (
        "swaps-columns",
        "Over Flight, columns of one type are matched with their names in the order of the table.",
    )
    HTTP_SWAPS_COLUMNS = (
        "http-swaps-columns",
        "Over HTTP, fields of one type are matched with their names in the order of the table.",
    )
    ALIAS_IGNORED = (
        "alias-ignored",
        "An answer's keys are the names of its fields, whatever the document calls them.",
    )
    NESTED_MIXED_UP = (
        "nested-mixed-up",
        "Nested rows are fetched for all parents at once and handed out by position, which is off by one.",
    )
    NUMBER_AS_TEXT = (
        "number-as-text",
        "Numbers of 64 bits are written as strings, for readers that cannot hold them.",
    )
    VARIABLES_IGNORED = (
        "variables-ignored",
        "What is planned for a text is kept with the variables it came with first.",
    )

    # Of HTTP.
    DROPS_LAST_ROW = (
        "drops-last-row",
        "What comes last from the database has no separator behind it and is left out.",
    )
    WRONG_STATUS = (
        "wrong-status",
        "A mistake in a document is answered with status 500, as if the server had failed.",
    )
    GET_MUTATES = (
        "get-mutates",
        "GET runs mutations: a link that is followed, or fetched ahead, changes data.",
    )
    ERRORS_AS_EMPTY = (
        "errors-as-empty",
        "A query that fails is answered with no rows and status 200.",
    )
    NO_BODY_LIMIT = (
        "no-body-limit",
        "A body is read to its end, however long it is.",
    )
    STALLS_A_SECOND = (
        "stalls-a-second",
        "One request in 500 waits for a second.",
    )
    LEAKS_PER_REQUEST = (
        "leaks-per-request",
        "Answers are kept in a table that nobody clears.",
    )
    STALE_CACHE = (
        "stale-cache",
        "Cached answers are found by the text and the variables alone, whatever was written since.",
    )
    HEALTH_LIES = (
        "health-lies",
        "The page of health says what was true at the start.",
    )
    READINESS_LIES = (
        "readiness-lies",
        "The page of readiness says that the program runs, and does not ask the database.",
    )
    METRICS_STAND_STILL = (
        "metrics-stand-still",
        "The metrics are there, and nobody counts.",
    )
