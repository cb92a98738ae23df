"""What is drawn of times by size, latencies by rate, lag around faults, memory and stages, from made-up records."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape

import pytest

from criteria.registry import Budget
from measurement.histogram import LatencyHistogram
from reporting import read_run, write_reports
from reporting.figures import figures

from .conftest import START

VIEW, HTTP = "view over Flight", "HTTP/JSON"


@pytest.fixture
def run(made_once):
    """A run whose own measurements and histories are left out."""
    return replace(read_run(made_once), measurements=(), histories=(), samples=(), values=())


def drawn(run, **records):
    return figures(replace(run, **records))


def titles(figure):
    """Of the drawings, each of which is there in three widths."""
    return [unescape(title) for title in re.findall(r"<title[^>]*>([^<]*)", figure.svg)][::3]


def size(rows, view, json, **changes):
    def way(name, seconds, speed):
        of = {"ratio": speed, "low": speed * 0.9, "high": speed * 1.2, "n": 9, "confidence": 0.95} if speed else None
        took = {"median_s": seconds, "first_s": seconds, "client_cpu_s": 0.001, "server_cpu_s": 0.002}
        took |= {} if speed else {"client_bytes": 7_500_000, "gateway_bytes": 1_000_000}
        return {"name": name, **took, "bytes": None if speed else 10 * rows, "speed": of}

    ways = [way(VIEW, view, json / view), way(HTTP, json, None)]
    record = {"criterion": "CL-16", "kind": "sizes", "of": "rows", "size": rows, "rounds": 9, "against": HTTP}
    return {**record, "ways": ways, **changes}


SIZES = [size(100_000, 0.004, 0.22), size(100, 0.001, 0.002), size(1_000_000, 0.05, 4.0)]


def stated(run, statement, *budgets):
    """The same run with another statement and budgets of CL-16."""
    selection = [replace(c, statement=statement, budgets=budgets) if c.id == "CL-16" else c for c in run.selection]
    return replace(run, selection=selection)


def test_times_by_size_are_drawn_with_every_way_and_a_table(run):
    time, ratio = drawn(run, curves=SIZES)
    assert titles(time) == ["Time for 1 000 000 rows: view over Flight 50.0 ms, HTTP/JSON 4.0 s"]
    assert f"{VIEW}: 1 at 100, 4 at 100000, 50 at 1e+06." in time.svg
    assert [line[:2] for line in time.table[1:3]] == [["100", VIEW], ["100", HTTP]]
    assert [line[7:9] for line in time.table[:3]] == [["client MB", "gateway MB"], ["", ""], ["7.5", "1.0"]]
    assert time.table[0][0] == "rows"
    assert time.table[3] == ["100 000", VIEW, "4.00 ms", "4.00 ms", "", "1.00 ms", "2.00 ms", "", "", "55 [49.5, 66]"]
    assert time.criteria == ratio.criteria == ("CL-16",)
    assert "targettext" not in ratio.svg.replace(".targettext", "")


def test_the_ratio_is_told_at_the_size_that_the_criterion_names_with_its_target(run):
    run = stated(run, "At 100 000 rows Flight is 50 times as fast", Budget(50, "x", f"{VIEW} against {HTTP}"))
    ratio = drawn(run, curves=SIZES)[1]
    assert titles(ratio) == ["Speed against HTTP/JSON at 100 000 rows: view over Flight 55 times"]
    assert "view over Flight: at least 50" in ratio.svg
    assert "2 at 100, 55 at 100000, 80 at 1e+06." in ratio.svg


@pytest.mark.parametrize("damaged", [{"size": None}, {"ways": [{"name": VIEW}]}, {"ways": 3}, {"against": "nothing"}])
def test_one_size_and_records_of_another_shape_are_not_drawn(run, damaged):
    assert drawn(run, curves=SIZES[:1]) == []
    assert drawn(run, curves=[*SIZES[:2], size(2_000_000, 1.0, 2.0, **damaged)]) == []


def latency(share, milliseconds, **changes):
    histogram = LatencyHistogram.of([milliseconds / 1000 * (1 + n / 1000) for n in range(2000)])
    return {
        "criterion": "CL-16",
        "name": f"at {share}",
        "load": {"ratio_of_max": share, "achieved_rate": 1000 * share, "offered_rate": 1000 * share},
        "latency": {"hdr": histogram.encode()},
        "service_time": {"hdr": histogram.encode()},
        "started_epoch": START - 100,
        "timeline": {"interval_s": 1.0, "start_s": 0.0, "ok": [], "p50": [], "p99": [], "max": []},
        **changes,
    }


def test_the_latencies_of_all_rates_are_in_one_drawing_with_the_budget(run):
    target = {"of": "p99 latency", "limit": 100, "unit": "ms", "bound": "at most"}
    records = [latency(0.9, 40), latency(0.1, 2), latency(0.5, 99, target=target), latency(0.5, 8, target=target)]
    together, *each = drawn(run, measurements=records)
    assert titles(together) == ["Latency by rate: p99 5.96 ms at 10 %, 23.8 ms at 50 %, 119 ms at 90 % of the maximum"]
    assert "p99 at most 100 ms at 50 %" in together.svg
    assert "90 % of the maximum, 900/s: p50" in together.svg
    assert len(each) == 4


def test_what_a_measurement_has_twice_or_not_at_all_is_not_drawn(run):
    (figure,) = drawn(run, measurements=[latency(0.5, 8)])
    assert titles(figure) == ["at 0.5: latency by percentile"]  # nothing over time
    assert "service time" not in figure.svg


def load(**changes):
    stretches = 20
    seen = [100.0 if not 4 <= n < 10 else 0 for n in range(stretches)]
    lag = [0.2 if n < 4 else None if n < 10 else 3.0 - (n - 10) / 5 for n in range(stretches)]
    quiet = {"seen": [100] * stretches, "p50_s": [0.5] * stretches, "max_s": [0.9] * stretches}
    return {
        "criterion": "HA-11",
        "kind": "events",
        "name": "HA-11-events-1",
        "origin": START,
        "stretch_s": 0.5,
        "rate": 200.0,
        "acked": [100] * stretches,
        "waiting": [0] * stretches,
        "sinks": {"clickhouse": {"seen": seen, "p50_s": lag, "max_s": lag}, "search": quiet},
        **changes,
    }


def lines_of(svg):
    """Paths of the series in the first of three widths; those of the legend are left out."""
    narrow = svg[svg.index("<svg") : svg.index("</svg>")]
    return [d for d in re.findall(r'd="([^"]+)" class="line"', narrow) if "L" in d]


def test_lag_is_drawn_around_the_fault_with_a_gap_while_the_sink_was_away(run):
    (figure,) = drawn(run, curves=[load()])
    assert titles(figure) == [
        "End-to-end lag: clickhouse 3.0 s at most, search 0.9 s at most",
        "Events a second: 2 000 acknowledged, 200/s offered",
    ]
    clickhouse, search = lines_of(figure.svg)
    assert (clickhouse.count("M"), search.count("M")) == (2, 1)
    assert "kill-node leader: from 0 s to 3.5 s." in figure.svg
    assert "healed: from 3.5 s to 6 s." in figure.svg
    assert "Time 0 is the injection of the first fault." in figure.caption
    assert figure.criteria == ("HA-11",)


def test_what_heals_is_named_where_there_are_several_faults(run, fake):
    faults = [fake.fault("kill-node", name, "HA-11", at) for name, at in (("clickhouse", 2.0), ("search", 2.5))]
    (figure,) = drawn(run, curves=[load()], faults=faults)
    assert {"clickhouse healed", "search healed"} <= set(re.findall(r">([^<]+)</text>", figure.svg))


def test_the_buffer_is_drawn_where_more_than_a_second_of_events_had_to_wait(run):
    acked = [100] * 4 + [0] * 4 + [500] + [100] * 11
    waiting = [0] * 4 + [100, 200, 300, 400] + [0] * 12
    (figure,) = drawn(run, curves=[load(acked=acked, waiting=waiting)], faults=[])
    assert titles(figure)[2].startswith("The publisher's buffer: 400 events at most")
    assert "fallen due: from 200 to 200" in figure.svg
    assert "acknowledged by NATS: from 0 to 1e+03" in figure.svg
    assert "Time 0 is the first event." in figure.caption
    assert len(titles(drawn(run, curves=[load(waiting=[200] * 20)])[0])) == 2


def test_the_budget_of_the_lag_and_a_recovery_are_told(run):
    lag = {"criterion": "HA-11", "name": "lag of search", "target": {"of": "p99 latency", "limit": 5000, "unit": "ms"}}
    value = {"criterion": "HA-11", "of": "recovery of clickhouse", "value": 1.94, "unit": "s"}
    (figure,) = drawn(run, curves=[load()], measurements=[lag], values=[value])
    assert "clickhouse 3.0 s at most and caught up 1.9 s after healing" in titles(figure)[0]
    assert "p99 of the whole load at most 5 s" in figure.svg


def test_a_sink_that_showed_nothing_says_so(run):
    nothing = {"seen": [0] * 20, "p50_s": [None] * 20, "max_s": [None] * 20}
    (figure,) = drawn(run, curves=[load(sinks={"search": nothing})])
    assert titles(figure)[0] == "End-to-end lag: search saw nothing"
    assert "no data" in figure.svg


def memory(**changes):
    return {
        "criterion": "HA-11",
        "kind": "memory",
        "title": "Growth of memory: 12 MB at most (nats)",
        "origin": START,
        "grown": True,
        "processes": {"nats": [[0.0, 0], [5.0, 12e6]], "search": [[0.0, 0], [5.0, -3e6]]},
        "limit": {"label": "less than 200 MB", "points": [[0.0, 2e8], [5.0, 2e8]]},
        "bands": [["warm-up", 0.0, 1.0]],
        **changes,
    }


def test_memory_is_drawn_against_its_limit_with_faults_and_what_else_went_on(run):
    (figure,) = drawn(run, curves=[memory()])
    assert titles(figure) == ["Growth of memory: 12 MB at most (nats)"]
    for text in ("less than 200 MB", "warm-up", "kill-node leader", "MB more"):
        assert f">{text}</text>" in figure.svg
    assert "search: from -3 to 0, last -3." in figure.svg
    assert ">MB</text>" in drawn(run, curves=[memory(grown=False)])[0].svg


def test_stages_are_drawn_one_after_the_other(run):
    seconds = {"stage insert": 2.01, "stage ClickHouse": 0.1, "stage query": 0.0065, "other": 7.0}
    values = [{"criterion": "CL-16", "of": of, "value": value, "unit": "s"} for of, value in seconds.items()]
    (figure,) = drawn(run, values=values)
    assert titles(figure) == ["3 stages take 2.1 s in all, the longest 2.0 s (insert)"]
    assert "insert: 2.0 s: 0.0 s to 2.0 s. ClickHouse: 100 ms: 2.0 s to 2.1 s. query: 6.50 ms" in figure.svg
    assert drawn(run, values=values[:1]) == []


@pytest.mark.parametrize(
    "damaged",
    [
        {"kind": "of another time"},
        {"criterion": "HA-11"},
        load(acked=7),
        load(sinks=[1]),
        load(stretch_s=None),
        memory(limit={}),
        memory(processes={"nats": [[0]]}),
        memory(processes={}),
        memory(limit=[]),
    ],
)
def test_a_record_that_cannot_be_drawn_costs_its_own_figure(run, damaged):
    kept = memory(title="is drawn")
    assert [titles(figure) for figure in drawn(run, curves=[damaged, kept])] == [["is drawn"]]


def test_figures_of_failed_criteria_come_first_whatever_they_are_made_from(run):
    order = [figure.criteria for figure in drawn(run, curves=[*SIZES, load(criterion="HA-12"), memory(), load()])]
    assert order == [("HA-11",), ("HA-11",), ("HA-12",), ("CL-16",), ("CL-16",)]


def test_the_page_has_the_drawings_the_figures_behind_them_and_their_file(fake):
    fake.everything()
    fake.lines("curves", [*SIZES, load(), memory()])
    write_reports(fake.directory)
    page = (fake.directory / "index.html").read_text()
    assert "<summary>Time, bytes, CPU and memory in figures</summary>" in page
    assert "<td>55 [49.5, 66]</td>" in page
    assert '<a href="curves.jsonl">' in page
    assert page.count("End-to-end lag") > 0
