"""Enough of a FraiseQL system for keywords that publish events and look into sinks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from robot.api.types import Secret

from environments.system import ClickHouseAddress, Endpoint, FraiseqlAddresses, Login, Running, SearchAddress, use
from FlightLibrary.keywords.base import undo_all

NOWHERE = Endpoint("127.0.0.1", 1)
STREAM, SUBJECT = "fraiseql_events", "fraiseql.mutation"
LOGIN = Login("acceptance", Secret("the word: a secret"))


@dataclass
class Pipeline:
    """NATS and two sinks; nothing brings events from one to the others."""

    nats: str
    clickhouse: ClickHouseAddress | None
    search: SearchAddress | None
    links: Mapping[str, Endpoint] = field(default_factory=dict)
    capabilities: frozenset[str] = frozenset()
    services: Mapping[str, object] = field(default_factory=dict)
    facts: tuple[object, ...] = ()

    @property
    def addresses(self) -> FraiseqlAddresses:
        return FraiseqlAddresses(
            http="http://127.0.0.1:1",
            flight="grpc://127.0.0.1:1",
            session_secret=Secret("secret"),
            metrics_token=None,
            identity=None,
            database=NOWHERE,
            database_name="none",
            owner=LOGIN,
            views=(),
            upload_table="none",
            stream=STREAM,
            subject=SUBJECT,
            nats=self.nats,
            clickhouse=self.clickhouse,
            search=self.search,
        )


@contextmanager
def running(pipeline: Pipeline, results: Path) -> Iterator[Running]:
    """Make it the system that runs, and undo at the end what keywords began."""
    run = Running("a pipeline", "embedded", "quick", str(results), 1.0, 7, system_name="fraiseql")
    run.system = pipeline  # type: ignore[assignment]
    use(run)
    try:
        yield run
    finally:
        try:
            undo_all()
        finally:
            use(None)
