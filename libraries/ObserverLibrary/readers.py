"""What the sinks hold, asked of each in its own way by its own client.

Every reader answers the same questions, so that what is demanded of one sink is demanded of the other: how many
entries there are, which ids a load has there, how often an id is there, and whole events of a load. Events come as
fields that can be compared: `data` as the JSON it says, timestamps as microseconds since the epoch.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterator
from typing import Any, Protocol
from urllib.parse import urlsplit

import clickhouse_connect
import numpy as np
import opensearchpy
import pyarrow as pa
from clickhouse_connect.driver.client import Client
from numpy.typing import NDArray
from opensearchpy.exceptions import NotFoundError

from environments.system import ClickHouseAddress, SearchAddress
from ObserverLibrary.event import EntityEvent, microseconds_of

PATIENCE_SECONDS = 30  # for an answer
PAGE = 10_000  # documents; the most that a search engine gives at once
KEEP_ALIVE = "1m"

Fields = dict[str, Any]


class Reader(Protocol):
    """A sink, as somebody sees it who looks for events."""

    sink: str

    def count(self) -> int:
        """Return how many entries there are, of whatever load."""

    def count_of(self, tenant: str) -> int:
        """Return how many entries a load has there."""

    def ids(self, tenant: str) -> NDArray[np.bytes_]:
        """Return the ids of a load's entries as text, repeated ones repeatedly, in any order."""

    def events(self, tenant: str) -> list[Fields]:
        """Return a load's entries, repeated ones repeatedly, in any order."""

    def times(self, identifier: str) -> int:
        """Return how many entries have this id."""

    def close(self) -> None:
        """Give back the connection."""


def comparable(event: EntityEvent) -> Fields:
    """Return an event's fields in the form in which readers give them."""
    return {
        "id": event.id,
        "event_type": event.event_type,
        "entity_type": event.entity_type,
        "entity_id": event.entity_id,
        "data": event.data,
        "user_id": event.user_id,
        "tenant_id": event.tenant_id,
        "timestamp": microseconds_of(event.timestamp),
    }


