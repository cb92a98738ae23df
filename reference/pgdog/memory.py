"""The memory that recordings and queues may take together."""

from __future__ import annotations


class Budget:
    """Bytes held, and how many may be."""

    __slots__ = ("held", "limit")

    def __init__(self, limit: int) -> None:
        self.held, self.limit = 0, limit

    @property
    def left(self) -> int:
        """Bytes that may still be taken."""
        return self.limit - self.held
