"""Keywords of single requests and of the metrics page."""

from __future__ import annotations

import json

from robot.api.deco import keyword

from GatewayLibrary.counters import counters, moved_otherwise

_COUNTED = {
    "queries": "fraiseql_graphql_queries",
    "successes": "fraiseql_graphql_queries_success",
    "errors": "fraiseql_graphql_queries_error",
}


class RequestKeywords:
    """Bodies of an exact size, and what a metrics page has counted."""

    @keyword
    def a_request_of_bytes(self, size: int, query: str) -> str:
        """Return the body of a request of exactly this size: the query with a comment that is long enough.

        Args:
            size: in bytes.
            query: plain ASCII without quotation marks.
        """
        head, tail = f'{{"query":"{query} #', '"}'
        filling = size - len(head) - len(tail)
        if filling < 0:
            raise ValueError(f"{size} bytes are too few for this query, which needs {size - filling}")
        return head + "x" * filling + tail

    @keyword("As JSON")
    def as_json(self, **values: object) -> str:
        """Return named values as the text of a JSON object.

        Args:
            values: such as the variables of a query.
        """
        return json.dumps(values)

    @keyword
    def counters_of(self, page: str) -> dict[str, float]:
        """Read a metrics page; a page that is not in Prometheus' format fails.

        Args:
            page: its text.
        """
        found = counters(page)
        if not found:
            raise AssertionError("the page has no metrics")
        return found

    @keyword
    def counters_should_have_moved(
        self, before: dict[str, float], after: dict[str, float], queries: int, successes: int, errors: int
    ) -> None:
        """Compare two readings: the counters of queries moved by exactly as many as were sent.

        Args:
            before: as `Counters Of` returned them.
            after: the same, later.
            queries: that were sent.
            successes: of them, answered with data.
            errors: of them, answered with errors.
        """
        expected = {"queries": queries, "successes": successes, "errors": errors}
        problem = moved_otherwise(before, after, {_COUNTED[what]: by for what, by in expected.items()})
        if problem is not None:
            raise AssertionError(problem)
