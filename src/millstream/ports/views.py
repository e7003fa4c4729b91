"""What may be said of a live view: in WITH of CREATE MATERIALIZED VIEW, or in ``stream.view``.

in      options as texts, or Python's values; the columns of the query
out     :class:`ViewOptions`
bad     UnknownName for an option or a column that is not there, OptionError for a wrong value
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from millstream.errors import OptionError, UnknownName
from millstream.plan.materialize import ROWS_MAX
from millstream.ports.options import read_options
from millstream.settings import option

if TYPE_CHECKING:
    from millstream.types import Schema

CHART_KINDS = ("number", "line", "bar", "heat", "geo", "table", "top")


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewOptions:
    """The options of a view."""

    key: Any = option(
        "key",
        "The columns a row is known by, with commas between: the newest row of each key stands. "
        "Without it that is the key of the query's results, if they change.",
        default=None,
        kind="any",
    )
    rows_max: int = option(
        "rows-max", "Beyond so many the rows written longest ago go.", default=ROWS_MAX, kind="int"
    )
    ttl_ms: int = option(
        "ttl", "A row not written for so long goes; 0 = never.", default=0, kind="duration_ms"
    )
    chart_kind: str | None = option(
        "chart.kind", f"How it is drawn: {', '.join(CHART_KINDS)}.", default=None
    )
    chart_x: str | None = option("chart.x", "The column along the axis.", default=None)
    chart_y: str | None = option("chart.y", "What is drawn: columns, by comma.", default=None)
    chart_by: str | None = option("chart.by", "The column that tells lines apart.", default=None)
    chart_title: str | None = option("chart.title", "What stands above it.", default=None)
    chart_order: str | None = option(
        "chart.order", "A column to sort by, with '-' before it the largest first.", default=None
    )
    chart_limit: int | None = option(
        "chart.limit", "Only the first so many rows are drawn.", default=None, kind="int"
    )

    @property
    def chart(self) -> dict[str, str]:
        """What is said of the drawing."""
        said = {
            "kind": self.chart_kind,
            "x": self.chart_x,
            "y": self.chart_y,
            "by": self.chart_by,
            "title": self.chart_title,
            "order": self.chart_order,
            "limit": None if self.chart_limit is None else str(self.chart_limit),
        }
        return {name: value for name, value in said.items() if value is not None}

    @property
    def key_columns(self) -> tuple[str, ...] | None:
        """The key that was said, if one was."""
        return None if self.key is None else _columns(self.key)


def view_options(given: Mapping[str, Any], schema: Schema, *, owner: str) -> ViewOptions:
    """Read and check options; ``owner`` names the view in messages."""
    found = read_options(ViewOptions, given, owner=owner)
    said = {
        "key column": found.key_columns or (),
        "column": (
            *_columns(found.chart_x or ""),
            *_columns(found.chart_y or ""),
            *_columns(found.chart_by or ""),
            *_columns((found.chart_order or "").removeprefix("-")),
        ),
    }
    for what, names in said.items():
        for name in names:
            if name not in schema:
                raise UnknownName(what, name, available=schema.names, where=owner)
    if found.chart_kind is not None and found.chart_kind not in CHART_KINDS:
        raise UnknownName("kind of chart", found.chart_kind, available=CHART_KINDS, where=owner)
    for name, value in (("rows-max", found.rows_max), ("chart.limit", found.chart_limit)):
        if value is not None and value < 1:
            wrong = OptionError(
                f"The option '{name}' cannot be {value}.", where=owner, hint="It is 1 or more."
            )
            wrong.option = name
            raise wrong
    return found


def _columns(said: Any) -> tuple[str, ...]:
    if isinstance(said, str):
        return tuple(part.strip() for part in re.split("[,;]", said) if part.strip())
    return tuple(said)
