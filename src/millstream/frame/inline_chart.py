"""A chart as a small SVG inside a notebook: no library, no script, good on light and dark.

in      how it is drawn, a frame
out     SVG or HTML; None where a table says it better
safe    every text that comes from data is escaped
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from millstream.frame import chart_data
from millstream.frame.chart_data import Bars, Cells, Line, Places
from millstream.frame.figures import short_text

if TYPE_CHECKING:
    import polars as pl

    from millstream.serve.models import ChartInfo

COLOURS = (
    "#6366f1", "#0d9488", "#d97706", "#db2777", "#3b82f6", "#65a30d", "#9333ea", "#64748b",
)  # fmt: skip
WIDTH, HEIGHT = 640, 220
LEFT, RIGHT, TOP, BOTTOM = 56, 12, 10, 24
ROW_PX = 24
NAMES_MAX = 12
LETTERS_MAX = 22
LONG = 1e15
"""Numbers from here on are said with an exponent."""
LEAST = 1e-290
"""What is smaller is nothing, to the eye and to the arithmetic of an axis."""
_TEXT = 'font-size="11" fill="currentColor" fill-opacity="0.7"'


def inline_chart(info: ChartInfo, frame: pl.DataFrame) -> str | None:
    """Return a chart, or None for what is a table."""
    if not frame.height or info.kind == "table":
        return None
    if info.kind == "number" or (info.kind == "line" and info.x is None):
        return _figures(chart_data.figures_of(info, frame))
    if info.x is None or not info.y:
        return None
    match info.kind:
        case "line":
            return _lines(chart_data.lines_of(info, frame))
        case "bar":
            return _upright(chart_data.bars_of(info, frame))
        case "top":
            return _ranking(chart_data.bars_of(info, frame))
        case "heat":
            return _net(chart_data.cells_of(info, frame)) if info.by else None
        case "geo":
            return _map(chart_data.places_of(info, frame))


def number_text(value: float | None) -> str:
    """Return a number in few digits; a dash where there is none."""
    if value is None:
        return "–"
    if value < 0:
        return f"-{number_text(-value)}"
    return f"{value:.3g}" if 0 < value < 100 or value >= LONG else short_text(value)


def nice_steps(low: float, high: float) -> list[float]:
    """Return three to six round numbers from below ``low`` to above ``high``.

    >>> nice_steps(0, 87)
    [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]
    """
    span = max(high / 2 - low / 2, LEAST) * 2 if high > low else abs(high) or 1.0
    exponent = math.floor(math.log10(max(span, LEAST) / 4))
    size = 10.0**exponent
    step = next(size * k for k in (1, 2, 5, 10) if size * k >= span / 4.5)
    first = step * (low // step)
    count = math.ceil((high - first) / step) or 1
    return [round(first + step * k, 3 - exponent) for k in range(count + 1)]


def _figures(figures: Sequence[tuple[str, float | None]]) -> str:
    parts = "".join(
        f'<div><div class="ms-figure">{number_text(value)}</div>'
        f'<div class="ms-note">{escape(name)}</div></div>'
        for name, value in figures
    )
    return f'<div class="ms-figures">{parts}</div>'


def _lines(lines: Sequence[Line]) -> str | None:
    values = [y for line in lines for y in line.ys if y is not None]
    ends = [x for line in lines for x in line.xs]
    if len(ends) < 2 or not values or isinstance(ends[0], str):
        return None
    places = [_place(x) for x in ends]
    steps = nice_steps(min(0.0, *values), max(values))
    first, last = min(places), max(places)
    parts = [_ground(steps)]
    for line, colour in zip(lines, COLOURS, strict=False):
        path = _path(line, first, last, steps)
        parts.append(
            f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="1.6" '
            'stroke-linejoin="round"/>'
        )
    for at, anchor, end in ((LEFT, "start", min(ends)), (WIDTH - RIGHT, "end", max(ends))):
        parts.append(_text(at, HEIGHT - 7, _short(end), anchor))
    names = [line.name for line in lines]
    return _svg("".join(parts), HEIGHT, f"Lines of {', '.join(names)}") + _legend(names)


def _path(line: Line, first: float, last: float, steps: Sequence[float]) -> str:
    span = (last - first) or 1.0
    parts, pen = [], "M"
    # A loop over points: as many as a chart has, at most POINTS_MAX.
    for x, y in zip(line.xs, line.ys, strict=True):
        if y is None:
            pen = "M"
            continue
        across = LEFT + (WIDTH - LEFT - RIGHT) * (_place(x) - first) / span
        parts.append(f"{pen}{across:.1f},{_height(y, steps):.1f}")
        pen = "L"
    return "".join(parts)


def _upright(bars: Bars) -> str | None:
    values = [v for _, column in bars.columns for v in column if v is not None]
    if not values:
        return None
    steps = nice_steps(min(0.0, *values), max(0.0, *values))
    room = (WIDTH - LEFT - RIGHT) / len(bars.names)
    wide = room * 0.76 / len(bars.columns)
    zero = _height(0.0, steps)
    parts = [_ground(steps)]
    for number, (name, column) in enumerate(bars.columns):
        for place, value in enumerate(column):
            if value is None:
                continue
            left = LEFT + room * (place + 0.12) + wide * number
            top = _height(value, steps)
            parts.append(
                f'<rect x="{left:.1f}" y="{min(top, zero):.1f}" width="{wide:.1f}" '
                f'height="{abs(zero - top):.1f}" rx="2" fill="{COLOURS[number % len(COLOURS)]}">'
                f"<title>{escape(bars.names[place])}: {escape(name)} {number_text(value)}</title>"
                "</rect>"
            )
    every = -(-len(bars.names) // NAMES_MAX)
    letters = max(3, int(room * every / 6))
    for place in range(0, len(bars.names), every):
        said = _cut(bars.names[place], letters)
        parts.append(_text(LEFT + room * (place + 0.5), HEIGHT - 7, said, "middle"))
    names = [name for name, _ in bars.columns]
    return _svg("".join(parts), HEIGHT, f"Bars of {', '.join(names)}") + _legend(names)


def _ranking(bars: Bars) -> str | None:
    if not bars.columns:
        return None
    name, column = bars.columns[0]
    most = max((abs(v) for v in column if v is not None), default=0.0) or 1.0
    parts = []
    for place, (label, value) in enumerate(zip(bars.names, column, strict=True)):
        middle = place * ROW_PX + ROW_PX / 2
        wide = 400 * abs(value or 0.0) / most
        parts.append(_text(160, middle + 4, _cut(label, LETTERS_MAX), "end"))
        parts.append(
            f'<rect x="170" y="{middle - 7:.1f}" width="{max(wide, 1):.1f}" height="14" rx="3" '
            f'fill="{COLOURS[0]}"/>'
        )
        parts.append(_text(176 + wide, middle + 4, number_text(value), "start"))
    return _svg("".join(parts), len(bars.names) * ROW_PX + 4, f"Ranking by {name}")


def _net(cells: Cells) -> str | None:
    values = [v for row in cells.rows for v in row if v is not None]
    if not values:
        return None
    low, span = min(values), (max(values) - min(values)) or 1.0
    left = 110
    wide = (WIDTH - left - RIGHT) / len(cells.across)
    parts = []
    for down, row in enumerate(cells.rows):
        parts.append(_text(left - 8, down * ROW_PX + 16, _cut(cells.down[down], 15), "end"))
        for across, value in enumerate(row):
            if value is None:
                continue
            weight = 0.08 + 0.92 * (value - low) / span
            parts.append(
                f'<rect x="{left + across * wide:.1f}" y="{down * ROW_PX + 1}" '
                f'width="{max(wide - 2, 1):.1f}" height="{ROW_PX - 2}" rx="2" '
                f'fill="{COLOURS[0]}" fill-opacity="{weight:.2f}"><title>'
                f"{escape(cells.down[down])}, {escape(cells.across[across])}: "
                f"{number_text(value)}</title></rect>"
            )
    high = len(cells.down) * ROW_PX
    every = -(-len(cells.across) // NAMES_MAX)
    for across in range(0, len(cells.across), every):
        said = _cut(cells.across[across], max(3, int(wide * every / 6)))
        parts.append(_text(left + wide * (across + 0.5), high + 15, said, "middle"))
    return _svg("".join(parts), high + 22, "Heat map")


def _map(places: Places) -> str | None:
    if not places.points:
        return None
    values = [abs(value) for _, _, value in places.points if value is not None]
    most = max(values, default=0.0) or 1.0
    west, east = min(p[0] for p in places.points), max(p[0] for p in places.points)
    south, north = min(p[1] for p in places.points), max(p[1] for p in places.points)
    wide, high = WIDTH - 40, HEIGHT + 60
    parts = []
    for x, y, value in places.points:
        size = 4.0 if value is None else 2 + 12 * (abs(value) / most) ** 0.5
        across = 20 + wide * (x - west) / ((east - west) or 1)
        down = high + 20 - high * (y - south) / ((north - south) or 1)
        parts.append(
            f'<circle cx="{across:.1f}" cy="{down:.1f}" r="{size:.1f}" fill="{COLOURS[0]}" '
            f'fill-opacity="0.55"><title>{y:g}, {x:g}: {number_text(value)}</title></circle>'
        )
    return _svg("".join(parts), high + 40, "Places by longitude and latitude")


def _ground(steps: Sequence[float]) -> str:
    parts = []
    for step in steps:
        at = _height(step, steps)
        parts.append(
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}" '
            'stroke="currentColor" stroke-opacity="0.14"/>'
        )
        parts.append(_text(LEFT - 8, at + 4, number_text(step), "end"))
    return "".join(parts)


def _height(value: float, steps: Sequence[float]) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (value - steps[0]) / (steps[-1] - steps[0])


def _place(x: Any) -> float:
    match x:
        case dt.datetime():
            return x.replace(tzinfo=x.tzinfo or dt.UTC).timestamp()
        case dt.date():
            return float(x.toordinal()) * 86_400
        case _:
            return float(x)


def _short(x: Any) -> str:
    return number_text(float(x)) if isinstance(x, int | float) else chart_data.name_of(x)


def _cut(text: str, letters: int) -> str:
    return text if len(text) <= letters else text[: max(1, letters - 1)] + "…"


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {_TEXT}>{escape(text)}</text>'


def _legend(names: Sequence[str]) -> str:
    if len(names) < 2:
        return ""
    parts = "".join(
        f'<span><i style="background:{colour}"></i>{escape(name)}</span>'
        for name, colour in zip(names, COLOURS, strict=False)
    )
    return f'<div class="ms-legend">{parts}</div>'


def _svg(inside: str, height: float, said: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" '
        f'width="{WIDTH}" role="img" aria-label="{escape(said, quote=True)}" '
        f'font-family="system-ui, sans-serif">{inside}</svg>'
    )
