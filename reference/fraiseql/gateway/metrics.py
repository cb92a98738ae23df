"""What the gateway counts, as Prometheus reads it."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_GRAPHQL = "fraiseql_graphql_queries"


class Metrics:
    """The counters of one gateway; the Flight side puts its own into `registry`.

    Several names are fixed by what dashboards ask for. Those that count but do not end in _total are gauges here,
    because Prometheus' own library writes no counter without that ending.
    """

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self._total = self._counter(_GRAPHQL, "GraphQL requests.")
        self._success = self._gauge(f"{_GRAPHQL}_success", "GraphQL requests answered with data.")
        self._error = self._gauge(f"{_GRAPHQL}_error", "GraphQL requests answered with an error.")
        self._milliseconds = self._gauge("fraiseql_graphql_query_duration_ms", "Mean time of a GraphQL request.")
        self._by_code = {
            "VALIDATION_ERROR": self._counter("fraiseql_validation_errors", "Documents that are not valid."),
            "PARSE_ERROR": self._counter("fraiseql_parse_errors", "Documents that cannot be parsed."),
        }
        self._execution = self._counter("fraiseql_execution_errors", "Requests that failed when they were run.")
        self._statements = self._counter("fraiseql_database_queries", "Statements sent to the database.")
        self._requests = self._counter("fraiseql_http_requests", "HTTP requests.")
        self._responses = {
            kind: self._gauge(f"fraiseql_http_responses_{kind}xx", f"HTTP responses of status {kind}xx.")
            for kind in (2, 4, 5)
        }
        self._hits = self._gauge("fraiseql_cache_hits", "Answers that the cache had.")
        self._misses = self._gauge("fraiseql_cache_misses", "Answers that the cache did not have.")
        self._ratio = self._gauge("fraiseql_cache_hit_ratio", "Part of the answers that the cache had.")
        self._query_seconds = self._histogram(
            "fraiseql_query_duration_seconds", "Time of a GraphQL request.", "operation"
        )
        self._request_seconds = self._histogram("fraiseql_http_request_duration_seconds", "Time of an HTTP request.")
        self._seconds, self._queries = 0.0, 0
        self._looked, self._found = 0, 0

    def request(self, status: int, seconds: float) -> None:
        """Count an HTTP request."""
        self._requests.inc()
        self._request_seconds.observe(seconds)
        if status // 100 in self._responses:
            self._responses[status // 100].inc()

    def query(self, operation: str, seconds: float, code: str | None) -> None:
        """Count a GraphQL request; `code` is None where it was answered with data."""
        self._total.inc()
        self._query_seconds.labels(operation).observe(seconds)
        self._seconds, self._queries = self._seconds + seconds, self._queries + 1
        self._milliseconds.set(self._seconds / self._queries * 1000)
        if code is None:
            self._success.inc()
        else:
            self._error.inc()
            self._by_code.get(code, self._execution).inc()

    def statements(self, number: int) -> None:
        """Count statements sent to the database."""
        self._statements.inc(number)

    def looked_up(self, found: bool) -> None:
        """Count an answer that was looked for in the cache."""
        self._looked, self._found = self._looked + 1, self._found + found
        (self._hits if found else self._misses).inc()
        self._ratio.set(self._found / self._looked)

    def watch_pool(self, connections: Callable[[], tuple[int, int]], waiting: Callable[[], int]) -> None:
        """Show a pool's connections, in use and idle, and how many requests wait for one."""
        for name, value in {
            "connections_total": lambda: sum(connections()),
            "connections_active": lambda: connections()[0],
            "connections_idle": lambda: connections()[1],
            "requests_waiting": waiting,
        }.items():
            self._gauge(f"fraiseql_db_pool_{name}", f"Database pool: {name.replace('_', ' ')}.").set_function(value)

    def page(self) -> bytes:
        """Return the page."""
        return generate_latest(self.registry)

    def _counter(self, name: str, text: str) -> Counter:
        return Counter(name, text, registry=self.registry)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(name, text, registry=self.registry)

    def _histogram(self, name: str, text: str, *labels: str) -> Histogram:
        return Histogram(name, text, labels, registry=self.registry, buckets=_SECONDS)
