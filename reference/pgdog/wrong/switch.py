"""Wrong behaviour on purpose, one switch each: what the acceptance criteria must be able to catch."""

from __future__ import annotations

from reference.defect import NamedDefect


class Defect(NamedDefect):
    """A named wrong behaviour, and the real mistake it stands for; the program has at most one."""

    # What reaches the mirror, and what the client notices of it.
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
    LOSES_ONE_IN_TWO_HUNDRED = (
        "loses-one-in-two-hundred",
        "What comes between the last look at the queue and the decision to wait is overwritten by what comes next.",
    )
    DOUBLES_REPLAY = ("doubles-replay", "What was interrupted is repeated although it may have been executed.")

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
    PROMISES_OPENMETRICS = (
        "promises-openmetrics",
        "The content type follows what the reader accepts, the text does not: it lacks the end that OpenMetrics has.",
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
