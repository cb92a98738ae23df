"""The parts of an observer with a defect."""

from __future__ import annotations

from reference.fraiseql.observers.defects import Defect
from reference.fraiseql.observers.parts import Parts
from reference.fraiseql.observers.wrong import acknowledging, content, writing

_CHANGED: dict[Defect, Parts] = {
    Defect.ACKS_FIRST: Parts(intake=acknowledging.HastyIntake),
    Defect.FORGETS_UNACKNOWLEDGED: Parts(first=acknowledging.after_delivered),
    Defect.DROPS_AFTER_THREE_TRIES: Parts(delivery=acknowledging.GivingUpDelivery),
    Defect.LOSES_LAST_BATCH_ON_STOP: Parts(
        delivery=acknowledging.AbortingDelivery, intake=acknowledging.RememberingIntake
    ),
    Defect.INSERTS_TWICE_AFTER_RETRY: Parts(
        delivery=writing.RepeatingDelivery,
        clickhouse=writing.SometimesBlindClickHouse,
        search=writing.SometimesBlindSearch,
    ),
    Defect.NO_DEDUPLICATION: Parts(clickhouse=writing.BlindClickHouse, search=writing.BlindSearch),
    Defect.ONE_SINK_BLOCKS_THE_OTHER: Parts(delivery=writing.LockingDelivery),
    Defect.NO_DEAD_LETTERS: Parts(letters=writing.SilentLetters),
    Defect.STUCK_ON_A_BAD_EVENT: Parts(delivery=writing.StuckDelivery),
    Defect.SWALLOWS_ITEM_ERRORS: Parts(search=writing.TrustingSearch),
    Defect.LAG_GROWS: Parts(delivery=writing.SinglyDelivery),
    Defect.TRUNCATES_DATA: Parts(delivery=content.TruncatingDelivery),
    Defect.FORGETS_USER: Parts(delivery=content.ForgettingDelivery),
    Defect.LEAKS_EVENTS: Parts(delivery=content.HoardingDelivery),
}


def parts_with(defect: Defect) -> Parts:
    """Return the parts of an observer with a defect."""
    return _CHANGED[defect]
