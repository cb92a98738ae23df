"""Draws what `curves.jsonl` holds: one record a line, of the criterion that made it.

* `sizes`: what `size` items of a kind (`of`) took by each of some ways: medians of seconds, bytes on the wire, CPU
  seconds of client and system, bytes of memory that client and gateway needed, and how many times as fast it was as
  the way called `against`, with its interval;
* `events`: a load of events in stretches of `stretch_s` seconds from `origin` (epoch seconds) on: how many were
  acknowledged, how many that had fallen due were not at its end, and for each sink how many were first seen and the
  median and the longest of their lags;
* `memory`: looks (seconds since `origin`, bytes) at processes, `grown`: only what was added, and the limit's line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from measurement import charts
from measurement.budgets import milliseconds
from measurement.charts import Axis, FaultBand, Series, Target
from measurement.curves import AtSize, Limit, memory_chart, sizes_chart
from reporting.figure import Figure, bands_of, first_injection
from reporting.lanes import lanes_chart
from reporting.rundata import Record, RunData
from reporting.texts import duration, number

SILENCE = 1.75  # seconds without a new event, then a sink was away: longer than a search engine's refresh of 1 s
LOW = 120.0  # pixels, height of what stands below the lag
LEFT = 62.0  # pixels, so that the times of charts below one another line up: room for `10 000`
ACKED, DUE = 2, 7  # colours that no sink has
SLOWEST = "slowest"
STAGE = "stage "
_MEMORY = {"client MB": "client_bytes", "gateway MB": "gateway_bytes"}


# -- by size ---------------------------------------------------------------------------------------------------


def of_sizes(run: RunData, criterion: str) -> Iterator[Figure]:
    """Draw what the same rows took by each way at each size, and how many times as fast each was as the slow one."""
    records = [record for record in run.of(run.curves, criterion) if record["kind"] == "sizes"]
    records.sort(key=lambda record: record["size"])
    if len(records) < 2:
        return
    last = records[-1]
    x, names = Axis(str(last["of"]), log=True), [way["name"] for way in last["ways"] if way["speed"]]
    names.append(str(last["against"]))  # last, so that the others have the same colours in both drawings
    times = {name: [AtSize(r["size"], _way(r, name)["median_s"] * 1000) for r in records] for name in names}
    told = ", ".join(f"{name} {_time(_way(last, name)['median_s'])}" for name in _quickest_first(last))
    title = f"Time for {number(last['size'])} {last['of']}: {told}"
    svg = charts.responsive(
        lambda width: sizes_chart(title, times, x=x, y=Axis("ms, median of rounds", log=True), width=width)
    )
    yield Figure("Until a program can use them.", svg, (criterion,), table=_table(records))
    yield from _ratios(run, criterion, records, x)


def _ratios(run: RunData, criterion: str, records: Sequence[Record], x: Axis) -> Iterator[Figure]:
    against = records[-1]["against"]
    ways = {
        way["name"]: [
            AtSize(r["size"], of["speed"]["ratio"], of["speed"]["low"], of["speed"]["high"])
            for r in records
            if (of := _way(r, way["name"]))["speed"]
        ]
        for way in records[-1]["ways"]
        if way["name"] != against
    }
    row = next(row for row in run.rows if row.id == criterion)
    budgets = [budget for budget in (row.criterion.budgets if row.criterion else ()) if budget.unit == "x"]
    wanted = {name: budget.limit for name in ways for budget in budgets if budget.of.startswith(name)}
    shown = {name: points for name, points in ways.items() if name in wanted or not wanted}
    at = _size_it_names(row.statement, records)
    told = ", ".join(
        f"{name} {number(point.value)} times" for name, points in shown.items() for point in points if point.size == at
    )
    title = f"Speed against {against} at {number(at)} {records[-1]['of']}: {told}"
    targets = [Target(limit, f"{name}: at least {limit:g}") for name, limit in wanted.items()]
    y = Axis(f"times as fast as {against}", log=True)
    svg = charts.responsive(lambda width: sizes_chart(title, ways, x=x, y=y, targets=targets, width=width))
    yield Figure("Bars: 95 % confidence interval of the ratio, from pairs of rounds.", svg, (criterion,))


def _size_it_names(statement: str, records: Sequence[Record]) -> float:
    """Return the size that a criterion speaks of, such as `100 000 rows`; the largest where it names none."""
    named = [r for r in records if re.search(rf"(?<!\d ){number(r['size'])} {r['of']}", statement)]
    return float((named or records)[-1]["size"])


def _way(record: Record, name: str) -> Record:
    ways: dict[str, Record] = {way["name"]: way for way in record["ways"]}
    return ways[name]


def _quickest_first(record: Record) -> list[str]:
    return [way["name"] for way in sorted(record["ways"], key=lambda way: float(way["median_s"]))]


def _time(seconds: float) -> str:
    return duration(seconds) if seconds >= 1 else milliseconds(seconds)


def _table(records: Sequence[Record]) -> list[list[str]]:
    heads = [
        "way",
        "time",
        "first bytes",
        "MB on the wire",
        "client CPU",
        "system CPU",
        "client MB",
        "gateway MB",
        "times as fast",
    ]
    lines = [[str(records[0]["of"]), *heads]]
    for record in records:
        for way in record["ways"]:
            speed = way["speed"]
            lines.append(
                [
                    number(record["size"]),
                    str(way["name"]),
                    _time(way["median_s"]),
                    _time(way["first_s"]),
                    "" if way["bytes"] is None else f"{way['bytes'] / 1e6:.3f}",
                    _time(way["client_cpu_s"]),
                    _time(way["server_cpu_s"]),
                    *("" if (held := way.get(name)) is None else f"{held / 1e6:.1f}" for name in _MEMORY.values()),
                    f"{speed['ratio']:.3g} [{speed['low']:.3g}, {speed['high']:.3g}]" if speed else "",
                ]
            )
    return lines


# -- over time -------------------------------------------------------------------------------------------------


def of_curve(run: RunData, record: Record) -> Iterator[Figure]:
    """Draw a load of events, or memory over time."""
    if record["kind"] == "events":
        yield from _of_events(run, record)
    elif record["kind"] == "memory":
        yield from _of_memory(run, record)


def _of_events(run: RunData, record: Record) -> Iterator[Figure]:
    """Draw the lag of each sink, below it the rate of acknowledgements, and what had to wait for them."""
    begin, stretch = float(record["origin"]), float(record["stretch_s"])
    end = begin + stretch * len(record["acked"])
    struck = first_injection(run.faults, (begin, end))
    origin = begin if struck is None else struck
    bands = bands_of(run.faults, origin, (begin, end))
    x = Axis("seconds", low=begin - origin, high=end - origin)
    middles = [begin - origin + (n + 0.5) * stretch for n in range(len(record["acked"]))]
    drawings = [
        _lag(run, record, middles, x, bands),
        _rate(record, middles, x, bands),
        *_waiting(record, middles, x, bands),
    ]
    identifier = str(record["criterion"] or "")
    zero = "the injection of the first fault" if struck is not None else "the first event"
    caption = f"Lag: from an event's intended publication until it is first seen. Time 0 is {zero}."
    yield Figure(caption, "".join(drawings), (identifier,) if identifier else ())


def _lag(run: RunData, record: Record, middles: Sequence[float], x: Axis, bands: Sequence[FaultBand]) -> str:
    series, told = list[Series](), []
    longest = max(SILENCE, 1.5 * float(record["stretch_s"]))
    for hue, (sink, lag) in enumerate(record["sinks"].items()):
        for label, key in ((f"{sink}, median", "p50_s"), (f"{sink}, {SLOWEST}", "max_s")):
            points = [(at, float(value)) for at, value in zip(middles, lag[key], strict=True) if value is not None]
            if key == "p50_s":
                series.append(Series(label, charts.with_gaps(points, longest), "line", hue))
            else:
                series.append(Series(label, points, "dots", hue))
        most = max((float(value) for value in lag["max_s"] if value is not None), default=None)
        told.append(
            f"{sink} {'saw nothing' if most is None else f'{duration(most)} at most'}{_recovered(run, record, sink)}"
        )
    title = f"End-to-end lag: {', '.join(told)}"
    return charts.responsive(
        lambda width: charts.line_chart(
            title,
            series,
            x=x,
            y=Axis("seconds behind"),
            target=_lag_target(run, record),
            bands=bands,
            width=width,
            room_left=LEFT,
        )
    )


def _recovered(run: RunData, record: Record, sink: str) -> str:
    values = [v for v in run.of(run.values, str(record["criterion"])) if v.get("of") == f"recovery of {sink}"]
    return f" and caught up {duration(float(values[-1]['value']))} after healing" if values else ""


def _lag_target(run: RunData, record: Record) -> Target | None:
    for measured in run.of(run.measurements, str(record["criterion"])):
        target = measured.get("target") or {}
        if str(measured.get("name", "")).startswith("lag of ") and target.get("unit") == "ms":
            limit = float(target["limit"]) / 1000
            return Target(limit, f"{target['of'].removesuffix(' latency')} of the whole load at most {limit:g} s")
    return None


def _rate(record: Record, middles: Sequence[float], x: Axis, bands: Sequence[FaultBand]) -> str:
    stretch, waiting, acked = float(record["stretch_s"]), record["waiting"], record["acked"]
    due = [done + left - before for done, left, before in zip(acked, waiting, [0, *waiting], strict=False)]
    series = [
        Series("fallen due", [(at, n / stretch) for at, n in zip(middles, due, strict=True)], hue=DUE),
        Series("acknowledged by NATS", [(at, n / stretch) for at, n in zip(middles, acked, strict=True)], hue=ACKED),
    ]
    title = f"Events a second: {number(sum(acked))} acknowledged, {number(float(record['rate']))}/s offered"
    return _below(title, series, Axis("events/s"), x, bands)


def _waiting(record: Record, middles: Sequence[float], x: Axis, bands: Sequence[FaultBand]) -> Iterator[str]:
    """Draw the publisher's buffer, if more than a second's worth of events was ever in it."""
    most = max(record["waiting"], default=0)
    if most > float(record["rate"]):
        points = list(zip(middles, map(float, record["waiting"]), strict=True))
        title = f"The publisher's buffer: {number(most)} events at most that had fallen due and were not acknowledged"
        yield _below(title, [Series("waiting", points, hue=ACKED)], Axis("events"), x, bands)


def _below(title: str, series: Sequence[Series], y: Axis, x: Axis, bands: Sequence[FaultBand]) -> str:
    """Draw a lower chart; its bands have their labels in the chart above."""
    unnamed = [FaultBand("", band.start, band.end, band.phase) for band in bands]
    return charts.responsive(
        lambda width: charts.line_chart(
            title,
            series,
            x=x,
            y=y,
            bands=unnamed,
            width=width,
            height=LOW,
            room_left=LEFT,
        )
    )


def _of_memory(run: RunData, record: Record) -> Iterator[Figure]:
    origin, identifier = float(record["origin"]), str(record["criterion"] or "")
    processes = {name: [(float(t), float(b)) for t, b in looks] for name, looks in record["processes"].items()}
    limit = Limit([(float(t), float(b)) for t, b in record["limit"]["points"]], str(record["limit"]["label"]))
    instants = [t for looks in processes.values() for t, _ in looks]
    span = (origin + min(instants), origin + max(instants))
    bands = [FaultBand(str(label), float(start), float(end), "calm") for label, start, end in record["bands"]]
    bands += bands_of(run.faults, origin, span)
    label = "MB more" if record["grown"] else "MB"
    svg = charts.responsive(
        lambda width: memory_chart(str(record["title"]), processes, limit=limit, bands=bands, label=label, width=width)
    )
    yield Figure("", svg, (identifier,) if identifier else ())


# -- stages ----------------------------------------------------------------------------------------------------


def of_stages(run: RunData, criterion: str) -> Iterator[Figure]:
    """Draw the stages that a criterion timed, one after the other."""
    values = [value for value in run.of(run.values, criterion) if str(value.get("of")).startswith(STAGE)]
    if len(values) < 2:
        return
    lanes, at = {}, 0.0
    for value in values:
        seconds = float(value["value"])
        lanes[f"{value['of'].removeprefix(STAGE)}: {_time(seconds)}"] = [(at, at + seconds)]
        at += seconds
    longest = max(values, key=lambda value: float(value["value"]))
    title = (
        f"{len(values)} stages take {_time(at)} in all, the longest {_time(float(longest['value']))} "
        f"({longest['of'].removeprefix(STAGE)})"
    )
    svg = charts.responsive(lambda width: lanes_chart(title, lanes, (0.0, at), width=width))
    yield Figure("Each begins when the one before it has ended; time in seconds.", svg, (criterion,))
