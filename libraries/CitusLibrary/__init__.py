"""Keywords for Citus: where tables, shards and rows lie, how queries are run, how transactions end."""

from __future__ import annotations

from robot.api.deco import keyword, library

from CitusLibrary.layout import LayoutKeywords
from CitusLibrary.querying import QueryKeywords
from CitusLibrary.searching import SearchKeywords
from CitusLibrary.transacting import TransactionKeywords
from CitusLibrary.written import Written
from LoadLibrary.rate import Rate


@library(scope="GLOBAL", auto_keywords=False, doc_format="MARKDOWN", converters={Rate: Rate.parse})
class CitusLibrary(LayoutKeywords, QueryKeywords, SearchKeywords, TransactionKeywords):
    """Keywords for a Citus cluster: a coordinator and its workers.

    What the coordinator believes is compared with what the nodes themselves say: rows and sizes are read in the
    shards' own tables, in sessions on the node that holds them. Queries are judged by their plans with every task
    shown, transactions by what the coordinator sends to the workers.
    """

    def __init__(self) -> None:
        self.written = Written()

    @keyword(tags=["citus"])
    def what_the_criterion_wrote_is_removed(self) -> None:
        """Remove every row and table that keywords of this library wrote since it was last called."""
        self.written.remove()
