"""Charts: their geometry, names, tables, and marks other than colours."""

from __future__ import annotations

import math
import re
from datetime import date, timedelta
from xml.etree import ElementTree as ET

import pytest

from order_relay.desk.charts import Series, lines, nice_top, stacked_bars, whole

DAYS = [date(2026, 5, 1) + timedelta(days=n) for n in range(3)]
BARS = (
    Series("imported", "Imported", [10, 0, 4]),
    Series("quarantined", "Quarantined", [2, 0, 1]),
    Series("rejected", "Rejected", [0, 0, 1]),
    Series("held", "Held", [8, 0, 0]),
)


@pytest.mark.parametrize(("highest", "top"), [(0, 1), (1, 1), (3, 5), (5, 5), (11, 20), (99, 100), (501, 1_000)])
def test_a_scale_ends_at_a_round_number(highest: float, top: float) -> None:
    assert nice_top(highest) == top


def test_bars_stand_on_each_other() -> None:
    chart = stacked_bars("days", "Orders", DAYS, BARS)
    first = ET.fromstring(chart.drawing).findall("g")[0]
    boxes = [(float(box.attrib["y"]), float(box.attrib["height"])) for box in first.findall("rect")]
    assert boxes == [(80, 80), (64, 16), (0, 64)]
    assert first.findtext("title") == "Fri 1 May: Imported 10, Quarantined 2, Held 8"
    assert chart.top == "20"


def test_each_part_of_a_bar_is_told_by_its_marks() -> None:
    drawing = stacked_bars("days", "Orders", DAYS, BARS).drawing
    assert len(set(re.findall(r'class="marks" d="([^"]*)"', drawing))) == len(BARS)


def test_a_drawing_has_a_name_and_no_inline_style() -> None:
    for chart in (stacked_bars("days", "Orders", DAYS, BARS), lines("times", "Times", DAYS, BARS[:1], whole)):
        assert f'role="img" aria-labelledby="chart-{chart.key}"' in chart.drawing
        assert "style" not in chart.drawing


def test_the_table_has_every_number_newest_first() -> None:
    rows = stacked_bars("days", "Orders", DAYS, BARS).rows
    assert rows == [(DAYS[2], ["4", "1", "1", "0"]), (DAYS[1], ["0"] * 4), (DAYS[0], ["10", "2", "0", "8"])]


def test_lines_stop_where_there_is_no_value() -> None:
    days = [date(2026, 5, 1) + timedelta(days=n) for n in range(6)]
    series = Series("median", "Half", [1, 2, None, 4, None, math.inf])
    chart = lines("times", "Times", days, [series], lambda value: f"{value} h")
    ways = re.findall(r'class="line line-median" d="([^"]*)"', chart.drawing)
    assert [way.count("L") for way in ways] == [1, 1, 1]
    assert ways[0] == "M50.00 128.00L150.00 96.00"
    assert ways[2].endswith(" 0.00"), "beyond the scale"
    assert [row for _, row in chart.rows] == [["inf h"], [""], ["4 h"], [""], ["2 h"], ["1 h"]]


def test_texts_are_escaped_and_a_chart_may_be_empty() -> None:
    chart = stacked_bars("x", "Orders", DAYS[:1], [Series("imported", "<b>", [1])])
    assert "<b>" not in chart.drawing
    assert stacked_bars("x", "Orders", [], BARS).rows == []
