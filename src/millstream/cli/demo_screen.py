"""The live screen of ``millstream demo``.

in      the demo's views and the pipeline's progress
out     one renderable that fills the terminal, redrawn a few times a second
"""

from __future__ import annotations

import datetime as dt
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich import box
from rich.align import Align
from rich.console import Group, RenderableType
from rich.layout import Layout
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from millstream.cli.demo_flights import DEPARTURES
from millstream.frame.figures import bytes_text, count_text, seconds_text, short_text

if TYPE_CHECKING:
    from millstream.cli.demo_flights import Flights
    from millstream.engine.progress import Progress
    from millstream.frame.sink import Sink

BARS = "▁▂▃▄▅▆▇█"
RATES_KEPT = 60
AIRLINES = {
    "9E": "Endeavor", "AA": "American", "AS": "Alaska", "B6": "JetBlue", "DL": "Delta",
    "EV": "ExpressJet", "F9": "Frontier", "FL": "AirTran", "HA": "Hawaiian", "MQ": "Envoy",
    "OO": "SkyWest", "UA": "United", "US": "US Airways", "VX": "Virgin America",
    "WN": "Southwest", "YV": "Mesa",
}  # fmt: skip
HEADER_LINES, SPARK_DAYS_MAX = 6, 90
AIRLINE_COLUMNS_WIDE, ALERT_COLUMNS_WIDE, HEADER_WIDE = 44, 44, 130
"""The widths from which there is room for bars, for the date, for the figures on one line."""
GOOD_MIN, BAD_MIN = 10.0, 25.0
"""Mean delays up to the first are green, from the second on red."""


def sparkline(values: Sequence[float], *, low: float | None = None) -> str:
    """Return values as a row of little bars.

    >>> sparkline([0, 1, 2, 7])
    '▁▂▃█'
    """
    if not values:
        return ""
    least = min(values) if low is None else low
    span = max(max(values) - least, 1e-9)
    top = len(BARS) - 1
    return "".join(
        BARS[round((min(max(v, least), least + span) - least) / span * top)] for v in values
    )


