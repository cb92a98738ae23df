"""The classes of a broker with a defect, each in the place of the part that has it."""

from __future__ import annotations

from dataclasses import replace

from reference.mycelium.defects import Defect
from reference.mycelium.parts import Parts
from reference.mycelium.wrong import delivery, peers, queueing, running

_CHANGED: dict[Defect, Parts] = {
    Defect.DROPS_ONE_IN_TEN_THOUSAND: Parts(fanout=delivery.DroppingFanout, queue=delivery.DroppingQueue),
    Defect.DUPLICATES_NOW_AND_THEN: Parts(fanout=delivery.DuplicatingFanout, queue=delivery.DuplicatingQueue),
    Defect.DUPLICATES_AFTER_RECONNECT: Parts(fanout=delivery.ReplayingFanout),
    Defect.REORDERS_ACROSS_BATCHES: Parts(fanout=delivery.ReorderingFanout),
    Defect.LEAKS_A_TOPIC: Parts(fanout=delivery.LeakingFanout),
    Defect.MISROUTES: Parts(fanout=delivery.MisroutingFanout),
    Defect.CORRUPTS_ONE_BYTE: Parts(fanout=delivery.CorruptingFanout, queue=delivery.CorruptingQueue),
    Defect.QUEUE_DELIVERS_TO_ALL: Parts(queue=queueing.QueueToAll),
    Defect.QUEUE_STARVES_ONE: Parts(queue=queueing.QueueToOne),
    Defect.QUEUE_LOSES_ON_DISCONNECT: Parts(queue=queueing.ForgettingQueue),
    Defect.IGNORES_SIZE_LIMIT: Parts(registry=peers.UnlimitedRegistry),
    Defect.IGNORES_CONNECTION_LIMIT: Parts(broker=running.UnlimitedBroker),
    Defect.ACCEPTS_UNKNOWN_TOPIC: Parts(answers=peers.SwallowingAnswers),
    Defect.CLOSES_ON_UNKNOWN_TOPIC: Parts(answers=peers.ClosingAnswers),
    Defect.KEEPS_MALFORMED_PEER: Parts(peer=peers.GuessingPeer),
    Defect.CRASHES_ON_MALFORMED: Parts(peer=peers.CrashingPeer),
    Defect.ACKS_EARLY: Parts(peer=peers.HastyPeer),
    Defect.LEAKS_MEMORY_PER_MESSAGE: Parts(fanout=queueing.HoardingFanout),
    Defect.STALLS_ALL_FOR_ONE_SLOW_READER: Parts(outbox=peers.BlockingOutbox),
    Defect.UNBOUNDED_SLOW_READER: Parts(fanout=queueing.UnboundedFanout),
    Defect.NO_LAG_NOTICE: Parts(fanout=queueing.SilentFanout),
    Defect.WRONG_LAG_COUNT: Parts(fanout=queueing.MiscountingFanout),
    Defect.COUNTS_WRONGLY: Parts(fanout=queueing.BatchCountingFanout),
    Defect.LEGACY_METRICS_MISSING: Parts(pages=running.ModernPages),
    Defect.UNSUBSCRIBE_IGNORED: Parts(answers=peers.StubbornAnswers),
    Defect.DOUBLE_SUBSCRIBE_TWO_COPIES: Parts(answers=peers.DoublingAnswers),
    Defect.LOSES_BUFFER_ON_DRAIN: Parts(control=running.AbortingControl),
    Defect.FORGETS_SUBSCRIPTIONS_ON_RELOAD: Parts(control=running.ForgettingControl),
    Defect.IGNORES_RELOAD: Parts(control=running.DeafControl),
    Defect.SLOW_ROUTING: Parts(fanout=queueing.SlowFanout),
    Defect.NEVER_FREES_DEAD_PEERS: Parts(broker=running.KeepingBroker, peer=peers.ClingingPeer),
    Defect.HALF_DELIVERS: Parts(broker=running.CuttingBroker, outbox=peers.CuttingOutbox),
    Defect.HANGS_ON_FLOOD: Parts(broker=running.HangingBroker),
}


def parts_with(defect: Defect | None) -> Parts:
    """Return the parts of a broker with a defect; those that are not about parts, or none, change nothing."""
    return replace(_CHANGED.get(defect, Parts())) if defect else Parts()
