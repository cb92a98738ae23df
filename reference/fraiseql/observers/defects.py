"""Wrong behaviour on purpose, one switch each: what the acceptance criteria must be able to catch.

The classes that behave so are in `wrong/`; without a switch none of them is even loaded.
"""

from __future__ import annotations

from reference.defect import NamedDefect


class Defect(NamedDefect):
    """A named wrong behaviour, and the real mistake it stands for; the program has at most one."""

    ACKS_FIRST = (
        "acks-first",
        "A batch is acknowledged when it has been read, before the sink has it; upstream does so.",
    )
    FORGETS_UNACKNOWLEDGED = (
        "forgets-unacknowledged",
        "A new session goes on with what is new; its first acknowledgement covers what a killed one was given.",
    )
    DROPS_AFTER_THREE_TRIES = (
        "drops-after-three-tries",
        "A batch that failed three times is given up, and acknowledged; upstream does so.",
    )
    LOSES_LAST_BATCH_ON_STOP = (
        "loses-last-batch-on-stop",
        "What is waiting for the sink when the observer is told to stop is acknowledged and dropped.",
    )
    INSERTS_TWICE_AFTER_RETRY = (
        "inserts-twice-after-retry",
        "A batch that failed is tried again by its sender and also put into the queue of failed batches.",
    )
    NO_DEDUPLICATION = (
        "no-deduplication",
        "Nobody looks whether the sink has an event already.",
    )
    ONE_SINK_BLOCKS_THE_OTHER = (
        "one-sink-blocks-the-other",
        "Both observers take the same lock while they bring a batch into their sink.",
    )
    NO_DEAD_LETTERS = (
        "no-dead-letters",
        "What is refused is logged, acknowledged and gone; upstream does so.",
    )
    STUCK_ON_A_BAD_EVENT = (
        "stuck-on-a-bad-event",
        "An event that is refused is taken for an outage of the sink: its batch is tried for ever.",
    )
    SWALLOWS_ITEM_ERRORS = (
        "swallows-item-errors",
        "The search engine's answer is 200, so nobody looks at the errors of single items; upstream does so.",
    )
    LAG_GROWS = (
        "lag-grows",
        "Each event is a request of its own.",
    )
    TRUNCATES_DATA = (
        "truncates-data",
        "Texts in an event's data are cut to what a column held once.",
    )
    FORGETS_USER = (
        "forgets-user",
        "A field was added to the events and forgotten in the sinks.",
    )
    LEAKS_EVENTS = (
        "leaks-events",
        "Each event is put into a list that nobody empties.",
    )
