"""The reference observers: one program a sink, which bring events from NATS to ClickHouse and to the search engine."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

import requests

from environments import toml
from environments.config import ROOT
from environments.embedded.gateway import clickhouse_table
from environments.embedded.processes import EmbeddedService, Home
from environments.fraiseql import STREAM, SUBJECT
from environments.sections.fraiseql import Observers as ObserversSection
from environments.system import ClickHouseAddress, Endpoint, SearchAddress

PROGRAM = ROOT / "reference" / "fraiseql" / "observers" / "__main__.py"
DUPLICATE_WINDOW_SECONDS = 20  # a longer one makes NATS' memory grow at 10 000 events a second


class Observer(EmbeddedService):
    """The observer of one sink, `clickhouse` or `search`."""

    def __init__(
        self,
        home: Home,
        sink: str,
        settings: ObserversSection,
        metrics: Endpoint,
        places: tuple[str, ClickHouseAddress | None, SearchAddress | None],
        defect: str | None,
    ) -> None:
        super().__init__(home)
        self.sink, self.settings, self.metrics, self.places, self.defect = sink, settings, metrics, places, defect

    @property
    def metrics_url(self) -> str:
        """Its Prometheus page."""
        return f"http://{self.metrics}/metrics"

    def command(self) -> tuple[Sequence[str], Mapping[str, str]]:
        """See `EmbeddedService.command`."""
        file = self.directory / "observers.toml"
        nats, clickhouse, search = self.places
        sections: dict[str, toml.Table] = {
            "nats": {
                "url": nats,
                "stream": STREAM,
                "subject": SUBJECT,
                "duplicate_window_seconds": DUPLICATE_WINDOW_SECONDS,
            },
            "batch": {"size": self.settings.batch, "linger_ms": self.settings.linger_ms},
        }
        if clickhouse is not None:
            sections["clickhouse"] = clickhouse_table(clickhouse, "url")
        if search is not None:
            sections["search"] = {"url": search.url, "index_prefix": search.index_prefix}
        toml.write(file, {}, sections)
        argv = [sys.executable, str(PROGRAM), "run", "--config", str(file), "--sink", self.sink]
        argv += ["--metrics-port", str(self.metrics.port)]
        return [*argv, *(["--defect", self.defect] if self.defect else [])], {}

    def missing(self) -> str | None:
        """See `EmbeddedService.missing`."""
        try:
            answer = requests.get(f"http://{self.metrics}/health", timeout=2)
        except requests.RequestException as error:
            return f"{self.name} does not answer on {self.metrics} ({type(error).__name__})"
        return None if answer.ok else f"{self.name} is not healthy: {answer.text.strip()}"
