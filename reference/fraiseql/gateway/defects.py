"""Wrong behaviour on purpose, one switch each: what the acceptance criteria must be able to catch.

What behaves so is in `wrong/` and `flight/wrong/`; without a switch none of it is even loaded.
"""

from __future__ import annotations

from reference.defect import NamedDefect


class Defect(NamedDefect):
    """A named wrong behaviour, and the real mistake it stands for; the program has at most one."""

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
    DIRECTIVES_IGNORED = (
        "directives-ignored",
        "@skip and @include are read where fields of rows are collected, and not for what an operation begins with.",
    )
    INLINE_FRAGMENTS_LOST = (
        "inline-fragments-lost",
        "Fragments are put in by their names: those without one are left out.",
    )
    ANY_CONTENT_TYPE = (
        "any-content-type",
        "What a body is said to be is not looked at: a form of another site may send a mutation.",
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
    STALE_AFTER_OUTAGE = (
        "stale-after-outage",
        "For some seconds after Redis was away changes are not looked for: what it held then is taken for new.",
    )
    WAITS_FOR_CACHE = (
        "waits-for-cache",
        "Redis is waited for as long as its library does that was not told otherwise.",
    )
    NEEDS_THE_CACHE = (
        "needs-the-cache",
        "An error of Redis is an error of the request that met it.",
    )
    HEALTH_LIES = (
        "health-lies",
        "The page of health says what was true at the start.",
    )
    READINESS_LIES = (
        "readiness-lies",
        "The page of readiness says that the program runs, and does not ask the database.",
    )
    PAGES_WAIT = (
        "pages-wait",
        "Health and readiness ask the database without a deadline, and wait with it when it does not answer.",
    )
    METRICS_STAND_STILL = (
        "metrics-stand-still",
        "The metrics are there, and nobody counts.",
    )

    # Of Flight.
    ACCEPTS_UNSIGNED = (
        "accepts-unsigned",
        "The algorithm is taken from the token, which may say that it has no signature.",
    )
    ACCEPTS_EXPIRED = (
        "accepts-expired",
        "A session token is good for ever: its end is not looked at.",
    )
    ACCEPTS_NOT_YET_VALID = (
        "accepts-not-yet-valid",
        "Of the times of a token only its end is looked at.",
    )
    ACCEPTS_ANY_SIGNATURE = (
        "accepts-any-signature",
        "The claims of a token are read, and its signature is not compared.",
    )
    DROPS_LAST_BATCH = (
        "drops-last-batch",
        "A batch is sent when the next one is there, and nobody sends what is left at the end.",
    )
    CUTS_SILENTLY = (
        "cuts-silently",
        "When the source of a stream fails the stream ends as if it were whole.",
    )
    BUFFERS_WHOLE_RESULT = (
        "buffers-whole-result",
        "A result is collected before its first batch is sent.",
    )
    ERROR_AS_EMPTY_STREAM = (
        "error-as-empty-stream",
        "A request that fails is answered with no rows.",
    )
    PARTIAL_UPLOAD = (
        "partial-upload",
        "Each batch of an upload is committed by itself: those before one that fails stay.",
    )
    UPLOADS_ANYWHERE = (
        "uploads-anywhere",
        "The list of tables that take uploads is read and never looked at.",
    )
    REFUSES_THE_51ST = (
        "refuses-the-51st",
        "The most streams at once are fixed at 50, whatever is configured.",
    )
    VIEW_OUT_OF_STEP = (
        "view-out-of-step",
        "What is kept of a view is brought up to date every five seconds, not when it is asked for.",
    )
    DIES_ON_OVERSIZED_TICKET = (
        "dies-on-oversized-ticket",
        "A ticket that is too large for its buffer ends the process.",
    )
    HANGS_AFTER_BAD_TICKET = (
        "hangs-after-bad-ticket",
        "A lock is not released when a ticket cannot be read: the next request waits for it.",
    )
    LEAKS_STREAMS = (
        "leaks-streams",
        "What was sent is kept, in case a client asks for it again.",
    )
    BLOCKS_ON_SLOW_CLIENT = (
        "blocks-on-slow-client",
        "One lock is held while a stream is sent: a client that reads slowly holds all others up.",
    )
    WAITS_FOR_STANDING_CLIENTS = (
        "waits-for-standing-clients",
        "A client that reads nothing more keeps its connection to the database for as long as it likes.",
    )
    EVENTS_LOSE_A_FIELD = (
        "events-lose-a-field",
        "The tenant of an event had another name once, which is still the one asked for.",
    )
    LIMIT_OFF_BY_ONE = (
        "limit-off-by-one",
        "The limit of views and events is compared after a row too many.",
    )
