"""Keywords for FraiseQL over Arrow Flight, and what they are made of: tickets, tokens, a client, comparisons.

The keyword class is imported when Robot Framework asks for it: the programs of this package (readers whose memory is
measured, a bare server) need nothing of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from FlightLibrary.keywords.library import FlightLibrary

__all__ = ["FlightLibrary"]


def __getattr__(name: str) -> Any:
    """Import the keyword class at its first use."""
    if name == "FlightLibrary":
        from FlightLibrary.keywords.library import FlightLibrary

        return FlightLibrary
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
