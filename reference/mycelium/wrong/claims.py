"""Claims to the socket path taken or given up wrongly. Nothing compiled is imported here, see `__main__.py`."""

from __future__ import annotations

import os

from reference.mycelium.defects import Defect
from reference.mycelium.lifecycle import Claim


class LeavingClaim(Claim):
    """Removes nothing."""

    def release(self) -> None:
        """See `Claim.release`."""
        self._release_lock()


class StealingClaim(Claim):
    """Deletes what is at the path and binds there."""

    def _take_lock(self) -> int:
        return os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)

    def _remove_stale(self) -> None:
        self._path.unlink(missing_ok=True)


class StumblingClaim(LeavingClaim):
    """Takes whatever is at the path for another broker, and leaves its own socket there."""

    def _remove_stale(self) -> None:
        if self._path.exists():
            self._refuse_second()


def claim_with(defect: Defect | None) -> type[Claim]:
    """Return how a broker with a defect takes its socket path; most do it rightly."""
    wrong: dict[Defect | None, type[Claim]] = {
        Defect.LEAVES_SOCKET: LeavingClaim,
        Defect.STUMBLES_OVER_ITS_SOCKET: StumblingClaim,
        Defect.STEALS_SOCKET: StealingClaim,
    }
    return wrong.get(defect, Claim)
