from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from pyarrow import flight

from FlightLibrary import FlightLibrary
from FlightLibrary.errors import FlightFailure
from FlightLibrary.graphql_http import HttpFailure
from FlightLibrary.keywords.base import http_connection
from measurement.verdicts import Inconclusive
from tests.flight.tiny import Gateway, TinyFlight

library = FlightLibrary()
QUERY = "{ users(limit: 1000) { id name visits } }"
TYPES = {"id": "string", "name": "string", "visits": "int64"}


class Mistaken(Gateway):
    """Changes the table that Flight answers with."""

    def rows(self, query):
        return self.mistake(super().rows(query))

    def mistake(self, table):
        raise NotImplementedError


class IgnoresLimit(Gateway):
    def rows(self, query):
        return super().rows(query.replace("limit: 1000", ""))


class Twice(Mistaken):
    def mistake(self, table):
        return pa.concat_tables([table.slice(0, 500), table.slice(0, 500)])


class Swaps(Mistaken):
    def mistake(self, table):
        return table.rename_columns(["name", "id", *table.column_names[2:]]).select(table.column_names)


class AsText(Mistaken):
    def mistake(self, table):
        return table.set_column(2, "visits", table["visits"].cast(pa.string()))


class OneMicrosecondLater(Mistaken):
    def mistake(self, table):
        later = pc.add(table["createdAt"], pa.scalar(1, pa.duration("us")))
        return table.set_column(0, "createdAt", later)


class DropsOne(Mistaken):
    def mistake(self, table):
        return table.slice(0, table.num_rows - 1)


class NoNulls(Mistaken):
    def mistake(self, table):
        columns = [c.fill_null("") if pa.types.is_string(c.type) else c for c in table.columns]
        return pa.table(columns, names=table.column_names)


class Empty(Mistaken):
    def mistake(self, table):
        return table.slice(0, 0)


def test_a_right_answer_passes(system):
    system()
    answer = library.rows_are_queried_over_flight(QUERY)
    library.result_should_have_columns(answer, **TYPES)
    library.result_should_have_rows(answer, 1000, 1000)
    library.each_view_should_announce_the_schema_of_its_rows()
    assert "1000 rows in 1 batches" in system.said[0]


@pytest.mark.parametrize(
    ("kind", "message"),
    [(IgnoresLimit, "expected 1 to 1000 rows, came 2000"), (Empty, "came 0"), (Twice, "500 of 1000 rows came more")],
)
def test_a_wrong_number_of_rows_is_seen(system, kind, message):
    system(over=kind())
    answer = library.rows_are_queried_over_flight(QUERY)
    with pytest.raises(AssertionError, match=message):
        library.result_should_have_rows(answer, 1, 1000)


def test_wrong_columns_and_types_are_seen(system):
    system(over=AsText())
    answer = library.rows_are_queried_over_flight(QUERY)
    with pytest.raises(AssertionError, match="'visits' is string, expected int64"):
        library.result_should_have_columns(answer, **TYPES)
    with pytest.raises(
        AssertionError, match=r"expected the columns \['id', 'visits'\], came \['id', 'name', 'visits'\]"
    ):
        library.result_should_have_columns(answer, id="string", visits="int64")


class OtherSchema(TinyFlight):
    def get_flight_info(self, context, descriptor):
        return flight.FlightInfo(pa.schema([("data", pa.string())]), descriptor, [], -1, -1)


def test_a_schema_that_is_not_that_of_the_answer_is_seen(system):
    system(OtherSchema)
    with pytest.raises(AssertionError, match="va_users: GetFlightInfo tells data: string, came id: string"):
        library.each_view_should_announce_the_schema_of_its_rows()
    system(OtherSchema, capabilities=frozenset({"graphql_flight"}))
    library.each_view_should_announce_the_schema_of_its_rows()


