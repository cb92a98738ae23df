from __future__ import annotations

import re
from itertools import pairwise
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from measurement.charts import (
    WIDTHS,
    Axis,
    FaultBand,
    Moment,
    Series,
    Target,
    availability_chart,
    line_chart,
    percentile_chart,
    responsive,
)
from measurement.curves import AtSize, Limit, memory_chart, sizes_chart
from measurement.drawing import STYLE, Scale, nice_ticks, rounded_range, spread, text_width, thinned
from measurement.histogram import LatencyHistogram

SVG = "{http://www.w3.org/2000/svg}"
SECONDS, MS = Axis("seconds"), Axis("ms")
BANDS = (
    FaultBand("inject", 2, 2.1, "prepare"),
    FaultBand("in effect", 2.1, 5, "fault"),
    FaultBand("healed", 5, 8, "heal"),
    FaultBand("steady", 8, None, "calm"),
)


ROWS, TIMES = Axis("rows", log=True), Axis("times as fast", log=True)
WAYS = {
    "view over Flight": [AtSize(10.0**n, 2.0 * n, 1.8 * n, 2.5 * n) for n in range(2, 7)],
    "live query over Flight": [AtSize(10.0**n, float(n)) for n in range(2, 7)],
}


def line(values, label="p99"):
    return Series(label, [(float(i), value) for i, value in enumerate(values)])


def parsed(svg):
    return ET.fromstring(svg)


def texts(svg):
    return [element.text for element in parsed(svg).iter(f"{SVG}text")]


def path_of(svg, classes):
    return [p.get("d") for p in parsed(svg).iter(f"{SVG}path") if p.get("class") == classes]


def coordinates(d):
    return [float(n) for n in re.findall(r"-?\d+(?:\.\d+)?", d)]


def all_charts(width=660):
    histogram = LatencyHistogram.of(np.random.default_rng(1).lognormal(-7, 1, 5000))
    moments = [Moment(i / 10, 0 if 20 < i < 50 else 20, 2 if 20 < i < 50 else 0, 1) for i in range(100)]
    memory = {"member1": [(float(i), 1e8 + i * 1e6) for i in range(50)], "redis": [(float(i), 8e6) for i in range(50)]}
    one, two = line([1, 2, 9, 4]), line([2, 3, None, 5], "p50")
    return {
        "line": line_chart("Line", [one, two], x=SECONDS, y=MS, target=Target(5, "budget"), bands=BANDS, width=width),
        "percentile": percentile_chart("Percentiles", {"open": histogram}, target=Target(100, "budget"), width=width),
        "availability": availability_chart("Availability", moments, bands=BANDS, gap=(2, 5), width=width),
        "memory": memory_chart("Memory", memory, bands=BANDS[1:2], width=width),
        "growth": memory_chart("Growth", memory, limit=Limit([(10, 0), (50, 9e7)], "a leak: 100 B"), width=width),
        "sizes": sizes_chart("Sizes", WAYS, x=ROWS, y=TIMES, targets=[Target(50, "at least 50")], width=width),
    }


@pytest.mark.parametrize("width", WIDTHS)
def test_every_chart_is_an_image_with_a_name_and_a_description(width):
    for name, svg in all_charts(width).items():
        root = parsed(svg)
        assert root.get("role") == "img"
        labelled = root.get("aria-labelledby").split()
        named = {element.get("id"): element.text for element in root if element.get("id")}
        assert [bool(named[key]) for key in labelled] == [True, True], name
        assert root.get("viewBox").split()[2] == str(width)


@pytest.mark.parametrize("width", WIDTHS)
def test_no_text_leaves_the_picture_and_none_is_smaller_than_it_can_be_read(width):
    for name, svg in all_charts(width).items():
        root = parsed(svg)
        height = float(root.get("viewBox").split()[3])
        for text in root.iter(f"{SVG}text"):
            size = 14 if "head" in (text.get("class") or "") else 12.5
            wide = text_width(text.text, size) * 0.9
            anchor = {"start": 0, "middle": 0.5, "end": 1}[text.get("text-anchor", "start")]
            left = float(text.get("x")) - anchor * wide
            assert left >= -2, (name, text.text)
            assert left + wide <= width + 2, (name, text.text)
            assert 8 <= float(text.get("y")) <= height, (name, text.text)


