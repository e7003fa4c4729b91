"""Figures as people read them: counts, rates, sizes, times; one line about a running pipeline.

in      numbers with their unit in the name
out     short texts of steady width, so that a line that is redrawn does not dance
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from millstream.engine.progress import Progress, Restarting, Summary

_STEPS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
_BYTES = ((1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))
QUEUED_SHOWN_BYTES_MIN = 1 << 20
STEPS_SHOWN_MAX = 3
STEP_SHOWN_BYTES_MIN = 1 << 20
"""Smaller state of a step is not worth a line at the end."""
LAG_SHOWN_MS_MAX = 366 * 86_400_000
"""A lag longer than this comes from replaying the past, and says nothing about the pipeline."""


def count_text(value: int) -> str:
    """Return a count with thin groups: ``336 776``."""
    return f"{value:,}".replace(",", " ")


def rows_text(value: int) -> str:
    """Return a count of rows: ``1 row``, ``336 776 rows``."""
    return f"{count_text(value)} row" + ("" if value == 1 else "s")


def short_text(value: float) -> str:
    """Return a number in three digits: ``1.25M``.

    >>> [short_text(v) for v in (0, 7, 999, 1250, 1_250_000)]
    ['0', '7', '999', '1.25k', '1.25M']
    """
    for size, sign in _STEPS:
        if value >= size:
            return (
                f"{value / size:.3g}{sign}" if value / size < 999.5 else f"{value / size:.0f}{sign}"
            )
    return f"{value:.0f}"


def bytes_text(value: int) -> str:
    """Return a size: ``12.4 MiB``."""
    for size, sign in _BYTES:
        if value >= size:
            return f"{value / size:.1f} {sign}"
    return f"{value} B"


def seconds_text(value: float) -> str:
    """Return a length of time: ``850 ms``, ``12.3 s``, ``4 min 05 s``."""
    if value < 1:
        return f"{value * 1000:.0f} ms"
    if value < 60:
        return f"{value:.1f} s"
    minutes, seconds = divmod(int(value), 60)
    if minutes < 60:
        return f"{minutes} min {seconds:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def instant_text(ms: int | None) -> str:
    """Return an instant in UTC without its zone, or a dash."""
    if ms is None:
        return "-"
    try:
        at = dt.datetime.fromtimestamp(ms / 1000, dt.UTC)
    except (ValueError, OverflowError, OSError):
        return "end" if ms > 0 else "-"
    return at.strftime("%Y-%m-%d %H:%M:%S")


def lag_text(lag_ms: int | None) -> str:
    """Return how far event time is behind the clock, or a dash where that says nothing."""
    if lag_ms is None or not 0 <= lag_ms <= LAG_SHOWN_MS_MAX:
        return "-"
    return seconds_text(lag_ms / 1000)


def progress_line(progress: Progress) -> str:
    """Return one line about a running pipeline."""
    if progress.restarting is not None:
        return _restarting(progress.restarting, progress.last_failure)
    parts = [
        f"in {short_text(progress.rows_in)} ({short_text(progress.rows_per_s)}/s)",
        f"out {short_text(progress.rows_out)}",
    ]
    if progress.watermark_ms is not None:
        parts.append(f"watermark {instant_text(progress.watermark_ms)}")
        if lag_text(progress.lag_ms) != "-":
            parts.append(f"lag {lag_text(progress.lag_ms)}")
    if progress.rows_waiting:
        parts.append(f"waiting {short_text(progress.rows_waiting)}")
    parts.append(f"late {short_text(progress.rows_late)}")
    parts.append(f"rejected {short_text(progress.rows_rejected)}")
    if progress.state_bytes:
        disk = progress.spilled_bytes
        on_disk = f" ({bytes_text(disk)} on the disk)" if disk else ""
        parts.append(f"state {bytes_text(progress.state_bytes)}{on_disk}")
    if progress.queued_bytes >= QUEUED_SHOWN_BYTES_MIN:
        parts.append(f"queued {bytes_text(progress.queued_bytes)}")
    if progress.memory_limit and progress.memory_bytes:
        of = bytes_text(progress.memory_limit)
        parts.append(f"memory {bytes_text(progress.memory_bytes)} of {of}")
    return " · ".join(parts)


def _restarting(waits: Restarting, why: str | None) -> str:
    from millstream.engine.supervise import ordinal

    return f"restarting in {seconds_text(waits.wait_s)} ({ordinal(waits.number)} time): {why}"


def _largest(progress: Progress) -> list[str]:
    """Return a line for each of the steps that keep most."""
    steps = [s for s in progress.steps if s.state_bytes >= STEP_SHOWN_BYTES_MIN]
    steps.sort(key=lambda s: -s.state_bytes)
    return [
        f"  {step.label}: {rows_text(step.state_rows)} of state, {bytes_text(step.state_bytes)}"
        + (f", {bytes_text(step.spilled_bytes)} on the disk" if step.spilled_bytes else "")
        for step in steps[:STEPS_SHOWN_MAX]
    ]


def summary_lines(summary: Summary) -> list[str]:
    """Return what is said when a pipeline has ended."""
    p = summary.progress
    rate = p.rows_in / p.elapsed_s if p.elapsed_s > 0 else 0.0
    counts = (
        f"{rows_text(p.rows_in)} in ({short_text(rate)}/s), {count_text(p.rows_out)} out, "
        f"{count_text(p.rows_late)} late, {count_text(p.rows_rejected)} rejected"
    )
    if p.rows_repeated:
        counts += f", {count_text(p.rows_repeated)} sent again"
    if p.documents_skipped:
        counts += f", {count_text(p.documents_skipped)} skipped"
    lines = [f"{summary.ended} after {seconds_text(p.elapsed_s)}: {counts}"]
    if p.restarts:
        times = "once" if p.restarts == 1 else f"{p.restarts} times"
        lines.append(f"  restarted {times}; the last failure: {p.last_failure}")
    if p.checkpoint_failures:
        times = "once" if p.checkpoint_failures == 1 else f"{p.checkpoint_failures} times"
        lines.append(f"  a checkpoint could not be written {times}: {p.last_failure}")
    lines += _largest(p)
    for sink in p.sinks:
        refused = f", {count_text(sink.rows_refused)} refused" if sink.rows_refused else ""
        promise = "exactly once" if sink.exactly_once else "at least once"
        lines.append(f"  {sink.name}: {rows_text(sink.rows_accepted)}{refused} ({promise})")
    lines += [f"  rejected {rows_text(n)}: {reason}" for reason, n in summary.reasons]
    if summary.letters and summary.letters_place is not None:
        lines.append(
            f"  {rows_text(summary.letters)} kept as dead letters: "
            f"millstream dlq list {summary.letters_place}"
        )
    if summary.rows_lost_sight_of:
        mend = (
            "Mend the input, read stream.rejected (Python), or stop"
            if summary.letters_place is None
            else "Look at them, mend what is wrong, and put them through again (millstream dlq "
            "replay), or stop"
        )
        lines.append(
            f"error: {rows_text(summary.rows_lost_sight_of)} rejected, and no stream of the "
            f"program reads what was rejected.\n  → {mend} at the first such row: "
            "--set pipeline.on-reject=fail"
        )
    if summary.ended == "stopped" and summary.state_left:
        where = summary.checkpoint
        kept = f"kept in {where}" if where else "not kept: there is no checkpoint directory"
        lines.append(f"  {count_text(summary.state_left)} open windows or groups, {kept}")
    return lines
