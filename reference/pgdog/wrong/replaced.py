"""The classes of a proxy with a defect, each in the place of the part that has it."""

from __future__ import annotations

from reference.pgdog.parts import Parts
from reference.pgdog.wrong import clients, lanes, recording
from reference.pgdog.wrong.switch import Defect

_CHANGED: dict[Defect, Parts] = {
    Defect.COUNTS_TWICE: Parts(lane=lanes.CountingLane),
    Defect.DEAD_MIRROR_IS_SUCCESS: Parts(lane=lanes.OptimisticLane),
    Defect.FORGETS_OVERFLOW: Parts(lane=lanes.ForgettingLane),
    Defect.SAMPLES_PER_STATEMENT: Parts(lane=lanes.PickingLane),
    Defect.REPLAYS_AT_ONCE: Parts(recorder=recording.HastyRecorder),
    Defect.REPLAYS_ROLLED_BACK_WORK: Parts(recorder=recording.KeepingRecorder),
    Defect.REPLAYS_FAILED_WORK: Parts(recorder=recording.HopefulRecorder),
    Defect.BLOCKS_THE_CLIENT: Parts(client=clients.WaitingClient),
    Defect.LEAKS_MIRROR_SESSIONS: Parts(lane=lanes.LeakingLane),
    Defect.LOSES_COPY_DATA: Parts(recorder=recording.ForgetfulRecorder),
    Defect.HIDES_QUERY_ERRORS: Parts(lane=lanes.DeafLane),
    Defect.IGNORES_ORDER_ACROSS_CLIENTS: Parts(order=lanes.AnyOrder),
    Defect.REORDERS_WITHIN_CLIENT: Parts(lane=lanes.ShufflingLane, order=lanes.AnyOrder),
    Defect.LOSES_PREPARED_STATEMENTS: Parts(lane=lanes.LosingLane),
    Defect.NEVER_RESUMES: Parts(lane=lanes.GivingUpLane),
    Defect.KEEPS_HALF_TRANSACTIONS: Parts(recorder=recording.DividingRecorder),
    Defect.QUEUE_WITHOUT_BOUND: Parts(lane=lanes.BoundlessLane),
    Defect.MIXES_USERS: Parts(lane=lanes.MixingLane),
    Defect.WAITS_FOR_TIMEOUTS_FOREVER: Parts(lane=lanes.PatientLane),
    Defect.DROPS_UNDER_MANY_CLIENTS: Parts(lane=lanes.CrowdedLane),
    Defect.LOSES_LARGE_STATEMENTS: Parts(lane=lanes.NarrowLane),
    Defect.LOSES_ONE_IN_TWO_HUNDRED: Parts(lane=lanes.RacingLane),
    Defect.DOUBLES_REPLAY: Parts(lane=lanes.RepeatingLane),
}


def parts_with(defect: Defect) -> Parts:
    """Return the parts of a proxy with a defect; one that is not about these parts changes nothing."""
    return _CHANGED.get(defect, Parts())
