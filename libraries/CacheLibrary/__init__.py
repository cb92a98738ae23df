"""Keywords for Redis, and for the cache client that stands in front of Redis and the database."""

from __future__ import annotations

from robot.api.deco import library

from CacheLibrary.load_keywords import LoadKeywords
from CacheLibrary.race_keywords import RaceKeywords
from CacheLibrary.row_keywords import RowKeywords
from CacheLibrary.server_keywords import ServerKeywords
from LoadLibrary.rate import Rate

__all__ = ["CacheLibrary"]


@library(scope="GLOBAL", auto_keywords=False, doc_format="MARKDOWN", converters={Rate: Rate.parse})
class CacheLibrary(ServerKeywords, RowKeywords, LoadKeywords, RaceKeywords):
    """What clients of Redis and of the cache program do, and what they may expect.

    Redis is asked for its own answers and statistics. The cache program is spoken to over HTTP, see
    `reference/cache/README.md`; whether it is right is judged by the database, by what Redis itself holds, and by the
    history of concurrent reads and writes.

    What a test makes is undone by `Undo What The Test Made` of PostgresLibrary.
    """

    def __init__(self) -> None:
        ServerKeywords.__init__(self)
