"""``millstream bench FILE``: what a pipeline can take, and how late it is at steady rates.

in      a program; rows drawn from the schema of its sources, or a recorded sample
out     a table on standard output, or JSON; a plot as PNG and SVG where matplotlib is installed
bad     PlanError for a program that declares more than one job, or reads no source
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from millstream.cli.failure import Exit
from millstream.cli.inspect import jobs_of, seconds_of
from millstream.errors import MissingExtra, OptionError, PlanError

if TYPE_CHECKING:
    from millstream.frame.measured_plot import Line
    from millstream.frame.measuring import Latency, Measurement
    from millstream.frame.planned_rows import Prepared
    from millstream.job import Job

SECONDS_USUAL = "5s"


def bench_file(
    file: Path,
    pairs: list[str],
    *,
    seconds: str = SECONDS_USUAL,
    rates: str | None = None,
    rows: int | None = None,
    sample: Path | None = None,
    plot: Path | None = None,
    as_json: bool = False,
) -> Exit:
    """Measure a program and print what was found."""
    from millstream.frame.measuring import measured

    each_s, chosen = seconds_of(seconds, "--seconds"), _rates(rates)
    if plot is not None:
        from millstream.frame.measured_plot import plotter

        plotter()  # what is missing is told before minutes are spent
    job = _job_of(file, pairs)
    prepared = _prepared(job, rows, sample)

    def tell(what: str) -> None:
        print(f"{what} …", file=sys.stderr, flush=True)

    found = measured(job, prepared, seconds=each_s, rates=chosen, tell=tell)
    if as_json:
        print(json.dumps({"file": str(file), "seconds": each_s, **found.to_json()}))
    else:
        _print(file, found, sample)
    _plot(file, found, plot)
    return Exit.OK


def _job_of(file: Path, pairs: list[str]) -> Job:
    jobs = jobs_of(file, pairs)
    if len(jobs) > 1:
        raise PlanError(
            f"'{file}' runs {len(jobs)} jobs, one after the other.",
            hint="Measure a program that runs one.",
        )
    return jobs[0]


def _prepared(job: Job, rows: int | None, sample: Path | None) -> dict[str, Prepared]:
    from millstream.frame.planned_rows import ROWS_USUAL, made_up, recorded
    from millstream.plan.nodes import Scan

    scans = [node for node in job.derived.plan.walk() if isinstance(node, Scan)]
    if not scans:
        raise PlanError("The pipeline reads no source, so there is nothing to give it.")
    if rows is not None and rows <= 0:
        raise OptionError("--rows must be more than nothing.")
    if sample is not None and len({scan.table.name for scan in scans}) > 1:
        raise OptionError(
            "--sample holds the rows of one table, and the pipeline reads several.",
            hint="Leave it out: rows are drawn from their schemas.",
        )
    if sample is not None:
        return {scan.uid: recorded(scan, sample, rows) for scan in scans}
    return {scan.uid: made_up(scan, rows or ROWS_USUAL) for scan in scans}


def _rates(text: str | None) -> list[float] | None:
    """Return the rates of ``1k,50000,2M``, ascending."""
    if text is None:
        return None
    found = []
    for word in text.split(","):
        size = {"k": 1e3, "m": 1e6}.get(word.strip()[-1:].lower(), 1.0)
        try:
            found.append(float(word.strip().rstrip("kKmM")) * size)
        except ValueError:
            found.append(0.0)
    if not all(0 < rate < 1e9 for rate in found):
        raise OptionError(
            f"--rates cannot be '{text}'.", hint="Events a second, for instance 1k,50k,200000."
        )
    return sorted(found)


def _print(file: Path, found: Measurement, sample: Path | None) -> None:
    from millstream.frame.figures import bytes_text, count_text, rows_text, short_text
    from millstream.frame.screen import print_rows

    drawn = "made up from the schemas" if sample is None else f"of {sample}"
    print(f"{file}: rows {drawn}, results counted and forgotten")
    print(
        f"  at most {short_text(found.most_per_s)} events/s "
        f"({rows_text(found.rows_in)} in, {count_text(found.rows_out)} out, "
        f"{count_text(found.rows_rejected)} rejected, {count_text(found.rows_late)} late)"
    )
    print(f"  slowest step ({found.slowest_share:.0%} of the work): {found.slowest}")
    print(
        f"  memory {bytes_text(found.memory_bytes_peak)} at most, "
        f"{bytes_text(found.state_bytes)} of it state at the end"
    )
    print("  latency in ms, from an event's planned time until all its results are out:")
    columns = ("events/s", "p50", "p99", "p99.9", "p99.99", "max", "generator p99", "machine p99.9")
    rows = [
        (
            short_text(at.events_per_s),
            *_cells(at.latency),
            f"{at.generator_late.p99:.2f}",
            f"{at.stalls.p999:.2f}" + ("" if at.kept_up else "  (did not keep up)"),
        )
        for at in found.rates
    ]
    print_rows(columns, rows, [True] * len(columns))
    print(
        "  generator: how late rows were handed over, part of the latency; machine: how much "
        "longer than 1 ms a sleep of 1 ms took beside it"
    )


def _cells(latency: Latency) -> list[str]:
    return [
        f"{ms:.2f}" for ms in (latency.p50, latency.p99, latency.p999, latency.p9999, latency.max)
    ]


def _plot(file: Path, found: Measurement, place: Path | None) -> None:
    """Plot where that was asked for, or else where it can be done."""
    from millstream.frame.measured_plot import plot

    try:
        files = plot([("", _lines(found))], f"{file.name}: latency", place or _place(file))
    except MissingExtra as error:
        assert place is None, "a plot that was asked for was seen to before"
        print(f"no plot: {error.fact} {error.hint}", file=sys.stderr)
        return
    print(f"plot: {', '.join(map(str, files))}", file=sys.stderr)


def _place(file: Path) -> Path:
    return Path(f"{file.stem}-bench")


def _lines(found: Measurement) -> list[Line]:
    from millstream.frame.measured_plot import Line

    named = {"p50": "p50", "p99": "p99", "p99.9": "p999", "p99.99": "p9999"}
    lines = [
        Line(name, tuple((at.events_per_s, getattr(at.latency, key)) for at in found.rates))
        for name, key in named.items()
    ]
    stalls = tuple((at.events_per_s, at.stalls.p9999) for at in found.rates)
    return [*lines, Line("machine, p99.99", stalls, faint=True)]
