"""What a chart draws, taken out of a frame: lines, bars, cells or points.

in      how it is drawn (:class:`~millstream.serve.models.ChartInfo`), a frame with its columns
out     plain numbers and texts, sorted and cut as the chart says
limit   bars, cells, places: what is beyond is left out. Of a line of more than ``POINTS_MAX``
        points the lowest and the highest of each run of neighbours stay: its shape and every peak
gaps    NULL, NaN and infinity are gaps, or are left out
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

if TYPE_CHECKING:
    from millstream.serve.models import ChartInfo

LINES_MAX, POINTS_MAX = 8, 2_000
BARS_MAX = 48
CELLS_MAX = 40
PLACES_MAX = 2_000


@dataclass(frozen=True, slots=True)
class Line:
    """A line by its name; ``xs`` grow, a gap in ``ys`` is None."""

    name: str
    xs: tuple[Any, ...]
    ys: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Bars:
    """Bars side by side: a name for each place, and numbers per column."""

    names: tuple[str, ...]
    columns: tuple[tuple[str, tuple[float | None, ...]], ...]


@dataclass(frozen=True, slots=True)
class Cells:
    """A net of numbers: ``rows[i][j]`` is that of ``down[i]`` and ``across[j]``."""

    across: tuple[str, ...]
    down: tuple[str, ...]
    rows: tuple[tuple[float | None, ...], ...]


@dataclass(frozen=True, slots=True)
class Places:
    """Points of a map: longitude, latitude and what is measured there (None = nothing is)."""

    points: tuple[tuple[float, float, float | None], ...]


def lines_of(info: ChartInfo, frame: pl.DataFrame) -> tuple[Line, ...]:
    """Return one line per column, or per value of ``by``."""
    assert info.x is not None, "a line has something along its axis"
    chosen = _chosen(info, frame).drop_nulls(info.x).sort(info.x, maintain_order=True)
    if info.by is None or not info.y:
        return tuple(_line(name, info.x, name, chosen) for name in info.y[:LINES_MAX])
    groups = chosen.partition_by(info.by, maintain_order=True)
    # A loop over lines, not rows: the ones with most points are drawn.
    groups = sorted(groups, key=lambda g: -g.height)[:LINES_MAX]
    named = [(name_of(group[info.by][0]), group) for group in groups]
    return tuple(_line(name, info.x, info.y[0], group) for name, group in sorted(named, key=_name))


def bars_of(info: ChartInfo, frame: pl.DataFrame) -> Bars:
    """Return bars in the order of the chart."""
    assert info.x is not None, "a bar has a name"
    chosen = _chosen(info, frame).head(BARS_MAX)
    names = tuple(name_of(value) for value in chosen[info.x])
    return Bars(names, tuple((y, tuple(_numbers(chosen[y]))) for y in info.y))


def cells_of(info: ChartInfo, frame: pl.DataFrame) -> Cells:
    """Return a net over two columns; of what comes twice the last one counts."""
    assert info.x is not None, "a net has columns"
    assert info.by is not None, "a net has rows"
    chosen = _chosen(info, frame).drop_nulls([info.x, info.by])
    across = chosen[info.x].unique().sort().head(CELLS_MAX).to_list()
    down = chosen[info.by].unique().sort().head(CELLS_MAX).to_list()
    numbers = _numbers(chosen[info.y[0]])
    known = dict(zip(zip(chosen[info.by], chosen[info.x], strict=True), numbers, strict=True))
    rows = tuple(tuple(known.get((one, other)) for other in across) for one in down)
    return Cells(tuple(map(name_of, across)), tuple(map(name_of, down)), rows)


def places_of(info: ChartInfo, frame: pl.DataFrame) -> Places:
    """Return points; ``x`` is the longitude, the first of ``y`` the latitude."""
    assert info.x is not None, "a place has a longitude"
    latitude, *measured = info.y
    chosen = _chosen(info, frame)
    at = pl.DataFrame({"x": _numbers(chosen[info.x]), "y": _numbers(chosen[latitude])})
    value = _numbers(chosen[measured[0]]) if measured else pl.lit(None)
    found = at.with_columns(value=value).drop_nulls(["x", "y"]).head(PLACES_MAX)
    return Places(tuple(found.rows()))


def figures_of(info: ChartInfo, frame: pl.DataFrame) -> tuple[tuple[str, float | None], ...]:
    """Return the numbers of the one row, or of the newest one."""
    chosen = _chosen(info, frame)
    names = info.y or [name for name, kind in frame.schema.items() if kind.is_numeric()][:1]
    if not chosen.height:
        return tuple((name, None) for name in names)
    at = 0 if info.order is not None else -1
    return tuple((name, _numbers(chosen[name])[at]) for name in names)


def name_of(value: Any) -> str:
    """Return a value as the name of a bar or a line."""
    match value:
        case None:
            return "NULL"
        case dt.datetime():
            return value.strftime("%Y-%m-%d %H:%M:%S").removesuffix(" 00:00:00")
        case bool():
            return "true" if value else "false"
        case _:
            return str(value)


def _chosen(info: ChartInfo, frame: pl.DataFrame) -> pl.DataFrame:
    """Return the rows that are drawn: the first by the order of the chart."""
    if info.order is not None:
        down = info.order.startswith("-")
        column = info.order.removeprefix("-")
        frame = frame.sort(column, descending=down, nulls_last=True, maintain_order=True)
    return frame if info.limit is None else frame.head(info.limit)


def _line(name: str, x: str, y: str, frame: pl.DataFrame) -> Line:
    drawn = frame.select(pl.col(x).alias("x"), _numbers(frame[y]).alias("y"))
    if drawn.schema["x"] == pl.Duration:
        drawn = drawn.with_columns(x=pl.col("x").dt.total_microseconds() / 1e6)
    drawn = _thinned(drawn)
    return Line(name, tuple(drawn["x"]), tuple(drawn["y"]))


def _thinned(points: pl.DataFrame) -> pl.DataFrame:
    """Return at most ``POINTS_MAX`` points: the lowest and the highest of each run."""
    run = -(-points.height // (POINTS_MAX // 2))
    if run <= 2:
        return points.tail(POINTS_MAX)
    runs = points.group_by(pl.int_range(pl.len()) // run, maintain_order=True)
    lowest, highest = pl.col("y").arg_min(), pl.col("y").arg_max()
    # A run without a number is a gap: it keeps its first point.
    ends = runs.agg(low=lowest.fill_null(0), high=highest.fill_null(0)).with_row_index("run")
    starts = pl.col("run").cast(pl.Int64) * run
    places = pl.concat([ends.select(starts + pl.col(end)).to_series() for end in ("low", "high")])
    return points[places.unique().sort()]


def _numbers(column: pl.Series) -> pl.Series:
    found = column.cast(pl.Float64, strict=False)
    return found.set(~found.is_finite(), None)


def _name(named: tuple[str, Any]) -> str:
    return named[0]
