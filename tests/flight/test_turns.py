from __future__ import annotations

import pytest

from FlightLibrary.accounting import clock
from FlightLibrary.compared import HTTP, LIVE, Compared, Needed, as_table, by_way
from FlightLibrary.graphql_http import HttpConnection, JsonReading
from FlightLibrary.tickets import GraphQLQuery
from FlightLibrary.turns import Way, take_turns

QUERY = "{ users(limit: 50) { id name visits score createdAt } }"


@pytest.fixture
def ways(client, http_server):
    with HttpConnection(http_server.address) as http:
        yield [Way(LIVE, lambda: client.read(GraphQLQuery(QUERY))), Way(HTTP, lambda: http.read(QUERY))]


def busy(seconds, answer):
    """An answer that takes so long."""

    def read():
        end = clock() + seconds
        while clock() < end:
            pass
        return answer

    return read


def turns_of(ways, rounds=5, rows=50, reads=1):
    return take_turns(ways, rows, rounds, reads, lambda: 0.0)


def test_the_same_rows_by_two_ways_are_timed_and_compared(ways):
    turns = turns_of(ways, reads=3)
    assert [len(way.seconds) for way in turns.ways] == [5, 5]
    assert [way.reads for way in turns.ways] == [15, 15]
    assert turns.compare(LIVE, HTTP).interval.n == 5
    assert turns.result(LIVE).ok == 5
    assert turns.started_at < turns.ended_at
    assert all(way.client_cpu > 0 for way in turns.ways)


def test_the_ratio_is_that_of_the_times(ways):
    quick, slow = ways[0].read(), ways[1].read()
    turns = turns_of([Way("a", busy(0.002, quick)), Way("b", busy(0.01, slow))])
    assert turns.compare("b", "a").interval.ratio == pytest.approx(5, rel=0.3)
    speed = Compared(turns, {}, None).speed("a", "b")
    assert speed.ratio == pytest.approx(5, rel=0.3)
    assert speed.low <= speed.ratio <= speed.high


def test_other_rows_are_not_timed(ways):
    wrong = ways[1].read()
    wrong.rows[7]["visits"] += 1
    with pytest.raises(AssertionError, match="do not give the same rows: column 'visits', row 7"):
        turns_of([ways[0], Way(HTTP, lambda: wrong)])
    fewer = JsonReading(wrong.rows[:49], 0, 0.0, 0.0)
    with pytest.raises(AssertionError, match="do not give the same rows: 4"):
        turns_of([ways[0], Way(HTTP, lambda: fewer)])
    with pytest.raises(AssertionError, match="expected 51 rows, came 50"):
        turns_of(ways, rows=51)


def test_columns_of_a_view_go_by_the_names_of_the_query(ways, client):
    renamed = client.read(GraphQLQuery(QUERY))
    table = renamed.kept().rename_columns(["id", "name", "visits", "score", "created_at"])
    from dataclasses import replace

    view = replace(renamed, table=table, schema=table.schema)
    turns_of([*ways, Way("view", lambda: view, {"created_at": "createdAt"})])
    with pytest.raises(AssertionError, match="columns differ"):
        turns_of([*ways, Way("view", lambda: view)])


def test_each_way_is_first_in_another_round(ways):
    order: list[str] = []
    answer = ways[0].read()

    def noting(name):
        def read():
            order.append(name)
            return answer

        return read

    turns_of([Way(name, noting(name)) for name in "abc"], rounds=6)
    measured = order[-18:]
    assert [measured[3 * number] for number in range(6)] == list("abcabc")


def test_ways_without_arrow_cannot_be_compared(ways):
    with pytest.raises(ValueError, match="none of the ways gives rows as Arrow"):
        turns_of([ways[1]])


def test_the_table_names_every_way(ways):
    text = as_table(Compared(turns_of(ways), {HTTP: 2_500_000}, None))
    assert text.count("<tr>") == 3
    assert "<td>2.500</td>" in text


def test_memory_stands_beside_the_way_that_needed_it(ways):
    ways[0].name, ways[1].name = LIVE, HTTP
    compared = Compared(turns_of(ways), {}, None, {HTTP: Needed(7_500_000, 1_250_000)})
    assert "<td>7.5</td><td>1.2</td></tr></table>" in as_table(compared)
    told = {way["name"]: (way["client_bytes"], way["gateway_bytes"]) for way in by_way(compared)["ways"]}
    assert told == {LIVE: (None, None), HTTP: (7_500_000, 1_250_000)}
