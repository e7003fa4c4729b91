"""Figures people read: a wrong unit here misleads whoever watches a pipeline."""

from __future__ import annotations

from dataclasses import replace

import pytest

from millstream.engine.progress import Progress, SinkProgress, StepProgress, Summary
from millstream.frame import figures

PROGRESS = Progress(
    elapsed_s=12.5,
    rows_in=1_250_000,
    rows_out=4_200,
    rows_late=3,
    rows_rejected=1,
    rows_per_s=100_000.0,
    watermark_ms=1_767_225_600_000,
    lag_ms=1_500,
    rows_waiting=20,
    state_bytes=3 << 20,
    state_rows=77,
    epoch=0,
    batches=10,
    steps=(),
    sinks=(SinkProgress("out", 4_200, 2, exactly_once=True),),
)


@pytest.mark.parametrize(
    ("function", "value", "text"),
    [
        (figures.count_text, 336776, "336 776"),
        (figures.short_text, 999_600, "1000k"),
        (figures.short_text, 12_345_678, "12.3M"),
        (figures.bytes_text, 0, "0 B"),
        (figures.bytes_text, 1536, "1.5 KiB"),
        (figures.seconds_text, 0.0123, "12 ms"),
        (figures.seconds_text, 59.94, "59.9 s"),
        (figures.seconds_text, 245, "4 min 05 s"),
        (figures.seconds_text, 7260, "2 h 01 min"),
        (figures.instant_text, 0, "1970-01-01 00:00:00"),
        (figures.instant_text, None, "-"),
        (figures.instant_text, 2**63 - 1, "end"),
        (figures.lag_text, None, "-"),
        (figures.lag_text, 400 * 86_400_000, "-"),
    ],
)
def test_figures_have_their_unit(function, value, text):
    """Each figure carries its unit and three digits."""
    assert function(value) == text


def test_a_progress_line_tells_what_matters():
    """Rates, watermark, lag, what waits, what fell aside, what is kept."""
    line = figures.progress_line(PROGRESS)
    for part in (
        "in 1.25M (100k/s)", "out 4.2k", "watermark 2026-01-01 00:00:00", "lag 1.5 s",
        "waiting 20", "late 3", "rejected 1", "state 3.0 MiB",
    ):  # fmt: skip
        assert part in line


def test_a_summary_names_sinks_reasons_and_what_was_left_open():
    """Nothing is lost in silence: refused rows, reasons, and open windows are told."""
    summary = Summary("stopped", PROGRESS, 77, None, (("not a number", 1),))
    text = "\n".join(figures.summary_lines(summary))
    assert "stopped after 12.5 s: 1 250 000 rows in (100k/s), 4 200 out, 3 late, 1 rejected" in text
    assert "out: 4 200 rows, 2 refused (exactly once)" in text
    assert "rejected 1 row: not a number" in text
    assert "77 open windows or groups, not kept: there is no checkpoint directory" in text


def test_memory_that_gets_short_is_seen_before_the_limit_is_met() -> None:
    """State that went to the disk explains why a pipeline has become slower."""
    line = figures.progress_line(
        replace(
            PROGRESS,
            memory_bytes=96 << 20,
            memory_limit=100 << 20,
            queued_bytes=5 << 20,
            spilled_bytes=2 << 20,
        )
    )
    for part in ("state 3.0 MiB (2.0 MiB on the disk)", "queued 5.0 MiB", "96.0 MiB of 100.0 MiB"):
        assert part in line


def test_the_largest_steps_are_named_at_the_end() -> None:
    """Whoever wonders what fills the memory must find the step, not only the sum."""
    sizes = {"small": 5 << 10, "large": 9 << 20, "other": 3 << 20}
    steps = tuple(
        StepProgress(n, n, 0, 0, 0, 0, 0.0, size, 7, size // 3) for n, size in sizes.items()
    )
    summary = Summary("stopped", replace(PROGRESS, steps=steps), 7, None)
    lines = figures.summary_lines(summary)
    at = lines.index("  large: 7 rows of state, 9.0 MiB, 3.0 MiB on the disk")
    assert lines[at + 1] == "  other: 7 rows of state, 3.0 MiB, 1.0 MiB on the disk"
    assert not any("small" in line for line in lines)
