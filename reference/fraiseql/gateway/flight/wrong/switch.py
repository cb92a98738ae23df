"""The classes of a Flight side with a defect, each in the place of the part that has it."""

from __future__ import annotations

from reference.fraiseql.gateway.defects import Defect
from reference.fraiseql.gateway.flight.parts import Parts
from reference.fraiseql.gateway.flight.wrong import answering, entering, sending

_CHANGED: dict[Defect, Parts] = {
    Defect.ACCEPTS_UNSIGNED: Parts(tokens=entering.UnsignedTokens),
    Defect.ACCEPTS_EXPIRED: Parts(tokens=entering.LastingTokens),
    Defect.ACCEPTS_NOT_YET_VALID: Parts(tokens=entering.EarlyTokens),
    Defect.ACCEPTS_ANY_SIGNATURE: Parts(tokens=entering.BelievedTokens),
    Defect.REFUSES_THE_51ST: Parts(slots=entering.FiftySlots),
    Defect.DIES_ON_OVERSIZED_TICKET: Parts(decode=lambda: entering.dying),
    Defect.HANGS_AFTER_BAD_TICKET: Parts(decode=entering.HangingDecoder),
    Defect.DROPS_LAST_BATCH: Parts(outflow=sending.WithoutLastBatch),
    Defect.CUTS_SILENTLY: Parts(outflow=sending.SilentCut),
    Defect.BUFFERS_WHOLE_RESULT: Parts(outflow=sending.Collecting),
    Defect.LEAKS_STREAMS: Parts(outflow=sending.Keeping),
    Defect.BLOCKS_ON_SLOW_CLIENT: Parts(outflow=sending.OneAtATime),
    Defect.WAITS_FOR_STANDING_CLIENTS: Parts(outflow=sending.Unwatched),
    Defect.ERROR_AS_EMPTY_STREAM: Parts(answers=answering.EmptyForError),
    Defect.VIEW_OUT_OF_STEP: Parts(store=answering.TimedStore),
    Defect.LIMIT_OFF_BY_ONE: Parts(views=answering.OneMoreOfViews, events=answering.OneMoreOfEvents),
    Defect.EVENTS_LOSE_A_FIELD: Parts(events=answering.WithoutTenant),
    Defect.PARTIAL_UPLOAD: Parts(uploads=answering.UploadsByBatch),
    Defect.UPLOADS_ANYWHERE: Parts(uploads=answering.UploadsAnywhere),
}


def parts_with(defect: Defect | None) -> Parts:
    """Return the parts of a Flight side with a defect; those that are not about it, or none, change nothing."""
    return _CHANGED.get(defect, Parts()) if defect else Parts()