@pytest.mark.parametrize("width", WIDTHS)
def test_labels_on_one_line_do_not_overlap(width):
    for name, svg in all_charts(width).items():
        places: dict[str, list[tuple[float, float]]] = {}
        for text in parsed(svg).iter(f"{SVG}text"):
            wide = text_width(text.text) * 0.9
            start = (
                float(text.get("x")) - {"start": 0, "middle": 0.5, "end": 1}[text.get("text-anchor", "start")] * wide
            )
            places.setdefault(text.get("y"), []).append((start, start + wide))
        for row in places.values():
            row.sort()
            assert all(before[1] <= after[0] for before, after in pairwise(row)), name


def test_the_same_data_give_the_same_picture():
    assert all_charts() == all_charts()


def test_what_a_label_says_is_text_and_never_markup():
    evil = '<script>alert("x")</script> & co'
    svg = line_chart(evil, [line([1, 2], evil), line([2, 1])], x=Axis(evil), y=Axis(evil), target=Target(1, evil))
    assert "<script" not in svg
    assert evil in texts(svg)


def test_higher_values_are_drawn_higher_and_later_ones_further_right():
    (d,) = path_of(line_chart("t", [line([1, 3, 2])], x=SECONDS, y=MS), "line")
    x1, y1, x2, y2, x3, y3 = coordinates(d)
    assert x1 < x2 < x3
    assert y2 < y3 < y1  # SVG counts downwards


def test_a_missing_value_parts_the_line():
    (d,) = path_of(line_chart("t", [line([1, 2, None, 2, 1])], x=SECONDS, y=MS), "line")
    assert d.count("M") == 2


def test_the_target_is_within_the_picture_and_at_its_value():
    svg = line_chart("t", [line([1, 2])], x=SECONDS, y=MS, target=Target(10, "budget 10 ms"))
    (target,) = path_of(svg, "target")
    (series,) = path_of(svg, "line")
    at = coordinates(target)[1]
    top, bottom = at, max(coordinates(series)[1::2])
    assert top > 0
    assert min(coordinates(series)[1::2]) - top > 3 * (
        bottom - min(coordinates(series)[1::2])
    )  # 2 to 10 against 1 to 2
    assert "budget 10 ms" in texts(svg)


def test_bands_stand_over_their_time_with_their_labels():
    svg = line_chart("t", [line(range(1, 11))], x=SECONDS, y=MS, bands=BANDS)
    rectangles = list(parsed(svg).iter(f"{SVG}rect"))
    assert [r.get("style").split(";")[0] for r in rectangles] == [
        "fill:var(--f-prepare)",
        "fill:var(--f-fault)",
        "fill:var(--f-heal)",
        "fill:var(--f-calm)",
    ]
    edges = [(float(r.get("x")), float(r.get("x")) + float(r.get("width"))) for r in rectangles]
    assert edges[1][1] == pytest.approx(edges[2][0], abs=0.02)
    assert edges[2][1] == pytest.approx(edges[3][0], abs=0.02)
    assert {"inject", "in effect", "healed", "steady"} <= set(texts(svg))


def test_a_percentile_chart_gives_each_nine_the_same_room():
    svg = percentile_chart("t", {"a": LatencyHistogram.of(np.linspace(0.001, 0.1, 20_000))})
    ticks = {t.text: float(t.get("x")) for t in parsed(svg).iter(f"{SVG}text") if t.text.endswith(" %")}
    nines = [ticks[label] for label in ("0 %", "90 %", "99 %", "99.9 %", "99.99 %")]
    rooms = np.diff(nines)
    assert rooms == pytest.approx([rooms[0]] * 4, abs=0.2)


