"""What ``millstream top`` draws: jobs, the steps of one of them, alerts.

in      values of the API (:mod:`millstream.serve.models`), the size of the screen, which job
out     renderables for rich; nothing is asked or printed here
limit   as many jobs, steps and alerts as there are lines; what is left out is counted
safe    names and failures may be somebody's text: what would command the terminal is replaced
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from millstream.frame.figures import (
    bytes_text,
    count_text,
    instant_text,
    lag_text,
    seconds_text,
    short_text,
)
from millstream.serve.models import AlertInfo, JobInfo, OperatorInfo, PlanGraph

BAR_CELLS = 10
ALERTS_SHOWN = 5
SPARK = "▁▂▃▄▅▆▇█"
SPARK_POINTS = 30
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_ALIVE = ("running", "restarting")
_STATE_STYLES = {
    "running": "green",
    "paused": "yellow",
    "restarting": "bold yellow",
    "stopping": "yellow",
    "completed": "dim",
    "stopped": "dim",
    "failed": "bold red",
}
_SEVERITY_STYLES = {"critical": "bold red", "warning": "yellow", "info": "cyan"}
_MARKS = {"source": "▸", "step": "·", "sink": "■"}

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Seen:
    """One look at a server.

    graphs   plans by job; ``rates``: rows in a second over the last minute, by job
    silent_s  so long the server has not answered; what is here is from before
    """

    address: str
    at_ms: int
    jobs: tuple[JobInfo, ...]
    graphs: dict[str, PlanGraph] = field(default_factory=dict)
    rates: dict[str, tuple[float | None, ...]] = field(default_factory=dict)
    alerts: tuple[AlertInfo, ...] = ()
    silent_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Size:
    """The room there is; ``lines`` None: as many as are needed, for a pipe."""

    columns: int
    lines: int | None = None


@dataclass(frozen=True, slots=True)
class _Rooms:
    """How many jobs, alerts and steps are shown; None: all."""

    jobs: int | None = None
    alerts: int | None = None
    steps: int | None = None


def screen(seen: Seen, chosen: int, size: Size, *, keys: bool = True) -> Group:
    """Return the whole picture; ``chosen`` is the job whose steps are shown."""
    parts: list[RenderableType] = [_head(seen), Text()]
    if not seen.jobs:
        parts.append(Text("No job runs on this server.", style="dim"))
        return Group(*parts)
    several = len(seen.jobs) > 1
    chosen = min(chosen, len(seen.jobs) - 1)
    job = seen.jobs[chosen]
    trouble = _trouble(job)
    alerts = [a for a in seen.alerts if a.state != "resolved"]
    rooms = _rooms(size, len(seen.jobs), len(trouble), len(alerts))
    parts += _jobs(seen, chosen if several else None, size, rooms.jobs)
    parts += [Text(), _facts(job), *trouble]
    graph = seen.graphs.get(job.name)
    if graph is not None and rooms.steps != 0:
        parts += [Text(), *_steps(graph.operators, seen.at_ms, size, rooms.steps)]
    if alerts and rooms.alerts != 0:
        parts += [Text(), *_alerts(alerts, seen.at_ms, size, rooms.alerts)]
    if keys:
        parts += [Text(), _keys(several)]
    return Group(*parts)


def _rooms(size: Size, jobs: int, trouble: int, alerts: int) -> _Rooms:
    """Divide the lines: half of them for jobs, then alerts (the head counts them), then steps."""
    if size.lines is None:
        return _Rooms()
    left = size.lines - 8 - trouble  # head, titles of the jobs, facts, keys, blanks before them
    shown = min(jobs, max(1, left // 2))
    left -= shown + (jobs > shown)
    told = max(0, min(alerts, ALERTS_SHOWN, left // 2 - 3))  # as much again is for the steps
    if told:
        left -= 3 + told + (alerts > told)
    return _Rooms(shown, told, max(0, left - 4))


def _jobs(seen: Seen, chosen: int | None, size: Size, room: int | None) -> list[RenderableType]:
    """Return those around the chosen one, as many as there is room for."""
    count = len(seen.jobs)
    if room is None or room >= count:
        return [jobs_table(seen, chosen, size)]
    first = max(0, min((chosen or 0) - room // 2, count - room))
    shown = replace(seen, jobs=seen.jobs[first : first + room])
    table = jobs_table(shown, None if chosen is None else chosen - first, size)
    return [table, *_left_out(count - room, "jobs")]


def jobs_table(seen: Seen, chosen: int | None, size: Size) -> Table:
    """Return the jobs, one a line."""

    def name(job: JobInfo) -> Text:
        text = Text(job.name, style="bold")
        if chosen is None:
            return text
        return Text("› " if seen.jobs[chosen] is job else "  ").append_text(text)

    columns: list[Column[JobInfo]] = [
        Column("job", name, flexible=True),
        Column("state", lambda j: Text(j.state, style=_STATE_STYLES[j.state]), columns_min=72),
        Column("rows in/s", lambda j: Text(short_text(j.rows_in_per_s)), right=True),
        Column(
            "rows out/s", lambda j: Text(short_text(j.rows_out_per_s)), right=True, columns_min=84
        ),
        Column("last half minute", lambda j: _past(seen, j), columns_min=180),
        Column("lag", lambda j: Text(lag_text(j.lag_ms)), right=True, columns_min=64),
        Column("p50", lambda j: _latency(j.latency_p50_ms), right=True, columns_min=112),
        Column("p99", lambda j: _latency(j.latency_p99_ms), right=True, columns_min=84),
        Column("busy", lambda j: bar(j.busy, _bar_cells(size))),
        Column("held back", lambda j: _share(j.pressure), right=True, columns_min=128),
        Column("memory", _memory, right=True, columns_min=136),
        Column("state", lambda j: _bytes(j.state_bytes), right=True, columns_min=148),
        Column("late", lambda j: _counted(j.rows_late, "yellow"), right=True, columns_min=104),
        Column("rejected", lambda j: _counted(j.rows_rejected, "red"), right=True),
    ]
    return _table(columns, seen.jobs, size, lambda j: "" if j.state in _ALIVE else "dim")


def bar(share: float, cells: int = BAR_CELLS) -> Text:
    """Return a share as a bar with its percents; red where little is left."""
    full = min(cells, round(share * cells))
    style = "red" if share >= 0.9 else "yellow" if share >= 0.7 else "green"
    text = Text("━" * full, style=style)
    text.append("─" * (cells - full), style="bright_black")
    return text.append(f" {share:>4.0%}")


def sparkline(values: Sequence[float | None]) -> str:
    """Return a line of bars from zero to the largest; a gap is a blank.

    >>> sparkline([0, 4, None, 8])
    '▁▅ █'
    """
    shown = values[-SPARK_POINTS:]
    most = max((v for v in shown if v is not None), default=0.0)
    top = len(SPARK) - 1
    return "".join(
        " " if v is None else SPARK[round(top * v / most + 1e-9) if most > 0 else 0] for v in shown
    )


def _head(seen: Seen) -> Text:
    text = Text("millstream top", style="bold cyan", no_wrap=True, overflow="ellipsis")
    firing = [a for a in seen.alerts if a.state == "firing" and not a.silenced]
    if firing:
        worst = "critical" if any(a.severity == "critical" for a in firing) else "warning"
        count = "1 alert fires" if len(firing) == 1 else f"{len(firing)} alerts fire"
        text.append(f"  {count}", style=_SEVERITY_STYLES[worst])
    if seen.silent_s:
        text.append(f"  no answer for {seconds_text(seen.silent_s)}", style="bold red")
    return text.append(f"  {seen.address}  {instant_text(seen.at_ms)} UTC", style="dim")


def _facts(job: JobInfo) -> Text:
    text = Text(job.name, style="bold")
    said = [
        f"up {seconds_text(job.elapsed_s)}",
        "exactly once" if job.exactly_once else "at least once",
        f"{count_text(job.rows_in)} in, {count_text(job.rows_out)} out",
    ]
    if job.checkpoint is not None:
        last = job.checkpoint
        took = "" if last.took_ms is None else f"{seconds_text(last.took_ms / 1000)}, "
        said.append(
            f"checkpoint {last.number} at {instant_text(last.at_ms)[11:]}"
            f" ({took}{bytes_text(last.bytes)})"
        )
    elif job.checkpoint_dir is None:
        said.append("no checkpoints")
    if job.restarts:
        said.append("1 restart" if job.restarts == 1 else f"{job.restarts} restarts")
    if job.rows_waiting:
        said.append(f"{short_text(job.rows_waiting)} rows wait at the sources")
    return _in_a_line(text.append("  " + " · ".join(said), style="dim"))


def _trouble(job: JobInfo) -> list[Text]:
    lines = []
    if job.checkpoint_failures:
        times = "once" if job.checkpoint_failures == 1 else f"{job.checkpoint_failures} times"
        said = f"A checkpoint could not be written {times}."
        lines.append(_in_a_line(Text(said, style="yellow")))
    if job.last_failure:
        first = job.last_failure.strip().splitlines()[0]
        again = f" (again in {seconds_text(job.restart_in_s)})" if job.restart_in_s else ""
        lines.append(_in_a_line(Text(f"last failure: {first}{again}", style="red")))
    return lines


def _steps(
    operators: Sequence[OperatorInfo], at_ms: int, size: Size, room: int | None
) -> list[RenderableType]:
    def name(one: OperatorInfo) -> Text:
        return Text(f"{_MARKS[one.kind]} ", style="cyan").append(one.name, style="default")

    def out(one: OperatorInfo) -> Text:
        return Text("-" if one.kind == "sink" else short_text(one.rows_out_per_s))

    def kept(one: OperatorInfo) -> Text:
        return Text(short_text(one.state_rows) if one.state_rows else "-")

    columns: list[Column[OperatorInfo]] = [
        Column("step", name, flexible=True),
        Column("rows in/s", lambda o: Text(short_text(o.rows_in_per_s)), right=True),
        Column("rows out/s", out, right=True, columns_min=72),
        Column("busy", lambda o: bar(o.busy, _bar_cells(size))),
        Column("watermark", lambda o: _mark(o.watermark_ms, at_ms), right=True, columns_min=104),
        Column("state", lambda o: _bytes(o.state_bytes), right=True, columns_min=88),
        Column("rows kept", kept, right=True, columns_min=124),
        Column("late", lambda o: _counted(o.rows_late, "yellow"), right=True, columns_min=74),
        Column("rejected", lambda o: _counted(o.rows_rejected, "red"), right=True),
    ]
    shown = list(operators) if room is None else list(operators)[:room]
    return [_table(columns, shown, size), *_left_out(len(operators) - len(shown), "steps")]


def _alerts(
    alerts: Sequence[AlertInfo], at_ms: int, size: Size, room: int | None
) -> list[RenderableType]:
    def state(one: AlertInfo) -> Text:
        quiet = "silenced" if one.silenced else "inhibited" if one.inhibited else None
        return Text(quiet or one.state, style="dim" if quiet else "default")

    def summary(one: AlertInfo) -> Text:
        return Text(one.failure or one.summary, style="red" if one.failure else "default")

    def labels(one: AlertInfo) -> Text:
        return Text(", ".join(f"{k}={v}" for k, v in one.labels.items()) or "-")

    def since(one: AlertInfo) -> Text:
        return Text(seconds_text(max(0, at_ms - one.since_ms) / 1000))

    columns: list[Column[AlertInfo]] = [
        Column("alert", lambda a: Text(a.alert, style="bold")),
        Column("state", state),
        Column("severity", lambda a: Text(a.severity, style=_SEVERITY_STYLES[a.severity])),
        Column("since", since, right=True),
        Column("labels", labels, flexible=True, columns_min=84),
        Column("summary", summary, flexible=True),
    ]
    listed = sorted(alerts, key=lambda a: (a.state != "firing", a.silenced, a.since_ms))
    shown = listed if room is None else listed[:room]
    return [_table(columns, shown, size), *_left_out(len(listed) - len(shown), "alerts")]


def _left_out(count: int, what: str) -> list[Text]:
    return [Text(f"  and {count} more {what}", style="dim")] if count > 0 else []


def _keys(several: bool) -> Text:
    said = "q quit   p stand still" + ("   ↑ ↓ another job" if several else "")
    return Text(said, style="dim")


@dataclass(frozen=True, slots=True)
class Column(Generic[Row]):
    """A column of a table; ``flexible`` ones are cut where room is short, others stay whole.

    columns_min   it is left out of screens that are narrower
    """

    title: str
    cell: Callable[[Row], Text]
    right: bool = False
    flexible: bool = False
    columns_min: int = 0


def _table(
    columns: Sequence[Column[Row]],
    rows: Iterable[Row],
    size: Size,
    style: Callable[[Row], str] = lambda _: "",
) -> Table:
    table = Table(
        box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold cyan", expand=False
    )
    shown = [column for column in columns if size.columns >= column.columns_min]
    for column in shown:
        # Those that may wrap are the ones rich makes narrower first; their texts are cut instead.
        table.add_column(
            Text(column.title, no_wrap=True, overflow="ellipsis"),
            justify="right" if column.right else "left",
            no_wrap=not column.flexible,
        )
    for row in rows:
        cells = [_in_a_line(column.cell(row)) for column in shown]
        table.add_row(*cells, style=style(row))
    return table


def _in_a_line(text: Text) -> Text:
    text.plain = _CONTROL.sub("�", text.plain)
    text.no_wrap, text.overflow = True, "ellipsis"
    return text


def _bar_cells(size: Size) -> int:
    return BAR_CELLS if size.columns >= 96 else BAR_CELLS // 2


def _past(seen: Seen, job: JobInfo) -> Text:
    return Text(sparkline(seen.rates.get(job.name, ())), style="cyan")


def _bytes(value: int) -> Text:
    return Text(bytes_text(value) if value else "-")


def _share(value: float) -> Text:
    return Text(f"{value:.0%}", style="yellow" if value >= 0.5 else "default")


def _latency(value_ms: float | None) -> Text:
    return Text("-" if value_ms is None else seconds_text(value_ms / 1000))


def _memory(job: JobInfo) -> Text:
    if not job.memory_bytes:
        return Text("-")
    near = job.memory_limit and job.memory_bytes >= 0.9 * job.memory_limit
    return Text(bytes_text(job.memory_bytes), style="red" if near else "default")


def _counted(count: int, style: str) -> Text:
    return Text(short_text(count), style=style if count else "dim")


def _mark(watermark_ms: int | None, at_ms: int) -> Text:
    """Return the time of day of a mark of about now, else its date too."""
    said = instant_text(watermark_ms)
    is_near = watermark_ms is not None and abs(at_ms - watermark_ms) < 43_200_000
    return Text(said[11:] if is_near else said)
