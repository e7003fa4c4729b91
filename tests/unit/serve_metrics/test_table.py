"""The table of metrics: its names follow the field's rules, its numbers come from the look."""

from __future__ import annotations

import re
from dataclasses import replace

import polars as pl
import pytest

from millstream.connect.live_view import LiveView
from millstream.engine.progress import Histogram, State
from millstream.serve.metrics.metric import OTHER, SPLITS_MAX, Kind, Metric, splits_shown
from millstream.serve.metrics.table import METRICS, NAMES, named
from millstream.types import Schema
from tests.unit.serve_metrics.still import NOW_MS, Still, hub_of, progress, split

BASE_UNITS = {"", "seconds", "bytes", "rows", "ratio"}


def numbers_of(name, running=None):
    hub = hub_of(j=running or Still())
    held = hub.held("j")
    metric = next(m for m in METRICS if m.name == f"millstream_{name}")
    return dict(metric.values(held, held.last))


@pytest.mark.parametrize("metric", METRICS, ids=lambda m: m.name)
def test_names_follow_the_conventions(metric: Metric):
    """Whoever knows Prometheus must be able to guess what a number means."""
    assert re.fullmatch(r"millstream_[a-z]+(_[a-z]+)*", metric.name)
    assert metric.unit in BASE_UNITS
    assert metric.name.endswith("_total") == (metric.kind is Kind.COUNTER)
    assert metric.family.endswith(metric.unit), "the unit stands in the name"
    assert not set(metric.labels) & {"job", "instance", "le", "quantile"}, "Prometheus has these"
    assert metric.help.endswith("."), "a sentence"


def test_no_name_is_there_twice():
    """Two metrics of one name make a scrape that Prometheus throws away as a whole."""
    families = [m.family for m in METRICS]
    assert len(set(families)) == len(families)
    assert "millstream_job_up" in NAMES


def test_samples_have_the_labels_of_their_metric():
    """Values without a label, or labels twice, would make the whole scrape unreadable."""
    held = hub_of(j=Still()).held("j")
    for metric in METRICS:
        found = [labels for labels, _ in metric.values(held, held.last)]
        assert all(len(labels) == len(metric.labels) for labels in found), metric.name
        assert len(set(found)) == len(found), metric.name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("job_input_rows_total", 100),
        ("job_output_rows_total", 5),
        ("job_input_bytes_total", 2_000),
        ("job_output_bytes_total", 80),
        ("job_late_rows_total", 7),
        ("job_rejected_rows_total", 11),
        ("job_busy_seconds_total", 2.25),
        ("job_backpressure_seconds_total", 2.0),
        ("job_watermark_lag_seconds", 3.0),
        ("job_watermark_timestamp_seconds", NOW_MS / 1000 - 3),
        ("job_waiting_rows", 40),
        ("job_state_rows", 12),
        ("job_state_bytes", 640),
        ("job_memory_limit_bytes", 1_000),
        ("job_checkpoint_number", 3),
        ("job_checkpoint_duration_seconds", 0.25),
        ("job_checkpoint_size_bytes", 4_096),
        ("job_checkpoint_age_seconds", 2.0),
        ("job_checkpoint_failures_total", 2),
        ("job_restarts_total", 1),
        ("job_latency_seconds", Histogram((0.01, 0.1), (60, 30, 10), 12.5)),
    ],
)
def test_a_job_is_told_in_base_units(name, expected):
    """Milliseconds inside, seconds outside: nobody may have to know which."""
    assert numbers_of(name) == {("j",): expected}


def test_steps_splits_and_sinks_have_their_own_numbers():
    """A sum over a job hides which part of it is in trouble."""
    assert numbers_of("operator_input_rows_total")["j", "count"] == 90
    assert numbers_of("operator_input_bytes_total") == {("j", "scan"): 2_000}
    assert numbers_of("operator_output_bytes_total") == {("j", "out"): 80}
    assert numbers_of("split_waiting_rows")["j", "scan", "bids", "1"] == 20
    assert numbers_of("sink_refused_rows_total") == {("j", "out"): 1}
    assert numbers_of("sink_busy_seconds_total") == {("j", "out"): 0.125}


