"""Keywords of questions and answers: what came over Flight, and whether HTTP gives the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
from robot.api import logger
from robot.api.deco import keyword

from EnvironmentLibrary.telling import say
from FlightLibrary.accounting import Reading
from FlightLibrary.client import FlightConnection
from FlightLibrary.comparing import difference, normal, table_of
from FlightLibrary.errors import FlightFailure
from FlightLibrary.graphql_http import HttpFailure, JsonReading
from FlightLibrary.keywords.base import addresses, declares, flight_connection, http_connection
from FlightLibrary.tickets import GraphQLQuery, OptimizedView, Ticket
from measurement.verdicts import Inconclusive

TYPES = {
    "string": pa.string(),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "float64": pa.float64(),
    "bool": pa.bool_(),
    "timestamp": pa.timestamp("us", "UTC"),
}
"""Types of columns, by the words that criteria use."""


@dataclass(frozen=True)
class Answer:
    """What came over Flight.

    Attributes:
        ticket: that was sent.
        reading: what came, with its account.
    """

    ticket: Ticket
    reading: Reading


@dataclass(frozen=True)
class Pair:
    """The answers to the same query over both transports; one that was not answered says why instead."""

    query: str
    flight: Reading | str
    http: JsonReading | str

    def difference(self) -> str | None:
        """Say where the answers differ, or who gave none; None when they hold the same."""
        if isinstance(self.flight, str) or isinstance(self.http, str):
            told = {"Flight": self.flight, "HTTP": self.http}
            return "; ".join(f"{over}: {answer}" for over, answer in told.items() if isinstance(answer, str))
        try:
            return difference(self.flight.kept(), table_of(self.http.rows, self.flight.schema))
        except AssertionError as error:
            return str(error)


ROWS_OF_A_VIEW = 100


class QueryingKeywords:
    """Queries over Flight and HTTP, and what their answers must be like."""

    @keyword
    def rows_are_queried_over_flight(self, query: str, variables: Mapping[str, Any] | None = None) -> Answer:
        """Ask a GraphQL query with one root field over Flight, and read the answer to its end.

        Args:
            query: such as `{ users(limit: 1000) { id name } }`.
            variables: of the query, a dictionary.

        Raises:
            FlightFailure: it was refused, or broke off.
        """
        ticket = GraphQLQuery(query, variables)
        with flight_connection() as client:
            reading = client.read(ticket)
        logger.info(f"{ticket}: {reading}; {_in_a_line(reading.schema)}")
        return Answer(ticket, reading)

    @keyword
    def result_should_have_columns(self, answer: Answer, **types: str) -> None:
        """Demand exactly these columns with these types, in whatever order.

        Args:
            answer: what asking over Flight returned.
            types: such as `id=string    visits=int64`: string, int32, int64, float64, bool or timestamp (UTC, us).
        """
        expected = {name: TYPES[kind] for name, kind in types.items()}
        came = {field.name: field.type for field in answer.reading.schema}
        if set(came) != set(expected):
            raise AssertionError(f"expected the columns {sorted(expected)}, came {sorted(came)}")
        wrong = [f"'{n}' is {came[n]}, expected {kind}" for n, kind in expected.items() if came[n] != kind]
        if wrong:
            raise AssertionError(f"columns are of other types: {'; '.join(wrong)}")

    @keyword
    def result_should_have_rows(self, answer: Answer, at_least: int, at_most: int) -> None:
        """Demand so many rows, none of them twice."""
        rows = answer.reading.rows
        if not at_least <= rows <= at_most:
            raise AssertionError(f"expected {at_least} to {at_most} rows, came {rows}")
        table = answer.reading.kept()
        distinct = table.group_by(table.column_names, use_threads=False).aggregate([]).num_rows
        if distinct < rows:
            raise AssertionError(f"{rows - distinct} of {rows} rows came more than once")
        say(str(answer.reading))

    @keyword
    def each_view_should_announce_the_schema_of_its_rows(self) -> None:
        """Demand that GetFlightInfo and GetSchema tell the very schema a view's rows have, and where to get them.

        Of the views that the environment declares; what GraphQL gives has no schema before it is asked.
        """
        views = addresses().views if declares("flight_views") else ()
        with flight_connection() as client:
            problems = [text for view in views if (text := _wrongly_announced(client, view)) is not None]
        if problems:
            raise AssertionError("; ".join(problems))
        logger.info(f"views asked: {', '.join(views) or 'none is declared'}")

    # -- both transports -----------------------------------------------------------------------------------

    @keyword
    def the_same_is_asked_over_flight_and_http(self, *queries: str) -> list[Pair]:
        """Ask each query with one root field over both transports; one that is refused counts as a difference."""
        with flight_connection() as client, http_connection() as http:
            return [
                Pair(query, _or_refusal(client.read, GraphQLQuery(query)), _or_refusal(http.read, query))
                for query in queries
            ]

    @keyword
    def both_should_have_the_same_rows(self, pairs: Sequence[Pair]) -> None:
        """Demand that Flight and HTTP gave the same values in the same order, columns found by their name."""
        found = [f"Flight and HTTP differ in {p.query}: {told}" for p in pairs if (told := p.difference()) is not None]
        if found:
            raise AssertionError("\n".join(found))
        say(f"{sum(pair.flight.rows for pair in _answered(pairs))} rows of {len(pairs)} queries are the same")

    @keyword
    def compared_values_should_include(self, pairs: Sequence[Pair], *kinds: str) -> None:
        """Make sure that what is easily damaged was among the values compared.

        Args:
            pairs: what asking over both transports returned.
            kinds: of `nulls`, `unicode`, `big integers`, `timestamps`, `fractions`, `nested values`, `an empty result`.

        Raises:
            Inconclusive: one was not; the comparison says nothing of it.
        """
        answered = _answered(pairs)
        missing = [kind for kind in kinds if not any(KINDS[kind](pair) for pair in answered)]
        if missing:
            raise Inconclusive(f"the compared answers hold no {', no '.join(missing)}")


Asked = TypeVar("Asked")
Came = TypeVar("Came")


def _or_refusal(read: Callable[[Asked], Came], what: Asked) -> Came | str:
    try:
        return read(what)
    except (FlightFailure, HttpFailure) as failure:
        return str(failure)


@dataclass(frozen=True)
class _Answered:
    """A pair of answers that are both there."""

    flight: Reading
    http: JsonReading


def _answered(pairs: Sequence[Pair]) -> list[_Answered]:
    return [
        _Answered(pair.flight, pair.http)
        for pair in pairs
        if not isinstance(pair.flight, str) and not isinstance(pair.http, str)
    ]


def _wrongly_announced(client: FlightConnection, view: str) -> str | None:
    """Say what is wrong with what is told of a view before its rows are asked for."""
    ticket = OptimizedView(view, limit=ROWS_OF_A_VIEW)
    try:
        came, info = client.read(ticket), client.flight_info(ticket, in_path=True)
        told = {"GetFlightInfo": info.schema, "GetSchema": client.schema(ticket, in_path=True)}
        for what, schema in told.items():
            if not schema.equals(came.schema):
                return f"{view}: {what} tells {_in_a_line(schema)}, came {_in_a_line(came.schema)}"
        if len(info.endpoints) != 1:
            return f"{view}: GetFlightInfo names {len(info.endpoints)} endpoints, expected one"
        again = client.read(info.endpoints[0].ticket.ticket)
    except FlightFailure as failure:
        return f"{view}: {failure}"
    found = difference(again.kept(), came.kept(), ("the endpoint", "the first answer"))
    return None if found is None else f"{view}: the endpoint's ticket gives another answer: {found}"


def _in_a_line(schema: pa.Schema) -> str:
    return ", ".join(f"{field.name}: {field.type}" for field in schema)


def _any_column(
    kind: Callable[[pa.DataType], bool], holds: Callable[[pa.ChunkedArray], Any]
) -> Callable[[_Answered], bool]:
    """Return a test of an answer: whether some column of a kind of type holds something."""

    def test(pair: _Answered) -> bool:
        columns = [normal(column) for column in pair.flight.kept().columns if kind(column.type)]
        return any(pc.any(holds(column)).as_py() for column in columns)

    return test


KINDS: dict[str, Callable[[_Answered], bool]] = {
    "nulls": _any_column(lambda _: True, pc.is_null),
    "unicode": _any_column(pa.types.is_string, lambda column: pc.match_substring_regex(column, r"[^\x00-\x7f]")),
    "big integers": _any_column(pa.types.is_integer, lambda column: pc.greater(pc.abs(column), 2**53)),
    "timestamps": _any_column(pa.types.is_timestamp, lambda column: pc.not_equal(pc.microsecond(column), 0)),
    "fractions": _any_column(pa.types.is_floating, lambda column: pc.not_equal(pc.floor(column), column)),
    "nested values": lambda pair: any(isinstance(v, dict | list) and v for row in pair.http.rows for v in row.values()),
    "an empty result": lambda pair: pair.flight.rows == 0 and not pair.http.rows,
}