class ClickHouseReader:
    """The table of events, by clickhouse-connect. Nothing is asked with FINAL: doubled rows are to be seen."""

    sink = "clickhouse"

    def __init__(self, address: ClickHouseAddress, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._patience = math.ceil(patience_seconds)
        self._address = address
        self._opened: Client | None = None

    @property
    def client(self) -> Client:
        """The client, connected at its first use.

        Raises:
            Exception: ClickHouse is not there.
        """
        if self._opened is None:
            where, login = urlsplit(self._address.url), self._address.login
            self._opened = clickhouse_connect.get_client(
                host=where.hostname,
                port=where.port or 8123,
                username=login.user,
                password=login.password.value,
                database=self._address.database,
                connect_timeout=self._patience,
                send_receive_timeout=self._patience,
                query_retries=0,
                autogenerate_session_id=False,
            )
        return self._opened

    def count(self) -> int:
        """See `Reader.count`; ClickHouse knows it without reading a row."""
        answer = self.client.command("SELECT count() FROM {table:Identifier}", self.named())
        return int(answer)  # type: ignore[arg-type]

    def count_of(self, tenant: str) -> int:
        """See `Reader.count_of`."""
        query = "SELECT count() FROM {table:Identifier} WHERE tenant_id = {tenant:String}"
        return int(self.client.command(query, self.named(tenant=tenant)))  # type: ignore[arg-type]

    def ids(self, tenant: str) -> NDArray[np.bytes_]:
        """See `Reader.ids`."""
        query = "SELECT event_id FROM {table:Identifier} WHERE tenant_id = {tenant:String}"
        column = self.client.query_arrow(query, self.named(tenant=tenant), use_strings=True).column(0)
        return np.array(column.to_pylist(), dtype=np.bytes_)

    def events(self, tenant: str) -> list[Fields]:
        """See `Reader.events`."""
        query = (
            "SELECT event_id AS id, event_type, entity_type, entity_id, data, user_id, tenant_id, "
            "toUnixTimestamp64Micro(timestamp) AS at FROM {table:Identifier} WHERE tenant_id = {tenant:String}"
        )
        rows = self.client.query(query, self.named(tenant=tenant)).named_results()
        return [{"timestamp": row.pop("at"), **row, "data": _parsed(row["data"])} for row in map(dict, rows)]

    def times(self, identifier: str) -> int:
        """See `Reader.times`."""
        query = "SELECT count() FROM {table:Identifier} WHERE event_id = {id:String}"
        return int(self.client.command(query, self.named(id=identifier)))  # type: ignore[arg-type]

    def insert(self, table: pa.Table) -> None:
        """Insert rows by Arrow; return when ClickHouse has them."""
        self.client.insert_arrow(self._address.table, table)

    def named(self, **parameters: Any) -> Fields:
        """Return parameters of a query, with the table's name as `table`."""
        return {"table": self._address.table, **parameters}

    def close(self) -> None:
        """See `Reader.close`."""
        if self._opened is not None:
            self._opened.close()


class SearchReader:
    """The indices of events, by opensearch-py. Entries are what a search finds, which is after the index's refresh."""

    sink = "search"

    def __init__(self, address: SearchAddress, patience_seconds: float = PATIENCE_SECONDS) -> None:
        logging.getLogger("opensearch").setLevel(logging.CRITICAL)  # an engine that is away is told by exceptions
        self.indices = f"{address.index_prefix}-*"
        self.client = opensearchpy.OpenSearch([address.url], timeout=patience_seconds, max_retries=0)

    def count(self) -> int:
        """See `Reader.count`."""
        return self._counted({"match_all": {}})

    def count_of(self, tenant: str) -> int:
        """See `Reader.count_of`."""
        return self._counted({"term": {"tenant_id": tenant}})

    def ids(self, tenant: str) -> NDArray[np.bytes_]:
        """See `Reader.ids`: of the field `id`, not of the key, so that a document under another key is seen."""
        found = [
            hit["fields"]["id"][0] if "fields" in hit else f"a document without id, {hit['_id']}"
            for page in self._pages({"term": {"tenant_id": tenant}})
            for hit in page
        ]
        return np.array(found, dtype=np.bytes_)

    def events(self, tenant: str) -> list[Fields]:
        """See `Reader.events`; a document under another key than its id has a field `_id` too, which no event has."""
        return [_document(hit) for page in self._pages({"term": {"tenant_id": tenant}}, source=True) for hit in page]

    def times(self, identifier: str) -> int:
        """See `Reader.times`."""
        return self._counted({"term": {"id": identifier}})

    def find(self, field: str, value: str) -> list[Fields]:
        """Return the documents whose field is exactly that (a term query), up to 100, as `events` does."""
        body = {"query": {"term": {field: value}}, "size": 100}
        return [_document(hit) for hit in self.client.search(index=self.indices, body=body)["hits"]["hits"]]

    def refresh(self) -> None:
        """Make everything that has been written visible to searches now."""
        self.client.indices.refresh(index=self.indices)

    def close(self) -> None:
        """See `Reader.close`."""
        self.client.close()

    def _counted(self, query: Fields) -> int:
        return int(self.client.count(index=self.indices, body={"query": query})["count"])

    def _pages(self, query: Fields, *, source: bool = False) -> Iterator[list[Fields]]:
        """Go through all that a query finds, as it was at one point in time."""
        try:
            point = self.client.create_pit(index=self.indices, params={"keep_alive": KEEP_ALIVE})["pit_id"]
        except NotFoundError:
            return  # there is no index yet
        body: Fields = {
            "query": query,
            "size": PAGE,
            "pit": {"id": point, "keep_alive": KEEP_ALIVE},
            "sort": [{"_shard_doc": "asc"}],
            "_source": source,
            "docvalue_fields": ["id"],
            "track_total_hits": False,
        }
        try:
            while hits := self.client.search(body=body)["hits"]["hits"]:
                yield hits
                body["search_after"] = hits[-1]["sort"]
        finally:
            self.client.delete_pit(body={"pit_id": [point]})


def _document(hit: Fields) -> Fields:
    fields = dict(hit["_source"])
    if fields.get("id") != hit["_id"]:
        fields["_id"] = hit["_id"]  # a field that no event has
    try:
        fields["timestamp"] = microseconds_of(fields["timestamp"])
    except (KeyError, TypeError, ValueError):
        pass  # it is compared as it is, and differs
    return fields


def _parsed(text: str) -> Any:
    """The JSON that a text says; the text itself where it says none, so that comparing shows it."""
    try:
        return json.loads(text)
    except ValueError:
        return text
