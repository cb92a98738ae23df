"""Wrong behaviour on purpose, one switch each: what the acceptance criteria must be able to catch.

The classes that behave so are in `wrong/`; without a switch none of them is even loaded.
"""

from __future__ import annotations

from reference.defect import NamedDefect


class Defect(NamedDefect):
    """A named wrong behaviour, and the real mistake it stands for; the program has at most one."""

    DROPS_ONE_IN_TEN_THOUSAND = (
        "drops-one-in-ten-thousand",
        "A message is counted as delivered before the write is known to have succeeded, and the write did not.",
    )
    DUPLICATES_NOW_AND_THEN = (
        "duplicates-now-and-then",
        "A write that was interrupted is repeated although it had gone out.",
    )
    DUPLICATES_AFTER_RECONNECT = (
        "duplicates-after-reconnect",
        "Who subscribes again gets the last messages replayed, though it may have had them.",
    )
    REORDERS_ACROSS_BATCHES = (
        "reorders-across-batches",
        "Two workers share a connection's batches, and the second is sometimes faster.",
    )
    LEAKS_A_TOPIC = (
        "leaks-a-topic",
        "A filter compares too little: market data reaches the subscribers of signals as well.",
    )
    MISROUTES = (
        "misroutes",
        "The topic of a batch is looked up once, for its first message: some arrive under another topic.",
    )
    QUEUE_DELIVERS_TO_ALL = (
        "queue-delivers-to-all",
        "A queue topic is served by the code of a fanout topic.",
    )
    QUEUE_STARVES_ONE = (
        "queue-starves-one",
        "The first worker that has room gets everything; the turn is never passed on.",
    )
    QUEUE_LOSES_ON_DISCONNECT = (
        "queue-loses-on-disconnect",
        "Work handed to a worker that died before it had all of it is forgotten.",
    )
    IGNORES_SIZE_LIMIT = (
        "ignores-size-limit",
        "The limit of a topic is read from the configuration and never compared with anything.",
    )
    IGNORES_CONNECTION_LIMIT = (
        "ignores-connection-limit",
        "The limit of connections is validated and never enforced.",
    )
    ACCEPTS_UNKNOWN_TOPIC = (
        "accepts-unknown-topic",
        "What nobody declared is swallowed without an error, as if it had been published.",
    )
    CLOSES_ON_UNKNOWN_TOPIC = (
        "closes-on-unknown-topic",
        "Every error is treated as one of the connection, which is closed.",
    )
    KEEPS_MALFORMED_PEER = (
        "keeps-malformed-peer",
        "After a frame that cannot be read the stream is read on at a guess, instead of closed.",
    )
    CRASHES_ON_MALFORMED = (
        "crashes-on-malformed",
        "The exception of one connection ends the thread that serves all of them.",
    )
    ACKS_EARLY = (
        "acks-early",
        "A message is acknowledged when it is read, not when it is taken: what then fails is lost.",
    )
    LEAKS_MEMORY_PER_MESSAGE = (
        "leaks-memory-per-message",
        "A table of recent messages that nobody ever clears.",
    )
    STALLS_ALL_FOR_ONE_SLOW_READER = (
        "stalls-all-for-one-slow-reader",
        "Blocking writes in the one thread that serves all.",
    )
    UNBOUNDED_SLOW_READER = (
        "unbounded-slow-reader",
        "An unbounded queue for each subscriber: no policy for one that does not read.",
    )
    NO_LAG_NOTICE = (
        "no-lag-notice",
        "The oldest are dropped, and the subscriber is not told.",
    )
    WRONG_LAG_COUNT = (
        "wrong-lag-count",
        "The notice says that something was dropped, but counts occasions instead of messages.",
    )
    COUNTS_WRONGLY = (
        "counts-wrongly",
        "A counter is raised once for each batch instead of once for each message.",
    )
    LEGACY_METRICS_MISSING = (
        "legacy-metrics-missing",
        "The metrics were renamed, and the dashboards of before find nothing.",
    )
    UNSUBSCRIBE_IGNORED = (
        "unsubscribe-ignored",
        "Unsubscribing is acknowledged and forgotten.",
    )
    DOUBLE_SUBSCRIBE_TWO_COPIES = (
        "double-subscribe-two-copies",
        "Subscribers are a list, and nobody looks whether one is in it already.",
    )
    LOSES_BUFFER_ON_DRAIN = (
        "loses-buffer-on-drain",
        "The tasks that deliver are aborted at shutdown, with what they still had to send.",
    )
    LEAVES_SOCKET = (
        "leaves-socket",
        "The socket file is left behind by an orderly end.",
    )
    STUMBLES_OVER_ITS_SOCKET = (
        "stumbles-over-its-socket",
        "The socket file is left behind by an orderly end, and the next start takes it for another broker.",
    )
    STEALS_SOCKET = (
        "steals-socket",
        "Whatever is at the path is deleted before binding: a second broker takes it from the first.",
    )
    FORGETS_SUBSCRIPTIONS_ON_RELOAD = (
        "forgets-subscriptions-on-reload",
        "A reload builds the topics anew, without who is subscribed to them.",
    )
    IGNORES_ENVIRONMENT = (
        "ignores-environment",
        "Variables of the environment are documented and not read.",
    )
    IGNORES_RELOAD = (
        "ignores-reload",
        "SIGHUP is caught and logged, and the configuration stays as it was.",
    )
    VAGUE_CONFIG_ERROR = (
        "vague-config-error",
        "A configuration is refused without a word about which key is wrong.",
    )
    SLOW_ROUTING = (
        "slow-routing",
        "Each message waits for the next tick of a timer that flushes.",
    )
    CORRUPTS_ONE_BYTE = (
        "corrupts-one-byte",
        "A buffer is used again while a message in it is still being sent.",
    )
    NEVER_FREES_DEAD_PEERS = (
        "never-frees-dead-peers",
        "Nobody removes a connection whose other end is gone.",
    )
    HALF_DELIVERS = (
        "half-delivers",
        "When one reader dies the write to another is cut short, in the middle of a frame.",
    )
    HANGS_ON_FLOOD = (
        "hangs-on-flood",
        "Many connections at once exhaust something that the only thread then waits for.",
    )
