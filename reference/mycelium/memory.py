"""Memory for messages: one buffer everybody receives into, and stores for what cannot be sent at once.

A message that can be sent at once is never copied. One that has to wait is copied, once for all its subscribers, into
its topic's store. A block of a store lives as long as something in it waits; then it is used again.
"""

from __future__ import annotations

import numpy as np

from reference.mycelium.kernels import Bytes

BLOCK_BYTES = 256 * 1024
_SPARE_BLOCKS = 64  # kept for use again by the whole program
_spare: list[Bytes] = []


class Block:
    """Bytes as an array for kernels and as a view for sockets."""

    __slots__ = ("array", "view")

    def __init__(self, size: int = BLOCK_BYTES) -> None:
        self.array: Bytes = _spare.pop() if size == BLOCK_BYTES and _spare else np.empty(size, np.uint8)
        self.view: memoryview = self.array.data

    def __del__(self) -> None:
        if len(self.array) == BLOCK_BYTES and len(_spare) < _SPARE_BLOCKS:
            _spare.append(self.array)


class Store:
    """Where the waiting messages of one topic are, one after the other."""

    __slots__ = ("_block", "_used")

    def __init__(self) -> None:
        self._block: Block | None = None
        self._used = 0

    def keep(self, view: memoryview, start: int, end: int) -> tuple[Block, int]:
        """Copy bytes; return the block they are in and where they begin there."""
        size = end - start
        block = self._block
        if block is None or self._used + size > len(block.array):
            block = self._block = Block(max(size, BLOCK_BYTES))
            self._used = 0
        offset = self._used
        block.view[offset : offset + size] = view[start:end]
        self._used += size
        return block, offset
