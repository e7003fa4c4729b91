"""Streams, sinks and views in a notebook: what they are, what they hold, live where that is known.

in      a Stream, or a sink with what it keeps in this process
out     HTML: a table of the first or newest rows, or a small chart where the view is drawn as one;
        inside IPython a display that follows the rows until they rest
safe    names and values are escaped: rows are somebody else's text
limit   ``ROWS_SHOWN`` rows; two new pictures a second; one thread per sink on display, which ends
        when nothing has changed for ``REST_S``
"""

from __future__ import annotations

import sys
import threading
import weakref
from html import escape
from typing import TYPE_CHECKING, Any, Protocol

from millstream.frame.figures import rows_text
from millstream.types.logical import Numeric

if TYPE_CHECKING:
    from collections.abc import Callable

    import polars as pl

    from millstream.connect.live_view import LiveView
    from millstream.frame.sink import Sink
    from millstream.frame.stream import Stream
    from millstream.types import Schema

ROWS_SHOWN = 20
CELL_MAX = 120
EVERY_S = 0.5
REST_S = 600.0
STYLE = (
    "<style>.ms-view{font-family:system-ui,sans-serif;max-width:100%}"
    ".ms-view table{border-collapse:collapse;font-size:13px;font-variant-numeric:tabular-nums}"
    ".ms-view th{text-align:left;font-weight:600;border-bottom:1px solid currentColor}"
    ".ms-view th,.ms-view td{padding:3px 12px 3px 0;white-space:nowrap}"
    ".ms-view th small{display:block;font-weight:400;opacity:.6}"
    ".ms-view .n{text-align:right}.ms-view .null,.ms-note{opacity:.6}"
    ".ms-title{font-weight:600;margin-bottom:6px}.ms-note{font-size:12px;margin-top:6px}"
    ".ms-figures{display:flex;gap:36px}.ms-figure{font-size:34px;font-weight:600}"
    ".ms-legend{display:flex;gap:14px;flex-wrap:wrap;font-size:12px}"
    ".ms-legend i{display:inline-block;width:9px;height:9px;border-radius:2px;margin-right:5px}"
    ".ms-view svg{max-width:100%;height:auto}</style>"
)


class Followed(Protocol):
    """What tells of its changes: a :class:`View` or a :class:`LiveView`."""

    version: int

    def wait(self, version: int, timeout_s: float) -> int:
        """Wait for a newer version."""
        ...


def stream_html(stream: Stream) -> str:
    """Return the columns of a stream, and how its rows are got."""
    rows = "".join(
        f"<tr><td>{escape(f.name)}</td><td>{escape(str(f.type))}</td></tr>" for f in stream.schema
    )
    ways = (
        "A description; nothing has run. See rows with <code>.collect()</code> where it ends, "
        "with <code>.view(&quot;name&quot;).start()</code> where it does not."
    )
    table = f"<table><thead><tr><th>column</th><th>type</th></tr></thead><tbody>{rows}</tbody>"
    return _framed("Stream", f"{table}</table>", ways)


def sink_html(sink: Sink) -> str:
    """Return what a sink keeps here as a table; of one that keeps nothing, where its rows go."""
    node = sink.node
    if sink.view is None:
        said = f"Rows go to {escape(node.table.connector)}; run it with <code>.run()</code>."
        return _framed(sink.name, "", said)
    view = sink.view
    frame, schema = view.frame(), node.input.schema
    if view.updating:
        shown, which = frame.head(ROWS_SHOWN), "first"
    else:
        shown, which = frame.tail(ROWS_SHOWN), "newest"
    total = frame.height if view.updating else view.rows_total
    return _framed(sink.name, rows_html(shown, schema), _caption(shown.height, total, which))


def view_html(live: LiveView) -> str:
    """Return a live view as it is drawn: a chart, or a table."""
    from millstream.frame.inline_chart import inline_chart
    from millstream.serve.charts import chart_of

    info, seen = chart_of(live), live.snapshot()
    drawn = inline_chart(info, seen.frame)
    if drawn is not None:
        return _framed(info.title, drawn, rows_text(seen.frame.height))
    frame = seen.frame
    if info.order is not None and frame.height:
        down = info.order.startswith("-")
        frame = frame.sort(info.order.removeprefix("-"), descending=down, nulls_last=True)
        shown, which = frame.head(ROWS_SHOWN), "first"
    elif live.key is None:
        shown, which = frame.tail(ROWS_SHOWN), "newest"
    else:
        shown, which = frame.head(ROWS_SHOWN), "first"
    table = rows_html(shown, live.schema)
    return _framed(info.title, table, _caption(shown.height, frame.height, which))


def rows_html(frame: pl.DataFrame, schema: Schema) -> str:
    """Return rows as an HTML table; numbers stand on the right."""
    from millstream.columns.text import text_frame

    right = [' class="n"' if isinstance(f.type, Numeric) else "" for f in schema]
    head = "".join(
        f"<th{side}>{escape(f.name)}<small>{escape(str(f.type))}</small></th>"
        for f, side in zip(schema, right, strict=True)
    )
    texts = text_frame(frame, schema).rows() if frame.height else []
    # A loop over rows: at most ROWS_SHOWN of them.
    body = "".join(
        "<tr>" + "".join(_cell(v, side) for v, side in zip(row, right, strict=True)) + "</tr>"
        for row in texts
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def displayed(text: str, drawn: Callable[[], str], followed: Followed | None) -> None:
    """Show HTML in IPython; in a kernel again whenever what is followed has changed.

    IPython calls this, so it is loaded. A terminal of its own would print every new picture.
    """
    show = sys.modules["IPython.display"].display
    if followed is None or "ipykernel" not in sys.modules:
        show(_bundle(drawn(), text), raw=True)
        return
    version = followed.version
    handle = show(_bundle(drawn(), text), raw=True, display_id=True)
    if handle is not None:
        _follow(followed, version, lambda: handle.update(_bundle(drawn(), text), raw=True))


_following: weakref.WeakKeyDictionary[Any, threading.Event] = weakref.WeakKeyDictionary()


def _follow(followed: Followed, version: int, update: Callable[[], None]) -> None:
    """Update in a thread of its own; a newer display of the same rows ends the one before."""
    over = threading.Event()
    if (before := _following.get(followed)) is not None:
        before.set()
    _following[followed] = over

    def run() -> None:
        shown, rested_s = version, 0.0
        while not over.is_set() and rested_s < REST_S:
            newest = followed.wait(shown, 1.0)
            if newest == shown:
                rested_s += 1.0
                continue
            shown, rested_s = newest, 0.0
            update()
            over.wait(EVERY_S)

    threading.Thread(target=run, name="millstream-notebook", daemon=True).start()


def _bundle(html: str, text: str) -> dict[str, str]:
    return {"text/html": html, "text/plain": text}


def _cell(value: str | None, side: str) -> str:
    if value is None:
        return f'<td{side}><span class="null">NULL</span></td>'
    shown = value if len(value) <= CELL_MAX else value[: CELL_MAX - 1] + "…"
    return f"<td{side}>{escape(shown)}</td>"


def _caption(shown: int, total: int, which: str) -> str:
    return rows_text(total) + (f", {which} {shown} shown" if shown < total else "")


def _framed(title: str, inside: str, note: str) -> str:
    return (
        f'{STYLE}<div class="ms-view"><div class="ms-title">{escape(title)}</div>{inside}'
        f'<div class="ms-note">{note}</div></div>'
    )
