"""Keywords for what clients were told of their writes, and who accepted them."""

from LedgerLibrary.keywords import LedgerLibrary

__all__ = ["LedgerLibrary"]