class Screen:
    """What the demo shows; keeps the rates of the last looks, nothing else."""

    def __init__(self, flights: Flights, pace: str) -> None:
        self._flights = flights
        self._pace = pace
        self._rates: deque[float] = deque(maxlen=RATES_KEPT)

    def draw(self, progress: Progress, width: int, height: int) -> RenderableType:
        """Return the whole screen for a terminal of this size."""
        self._rates.append(progress.rows_per_s)
        body = max(12, height - HEADER_LINES - 1)
        upper = max(7, min(body // 2, 14))
        lower = body - upper
        inner = width // 2 - 4
        header = HEADER_LINES if width >= HEADER_WIDE else HEADER_LINES + 1
        layout = Layout()
        layout.split_column(
            Layout(self._header(progress), size=header),
            Layout(name="upper", size=upper),
            Layout(name="lower", size=lower),
            Layout(Text(" Ctrl-C ends the demo", style="dim"), size=1),
        )
        layout["upper"].split_row(
            _panel("Airports by day, minutes (tumbling)", self._airports(inner), "cyan"),
            _panel(
                "Airlines in seven days, minutes (hopping)",
                self._airlines(inner, upper - 3),
                "cyan",
            ),
        )
        layout["lower"].split_row(
            _panel(
                "Worst routes so far, minutes",
                self._routes(lower - 3),
                "magenta",
            ),
            _panel("Unusual delays, by airline's rule", self._alerts(inner, lower - 3), "yellow"),
        )
        return layout

    def _header(self, p: Progress) -> Panel:
        done = p.rows_in / DEPARTURES
        at = _event_time(p.watermark_ms, done)
        title = Table.grid(expand=True)
        title.add_column(ratio=1)
        title.add_column(justify="right")
        title.add_row(
            Text.assemble(
                ("Departures from New York ", "bold"),
                (at, "bold green"),
                ("  " + self._pace, "dim"),
                no_wrap=True,
            ),
            Text(f"{count_text(p.rows_in)} of {count_text(DEPARTURES)}", style="bold"),
        )
        bar = Table.grid(expand=True)  # by itself a bar does not end its line
        bar.add_row(ProgressBar(total=1.0, completed=min(done, 1.0), complete_style="green"))
        rates = Text(sparkline(list(self._rates), low=0.0), style="green")
        return Panel(
            Group(title, bar, self._figures(p), rates),
            box=box.ROUNDED,
            title="Millstream",
            title_align="left",
            border_style="blue",
        )

    def _figures(self, p: Progress) -> Text:
        lag_s = (p.rows_waiting or 0) / p.rows_per_s if p.rows_per_s > 0 else 0.0
        pairs = [
            ("rate", f"{short_text(p.rows_per_s)}/s"),
            ("lag", seconds_text(lag_s)),
            ("watermark", _event_time(p.watermark_ms, p.rows_in / DEPARTURES)),
            ("state", f"{bytes_text(p.state_bytes)}, {short_text(p.state_rows)} rows"),
            ("written", count_text(p.rows_out)),
            ("late", count_text(p.rows_late)),
            ("rejected", count_text(p.rows_rejected)),
        ]
        parts = [Text.assemble((f"{name} ", "dim"), (value, "bold")) for name, value in pairs]
        return Text("   ").join(parts)

    def _airports(self, width: int) -> RenderableType:
        frame = _frame(self._flights.by_origin)
        table = _table("airport", "flights>", "mean>", "worst>", "cancelled>")
        if frame is None:
            return table
        days_shown = max(7, min(SPARK_DAYS_MAX, width - 5))
        rows = frame.tail(3 * days_shown).to_dicts()
        lines: list[Text] = []
        # A loop over rows: three airports and the days of a sparkline.
        for origin in sorted({r["origin"] for r in rows}):
            days = [r for r in rows if r["origin"] == origin]
            last = days[-1]
            table.add_row(
                Text(origin, style="bold"),
                count_text(last["flights"]),
                _minutes(last["mean_delay"]),
                _plain_minutes(last["worst_delay"]),
                str(last["cancelled"]),
            )
            line = sparkline([r["mean_delay"] or 0.0 for r in days])
            lines.append(Text.assemble((f"{origin} ", "bold"), (line, "cyan")))
        return Group(table, Text("mean delay, day by day", style="dim"), *lines)

    def _airlines(self, width: int, rows_max: int) -> Table:
        frame = _frame(self._flights.by_carrier)
        longest = min(40, width - AIRLINE_COLUMNS_WIDE)
        more = ("over 15 min late",) if longest >= 16 else ()
        table = _table("airline", "flights>", "mean>", "late>", *more)
        if frame is None:
            return table
        newest = frame["window_end"].max()
        rows = [r for r in frame.tail(200).to_dicts() if r["window_end"] == newest]
        rows.sort(key=lambda r: -(r["mean_delay"] or 0.0))
        for r in rows[:rows_max]:
            share = r["late_share"] or 0.0
            name = f" {AIRLINES.get(r['carrier'])}" if width >= AIRLINE_COLUMNS_WIDE else ""
            bar = Text("█" * round(share * longest), style="red" if share > 0.3 else "cyan")
            table.add_row(
                Text.assemble((r["carrier"], "bold"), (name, "dim")),
                count_text(r["flights"]),
                _minutes(r["mean_delay"]),
                f"{share:.0%}",
                *((bar,) if more else ()),
            )
        return table

    def _routes(self, rows_max: int) -> Table:
        frame = _frame(self._flights.routes)
        table = _table("#>", "route", "flights>", "mean>", "worst>")
        if frame is None:
            return table
        worst = frame.sort("mean_delay", descending=True).head(rows_max).to_dicts()
        for place, r in enumerate(worst, 1):
            table.add_row(
                str(place), Text(f"{r['origin']} → {r['dest']}", style="bold"),
                count_text(r["flights"]), _minutes(r["mean_delay"]),
                _plain_minutes(r["worst_delay"]),
            )  # fmt: skip
        return table

    def _alerts(self, width: int, rows_max: int) -> RenderableType:
        frame = _frame(self._flights.alerts)
        wide = width >= ALERT_COLUMNS_WIDE
        table = _table(*(("scheduled",) if wide else ()), "flight", "route", "late>")
        if frame is None:
            return Align.center(Text("none so far", style="dim"), vertical="middle")
        for r in reversed(frame.tail(rows_max).to_dicts()):
            table.add_row(
                *((f"{r['scheduled']:%d %b %H:%M}",) if wide else ()),
                Text(f"{r['carrier']} {r['flight']}", style="bold"),
                f"{r['origin']} → {r['dest']}",
                Text(seconds_text(r["dep_delay"] * 60), style="yellow"),
            )
        return table


def _frame(sink: Sink) -> Any:
    """Return a sink's rows, or None while there are none."""
    frame = sink.frame()
    return frame if frame.height else None


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(
            column.removesuffix(">"),
            justify="right" if column.endswith(">") else "left",
            no_wrap=True,
        )
    return table


def _panel(title: str, content: RenderableType, colour: str) -> Layout:
    return Layout(
        Panel(content, title=title, title_align="left", border_style=colour, box=box.ROUNDED)
    )


def _minutes(value: float | None) -> Text:
    """Return a mean delay in minutes, coloured by how bad it is."""
    if value is None:
        return Text("-", style="dim")
    style = "green" if value <= GOOD_MIN else "red" if value >= BAD_MIN else "yellow"
    return Text(f"{value:+.1f}", style=style)


def _plain_minutes(value: int | None) -> str:
    return "-" if value is None else str(value)


def _event_time(watermark_ms: int | None, done: float) -> str:
    if watermark_ms is None:
        return "the year is over" if done >= 1 else "starting (the first run compiles kernels) …"
    return f"{dt.datetime.fromtimestamp(watermark_ms / 1000, dt.UTC):%a %d %b %Y %H:%M}"
