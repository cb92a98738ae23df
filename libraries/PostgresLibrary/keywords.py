"""The library itself: all its keywords, and the end of a test."""

from __future__ import annotations

from robot.api.deco import keyword, library

from LoadLibrary.rate import Rate
from PostgresLibrary.base import undo_all
from PostgresLibrary.connection_keywords import ConnectionKeywords
from PostgresLibrary.data_keywords import DataKeywords
from PostgresLibrary.error_keywords import ErrorKeywords


@library(scope="GLOBAL", auto_keywords=False, doc_format="MARKDOWN", converters={Rate: Rate.parse})
class PostgresLibrary(ConnectionKeywords, DataKeywords, ErrorKeywords):
    """Sessions, data and refusals on the cluster's primary and replica ports.

    Statements are those of a client of the system: the owner of the schema or a role the library made. What a test
    makes (sessions, roles, rows) is undone by `Undo What The Test Made`, which belongs into its teardown.
    """

    def __init__(self) -> None:
        ConnectionKeywords.__init__(self)

    @keyword
    def undo_what_the_test_made(self) -> None:
        """Close sessions and pools, remove roles and delete rows, last made first.

        Raises:
            psycopg2.Error: something could not be undone; the rest was.
        """
        undo_all()
