"""Lines over time: signs, gaps, colours, and charts and bands below one another."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from measurement.charts import Axis, FaultBand, Series, line_chart, with_gaps
from measurement.drawing import wrapped

SVG = "{http://www.w3.org/2000/svg}"
SECONDS, MS = Axis("seconds"), Axis("ms")


def line(values):
    return Series("p99", [(float(i), value) for i, value in enumerate(values)])


def parsed(svg):
    return ET.fromstring(svg)


def texts(svg):
    return [element.text for element in parsed(svg).iter(f"{SVG}text")]


def coordinates_of_the_line(svg):
    (d,) = [p.get("d") for p in parsed(svg).iter(f"{SVG}path") if p.get("class") == "line"]
    return [float(n) for n in re.findall(r"-?\d+(?:\.\d+)?", d)]


def test_values_below_zero_have_their_sign_but_where_they_are_counted_downwards():
    assert "\u22122" in texts(line_chart("t", [line([-2, 2])], x=SECONDS, y=MS))
    mirrored = texts(line_chart("t", [line([-2, 2])], x=SECONDS, y=Axis("writes", mirrored=True)))
    assert mirrored.count("2") >= 2
    assert not [text for text in mirrored if text.startswith("\u2212")]


def test_charts_below_one_another_have_the_same_times_at_the_same_place():
    low, high = (line_chart("t", [line([1, top])], x=SECONDS, y=MS, room_left=70, height=100) for top in (2, 90_000))
    assert [coordinates_of_the_line(svg)[::2] for svg in (low, high)] == [[70, 646], [70, 646]]
    assert float(parsed(low).get("viewBox").split()[3]) < 200


def test_a_band_without_a_label_takes_no_room_above_the_plot():
    named, unnamed = (
        line_chart("t", [line([1, 2])], x=SECONDS, y=MS, bands=[FaultBand(label, 0.2, 0.6)]) for label in ("kill", "")
    )
    tops = [float(next(parsed(svg).iter(f"{SVG}rect")).get("y")) for svg in (named, unnamed)]
    assert tops[0] - tops[1] == 17
    assert None not in texts(unnamed)


def test_a_series_may_have_the_colour_of_another():
    one = [Series("median", [(0, 1), (1, 2)], hue=3), Series("slowest", [(0, 2), (1, 4)], "dots", hue=3)]
    svg = line_chart("t", one, x=SECONDS, y=MS)
    assert set(re.findall(r"var\(--s(\d)\)", svg)) == {"3"}


def test_a_line_is_parted_where_points_are_missing_or_further_apart_than_told():
    points = [(at, 1.0) for at in (0.0, 1.0, 2.0, 3.0, 6.0, 11.0)]
    assert [at for at, value in with_gaps(points) if value is None] == [11.0]
    assert [at for at, value in with_gaps(points, 1.5) if value is None] == [6.0, 11.0]
    assert with_gaps(points[-2:]) == points[-2:]


def test_between_whole_numbers_nothing_is_labelled():
    rounds = [line([1, 2, 1, 2])]
    assert "1.5" in texts(line_chart("t", rounds, x=Axis("round"), y=Axis("ms", log=True)))
    assert "1.5" not in texts(line_chart("t", rounds, x=Axis("round", whole=True), y=Axis("ms", log=True)))


def test_a_title_is_never_broken_within_a_number_or_before_its_unit():
    assert wrapped("at most 10 000 events in 12 ms", 60) == ["at most", "10 000", "events", "in", "12 ms"]
    assert wrapped("p99 at 10 % of it", 60) == ["p99 at", "10 % of", "it"]
    assert wrapped(" 3 events  of 4", 60) == ["3", "events", "of 4"]
