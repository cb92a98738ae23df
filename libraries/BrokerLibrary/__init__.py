"""Keywords for a Mycelium broker, and what they are made of: codecs, clients, service doubles.

The keyword class is imported when Robot Framework asks for it: the programs of this package (service doubles, load
workers) start many times in a run and need nothing of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from BrokerLibrary.keywords.library import BrokerLibrary

__all__ = ["BrokerLibrary"]


def __getattr__(name: str) -> Any:
    """Import the keyword class at its first use."""
    if name == "BrokerLibrary":
        from BrokerLibrary.keywords.library import BrokerLibrary

        return BrokerLibrary
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
