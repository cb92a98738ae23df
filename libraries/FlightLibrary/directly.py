"""The same rows from PostgreSQL by ADBC, with no gateway between: what a live query over Flight could be at best."""

from __future__ import annotations

from contextlib import closing
from typing import Self
from urllib.parse import quote

import adbc_driver_postgresql.dbapi as adbc

from environments.system import FraiseqlAddresses
from FlightLibrary.accounting import Reading, account, clock


class DirectConnection:
    """One session of the owner of the tables."""

    def __init__(self, where: FraiseqlAddresses) -> None:
        user, password = quote(where.owner.user, safe=""), quote(where.owner.password.value, safe="")
        self._session = adbc.connect(f"postgresql://{user}:{password}@{where.database}/{where.database_name}")

    def read(self, statement: str) -> Reading:
        """Read all rows of a SELECT into an Arrow table."""
        begin = clock()
        with closing(self._session.cursor()) as cursor:
            cursor.execute(statement)
            reader = cursor.fetch_record_batch()
            return account(begin, reader.schema, iter(reader), keep=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._session.close()