def test_what_is_unknown_is_not_zero():
    """A lag of zero is good news; no lag known is no news."""
    bare = progress(lag_ms=None, watermark_ms=None, rows_waiting=None, checkpoints=(),
                    memory_limit=0, latency=None)  # fmt: skip
    for name in ("watermark_lag_seconds", "waiting_rows", "checkpoint_number",
                 "memory_limit_bytes", "latency_seconds", "busy_ratio"):  # fmt: skip
        assert numbers_of(f"job_{name}", Still(bare)) == {}, name


def test_a_job_is_in_one_state():
    """Alerts ask `state="failed"} == 1`: all states are there, one of them is 1."""
    found = numbers_of("job_state", Still(progress(state=State.PAUSED)))
    assert len(found) == len(State)
    assert [labels for labels, number in found.items() if number] == [("j", "paused")]


def test_ratios_are_of_the_last_second():
    """The hub's looks are a second apart; a scrape right behind one would divide by nothing."""
    running = Still()
    hub = hub_of(j=running)
    held = hub.held("j")
    later = [step for step in running.now.steps if step.uid != "count"]
    more = next(step for step in running.now.steps if step.uid == "count")
    later.append(replace(more, busy_s=more.busy_s + 0.25, rows_in=more.rows_in + 30, batches=7))
    running.now = replace(running.now, elapsed_s=11.0, steps=tuple(later), waited_s=2.5)
    hub.look()
    by_name = {m.name: dict(m.values(held, held.last)) for m in METRICS}
    assert by_name["millstream_job_busy_ratio"] == {("j",): 0.25}
    assert by_name["millstream_job_backpressure_ratio"] == {("j",): 0.5}
    assert by_name["millstream_operator_busy_ratio"]["j", "count"] == 0.25
    assert by_name["millstream_operator_batch_rows"] == {("j", "count"): 10.0}


def test_many_splits_are_summed():
    """Ten thousand files must not become ten thousand series in somebody's Prometheus."""
    many = [split(str(n), rows=n, rows_waiting=None, ended=n % 2 == 0) for n in range(1_000)]
    shown = splits_shown(many)
    assert len(shown) == SPLITS_MAX + 1
    rest = shown[-1]
    assert rest.split == OTHER
    assert sum(s.rows for s in shown) == sum(range(1_000))
    assert rest.rows_waiting is None
    assert not rest.ended


def test_a_split_that_is_called_other_is_no_second_one():
    """Two samples with the same labels make Prometheus refuse the scrape."""
    shown = splits_shown([split(OTHER), split("0"), *(split(f"s{n}") for n in range(200))])
    names = [s.split for s in shown]
    assert len(set(names)) == len(names)


def test_views_of_a_job_are_counted():
    """How large a view is, is asked of the view itself."""
    view = LiveView("parts", Schema.of({"k": "STRING"}), key=("k",))
    view.put(pl.DataFrame({"$row": [0, 1], "k": ["a", "b"]}))
    view.put(pl.DataFrame({"$row": [0], "k": ["c"]}))
    found = Still(views=(view,))
    assert numbers_of("view_rows", found) == {("j", "parts"): 2}
    assert numbers_of("view_changes_total", found) == {("j", "parts"): 3}
    assert numbers_of("view_bytes", found) == {("j", "parts"): view.bytes_kept}
    assert numbers_of("view_full", found) == {("j", "parts"): 0}
    view.rows_max = 2
    assert numbers_of("view_full", found) == {("j", "parts"): 1}


def test_a_metric_that_does_not_exist_cannot_be_shown():
    """Dashboard and rules ask for their names here."""
    assert named("job_up") == "millstream_job_up"
    with pytest.raises(AssertionError, match="no metric"):
        named("job_rows")
