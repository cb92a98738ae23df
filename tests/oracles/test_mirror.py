from __future__ import annotations

import pyarrow as pa
import pytest

from measurement.verdicts import Verdict
from oracles.mirror import Compared, Kind, SequenceState, difference_of_sequences, differences

PRIMARY = {"id": ["1", "2", "3"], "name": ["a", None, "c"], "amount": ["1.0", "2.0", "3.0"]}


def table(**columns):
    return pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})


def rows(*values, names=("id", "name")):
    return table(**{name: [row[i] for row in values] for i, name in enumerate(names)})


def told(primary, mirror, key=("id",)):
    return [(d.kind, d.count, d.first) for d in differences("t", primary, mirror, key)]


def test_equal_rows_are_equal_in_whatever_order_they_come():
    one = table(**PRIMARY)
    assert told(one, one) == []
    assert told(one, one.take(pa.array([2, 0, 1]))) == []
    assert told(one, one.take(pa.array([2, 0, 1])), key=()) == []


@pytest.mark.parametrize(
    ("mirror", "expected"),
    [
        ([("1", "a"), ("3", "c")], [(Kind.LOST, 1, "(id=2)")]),
        ([("1", "a"), ("2", "b"), ("3", "c"), ("4", None)], [(Kind.PHANTOM, 1, "(id=4)")]),
        (
            [("3", "C"), ("2", None), ("1", "a")],
            [(Kind.VALUE, 2, "(id=2): name is b on the primary and NULL on the mirror")],
        ),
        (
            [("5", "b"), ("3", "C")],
            [
                (Kind.LOST, 2, "(id=1)"),
                (Kind.PHANTOM, 1, "(id=5)"),
                (Kind.VALUE, 1, "(id=3): name is c on the primary and C on the mirror"),
            ],
        ),
    ],
)
def test_each_kind_of_difference_is_told_with_its_first_row(mirror, expected):
    assert told(rows(("1", "a"), ("2", "b"), ("3", "c")), rows(*mirror)) == expected


def test_nothing_and_an_empty_text_are_not_the_same():
    assert told(rows(("1", None)), rows(("1", ""))) == [
        (Kind.VALUE, 1, "(id=1): name is NULL on the primary and  on the mirror")
    ]
    assert [kind for kind, _, _ in told(rows(("1", None)), rows(("1", "")), key=())] == [Kind.LOST, Kind.PHANTOM]


def test_rows_without_a_key_are_counted():
    primary = rows(("1", "a"), ("1", "a"), ("2", "b"))
    assert told(primary, rows(("2", "b"), ("1", "a")), key=()) == [(Kind.LOST, 1, "(id=1, name=a)")]
    assert told(primary, rows(("1", "a"), ("2", "b"), ("1", "a"), ("1", "a")), key=()) == [
        (Kind.DOUBLED, 1, "(id=1, name=a)")
    ]


def test_a_row_that_is_there_once_too_often_is_doubled_whether_or_not_there_is_a_key():
    primary, mirror = rows(("1", "a"), ("2", "b")), rows(("1", "a"), ("2", "b"), ("2", "b"))
    for key in ((), ("id",)):
        assert told(primary, mirror, key) == [(Kind.DOUBLED, 1, "(id=2, name=b)")]
        assert told(mirror, primary, key) == [(Kind.LOST, 1, "(id=2, name=b)")]


def test_a_key_that_is_not_unique_is_none():
    primary = rows(("1", "a"), ("1", "b"))
    assert told(primary, rows(("1", "a"), ("1", "c"))) == [
        (Kind.LOST, 1, "(id=1, name=b)"),
        (Kind.PHANTOM, 1, "(id=1, name=c)"),
    ]


def test_columns_of_a_key_do_not_run_into_each_other():
    names = ("id", "name", "amount")
    primary = rows(("1", "23", "x"), ("12", "3", "y"), names=names)
    mirror = rows(("1", "23", "x"), ("12", "3", "z"), names=names)
    assert told(primary, mirror, ("id", "name")) == [
        (Kind.VALUE, 1, "(id=12, name=3): amount is y on the primary and z on the mirror")
    ]
    assert told(rows(("1", "23", "x"), names=names), rows(("12", "3", "x"), names=names), ("id", "name")) != []


def test_a_million_rows_in_another_order_with_one_difference_of_each_kind():
    number = 1_000_000
    ids = [str(i) for i in range(number)]
    primary = table(id=ids, name=[f"value {i % 977}" for i in range(number)])
    names = [f"value {i % 977}" for i in range(number)]
    names[40] = "other"
    mirror = table(id=[*ids[:10], *ids[11:], "x"][::-1], name=[*names[:10], *names[11:], "x"][::-1])
    assert told(primary, mirror) == [
        (Kind.LOST, 1, "(id=10)"),
        (Kind.PHANTOM, 1, "(id=x)"),
        (Kind.VALUE, 1, "(id=40): name is value 40 on the primary and other on the mirror"),
    ]


def test_long_values_and_wide_rows_are_cut():
    wide = {f"c{i}": ["1"] for i in range(6)}
    [(_, _, first)] = told(table(**wide), table(**wide).slice(1), key=())
    assert first == "(c0=1, c1=1, c2=1, c3=1, ...)"
    [(_, _, first)] = told(rows(("1", "x" * 500)), rows(("1", "y")))
    assert first == f"(id=1): name is {'x' * 80}... (500 characters) on the primary and y on the mirror"


def test_sequences_that_would_give_out_what_is_taken():
    def states(last, highest):
        return {"s": SequenceState(last, "app.t.id", highest)}

    assert difference_of_sequences(states(9, 5), states(5, 5)) == []  # nine minus rolled-back work
    assert difference_of_sequences(states(None, None), states(None, None)) == []
    [found] = difference_of_sequences(states(9, 9), states(8, 9))
    assert str(found) == (
        "app.t: 1 sequences behind their rows; first: s stands at 8 on the mirror, app.t.id goes to 9"
    )
    [found] = difference_of_sequences(states(9, 9), states(None, 9))
    assert "s was never used on the mirror" in found.first
    assert difference_of_sequences(states(8, 9), states(8, 9)) == []  # ids that clients chose: so on the primary too
    assert len(difference_of_sequences({}, states(8, 9))) == 1
    assert len(difference_of_sequences(states(1, 1), states(None, 1))) == 1


def test_what_was_compared_is_judged():
    found = differences("t", rows(("1", "a"), ("2", "b")), rows(("1", "a")), ("id",))
    wrong = Compared(tuple(found), {"t": (2, 1)})
    assert wrong.judgement.verdict is Verdict.FAIL
    assert wrong.judgement.reason == "t: 1 lost rows; first: (id=2)"
    assert (wrong.count(Kind.LOST), wrong.count(Kind.DOUBLED, Kind.PHANTOM)) == (1, 0)
    right = Compared((), {"t": (2, 2), "u": (0, 0)})
    assert right.judgement.reason == "2 rows in 2 tables are the same on both servers"
    assert Compared((), {"t": (0, 0)}).judgement.verdict is Verdict.INCONCLUSIVE
