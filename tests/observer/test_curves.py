"""A load over time: what was acknowledged, what waited, and how far behind each sink was."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from ObserverLibrary.curves import POINTS, events_over_time
from ObserverLibrary.lag import Look
from ObserverLibrary.ledger import Outcome, Plan, Published, create

BEGIN = 1_795_292_270_500_000


def load_of(tmp_path: Path, rate: float, acked_after: Sequence[float | None]) -> Published:
    """A load whose events were acknowledged so many seconds after it began; None: never."""
    plan = Plan("S", "s", 7, rate, len(acked_after))
    rows = create(tmp_path / "FQ-C03-events-1.ledger", plan.events)
    rows["free"] = rows["sent"] = BEGIN + (np.arange(plan.events) * 1_000_000 / rate).astype(np.int64)
    rows["acked"] = [0 if after is None else BEGIN + round(after * 1e6) for after in acked_after]
    return Published.of(plan, Outcome(BEGIN, plan.events), tmp_path / "FQ-C03-events-1.ledger")


def looks(*seen: tuple[float, int | None]) -> list[Look]:
    return [Look(BEGIN / 1e6 + at - 0.01, BEGIN / 1e6 + at, count) for at, count in seen]


def test_acknowledgements_and_what_waits_for_them_are_counted_in_stretches(tmp_path: Path) -> None:
    published = load_of(tmp_path, 10, [n / 10 + 0.01 for n in range(10)] + [2.2] * 10)  # NATS is away for a second
    told = events_over_time(published, {"clickhouse": looks((0.3, 3), (0.4, None), (2.3, 20), (60.0, 20))})
    assert (told["name"], told["rate"], told["stretch_s"]) == ("FQ-C03-events-1", 10, 0.5)
    assert told["origin"] == pytest.approx(BEGIN / 1e6, abs=0.001)
    assert told["acked"] == [5, 5, 0, 0, 10]  # until the last is seen, not until the watch ends
    assert told["waiting"] == [0, 0, 5, 10, 0]
    assert told["sinks"]["clickhouse"]["seen"] == [3, 0, 0, 0, 17]
    assert told["sinks"]["clickhouse"]["max_s"][-1] == pytest.approx(2.0)


def test_a_long_load_is_told_in_a_few_hundred_stretches(tmp_path: Path) -> None:
    published = load_of(tmp_path, 1, [float(n) for n in range(3600)])
    told = events_over_time(published, {"search": looks(*((float(n), n) for n in range(3600)))})
    assert POINTS / 2 <= len(told["acked"]) <= POINTS
    assert sum(told["acked"]) == 3600
    assert len(json.dumps(told)) < 20_000


def test_a_load_whose_sink_showed_nothing_is_told_as_far_as_it_came(tmp_path: Path) -> None:
    told = events_over_time(load_of(tmp_path, 10, [None] * 20), {"search": looks((1.0, 0)), "clickhouse": []})
    assert sum(told["acked"]) == 0
    assert told["waiting"][-1] == 20
    assert set(told["sinks"]["search"]["p50_s"]) == set(told["sinks"]["clickhouse"]["p50_s"]) == {None}


def test_a_load_that_was_broken_off_is_read_as_far_as_it_came(tmp_path: Path) -> None:
    whole = load_of(tmp_path, 10, [n / 10 for n in range(20)])
    part = Published.so_far(whole.plan, 12, whole.path)
    assert (len(part.rows), part.outcome.started_us) == (12, BEGIN)
    create(tmp_path / "none.ledger", 5)
    with pytest.raises(ValueError, match="nothing of none has been sent yet"):
        Published.so_far(whole.plan, 3, tmp_path / "none.ledger")
