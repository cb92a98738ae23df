"""What an external system answers whenever it is asked for what only the embedded driver has."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from environments.system import LinkCondition


class NotOurs:
    """A system without links under our control, which is neither started nor stopped here."""

    def set_link(self, link: str, condition: LinkCondition | None) -> None:
        """See `System.set_link`."""
        raise LookupError(f"link '{link}': an external environment has no links; declare no 'link-faults'")

    def link_counters(self, link: str) -> Mapping[str, int]:
        """See `System.link_counters`."""
        raise LookupError(f"link '{link}': an external environment has no links; declare no 'link-faults'")

    def stop(self) -> list[str]:
        """See `System.stop`: what we did not start we do not stop."""
        return []

    def keep(self, results: Path) -> str:
        """See `System.keep`."""
        return "The system is external: it stays up anyway."