def test_a_percentile_curve_is_dotted_where_fewer_than_ten_samples_decide():
    values = np.linspace(0.001, 0.1, 1000)  # ten lie beyond p99
    svg = percentile_chart("t", {"a": LatencyHistogram.of(values)})
    ticks = {t.text: float(t.get("x")) for t in parsed(svg).iter(f"{SVG}text") if t.text.endswith(" %")}
    (solid,), (dotted,) = path_of(svg, "line"), path_of(svg, "line weak")
    assert max(coordinates(solid)[::2]) == pytest.approx(ticks["99 %"], abs=1.5)
    assert min(coordinates(dotted)[::2]) == pytest.approx(ticks["99 %"], abs=1.5)


def test_an_availability_chart_draws_acknowledged_up_and_the_others_down():
    moments = [Moment(0, 10), Moment(0.1, 0, failed=4), Moment(0.2, 0, unknown=6), Moment(0.3, 10)]
    svg = availability_chart("t", moments, gap=(0.1, 0.3))
    bars = {p.get("style"): p.get("d") for p in parsed(svg).iter(f"{SVG}path") if p.get("class") == ""}
    acked, failed, unknown = (bars[f"fill:var(--{name})"] for name in ("good", "bad", "unsure"))
    assert [d.count("M") for d in (acked, failed, unknown)] == [2, 1, 1]
    assert float(re.findall(r"v(-?[\d.]+)", acked)[0]) > 0  # from its top down to zero
    assert float(re.findall(r"v(-?[\d.]+)", failed)[0]) > 0  # from zero down
    tops = [float(y) for y in re.findall(r"M[\d.]+ ([\d.]+)", acked + failed)]
    assert tops[0] == tops[1] < tops[2]
    assert "no write acknowledged for 0.2 s" in texts(svg)
    assert "20 acknowledged, 4 failed, 6 unknown" in svg


def test_an_availability_chart_adds_up_stretches_that_are_too_short_to_see():
    moments = [Moment(i / 10, 3) for i in range(1200)]
    narrow = availability_chart("t", moments, width=360)
    assert "writes per 1100 ms" in texts(narrow)
    wide = availability_chart("t", moments[:100], width=1040)
    assert "writes per 100 ms" in texts(wide)


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_to_draw_is_said_and_no_error(width):
    assert "no data" in line_chart("t", [], x=SECONDS, y=MS, width=width)
    for svg in (
        line_chart("t", [Series("a", [])], x=SECONDS, y=Axis("ms", log=True), width=width),
        percentile_chart("t", {"a": LatencyHistogram()}, target=Target(1, "b"), width=width),
        availability_chart("t", [], width=width),
        memory_chart("t", {"a": []}, width=width),
        memory_chart("t", {}, limit=Limit([(0, 1e6), (1, 1e6)], "limit"), width=width),
        sizes_chart("t", {"a": []}, x=Axis("rows", log=True), y=Axis("ms", log=True), width=width),
    ):
        parsed(svg)


numbers = st.floats(-1e6, 1e6)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(st.one_of(st.none(), numbers), max_size=30), max_size=5),
    st.booleans(),
    st.sampled_from(WIDTHS),
    st.one_of(st.none(), st.floats(1e-3, 1e6)),
)
def test_whatever_the_values_every_coordinate_is_finite_and_in_the_picture(values, log, width, target):
    series = [line(one, f"series {i}") for i, one in enumerate(values)]
    svg = line_chart(
        "t", series, x=SECONDS, y=Axis("y", log=log), target=Target(target, "budget") if target else None, width=width
    )
    assert "nan" not in svg
    assert "inf" not in svg.replace("information", "")
    height = float(parsed(svg).get("viewBox").split()[3])
    for d in path_of(svg, "line"):
        if "h20" in d:
            continue  # an entry of the legend
        found = coordinates(d)
        assert all(0 <= x <= width + 2 for x in found[::2])
        assert all(0 <= y <= height for y in found[1::2])


