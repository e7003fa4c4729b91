"""Measuring a pipeline: the plan of the events, what counts as late, what is said of it."""

from __future__ import annotations

import time

import numpy as np
import polars as pl
import pytest

import millstream as ms
from millstream.errors import OptionError
from millstream.frame.measuring import Measured, latency_of, measured, usual_rates
from millstream.frame.planned_rows import Prepared, made_up, recorded
from millstream.frame.run import _job
from millstream.plan.nodes import Scan
from millstream.settings import Settings

STALL_S = 0.3


def job_of(stream: ms.Stream):
    job = _job((stream.write_blackhole(),), Settings())
    scans = [node for node in job.derived.plan.walk() if isinstance(node, Scan)]
    return job, {scan.uid: made_up(scan, 1_000) for scan in scans}


def numbers() -> ms.Stream:
    return ms.read_memory([{"k": 1, "v": 2.0}], schema={"k": "INT", "v": "DOUBLE"})


def test_events_that_came_while_the_pipeline_stood_still_are_late():
    """Coordinated omission: one stall hides behind one late event if others are not counted."""
    stalled: list[bool] = []
    began_s = float("inf")

    def once(frame: pl.DataFrame) -> pl.DataFrame:
        if not stalled and time.perf_counter() > began_s + 0.5:
            stalled.append(True)
            time.sleep(STALL_S)
        return frame

    stream = numbers().map_batches(once, schema={"k": "INT", "v": "DOUBLE"})
    job, rows = job_of(stream)
    run = Measured(job, rows, rate=1_000, seconds=1.2)
    began_s = run.start.now()
    run.run()
    late_s = run.late_s()
    assert len(late_s) == 900, "every event behind the first quarter counts"
    assert late_s.max() >= STALL_S
    assert (late_s > STALL_S / 3).sum() >= 100, "those that waited in line behind it are late too"


def test_an_event_counts_from_its_plan_until_the_sink_has_its_results():
    """No event is early, none is missing, and the generator's own lateness is part of it."""
    job, rows = job_of(numbers().filter(ms.col("k") > 5_000))
    run = Measured(job, rows, rate=2_000, seconds=0.5)
    run.run()
    late_s, generator_s = run.late_s(), run.generator_late_s()
    assert len(late_s) == 750, "the first quarter is not counted"
    assert len(generator_s) == 1_000
    assert late_s.min() > 0
    assert generator_s.min() >= 0


def test_rows_go_round_and_times_go_on():
    """A window must see time pass: rows repeat, their times do not."""
    frame = pl.DataFrame({"n": [0, 1, 2], "ts": [0, 0, 0]}).cast({"ts": pl.Datetime("ms")})
    made = Prepared(frame, ("ts",)).rows(2, 7, wall_ms=1_000, per_s=1_000.0)
    assert made["n"].to_list() == [2, 0, 1, 2, 0]
    assert made["ts"].dt.epoch("ms").to_list() == [1_002, 1_003, 1_004, 1_005, 1_006]
    sample = frame.with_columns(ts=pl.Series([10, 20, 40]).cast(pl.Datetime("ms")))
    again = Prepared(sample, ("ts",), span_ms=31).rows(2, 7, wall_ms=0, per_s=1.0)
    assert again["ts"].dt.epoch("ms").to_list() == [40, 41, 51, 71, 72]


def test_a_sample_of_one_row_is_given_again_and_again():
    """Each row is a round of its own there: its time goes on with every one of them."""
    sample = pl.DataFrame({"ts": [1_000]}).cast({"ts": pl.Datetime("ms")})
    made = Prepared(sample, ("ts",), span_ms=1).rows(5, 100_005, wall_ms=0, per_s=1.0)
    assert made["ts"].dt.epoch("ms").to_list() == list(range(1_005, 101_005))
    assert Prepared(pl.DataFrame(height=1)).rows(5, 15, wall_ms=0, per_s=1.0).height == 10


def test_a_sample_must_have_the_columns_of_the_table(tmp_path):
    """Whoever gives a wrong file wants to know which column is missing."""
    scan = numbers().node
    place = tmp_path / "sample.jsonl"
    place.write_text('{"k": 7, "v": 0.5}\n{"k": 8, "v": 1}\n')
    assert recorded(scan, place, None).frame.rows() == [(7, 0.5), (8, 1.0)]
    assert recorded(scan, place, 1).frame.rows() == [(7, 0.5)]
    place.write_text('{"k": 7}\n')
    with pytest.raises(OptionError, match="no column 'v'"):
        recorded(scan, place, None)
    with pytest.raises(OptionError, match="no sample"):
        recorded(scan, tmp_path / "none.jsonl", None)


def test_a_sample_without_any_time_is_refused(tmp_path):
    """Its time is what goes on from round to round; without one there is no next round."""
    place = tmp_path / "sample.jsonl"
    place.write_text('{"k": 1, "ts": null}\n')
    schema = {"k": "INT", "ts": "TIMESTAMP(3)"}
    rows = [{"k": 1, "ts": "2026-01-01 00:00:00"}]
    scan = ms.read_memory(rows, schema=schema, event_time="ts").node
    with pytest.raises(OptionError, match="no time in 'ts'"):
        recorded(scan, place, None)


def test_percentiles_are_values_that_were_measured():
    """Between two samples there is nothing: p99.99 of few events is their worst."""
    late = latency_of(np.arange(1, 101) / 1000)
    assert (late.events, late.p50, late.max) == (100, pytest.approx(51.0), pytest.approx(100.0))
    assert late.p9999 == late.max


def test_rates_end_at_four_fifths_of_the_most():
    """A pipeline that takes little is measured at what it takes."""
    assert usual_rates(500.0) == [400.0]
    assert usual_rates(2_000_000.0)[-1] == 1_600_000.0
    assert usual_rates(2_000_000.0)[0] == 1_000


def test_a_measurement_tells_the_most_and_each_rate():
    """Windows over made-up rows fire while it is measured, in every source of a join as well."""
    left, right = (
        ms.read_memory(
            [{"k": 1, "ts": "2026-01-01 00:00:00"}],
            schema={"k": "INT", "ts": "TIMESTAMP(3)"}, event_time="ts", name=name,
        )
        for name in ("one", "two")
    )  # fmt: skip
    stream = left.union(right).group_by("k", window=ms.tumble("100ms")).agg(n=ms.count())
    job, rows = job_of(stream)
    assert len(rows) == 2
    found = measured(job, rows, seconds=0.6, rates=[500.0])
    assert found.most_per_s > 0
    assert found.rows_out > 0
    assert found.slowest
    (at,) = found.rates
    assert at.events_per_s == 500.0
    assert at.latency.p50 <= at.latency.p99 <= at.latency.p999 <= at.latency.p9999 <= at.latency.max
    assert at.stalls.events > 0


def test_a_rate_too_small_to_count_is_refused():
    """A source that is never due has no latency; that is said before anything runs."""
    job, rows = job_of(numbers())
    with pytest.raises(OptionError, match=r"At 0\.5 events a second, 2 s"):
        measured(job, rows, seconds=2.0, rates=[100.0, 0.5])


def test_a_time_too_small_for_a_rate_is_refused():
    """One batch has no rate: "at most 0 events/s" would be no figure of the pipeline."""

    def slow(frame: pl.DataFrame) -> pl.DataFrame:
        time.sleep(0.6)
        return frame

    stream = numbers().map_batches(slow, schema={"k": "INT", "v": "DOUBLE"})
    with pytest.raises(OptionError, match="less than two batches"):
        measured(*job_of(stream), seconds=0.1)
