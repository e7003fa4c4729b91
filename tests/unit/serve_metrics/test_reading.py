"""Readings of all jobs: one that fails hides no other, counters do not fall."""

from __future__ import annotations

import logging
from dataclasses import replace

from millstream.engine.progress import Histogram
from millstream.serve.metrics.reading import Reader, clean
from tests.unit.serve_metrics.still import Still, hub_of, progress, split


def only(reader: Reader, name: str):
    (sample,) = reader.read().samples[f"millstream_{name}"]
    return sample[1]


def test_a_job_that_cannot_tell_hides_no_other(caplog):
    """A scrape that fails as a whole takes the figures of all jobs away when they matter."""
    broken, well = Still(), Still()
    reader = Reader(hub_of(broken=broken, well=well))
    broken.raises = RuntimeError("set changed size")
    with caplog.at_level(logging.ERROR, "millstream"):
        found = reader.read()
    assert found.up == {"broken": False, "well": True}
    rows = found.samples["millstream_job_input_rows_total"]
    assert rows == [(("well",), 100)]
    assert "broken" in caplog.text


def test_rows_read_again_after_a_restart_make_no_peak():
    """Prometheus takes a counter that falls for one that began at zero and counts all of it."""
    running = Still()
    reader = Reader(hub_of(j=running))
    shown = []
    for rows in (1_000, 990, 1_001):  # a checkpoint was at 980
        running.now = replace(running.now, rows_in=rows)
        shown.append(only(reader, "job_input_rows_total"))
    assert shown == [1_000, 1_000, 1_001]


def test_without_checkpoints_it_begins_anew():
    """Everything is read again then, and is new work: that is what a reset is for."""
    running = Still()
    reader = Reader(hub_of(checkpoint_dir=None, j=running))
    shown = []
    for rows in (1_000, 10):
        running.now = replace(running.now, rows_in=rows)
        shown.append(only(reader, "job_input_rows_total"))
    assert shown == [1_000, 10]


def test_time_that_was_spent_stays_spent():
    """Back-pressure before a restart was real; what comes after it is added."""
    running = Still()
    reader = Reader(hub_of(j=running))
    shown = []
    for waited_s in (60.0, 0.5, 2.5):
        running.now = replace(running.now, waited_s=waited_s)
        shown.append(only(reader, "job_backpressure_seconds_total"))
    assert shown == [60.0, 60.0, 62.0]


def test_splits_that_leave_the_sum_make_no_peak():
    """Of many files, those that were read are left out some time."""
    many = tuple(split(f"f{n}", rows=10) for n in range(110))
    running = Still(progress(splits=many))
    reader = Reader(hub_of(j=running))

    def other():
        samples = dict(reader.read().samples["millstream_split_input_rows_total"])
        return samples["j", "scan", "bids", "other"]

    assert other() == 100
    running.now = replace(running.now, splits=many[:105])
    assert other() == 100
    running.now = replace(running.now, splits=(*many[:104], split("f104", rows=12)))
    assert other() == 102


def test_buckets_do_not_fall_either():
    """A quantile over a bucket that fell would be of rows that never were."""
    running = Still()
    reader = Reader(hub_of(j=running))
    only(reader, "job_latency_seconds")
    running.now = replace(running.now, latency=Histogram((0.01, 0.1), (58, 31, 10), 12.0))
    assert only(reader, "job_latency_seconds").counts == (60, 31, 10)


def test_a_job_started_again_under_its_name_is_another():
    """Its counters begin at zero, as those of a new process do."""
    first = Still(done=True)
    hub = hub_of(j=first)
    reader = Reader(hub)
    assert only(reader, "job_input_rows_total") == 100
    hub.add(hub.held("j").job, Still(progress(rows_in=3)), "j")  # type: ignore[arg-type]
    assert only(reader, "job_input_rows_total") == 3


def test_names_that_are_no_text_can_be_written():
    """A file name may hold any bytes; one such split must not end all scrapes."""
    running = Still(progress(splits=(split("caf\udce9.csv"),)))
    (sample,) = Reader(hub_of(j=running)).read().samples["millstream_split_idle"]
    assert sample[0][-1] == clean("caf\udce9.csv") == "caf\\udce9.csv"
    assert clean("caf\udce8.csv") != clean("caf\udce9.csv"), "two files are two series"
