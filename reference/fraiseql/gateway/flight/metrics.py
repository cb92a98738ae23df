"""What the Flight side counts, on the gateway's page of metrics."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge


class FlightMetrics:
    """Counters of one gateway.

    Args:
        registry: where the page of metrics finds them.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.streams = Gauge(
            "fraiseql_flight_streams_active", "Answers that are being streamed now.", registry=registry
        )
        self.rows = Counter("fraiseql_flight_rows", "Rows sent.", registry=registry)
        self.bytes = Counter("fraiseql_flight_bytes", "Bytes of Arrow data sent.", registry=registry)
        self.uploaded = Counter("fraiseql_flight_rows_uploaded", "Rows taken in.", registry=registry)
        self.stalled = Counter(
            "fraiseql_flight_streams_stalled", "Answers broken off: their clients stood still.", registry=registry
        )
        self.calls = Counter("fraiseql_flight_calls", "Calls answered.", ["method", "status"], registry=registry)
        self.errors = Counter("fraiseql_flight_errors", "Calls that failed.", ["status"], registry=registry)

    def ended(self, method: str, status: str) -> None:
        """Count a call that has ended with a gRPC status."""
        self.calls.labels(method, status).inc()
        if status != "OK":
            self.errors.labels(status).inc()
