"""Charts of daily numbers as inline SVG with a table of the same numbers.

Colours are classes of ``static/pages/today.css``. Bars have patterns and lines have dashes of their own, so that colour
never carries meaning alone. The drawing stretches to the width of its page; its texts are HTML beside it, and stay
readable at any width.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby

from markupsafe import Markup

from order_relay.desk.rendering import day as day_title

_WIDTH, _HEIGHT = 600, 160
_GAP = 0.2
"""Share of a day's width between two bars."""


@dataclass(frozen=True)
class Series:
    """One number per day; ``None``: no value on that day. ``key``: its class, ``series-KEY``."""

    key: str
    label: str
    values: Sequence[float | None]


@dataclass(frozen=True)
class Chart:
    """What a page shows of one chart.

    ``drawing``: the SVG element, named by the element with the id ``chart-KEY``. ``top``: the highest value of the
    scale, as text. ``rows``: for the table, newest day first: the day and its numbers as text.
    """

    key: str
    title: str
    drawing: Markup
    legend: Sequence[tuple[Markup, str]]
    top: str
    days: Sequence[date]
    rows: Sequence[tuple[date, Sequence[str]]]


def whole(value: float) -> str:
    """A whole number with thousands separators."""
    return f"{value:,.0f}"


def stacked_bars(key: str, title: str, days: Sequence[date], series: Sequence[Series]) -> Chart:
    """Bars of one day each, whose parts are the series from bottom to top."""
    top = nice_top(max((sum(_numbers(series, n)) for n in range(len(days))), default=0))
    width = _WIDTH / max(1, len(days))
    parts = [Markup("").join(_pattern(key, one) for one in series)]
    for n, day in enumerate(days):
        parts.append(Markup("<g><title>{}</title>").format(_spoken(day, series, n, whole)))
        base = float(_HEIGHT)
        for one, value in zip(series, _numbers(series, n), strict=True):
            height = _HEIGHT * value / top
            base -= height
            if value:
                box = (n * width + width * _GAP / 2, base, width * (1 - _GAP), height)
                parts.append(_bar(box, f"{key}-{one.key}"))
        parts.append(Markup("</g>"))
    legend = [(_swatch(_bar((0, 0, 24, 16), f"{key}-{one.key}")), one.label) for one in series]
    return _chart(key, title, days, series, Markup("").join(parts), legend, top, whole)


def lines(
    key: str,
    title: str,
    days: Sequence[date],
    series: Sequence[Series],
    text: Callable[[float], str],
    *,
    unit: float = 1,
) -> Chart:
    """Lines over the days, interrupted where there is no value. ``text``: a value in words.

    The scale ends at a round number of ``unit``. Infinite values are drawn at its end.
    """
    finite = [value for one in series for value in one.values if value is not None and math.isfinite(value)]
    top = nice_top(max(finite, default=0) / unit) * unit
    drawn = [part for one in series for part in _line(one, len(days), top)]
    legend = [(_swatch(_path("M0 8H24", one.key)), one.label) for one in series]
    return _chart(key, title, days, series, Markup("").join(drawn), legend, top, text)


def nice_top(highest: float) -> float:
    """The end of a scale: 1, 2 or 5 times a power of ten, not below ``highest``."""
    if highest <= 1:
        return 1
    power = 10.0 ** math.floor(math.log10(highest))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= highest)


def _chart(  # noqa: PLR0917 - the common end of both kinds
    key: str,
    title: str,
    days: Sequence[date],
    series: Sequence[Series],
    drawn: Markup,
    legend: Sequence[tuple[Markup, str]],
    top: float,
    text: Callable[[float], str],
) -> Chart:
    grid = Markup('<path class="grid" d="M0 0H{0}M0 {2}H{0}M0 {1}H{0}"/>').format(_WIDTH, _HEIGHT, _HEIGHT // 2)
    drawing = Markup(
        '<svg class="drawing" role="img" aria-labelledby="chart-{}" viewBox="0 0 {} {}" preserveAspectRatio="none">'
        "{}{}</svg>"
    ).format(key, _WIDTH, _HEIGHT, grid, drawn)
    rows = [
        (day, ["" if (value := one.values[n]) is None else text(value) for one in series]) for n, day in enumerate(days)
    ]
    return Chart(key, title, drawing, legend, text(top), days, rows[::-1])


def _numbers(series: Sequence[Series], day: int) -> list[float]:
    return [max(0.0, one.values[day] or 0.0) for one in series]


def _spoken(day: date, series: Sequence[Series], n: int, text: Callable[[float], str]) -> str:
    numbers = (f"{one.label} {text(one.values[n] or 0)}" for one in series if one.values[n])
    return f"{day_title(day)}: {', '.join(numbers) or 'nothing'}"


def _pattern(key: str, series: Series) -> Markup:
    """The fill of a series: its colour, and marks that distinguish it without colours."""
    marks = {"quarantined": "M0 8L8 0", "rejected": "M0 0L8 8M0 8L8 0", "held": "M4 0V8"}.get(series.key, "")
    return Markup(
        '<defs><pattern id="fill-{0}-{1}" width="8" height="8" patternUnits="userSpaceOnUse">'
        '<rect class="series-{1}" width="8" height="8"/><path class="marks" d="{2}"/></pattern></defs>'
    ).format(key, series.key, marks)


def _bar(box: tuple[float, float, float, float], fill: str) -> Markup:
    x, y, width, height = (f"{number:.2f}" for number in box)
    return Markup('<rect x="{}" y="{}" width="{}" height="{}" fill="url(#fill-{})"/>').format(x, y, width, height, fill)


def _swatch(content: Markup) -> Markup:
    return Markup('<svg class="swatch" viewBox="0 0 24 16" aria-hidden="true">{}</svg>').format(content)


def _line(series: Series, days: int, top: float) -> Iterator[Markup]:
    """A path for each run of days with values; a single day becomes a short stroke."""
    step = _WIDTH / max(1, days)
    for missing, run in groupby(range(days), key=lambda n: series.values[n] is None):
        if missing:
            continue
        points = [(step * (n + 0.5), _HEIGHT * (1 - min(1.0, (series.values[n] or 0.0) / top))) for n in run]
        if len(points) == 1:
            ((x, y),) = points
            points = [(x - step / 4, y), (x + step / 4, y)]
        yield _path("M" + "L".join(f"{x:.2f} {y:.2f}" for x, y in points), series.key)


def _path(way: str, key: str) -> Markup:
    return Markup('<path class="line line-{}" d="{}"/>').format(key, way)