def test_a_thinned_line_keeps_its_shape():
    rng = np.random.default_rng(3)
    places = [(i / 20, float(y)) for i, y in enumerate(rng.normal(100, 10, 4000))]
    kept = [p for p in thinned(places) if p is not None]
    assert len(kept) < 600
    assert kept[0] == places[0]
    assert kept[-1] == places[-1]
    assert {min(p[1] for p in kept), max(p[1] for p in kept)} == {min(p[1] for p in places), max(p[1] for p in places)}
    assert [p[0] for p in kept] == sorted(p[0] for p in kept)
    assert thinned([(0, 1), None, (0.1, 2)]) == [(0, 1), None, (0.1, 2)]


@given(numbers, st.floats(1e-6, 1e6), st.integers(2, 12))
def test_ticks_are_evenly_spaced_within_the_range_and_not_too_many(low, room, wanted):
    ticks = nice_ticks(low, low + room, wanted)
    assert len(ticks) <= wanted + 1
    rounding = room * 1e-6 + abs(low) * 1e-12
    assert all(low - rounding <= tick <= low + room + rounding for tick in ticks)


@given(st.lists(st.floats(0, 500), max_size=12))
def test_labels_are_spread_apart_within_the_plot_and_keep_their_order(wanted):
    places = spread(wanted, 15, 0, 500)
    ordered = [place for _, _, place in sorted(zip(wanted, range(len(wanted)), places, strict=True))]
    assert all(after - before >= 15 - 1e-6 for before, after in pairwise(ordered))
    assert all(-1e-6 <= place <= 500 + 1e-6 for place in places)


@given(st.lists(st.floats(0, 1e9, allow_subnormal=False), min_size=1), st.booleans())  # no measurement is so small
def test_a_range_holds_its_values(values, log):
    low, high = rounded_range(values, log=log)
    assert low < high
    assert all(low <= value <= high for value in values if value > 0 or not log)
    if log:
        assert low > 0


def test_a_logarithmic_scale_gives_each_power_of_ten_the_same_room():
    scale = Scale(1, 1000, 0, 300, log=True)
    assert [round(scale(v)) for v in (1, 10, 100, 1000)] == [0, 100, 200, 300]
    assert scale.ticks(5) == [1, 10, 100, 1000]
    assert Scale(30, 400, 0, 300, log=True).ticks(5) == [50, 100, 200]  # one power of ten is not a scale
    assert (scale(0.1), scale(1e9)) == (0, 300)


def test_a_page_shows_exactly_one_of_the_widths():
    html = responsive(lambda width: all_charts(width)["line"])
    assert html.count("<svg") == len(WIDTHS)
    queries = re.findall(r"@container ([^{]+)", html)
    for width in (320, 360, 509.99, 510, 660, 849.99, 850, 1040, 1200):
        assert sum(_matches(query, width) for query in queries) == 1, width
    ids = re.findall(r' id="([^"]+)"', html)
    assert len(ids) == len(set(ids)) == 2 * len(WIDTHS)


def _matches(rule, width):
    low = re.search(r"min-width:([\d.]+)px", rule)
    high = re.search(r"max-width:([\d.]+)px", rule)
    return (not low or width >= float(low[1])) and (not high or width <= float(high[1]))


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize(("part", "paper"), [(0, "#ffffff"), (0, "#f6f7f9"), (1, "#14181d"), (1, "#1d232a")])
def test_colours_stand_out_from_light_and_dark_paper(part, paper):
    block = STYLE.split("@media(prefers-color-scheme:dark)")[part]
    colours = dict(re.findall(r"--([\w-]+):(?:var\(--[\w-]+,)?(#[0-9a-f]{6})", block))
    assert len(colours) >= 16
    for name, colour in colours.items():
        if name in ("rule-", "paper-"):
            continue
        only_bars = name in ("good", "unsure")
        assert contrast(colour, paper) >= (3.0 if only_bars else 4.5), (name, colour, paper)


def test_numbers_in_a_drawing_are_short():
    svg = all_charts()["line"]
    assert not re.search(r"\d\.\d{3,}", svg.split("</style>")[1].replace("chart", ""))
