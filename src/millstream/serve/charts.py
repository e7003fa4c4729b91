"""How a view is drawn: what its writer said, and for the rest what its columns and key suggest.

in      a view: its schema, its key, and ``chart`` as it was declared (``kind``, ``title``, ``x``,
        ``y`` (names with commas between them), ``by``, ``order``, ``limit``)
out     a :class:`~millstream.serve.models.ChartInfo` that names only columns that are there
choice  by the first that fits: latitude and longitude, a net of degrees; one row, its number;
        a time that tells rows apart, lines over it; one text or id, the first of a ranking; one
        other key, bars in its order; two, a heat map; anything else, a table
bad     what a view said of columns that it does not have is left out, and chosen instead; a kind
        for which it has no columns is a table
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

from millstream import types as t
from millstream.serve.models import ChartInfo, ChartKind
from millstream.types.logical import CharacterString, Numeric

if TYPE_CHECKING:
    from millstream.connect.live_view import LiveView

TOP, BARS_MAX, LINES_MAX, FIGURES_MAX = 10, 48, 4, 4
ROWS_MAX = 10_000
"""Of so many rows a tile may be made; the view's page shows all of them."""
_KINDS: tuple[ChartKind, ...] = get_args(ChartKind)
_LATITUDE, _LONGITUDE = ("lat", "latitude"), ("lon", "lng", "long", "longitude")
_END = "window_end"
_TWO = 2


@dataclass(frozen=True, slots=True)
class _Columns:
    """The columns of a view, by what they can be in a chart."""

    latitude: str | None
    longitude: str | None
    times: list[str]
    """Instants that tell rows apart: those of the key, or of rows that only come."""
    clocks: list[str]
    """Other instants."""
    groups: list[str]
    """Texts and numbers that tell rows apart."""
    named: list[str]
    """Of these, what is a name or an id and has no order of its own."""
    numbers: list[str]
    """Numbers that are measured."""


def chart_of(view: LiveView) -> ChartInfo:
    """Return how a view is drawn."""
    return chart(view.name, view.schema, view.key, view.chart)


def chart(
    name: str, schema: t.Schema, key: tuple[str, ...] | None, said: Mapping[str, Any]
) -> ChartInfo:
    """Return how a view with these columns is drawn.

    >>> schema = t.Schema.of({"country": "STRING", "n": "BIGINT"})
    >>> found = chart("sales_today", schema, ("country",), {})
    >>> found.title, found.kind, found.x, found.y, found.order
    ('Sales today', 'top', 'country', ['n'], '-n')
    >>> chart("sales", schema, ("country",), {"kind": "bar", "title": "By country"}).order
    'country'
    """
    columns = _sorted(schema, key)
    wanted = said.get("kind")
    kind: ChartKind = wanted if wanted in _KINDS else _kind(columns, key)
    chosen = _drawn(kind, columns, key)
    x = _known(said.get("x"), schema) or chosen.x
    y = _several(said.get("y"), schema) or chosen.y
    by = _known(said.get("by"), schema) or chosen.by
    if not _can_be_drawn(kind, x, y, by):
        return chart(name, schema, key, {**said, "kind": "table"})
    order = _order(said.get("order"), schema)
    if order is None:  # the order goes with what was said, not with what would have been chosen
        order = _ordered(kind, x, y, chosen.order)
    limit = _number(said.get("limit"))
    return ChartInfo(
        kind=kind,
        title=str(said.get("title") or _titled(name)),
        x=x,
        y=y,
        by=by,
        order=order,
        limit=chosen.limit if limit is None else limit,
    )


def _kind(columns: _Columns, key: tuple[str, ...] | None) -> ChartKind:
    numbers = columns.numbers
    if columns.latitude and columns.longitude:
        return "geo"
    if key == () and numbers:
        return "number"
    if columns.times and numbers and len(columns.groups) < _TWO:
        return "line"
    if key and not columns.times and len(numbers) == 1:
        if len(columns.groups) == 1:
            return "top" if columns.named else "bar"
        if len(columns.groups) == _TWO:
            return "heat"
    return "table"


