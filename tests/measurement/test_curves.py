"""Memory against its limit, and what the same thing costs by its size."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest

from measurement.curves import AtSize, Limit, memory_chart, sizes_chart
from measurement.plot import Axis, Target

SVG = "{http://www.w3.org/2000/svg}"
ROWS, TIMES = Axis("rows", log=True), Axis("times as fast", log=True)


def texts(svg):
    return [element.text for element in ET.fromstring(svg).iter(f"{SVG}text")]


def paths(svg, classes):
    return [p.get("d") for p in ET.fromstring(svg).iter(f"{SVG}path") if p.get("class") == classes]


def coordinates(d):
    return [float(n) for n in re.findall(r"-?\d+(?:\.\d+)?", d)]


def test_a_memory_chart_parts_where_a_service_was_down_and_names_each_service_once():
    up = [(i / 2, 50e6) for i in range(40) if not 10 <= i < 30]
    svg = memory_chart("t", {"member1": up, "etcd": [(i / 2, 20e6) for i in range(40)]}, width=660)
    assert [d.count("M") for d in paths(svg, "line")[:2]] == [2, 1]
    assert texts(svg).count("member1") == texts(svg).count("etcd") == 1
    assert "member1: from 50 to 50, last 50." in svg


@pytest.mark.parametrize("width", [360, 660])
def test_a_limit_is_in_the_picture_however_far_memory_stays_below_it(width):
    svg = memory_chart(
        "t", {"gateway": [(0, 1e6), (9, 2e6)]}, limit=Limit([(0, 5e8), (9, 5e8)], "less than 500 MB"), width=width
    )
    (target,) = paths(svg, "target")
    at = coordinates(target)[1]
    longest = max((coordinates(d) for d in paths(svg, "line")), key=lambda places: places[2] - places[0])
    first, last = longest[1::2]  # the others are of the legend, or lead to the name
    assert at > 0
    assert first - at > 400 * (first - last) > 0  # 500 MB against a growth by 1 MB
    assert "less than 500 MB" in texts(svg)
    assert "less than 500 MB: 500." in svg


def test_a_limit_that_rises_begins_where_memory_has_settled():
    svg = memory_chart("t", {"nats": [(0, 0), (30, 0)]}, limit=Limit([(10, 0), (30, 2e7)], "a leak: 100 B an event"))
    (target,), line = paths(svg, "target"), coordinates(paths(svg, "line")[0])
    x1, y1, x2, y2 = coordinates(target)
    assert x1 == pytest.approx(line[0] + (line[2] - line[0]) / 3, abs=0.1)
    assert (x2, y1) == pytest.approx((line[2], line[1]), abs=0.1)
    assert y2 < y1 - 100
    assert "a leak: 100 B an event" in texts(svg)


def test_growth_below_zero_is_labelled_as_such():
    assert "\u221220" in texts(memory_chart("t", {"search": [(0, 0), (9, -25e6)]}, label="MB more"))


def test_ten_times_the_size_takes_the_same_room_anywhere_and_ten_times_the_speed_too():
    svg = sizes_chart("t", {"view": [AtSize(10.0**n, 10.0 ** (n - 2)) for n in (2, 3, 4)]}, x=ROWS, y=TIMES)
    x1, y1, x2, y2, x3, y3 = coordinates(paths(svg, "line")[-1])
    assert x2 - x1 == pytest.approx(x3 - x2, abs=0.1)
    assert y1 - y2 == pytest.approx(y2 - y3, abs=0.1) != 0
    assert paths(svg, "")[0].count("M") == 3  # a dot a size
    assert {"100", "1 000", "10 000"} <= set(texts(svg))


def test_an_interval_is_drawn_from_its_lower_to_its_upper_bound():
    with_bounds, without = AtSize(100, 40, 20, 80), AtSize(1000, 40)
    svg = sizes_chart("t", {"view": [with_bounds, without]}, x=ROWS, y=TIMES, targets=[Target(50, "at least 50")])
    lines = [coordinates(d) for d in paths(svg, "line") if "V" in d]
    assert len(lines) == 1
    x, low, high = lines[0][:3]
    series = next(coordinates(d) for d in paths(svg, "line") if "L" in d)
    assert (x, (low + high) / 2) == pytest.approx(series[:2], abs=0.1)
    assert low > high
    assert high < coordinates(paths(svg, "target")[0])[1] < series[1]


def test_all_targets_are_in_the_picture():
    targets = [Target(50, "view: at least 50"), Target(10, "live: at least 10")]
    svg = sizes_chart("t", {"view": [AtSize(100, 2), AtSize(1000, 3)]}, x=ROWS, y=TIMES, targets=targets)
    first, second = (coordinates(d)[1] for d in paths(svg, "target"))
    assert 0 < first < second
    assert {"view: at least 50", "live: at least 10"} <= set(texts(svg))
    assert "view: 2 at 100, 3 at 1000." in svg
