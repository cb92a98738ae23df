"""Rows that change while they are read: from a store that is right, and through caches that are not."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest

from GatewayLibrary.changing import Plan, Reader, Traffic, judge_slowest
from GatewayLibrary.rows import NoRightAnswer, OverHttp
from measurement.results import Band, LoadResult, Samples
from measurement.verdicts import Inconclusive, Verdict
from tests.waiting import until

ROWS = ("a", "b", "c", "d")


class Store:
    """The rows, and what clients of a gateway without a cache see of them."""

    def __init__(self) -> None:
        self.versions = dict.fromkeys(ROWS, 1)
        self.clients = 0

    def change(self, row: str, version: int) -> None:
        assert version == self.versions[row] + 1
        self.versions[row] = version

    def client(self) -> Reader:
        self.clients += 1
        return Client(self.read, self.leave)

    def read(self, row: str) -> int | None:
        return self.versions[row]

    def leave(self) -> None:
        self.clients -= 1


class Client:
    def __init__(self, read: Callable[[str], int | None], leave: Callable[[], None]) -> None:
        self._read, self._leave = read, leave

    def __call__(self, row: str) -> int | None:
        return self._read(row)

    def close(self) -> None:
        self._leave()


Run = Callable[..., Traffic]


@pytest.fixture
def run() -> Iterator[Run]:
    """Start traffic on a store; what was started ends with the test."""
    started: list[Traffic] = []

    def start(store: Store) -> Traffic:
        started.append(Traffic(ROWS, store.client, store.change, Plan(400, 200, 2, 30)).start("before"))
        return started[-1]

    yield start
    for traffic in started:
        traffic.stop()


def enough(traffic: Traffic, answers: int = 40, changes: int = 20) -> None:
    since = traffic.now()

    def there() -> bool:
        seen = traffic.seen(since)
        return seen["reads"] + seen["failed"] >= answers and seen["acked"] >= changes

    until(there, "answers and changes")


def test_what_is_read_from_the_rows_themselves_is_the_newest(run: Run) -> None:
    store = Store()
    traffic = run(store)
    enough(traffic)
    traffic.begin("a fault", "fault")
    enough(traffic)
    traffic.stop()
    report = traffic.report("FQ-C00", 7)
    assert "stale reads: 0 of" in report.check_right()
    report.check_all_answered()
    assert report.history.header["criterion"] == "FQ-C00"
    assert min(window["reads"] for window in report.windows().values()) >= 40
    windows = traffic.result().windows()
    assert [(window.label, window.sample_type) for window in windows] == [("before", "normal"), ("a fault", "fault")]
    assert sum(window.ok for window in windows) == sum(window["reads"] for window in report.windows().values())
    assert store.clients == 0


def test_every_other_row_is_changed_in_faults_alone(run: Run) -> None:
    store = Store()
    traffic = run(store)
    enough(traffic)
    assert store.versions["a"] > 1 < store.versions["c"]
    assert (store.versions["b"], store.versions["d"]) == (1, 1)
    traffic.begin("a fault", "fault")
    enough(traffic)
    traffic.begin("after it", "recovery")
    traffic.stop()
    assert store.versions["b"] > 1 < store.versions["d"]


class KeptThroughAFault(Store):
    """Keeps an answer of each row as soon as it is asked for, and forgets it at a change, except in a fault."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[str, int] = {}
        self.away = False
        self.lock = threading.Lock()

    def change(self, row: str, version: int) -> None:
        with self.lock:
            super().change(row, version)
            if not self.away:
                self.kept.pop(row, None)

    def read(self, row: str) -> int | None:
        with self.lock:
            return self.versions[row] if self.away else self.kept.setdefault(row, self.versions[row])


def test_what_was_kept_before_a_fault_and_comes_back_after_it_is_found(run: Run) -> None:
    store = KeptThroughAFault()
    traffic = run(store)
    enough(traffic)
    traffic.report("", 7).check_right()
    store.away = True
    traffic.begin("the cache is away", "fault")
    enough(traffic)
    traffic.report("", 7).check_right()
    traffic.begin("the cache is back", "recovery")
    store.away = False
    enough(traffic)
    traffic.stop()
    with pytest.raises(
        AssertionError, match=r"stale reads: \d+ of .* first: key [abcd] read from HTTP as version \d+ at .*back"
    ) as told:
        traffic.report("", 7).check_right()
    assert "after version" in str(told.value)


