from __future__ import annotations

import pytest

from PgDogLibrary.pgbench import Benched, medians, parsed

SAID = """pgbench (18.0)
transaction type: <builtin: select only>
scaling factor: 1
query mode: simple
number of clients: 5
number of threads: 2
maximum number of tries: 1
number of transactions per client: 100
number of transactions actually processed: 500/500
number of failed transactions: {failed} (0.000%)
latency average = 0.214 ms
initial connection time = 12.345 ms
tps = 23345.678901 (without initial connection time)
"""


def test_transactions_and_their_rate_are_read():
    assert parsed("mirrored", SAID.format(failed=0)) == Benched("mirrored", 500, 23345.678901)
    timed = SAID.format(failed=0).replace("500/500", "12345")
    assert parsed("directly", timed).transactions == 12345


@pytest.mark.parametrize(
    "said", [SAID.format(failed=3), SAID.format(failed=0).replace("tps", "tips"), "pgbench: error: connection refused"]
)
def test_what_did_not_end_well_is_told(said):
    with pytest.raises(AssertionError, match=r"pgbench \(mirrored\) did not end well"):
        parsed("mirrored", said)


def test_each_way_has_its_median():
    runs = [Benched(name, 1, rate) for name, rate in [("a", 10), ("b", 5), ("a", 30), ("a", 11), ("b", 7)]]
    assert medians(runs) == {"a": 11, "b": 6}
