"""What is drawn: result tables and progress, as rich renderables.

in      views (the newest results) and Progress values
out     renderables; no terminal is touched here
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from millstream.frame.figures import progress_line, rows_text
from millstream.types.logical import Numeric

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import polars as pl

    from millstream.engine.progress import Progress
    from millstream.frame.view import View
    from millstream.types import Schema

CELL_MAX = 60
_RIGHT = (int, float, Decimal)


def cell_text(value: Any) -> str:
    """Return a value as a cell of a table; NULL where there is none."""
    match value:
        case None:
            return "NULL"
        case bool():
            return "true" if value else "false"
        case float():
            return f"{value:.6g}" if abs(value) < 1e15 else repr(value)
        case dt.datetime():
            shown = value.isoformat(sep=" ", timespec="auto")
            return shown.rstrip("0") if "." in shown and value.tzinfo is None else shown
        case bytes():
            return "0x" + value.hex()
        case _:
            return str(value)


def rows_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    title: str | None = None,
    caption: str | None = None,
) -> Group:
    """Return rows as a table; numbers stand on the right.

    Title and caption are lines of their own: rich would wrap them to the width of the table.
    """
    listed = list(rows)
    table = Table(
        box=box.SIMPLE_HEAD,
        show_edge=False,
        header_style="bold cyan",
        pad_edge=False,
    )
    for index, column in enumerate(columns):
        numeric = any(_is_number(row[index]) for row in listed)
        table.add_column(
            Text(column), justify="right" if numeric else "left", no_wrap=True, overflow="ellipsis"
        )
    # A loop over rows: as many as fit a screen.
    for row in listed:
        table.add_row(*(_cell(value) for value in row))
    parts: list[RenderableType] = [] if title is None else [Text(title, style="bold")]
    parts.append(table)
    if caption is not None:
        parts.append(Text(caption, style="dim"))
    return Group(*parts)


WIDE = 10_000
"""The width of a table that goes to a file or a pipe: nothing is cut to a width it has not."""


def print_frame(frame: pl.DataFrame, schema: Schema) -> None:
    """Print rows as a table on standard output, all of them, whole."""
    from millstream.columns.text import text_frame

    if not frame.height:
        print_rows(schema.names, ())
        return
    texts = text_frame(frame, schema).rows()
    numeric = [isinstance(f.type, Numeric) for f in schema]
    print_rows(schema.names, texts, numeric)


def print_rows(
    columns: Sequence[str],
    rows: Sequence[Sequence[str | None]],
    numeric: Sequence[bool] | None = None,
) -> None:
    """Print texts as a table on standard output; on a terminal it is cut to its width."""
    right = numeric or [False] * len(columns)
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold cyan")
    for column, is_number in zip(columns, right, strict=True):
        table.add_column(Text(column), justify="right" if is_number else "left", no_wrap=True)
    for row in rows:
        table.add_row(*(Text("NULL", "dim") if v is None else Text(v) for v in row))
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDE)
    console.print(table)


def view_table(view: View, title: str, rows_max: int) -> Group:
    """Return the newest result: the first rows of an updating one, else the last ones."""
    frame = view.frame()
    rows = view.tail(rows_max)
    hidden = frame.height - len(rows)
    total = view.rows_total
    said = rows_text(frame.height if view.updating else total)
    if hidden > 0:
        said += f", {'first' if view.updating else 'last'} {len(rows)} shown"
    return rows_table(frame.columns or view.columns, rows, title=title, caption=said)


def progress_text(progress: Progress) -> Text:
    """Return the progress line, dimmed."""
    return Text(progress_line(progress), style="dim", no_wrap=True, overflow="ellipsis")


def _is_number(value: Any) -> bool:
    return isinstance(value, _RIGHT) and not isinstance(value, bool)


def _cell(value: Any) -> Text:
    shown = cell_text(value).replace("\n", "⏎")
    if len(shown) > CELL_MAX:
        shown = shown[: CELL_MAX - 1] + "…"
    return Text(shown, style="dim" if value is None else "")