def test_a_row_that_is_not_found_is_older_than_every_version(run: Run) -> None:
    class Forgetful(Store):
        def read(self, row: str) -> int | None:
            return None if row == "b" else super().read(row)

    traffic = run(Forgetful())
    enough(traffic)
    traffic.stop()
    with pytest.raises(AssertionError, match="key b read from HTTP as nothing"):
        traffic.report("", 7).check_right()


def test_answers_that_are_none_are_counted_and_told(run: Run) -> None:
    class Broken(Store):
        def read(self, row: str) -> int | None:
            if row == "c":
                raise ConnectionError("nobody is there")
            return super().read(row)

    traffic = run(Broken())
    enough(traffic)
    traffic.stop()
    with pytest.raises(AssertionError, match=r"first: read of c at .*: failed, ConnectionError: nobody is there"):
        traffic.report("", 7).check_all_answered()
    assert judge_slowest(traffic.result(), 5).verdict is Verdict.FAIL


def test_without_changes_nothing_is_settled(run: Run) -> None:
    class ReadOnly(Store):
        def change(self, row: str, version: int) -> None:
            raise PermissionError("read only")

    traffic = run(ReadOnly())
    with pytest.raises(Inconclusive, match=r"rows cannot be changed any more \(PermissionError: read only\)"):
        enough(traffic)


# -- latency -----------------------------------------------------------------------------------------------------------


def load(*answers: tuple[float, float]) -> LoadResult:
    """A load of one answer a second: how late each was sent, and how long it took then."""
    intended = np.arange(len(answers), dtype=np.float64)
    late, took = np.array(answers).T
    sent = intended + late
    samples = Samples(intended, intended, sent, sent + took, np.zeros(len(answers), dtype=np.int16))
    bands = (Band("before", 100.0, 102.0), Band("a fault", 102.0, 1000.0))
    return LoadResult("open", 1, 100.0, float(len(answers)), 0.0, samples, bands=bands)


def test_the_slowest_answer_of_all_windows_is_judged() -> None:
    judged = judge_slowest(load((0, 0.1), (0, 0.1), (0, 1.5)), 2)
    assert judged.verdict is Verdict.PASS
    assert judged.reason == "the slowest of 3 answers took 1500 ms, in 'a fault'; less than 2000 ms wanted"
    assert judge_slowest(load((0, 0.1), (0, 0.1), (0, 2.5)), 2).verdict is Verdict.FAIL
    assert judge_slowest(load((0, 2.5), (0, 0.1), (0, 0.1)), 2).verdict is Verdict.FAIL


def test_clients_that_were_late_themselves_settle_nothing() -> None:
    judged = judge_slowest(load((0, 0.1), (1.9, 0.2)), 2)
    assert judged.verdict is Verdict.INCONCLUSIVE
    assert judged.reason.startswith("the clients themselves were late: ")
    assert judge_slowest(replace(load((0, 0.1)), bands=()), 2).verdict is Verdict.INCONCLUSIVE


# -- answers -----------------------------------------------------------------------------------------------------------


class Http:
    """An `HttpConnection` with one answer."""

    def __init__(self, *found: dict[str, object]) -> None:
        self.rows = list(found)

    def read(self, query: str, variables: dict[str, str]) -> Http:
        assert variables == {"id": "u"}
        return self


def test_an_answer_is_one_row_of_one_version() -> None:
    row = {"id": "u", "name": "version 3", "visits": 3}
    assert OverHttp(Http(row))("u") == 3  # type: ignore[arg-type]
    assert OverHttp(Http())("u") is None  # type: ignore[arg-type]
    wrong: list[dict[str, object]] = [
        {**row, "id": "v"},
        {**row, "name": "version 2"},
        {**row, "visits": "3"},
        {**row, "more": 1},
        {"id": "u", "name": "version 3"},
    ]
    for one in wrong:
        with pytest.raises(NoRightAnswer, match="asked for user u"):
            OverHttp(Http(one))("u")  # type: ignore[arg-type]
    with pytest.raises(NoRightAnswer):
        OverHttp(Http(row, row))("u")  # type: ignore[arg-type]
