"""Events of the observer pipeline: published with a ledger, and looked for in every sink.

The keyword class is imported when Robot Framework asks for it: the publisher's process needs nothing of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ObserverLibrary.keywords.library import ObserverLibrary

__all__ = ["ObserverLibrary"]


def __getattr__(name: str) -> Any:
    """Import the keyword class at its first use."""
    if name == "ObserverLibrary":
        from ObserverLibrary.keywords.library import ObserverLibrary

        return ObserverLibrary
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