def _drawn(kind: ChartKind, columns: _Columns, key: tuple[str, ...] | None) -> ChartInfo:
    """Return a chart of this kind, as far as there are columns for it."""
    groups, numbers = columns.groups, columns.numbers
    times = [*columns.times, *columns.clocks]
    x = by = limit = None
    y = numbers[:1]
    match kind:
        case "number":
            y = numbers[:FIGURES_MAX]
        case "geo":
            x, by = columns.longitude, _first([*columns.named, *groups])
            y = [name for name in (columns.latitude, *numbers[:1]) if name]
        case "line":
            # What changes in place has no past of its own: its readers keep one, without an x.
            x = _END if _END in columns.times else _first(columns.times)
            by = _first(groups)
            y = numbers[: 1 if by else LINES_MAX]
        case "top":
            x, limit = _first([*groups, *times]), TOP
        case "bar":
            x, limit = _first([*groups, *times]), BARS_MAX
        case "heat":
            both = [*groups, *times]
            x, by = _first(both), _first(both[1:])
        case "table":
            y = []
            if key is None and times:
                return ChartInfo(kind=kind, title="", order=f"-{times[0]}")
    return ChartInfo(kind=kind, title="", x=x, y=y, by=by, limit=limit)


def _can_be_drawn(kind: ChartKind, x: str | None, y: list[str], by: str | None) -> bool:
    """Return whether there is a column for all that a tile of this kind cannot do without."""
    match kind:
        case "line":
            return bool(y)
        case "top" | "bar" | "geo":
            return x is not None and bool(y)
        case "heat":
            return x is not None and by is not None and bool(y)
        case _:
            return True


def _ordered(kind: ChartKind, x: str | None, y: list[str], chosen: str | None) -> str | None:
    """Return which rows are the ones to be drawn, where there are more than fit."""
    match kind:
        case "line":
            return None if x is None else f"-{x}"
        case "top" | "heat":
            return f"-{y[0]}" if y else None
        case "geo":
            return f"-{y[1]}" if len(y) > 1 else None
        case "bar":
            return x
        case "number":
            return None if x is None else f"-{x}"
        case _:
            return chosen


def _sorted(schema: t.Schema, key: tuple[str, ...] | None) -> _Columns:
    names = {f.name.lower(): f.name for f in schema}
    latitude = next((names[n] for n in _LATITUDE if n in names), None)
    longitude = next((names[n] for n in _LONGITUDE if n in names), None)
    if latitude is None or longitude is None:  # half a place is a number like others
        latitude = longitude = None
    found = _Columns(latitude, longitude, [], [], [], [], [])
    for field in schema:
        name, tells = field.name, key is None or field.name in key
        if name in (latitude, longitude):
            continue
        if isinstance(field.type, t.Timestamp | t.TimestampLtz | t.Date):
            (found.times if tells else found.clocks).append(name)
        elif isinstance(field.type, Numeric) and not (key and name in key):
            found.numbers.append(name)
        elif isinstance(field.type, CharacterString):
            if tells:
                found.groups.append(name)
                found.named.append(name)
        elif isinstance(field.type, Numeric | t.Boolean) and tells:
            found.groups.append(name)
            if name.lower() == "id" or name.lower().endswith("_id"):
                found.named.append(name)
    return found


def _known(name: object, schema: t.Schema) -> str | None:
    return name if isinstance(name, str) and name in schema.names else None


def _several(said: object, schema: t.Schema) -> list[str]:
    names = said.split(",") if isinstance(said, str) else said
    if not isinstance(names, list | tuple):
        return []
    return [name.strip() for name in names if str(name).strip() in schema.names]


def _order(said: object, schema: t.Schema) -> str | None:
    return str(said) if said and str(said).removeprefix("-") in schema.names else None


def _number(said: object) -> int | None:
    text = str(said)
    return min(int(text), ROWS_MAX) if text.isdecimal() and int(text) else None


def _titled(name: str) -> str:
    text = name.replace("_", " ").strip()
    return text[:1].upper() + text[1:]


def _first(names: list[str]) -> str | None:
    return names[0] if names else None
