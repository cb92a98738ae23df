from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from measurement.verdicts import Verdict
from oracles.history import Result
from oracles.replay import Fault, Ledger, replayed

ACKED, FAILED, UNKNOWN = Result.ACKED, Result.FAILED, Result.UNKNOWN
NAMES = ("client", "seq", "part", "value", "arrived", "transaction")


def ledger(*sent):
    """Each: client, seq, values, outcome."""
    made = Ledger()
    for client, seq, values, outcome in sent:
        made.sent(client, seq, values, outcome)
    return made


def arrivals(*rows):
    """Each: client, seq, part, value, transaction; they arrive in this order."""
    numbered = [(*row[:4], at, row[4]) for at, row in enumerate(rows, start=1)]
    return pa.table({name: pa.array([row[i] for row in numbered], pa.string() if name == "value" else pa.int64())
                     for i, name in enumerate(NAMES)})  # fmt: skip


SENT = ledger((1, 0, "ab", ACKED), (1, 1, "c", ACKED), (2, 0, "d", ACKED), (1, 2, "e", FAILED), (2, 1, "fg", UNKNOWN))
RIGHT = [(1, 0, 0, "a", 7), (1, 0, 1, "b", 7), (2, 0, 0, "d", 8), (1, 1, 0, "c", 9)]


def faults(*rows, sent=SENT):
    return {entry.fault: entry.count for entry in replayed(sent, arrivals(*rows)).faults}


def test_what_was_acknowledged_is_there_and_what_is_unknown_may_be():
    assert faults(*RIGHT) == {}
    assert faults(*RIGHT, (2, 1, 0, "f", 10), (2, 1, 1, "g", 10)) == {}
    found = replayed(SENT, arrivals(*RIGHT))
    assert (found.acked, found.unknown) == (3, 1)
    assert found.judgement.verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (RIGHT[:3], {Fault.LOST: 1}),
        ([*RIGHT[:1], *RIGHT[2:]], {Fault.HALF: 1}),
        ([*RIGHT, (2, 1, 1, "g", 10)], {Fault.HALF: 1}),
        ([*RIGHT, (2, 0, 0, "d", 12)], {Fault.DOUBLED: 1}),
        ([*RIGHT, (1, 2, 0, "e", 12)], {Fault.PHANTOM: 1}),
        ([*RIGHT, (9, 9, 0, "z", 12)], {Fault.PHANTOM: 1}),
        ([*RIGHT, (1, 1, 1, "z", 9)], {Fault.PHANTOM: 1}),  # a row more than its transaction had
        ([*RIGHT[:3], (1, 1, 0, "C", 9)], {Fault.ALTERED: 1}),
        ([*RIGHT[:3], (1, 1, 0, None, 9)], {Fault.ALTERED: 1}),
        ([RIGHT[0], (1, 0, 1, "b", 71), *RIGHT[2:]], {Fault.SPLIT: 1}),
        ([*RIGHT[:2], (2, 0, 0, "d", 7), RIGHT[3]], {Fault.MERGED: 2}),
        ([RIGHT[3], *RIGHT[:3]], {Fault.REORDERED: 1}),
        ([], {Fault.LOST: 3}),
        ([*RIGHT, *((c, s, p, v, x + 90) for c, s, p, v, x in RIGHT)], {Fault.DOUBLED: 3}),
    ],
)
def test_each_fault_is_told(rows, expected):
    assert faults(*rows) == expected


def test_clients_may_come_in_any_order_among_each_other():
    assert faults(RIGHT[2], *RIGHT[:2], RIGHT[3]) == {}
    interleaved = [RIGHT[0], RIGHT[2], RIGHT[1], RIGHT[3]]
    assert faults(*interleaved) == {}


def test_the_first_fault_is_shown():
    found = replayed(SENT, arrivals(*RIGHT[:1], *RIGHT[2:]))
    assert found.judgement.verdict is Verdict.FAIL
    assert found.judgement.reason == (
        "of 3 acknowledged transactions 1 half there; first: transaction 0 of client 1, acknowledged, 1 of 2 rows "
        "there (row 0 as arrival 1 in 7)"
    )
    assert found.count(Fault.HALF, Fault.LOST) == 1
    nobody = replayed(SENT, arrivals(*RIGHT, (9, 9, 0, "z", 12)))
    assert "transaction 9 of client 9, never sent, 0 of 0 rows there" in nobody.faults[0].first


def test_without_an_acknowledgement_nothing_is_known():
    found = replayed(ledger((1, 0, "a", UNKNOWN)), arrivals())
    assert found.judgement.verdict is Verdict.INCONCLUSIVE
    assert faults((1, 0, 0, "a", 7), sent=Ledger()) == {Fault.PHANTOM: 1}


def test_a_transaction_without_rows_is_never_half():
    assert faults((1, 1, 0, "a", 7), sent=ledger((1, 0, "", FAILED), (1, 1, "a", ACKED))) == {}


def test_numbers_may_come_as_text():
    text = arrivals(*RIGHT)
    text = pa.table({name: text[name].cast(pa.string()) for name in NAMES})
    assert replayed(SENT, text).faults == ()


def test_a_transaction_stands_once_in_the_ledger():
    with pytest.raises(ValueError, match="transaction 0 of client 1 is in the ledger already"):
        SENT.sent(1, 0, "a", ACKED)


def test_half_a_million_rows_with_one_lost_and_one_out_of_order():
    number, clients = 250_000, 10
    sent = Ledger()
    for i in range(number):
        sent.sent(i % clients, i // clients, ("x", "y"), ACKED)
    order = np.delete(np.arange(number), [77])
    order[[1000, 1010]] = order[[1010, 1000]]
    at = np.repeat(order, 2)
    rows = pa.table({
        "client": at % clients,
        "seq": at // clients,
        "part": np.tile([0, 1], len(order)),
        "value": ["x", "y"] * len(order),
        "arrived": np.arange(len(at)) + 1,
        "transaction": np.repeat(np.arange(len(order)), 2),
    })  # fmt: skip
    found = replayed(sent, rows)
    assert {entry.fault: entry.count for entry in found.faults} == {Fault.LOST: 1, Fault.REORDERED: 1}