class Nowhere(TinyFlight):
    def get_flight_info(self, context, descriptor):
        return flight.FlightInfo(super().get_flight_info(context, descriptor).schema, descriptor, [], -1, -1)


def test_a_view_that_is_said_to_be_nowhere_is_seen(system):
    system(Nowhere)
    with pytest.raises(AssertionError, match="va_users: GetFlightInfo names 0 endpoints, expected one"):
        library.each_view_should_announce_the_schema_of_its_rows()


def test_the_same_rows_pass(system):
    system()
    pairs = library.the_same_is_asked_over_flight_and_http(
        QUERY, "{ users { bio score active visits } }", '{ user(id: "nobody") { id } }'
    )
    library.both_should_have_the_same_rows(pairs)
    library.compared_values_should_include(pairs, "nulls", "unicode", "big integers", "fractions", "an empty result")
    assert system.said == ["3000 rows of 3 queries are the same"]


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (Swaps, "column 'id', row 0: 'Zoë 🚀 0' in Flight, '00000000-"),
        (DropsOne, "1999 rows in Flight, 2000 in HTTP"),
        (Empty, "0 rows in Flight, 2000 in HTTP"),
        (NoNulls, "column 'bio', row 0: '' in Flight, None in HTTP"),
        (AsText, r"column 'visits' is string in Arrow and int64 in JSON"),
    ],
)
def test_other_rows_are_seen(system, kind, message):
    system(over=kind())
    pairs = library.the_same_is_asked_over_flight_and_http("{ users { id name visits bio } }")
    with pytest.raises(AssertionError, match=message):
        library.both_should_have_the_same_rows(pairs)


class Refusing(TinyFlight):
    def do_get(self, context, ticket):
        if b"bio" in ticket.ticket:
            raise flight.FlightInternalError("number out of range")
        return super().do_get(context, ticket)


def test_each_query_that_differs_or_is_refused_is_told(system):
    system(Refusing, over=DropsOne())
    pairs = library.the_same_is_asked_over_flight_and_http("{ users { id } }", "{ users { bio } }", "{ users { n } }")
    with pytest.raises(AssertionError) as error:
        library.both_should_have_the_same_rows(pairs)
    first, second, third = str(error.value).splitlines()
    assert first == "Flight and HTTP differ in { users { id } }: 1999 rows in Flight, 2000 in HTTP"
    assert second == "Flight and HTTP differ in { users { bio } }: Flight: INTERNAL: number out of range"
    assert "Flight: INVALID_ARGUMENT: " in third
    assert "; HTTP: HTTP 200: " in third
    with pytest.raises(Inconclusive, match="hold no nulls"):  # what was refused was not compared
        library.compared_values_should_include(pairs, "nulls")


def test_timestamps_are_compared_to_the_microsecond(system):
    system(over=OneMicrosecondLater())
    pairs = library.the_same_is_asked_over_flight_and_http("{ users { createdAt } }")
    library.compared_values_should_include(pairs, "timestamps")
    with pytest.raises(AssertionError, match="column 'createdAt', row 0"):
        library.both_should_have_the_same_rows(pairs)


@pytest.mark.parametrize(
    "kind", ["nulls", "unicode", "big integers", "timestamps", "fractions", "nested values", "an empty result"]
)
def test_values_that_were_not_compared_are_missed(system, kind):
    system()
    pairs = library.the_same_is_asked_over_flight_and_http("{ users(limit: 3) { email } }")
    with pytest.raises(Inconclusive, match=f"hold no {kind}"):
        library.compared_values_should_include(pairs, kind)


def test_a_refused_query_fails_with_what_the_server_said(system):
    system()
    with pytest.raises(FlightFailure, match="INVALID_ARGUMENT: Query execution failed: Cannot query field 'nothing'"):
        library.rows_are_queried_over_flight("{ users { nothing } }")
    with pytest.raises(HttpFailure, match="VALIDATION_ERROR"), http_connection() as http:
        http.read("{ users { nothing } }")
