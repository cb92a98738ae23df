"""Wrong behaviour on purpose, one switch each: what the acceptance criteria must be able to catch."""

from __future__ import annotations

from reference.defect import NamedDefect


class Defect(NamedDefect):
    """A named wrong behaviour, and the real mistake it stands for; the program has at most one."""

    COUNTS_TWICE = ("counts-twice", "Recording an error raises the total that the request had raised already.")
    DEAD_MIRROR_IS_SUCCESS = (
        "dead-mirror-is-success",
        "What could be handed over counts as mirrored; that nobody executed it is never asked.",
    )
    FORGETS_OVERFLOW = ("forgets-overflow", "The result of putting something into a full channel is ignored.")
    SAMPLES_PER_STATEMENT = (
        "samples-per-statement",
        "The dice are rolled where a request is sent, so that transactions lose some of their statements.",
    )
    REPLAYS_AT_ONCE = (
        "replays-at-once",
        "Each statement is replayed when it is answered, in a session that knows of no transaction.",
    )
    REPLAYS_ROLLED_BACK_WORK = (
        "replays-rolled-back-work",
        "The end of a transaction flushes its recording, whichever end it is.",
    )
    REPLAYS_FAILED_WORK = (
        "replays-failed-work",
        "A request is copied when it is sent; that the primary refused it changes nothing.",
    )
    BLOCKS_THE_CLIENT = ("blocks-the-client", "Mirroring is awaited on the way of the answer.")
    LEAKS_MIRROR_SESSIONS = (
        "leaks-mirror-sessions",
        "The session on the mirror belongs to nobody once its client is gone.",
    )
    LOSES_COPY_DATA = ("loses-copy-data", "The data of a COPY is not seen as part of the request it belongs to.")
    HIDES_QUERY_ERRORS = (
        "hides-query-errors",
        "An ErrorResponse is an answer like any other: only a broken connection is an error.",
    )
    IGNORES_ORDER_ACROSS_CLIENTS = (
        "ignores-order-across-clients",
        "Each client has a queue of its own, and nothing keeps what two of them wrote to one row in order.",
    )
    REORDERS_WITHIN_CLIENT = (
        "reorders-within-client",
        "Two workers empty a queue, and the second is sometimes faster.",
    )
    LOSES_PREPARED_STATEMENTS = (
        "loses-prepared-statements",
        "A Parse is replayed once, where it came: a new session, or one that was not chosen then, never has it.",
    )
    NEVER_RESUMES = ("never-resumes", "A mirror that was banned after an error stays banned.")
    KEEPS_HALF_TRANSACTIONS = (
        "keeps-half-transactions",
        "Statements are replayed one by one in autocommit, so that an outage leaves the ones before it.",
    )
    QUEUE_WITHOUT_BOUND = ("queue-without-bound", "The limit of the queue is read and never compared with anything.")
    MIXES_USERS = ("mixes-users", "Counts are looked up by database, and the first user's are found.")
    WAITS_FOR_TIMEOUTS_FOREVER = (
        "waits-for-timeouts-forever",
        "The time limit of a replayed query is validated and never enforced.",
    )
    DROPS_UNDER_MANY_CLIENTS = (
        "drops-under-many-clients",
        "Clients beyond the size of a pool have no mirror, and nobody is told.",
    )
    LOSES_LARGE_STATEMENTS = (
        "loses-large-statements",
        "What is longer than a buffer is skipped where it is recorded, and not counted.",
    )
    DOUBLES_REPLAY = ("doubles-replay", "What was interrupted is repeated although it may have been executed.")
