"""Results as pictures by one call: ``ms.plot(frame)``, ``view.plot()``.

in      a Polars frame, or a sink that keeps its rows here; what of the drawing is said
out     a Figure: shown by notebooks, ``.save("x.png")`` and ``.save("x.svg")`` write it
choice  what is not said is chosen as the dashboard would (:mod:`millstream.serve.charts`)
bad     UnknownName for a column that is not there, PlanError where nothing can be drawn,
        MissingExtra where matplotlib is not installed
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from millstream.columns.physical import logical_schema
from millstream.errors import PlanError, UnknownName
from millstream.frame import chart_data
from millstream.frame.inline_chart import COLOURS, number_text
from millstream.frame.measured_plot import plotter
from millstream.frame.sink import Sink
from millstream.frame.where import here
from millstream.serve.charts import chart
from millstream.types.logical import Numeric

if TYPE_CHECKING:
    from millstream.serve.models import ChartInfo
    from millstream.types import Schema

ENDINGS = (".png", ".svg")
DOTS_PER_INCH = 150
_INCHES = (7.2, 3.8)
_KINDS = ("number", "line", "bar", "heat", "geo", "top")
_SMALL = 9
BARS_MAX = 4
"""Columns drawn side by side, where it was not said which."""


class Figure:
    """A picture of a result.

    >>> import polars as pl, millstream as ms
    >>> ms.plot(pl.DataFrame({"country": ["de", "fr"], "n": [3, 5]}))
    Figure('top', x='country', y=['n'])
    """

    def __init__(self, drawn: Any, info: ChartInfo) -> None:
        self._drawn = drawn
        self._info = info

    def __repr__(self) -> str:
        by = f", by={self._info.by!r}" if self._info.by else ""
        return f"Figure({self._info.kind!r}, x={self._info.x!r}, y={self._info.y!r}{by})"

    def save(self, path: str | Path, *, dpi: int = DOTS_PER_INCH) -> Path:
        """Write it as PNG or SVG, by the ending; returns the path.

        Raises:
            PlanError: for another ending.
        """
        place = Path(path)
        if place.suffix.lower() not in ENDINGS:
            raise PlanError(
                f"'{place.name}' says not what kind of picture it is to be.",
                where=here(),
                hint="End it with .png or .svg.",
            )
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(self._bytes(place.suffix[1:].lower(), dpi))
        return place

    def _repr_svg_(self) -> str:
        return self._bytes("svg", DOTS_PER_INCH).decode()

    def _bytes(self, kind: str, dpi: int) -> bytes:
        out = io.BytesIO()
        metadata = {"Date": None} if kind == "svg" else {}
        with _as_it_is_written():
            self._drawn.savefig(out, format=kind, dpi=dpi, metadata=metadata)
        return out.getvalue()


def plot(
    result: pl.DataFrame | Sink,
    kind: str | None = None,
    *,
    x: str | None = None,
    y: str | Sequence[str] | None = None,
    by: str | None = None,
    title: str | None = None,
) -> Figure:
    """Draw a result; what is left out is chosen by its columns.

    Args:
        result: a Polars frame, or a sink that keeps its rows here (``view``, ``show``,
            ``write_memory``).
        kind: number, line, bar, heat, geo or top.
        x: the column along the axis.
        y: what is drawn, one column or several.
        by: the column that tells lines apart, or the other axis of a heat map.
        title: what stands above it.

    Raises:
        UnknownName: for a kind or a column that is not there.
        PlanError: if nothing there can be drawn.
        MissingExtra: without matplotlib.

    >>> import polars as pl, millstream as ms
    >>> frame = pl.DataFrame({"t": [1, 2, 3], "n": [1.0, 4.0, 2.0]})
    >>> ms.plot(frame, "line", x="t", y="n")
    Figure('line', x='t', y=['n'])
    """
    name, frame, schema, said, key = _taken(result)
    several = [y] if isinstance(y, str) else list(y or ())
    for column in (x, by, *several):
        if column is not None and column not in schema.names:
            raise UnknownName("column", column, available=schema.names, where=here())
    if kind is not None and kind not in _KINDS:
        raise UnknownName("kind of chart", kind, available=_KINDS, where=here())
    given = {"kind": kind, "x": x, "y": several or None, "by": by, "title": title}
    info = _chosen(name, schema, key, said | {k: v for k, v in given.items() if v is not None})
    if not frame.height:
        raise PlanError("There are no rows to draw yet.", where=here())
    with _as_it_is_written():
        return Figure(_drawn(info, frame), info)


Key = tuple[str, ...] | None
_NONE = float("nan")
"""Draws nothing: what is not known is no zero."""


def _as_it_is_written() -> Any:
    """Texts come from data: a ``$`` in them is a dollar and begins no formula."""
    return plotter().rc_context({"text.parse_math": False})


def _taken(result: Any) -> tuple[str, pl.DataFrame, Schema, dict[str, Any], Key]:
    """Return a name, the rows, their columns, what was said of the drawing, and the key."""
    if isinstance(result, pl.DataFrame):
        return "", result, logical_schema(result.schema), {}, None
    if isinstance(result, Sink):
        live = getattr(result, "live", None)
        if live is not None:
            return live.name, live.frame(), live.schema, dict(live.chart), live.key
        return result.name, result.frame(), result.node.input.schema, {}, None
    raise PlanError(
        f"A {type(result).__name__} holds no rows that could be drawn.",
        where=here(),
        hint="Give a Polars frame, as of stream.collect(), or a view.",
    )


def _chosen(name: str, schema: Schema, key: Key, said: dict[str, Any]) -> ChartInfo:
    """Return how it is drawn; rows of a frame have no key, so their names are taken for one."""
    found = chart(name, schema, key, said)
    if found.kind == "table" and key is None:
        numbers = [f.name for f in schema if isinstance(f.type, Numeric)]
        names = tuple(n for n in schema.names if n not in numbers)
        found = chart(name, schema, names or None, said)
        if found.kind == "table" and numbers and names:
            found = chart(name, schema, names[:1], {"kind": "bar", "y": numbers[:BARS_MAX], **said})
    lacks_x = found.kind not in ("number", "line") and found.x is None
    if found.kind == "table" or not found.y or lacks_x or (found.kind == "heat" and not found.by):
        raise PlanError(
            "It cannot be told how these columns are to be drawn.",
            where=here(),
            hint=f"Say it: plot(…, kind='bar', x=…, y=…); there are {', '.join(schema.names)}.",
        )
    return found


def _drawn(info: ChartInfo, frame: pl.DataFrame) -> Any:
    figure = plotter().Figure(figsize=_INCHES, layout="constrained")
    axis = figure.add_subplot()
    match info.kind:
        case "line" if info.x is not None:
            _lines(axis, info, frame)
        case "bar":
            _bars(axis, info, frame)
        case "top":
            _ranking(axis, info, frame)
        case "heat":
            _net(figure, axis, info, frame)
        case "geo":
            _map(axis, info, frame)
        case _:
            _figures(axis, info, frame)
    if info.title:
        axis.set_title(info.title, fontsize=11, loc="left", fontweight="bold")
    return figure


def _lines(axis: Any, info: ChartInfo, frame: pl.DataFrame) -> None:
    lines = chart_data.lines_of(info, frame)
    drawn = []
    for line, colour in zip(lines, COLOURS, strict=False):
        ys = [_NONE if y is None else y for y in line.ys]
        alone = "o" if len(ys) == 1 else None
        drawn += axis.plot(line.xs, ys, color=colour, linewidth=1.6, marker=alone)
    _plain(axis, drawn, [line.name for line in lines])
    axis.set_xlabel(info.x or "")
    if any(isinstance(x, str) for line in lines for x in line.xs[:1]):
        axis.tick_params(axis="x", rotation=30)


def _bars(axis: Any, info: ChartInfo, frame: pl.DataFrame) -> None:
    bars = chart_data.bars_of(info, frame)
    wide = 0.8 / len(bars.columns)
    drawn = []
    for number, (_, column) in enumerate(bars.columns):
        places = [place + wide * (number + 0.5) - 0.4 for place in range(len(bars.names))]
        known = [_NONE if v is None else v for v in column]
        drawn.append(axis.bar(places, known, wide * 0.94, color=COLOURS[number % len(COLOURS)]))
    many = len(bars.names) > _SMALL
    axis.set_xticks(range(len(bars.names)), bars.names, rotation=45 if many else 0,
                    ha="right" if many else "center")  # fmt: skip
    _plain(axis, drawn, [name for name, _ in bars.columns])


def _ranking(axis: Any, info: ChartInfo, frame: pl.DataFrame) -> None:
    bars = chart_data.bars_of(info, frame)
    name, column = bars.columns[0]
    places = range(len(bars.names))
    drawn = axis.barh(places, [v or 0.0 for v in column], 0.7, color=COLOURS[0])
    said = ["–" if v is None else number_text(v) for v in column]
    axis.bar_label(drawn, said, padding=4, fontsize=8)
    axis.set_yticks(places, bars.names)
    axis.invert_yaxis()
    axis.set_xlabel(name)
    _bare(axis, "x")


def _net(figure: Any, axis: Any, info: ChartInfo, frame: pl.DataFrame) -> None:
    cells = chart_data.cells_of(info, frame)
    if not cells.rows:
        raise PlanError("There are no rows to draw: one of the names is always NULL.", where=here())
    values = [[_NONE if v is None else v for v in row] for row in cells.rows]
    drawn = axis.imshow(values, cmap="Purples", aspect="auto")
    axis.set_xticks(range(len(cells.across)), cells.across, rotation=45, ha="right")
    axis.set_yticks(range(len(cells.down)), cells.down)
    axis.set_xlabel(info.x)
    axis.set_ylabel(info.by)
    axis.tick_params(labelsize=8)
    figure.colorbar(drawn, ax=axis, label=info.y[0])


def _map(axis: Any, info: ChartInfo, frame: pl.DataFrame) -> None:
    places = chart_data.places_of(info, frame)
    most = max((abs(v) for _, _, v in places.points if v is not None), default=0.0) or 1.0
    sizes = [20 if v is None else 8 + 240 * abs(v) / most for _, _, v in places.points]
    across, down = [p[0] for p in places.points], [p[1] for p in places.points]
    axis.scatter(across, down, sizes, color=COLOURS[0], alpha=0.55, linewidths=0)
    axis.set_xlabel("longitude")
    axis.set_ylabel("latitude")
    _bare(axis, "both")


def _figures(axis: Any, info: ChartInfo, frame: pl.DataFrame) -> None:
    figures = chart_data.figures_of(info, frame)
    axis.set_axis_off()
    for number, (name, value) in enumerate(figures):
        at = (number + 0.5) / len(figures)
        said = number_text(value) if value is None or abs(value) >= 1e6 else f"{value:,.4g}"
        axis.text(at, 0.55, said, ha="center", va="center", fontsize=34, fontweight="bold",
                  transform=axis.transAxes)  # fmt: skip
        axis.text(at, 0.28, name, ha="center", fontsize=11, color="#5f6978",
                  transform=axis.transAxes)  # fmt: skip


def _plain(axis: Any, drawn: Sequence[Any], names: Sequence[str]) -> None:
    """Say numbers short; name what is drawn where it is more than one."""
    _bare(axis, "y")
    axis.yaxis.set_major_formatter(lambda value, _: number_text(value))
    if len(drawn) > 1:
        # Names are given here: matplotlib leaves out labels that begin with an underscore.
        found = axis.legend(drawn, [" "] * len(drawn), fontsize=8, frameon=False)
        for text, name in zip(found.get_texts(), names, strict=True):
            text.set_text(name)


def _bare(axis: Any, grid: str) -> None:
    axis.grid(visible=True, axis=grid, color="#e2e5ea", linewidth=0.7)
    axis.set_axisbelow(True)
    axis.tick_params(labelsize=8)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)
