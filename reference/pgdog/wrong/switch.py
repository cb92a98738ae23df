"""Wrong behaviour on purpose, one switch each: what the acceptance criteria must be able to catch."""

from __future__ import annotations

from reference.defect import NamedDefect


class Defect(NamedDefect):
    """A named wrong behaviour, and the real mistake it stands for; the program has at most one."""

    # What reaches the mirror, and what the client notices of it.
    COUNTS_TWICE = (
        "counts-twice",
        "A replay is counted by the queue that handed it out and again by the session that ran it.",
    )
    DEAD_MIRROR_IS_SUCCESS = (
        "dead-mirror-is-success",
        "What was handed to the replay counts as mirrored, whether or not a mirror was there to take it.",
    )
    FORGETS_OVERFLOW = (
        "forgets-overflow",
        "What finds the queue full is thrown away before anything has counted it.",
    )
    SAMPLES_PER_STATEMENT = (
        "samples-per-statement",
        "The exposure is drawn for every statement, so that parts of transactions reach the mirror.",
    )
    REPLAYS_AT_ONCE = (
        "replays-at-once",
        "Statements are sent on as they come, long before anybody knows whether the primary will commit them.",
    )
    REPLAYS_ROLLED_BACK_WORK = (
        "replays-rolled-back-work",
        "The end of a transaction flushes its buffer, and nobody looks which end it was.",
    )
    REPLAYS_FAILED_WORK = (
        "replays-failed-work",
        "A request is mirrored when it was sent, although the primary answered with an error.",
    )
    BLOCKS_THE_CLIENT = (
        "blocks-the-client",
        "The relay waits for room in the queue instead of dropping: a slow mirror is a slow primary.",
    )
    LEAKS_MIRROR_SESSIONS = (
        "leaks-mirror-sessions",
        "The session to the mirror is left open when its client has gone.",
    )
    LOSES_COPY_DATA = (
        "loses-copy-data",
        "Of a COPY only the first message with data is recorded.",
    )
    HIDES_QUERY_ERRORS = (
        "hides-query-errors",
        "An error of the mirror's SQL is read and forgotten: the transaction counts as mirrored.",
    )
    IGNORES_ORDER_ACROSS_CLIENTS = (
        "ignores-order-across-clients",
        "Each client has a queue of its own, and nothing keeps their writes in the order of their commits.",
    )
    REORDERS_WITHIN_CLIENT = (
        "reorders-within-client",
        "Two workers share the queue of a client, and the second is sometimes faster.",
    )
    LOSES_PREPARED_STATEMENTS = (
        "loses-prepared-statements",
        "A statement is prepared on the mirror only where its Parse came by: after a lost session it is not there.",
    )
    NEVER_RESUMES = (
        "never-resumes",
        "A mirror that was found dead once is not tried again.",
    )
    KEEPS_HALF_TRANSACTIONS = (
        "keeps-half-transactions",
        "Statements of a transaction are replayed one by one, each committed on its own.",
    )
    QUEUE_WITHOUT_BOUND = (
        "queue-without-bound",
        "The limits of the queue are read from the configuration and never compared with anything.",
    )
    MIXES_USERS = (
        "mixes-users",
        "Sessions to the mirror are kept by database alone: one user's work runs as another.",
    )
    WAITS_FOR_TIMEOUTS_FOREVER = (
        "waits-for-timeouts-forever",
        "The replay has no limit of its own: one statement that hangs on the mirror stops all that follow.",
    )
    DROPS_UNDER_MANY_CLIENTS = (
        "drops-under-many-clients",
        "A table of clients is full at some size, and those beyond it are served and not mirrored.",
    )
    LOSES_LARGE_STATEMENTS = (
        "loses-large-statements",
        "What does not come in one piece from the socket is relayed, and left out of the recording.",
    )
    DOUBLES_REPLAY = (
        "doubles-replay",
        "A replay whose answer is slow is taken for lost and sent again.",
    )

    # What is counted and shown, and what an operator can do.
    AVERAGES_WRONGLY = (
        "averages-wrongly",
        "The count behind the average is raised where a request comes in and again where it is done: half the latency.",
    )
    FORGETS_MAXIMUM = (
        "forgets-maximum",
        "The maximum is overwritten with every value instead of compared: it shows the last.",
    )
    MIXES_DATABASES = (
        "mixes-databases",
        "The key of the counters lacks the database: everything is shown under the first one seen.",
    )
    MIXES_USERS_IN_METRICS = (
        "mixes-users-in-metrics",
        "The key of the counters lacks the user: everything is shown under the first one seen.",
    )
    DOUBLES_TYPE_LINES = (
        "doubles-type-lines",
        "HELP and TYPE are printed before every series of a family instead of before the first.",
    )
    RENDERS_FLOATS = (
        "renders-floats",
        "One format for all numbers: counters have three decimals too.",
    )
    STALE_METRICS = (
        "stale-metrics",
        "The page is made once and kept.",
    )
    STALE_CONSOLE = (
        "stale-console",
        "The console shows what it had read when it was asked the time before.",
    )
    READY_DESPITE_ERRORS = (
        "ready-despite-errors",
        "The error rate is reported and does not take part in the verdict.",
    )
    FORGETS_REASONS = (
        "forgets-reasons",
        "The verdict is NOT READY, and the report does not say why.",
    )
    WRONG_SCORE = (
        "wrong-score",
        "The score is the share of successes, and not what the checks left of it.",
    )
    COUNTS_ERRORS_IN_TOTAL = (
        "counts-errors-in-total",
        "An error raises the total once more: the request was counted when it came in.",
    )
    SHOWS_DISABLED_METRICS = (
        "shows-disabled-metrics",
        "The switch of the metrics is read and asked by nobody.",
    )
    COUNTS_EXPENSIVELY = (
        "counts-expensively",
        "With every transaction the whole page is made anew, in case somebody wants it.",
    )
    SLOW_METRICS = (
        "slow-metrics",
        "The page waits for a lock that something else holds for long.",
    )
    ZEROES_ON_RELOAD = (
        "zeroes-on-reload",
        "A reload builds everything anew, the counters too.",
    )
    RELOAD_ENDS_CLIENTS = (
        "reload-ends-clients",
        "A reload replaces the proxy, with its clients.",
    )
    TAKES_WRONG_KEYS = (
        "takes-wrong-keys",
        "Keys that nobody knows are passed over: a slip in a name is a setting that never holds.",
    )
    KEEPS_COUNTERS_OVER_RESTART = (
        "keeps-counters-over-restart",
        "Counters are kept in a file: what is shown is not what this process has seen.",
    )
    LAST_SUCCESS_NEVER_SET = (
        "last-success-never-set",
        "The time of the last success is set at the start and nowhere else.",
    )
