"""Every metric there is, in one table: names, units, labels, and where each number comes from.

in      a job and a look at it
out     samples; Prometheus, OpenTelemetry, dashboard, rules and docs are all made from this table
names   ``millstream_<of what>_<what>_<unit>``, base units (seconds, bytes, rows, ratios of 0 to 1),
        counters end with ``_total``. The label is ``job_name`` and not ``job``, because Prometheus
        gives ``job`` to every target itself and would rename ours
labels  come from the plan and the splits of the sources only, never from data; a source shows
        ``SPLITS_MAX`` splits, the rest are summed as split ``other``
source  the naming rules of prometheus.io/docs/practices/naming and of OpenMetrics 1.0
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from millstream.engine.progress import CheckpointProgress, Progress, State, StepProgress
from millstream.serve.history import share
from millstream.serve.hub import Held, Look
from millstream.serve.metrics.metric import (
    JOB,
    Falls,
    Kind,
    Metric,
    Sample,
    lately,
    of_held,
    of_job,
    of_operators,
    of_operators_lately,
    of_sinks,
    of_splits,
)


def _states(held: Held, look: Look) -> Iterator[Sample]:
    for state in State:
        yield (held.name, state.value), float(look.now.state is state)


def _kinds(held: Held, look: Look) -> Iterator[Sample]:
    for step in look.now.steps:
        yield (held.name, step.uid, step.kind), 1.0


def _views(held: Held, _: Look) -> Iterator[Sample]:
    for view in held.running.views:
        yield (held.name, view.name), float(len(view))


def _view_bytes(held: Held, _: Look) -> Iterator[Sample]:
    for view in held.running.views:
        yield (held.name, view.name), float(view.bytes_kept)


def _view_full(held: Held, _: Look) -> Iterator[Sample]:
    for view in held.running.views:
        yield (held.name, view.name), float(view.is_full)


def _view_changes(held: Held, _: Look) -> Iterator[Sample]:
    for view in held.running.views:
        yield (held.name, view.name), float(view.rows_total)


def _alerts(held: Held, _: Look) -> Iterator[Sample]:
    for book in held.running.alert_books:
        active = Counter((one.alert, one.state) for one in book.active())
        for rule in book.rules():
            for state in ("pending", "firing"):
                labels = (held.name, rule.name, rule.severity, state)
                yield labels, float(active[rule.name, state])


def _alerts_dropped(held: Held, _: Look) -> Iterator[Sample]:
    for book in held.running.alert_books:
        yield (held.name,), float(book.changes_dropped)


def _seconds(ms: float | None) -> float | None:
    return None if ms is None else ms / 1000


def _newest(progress: Progress) -> CheckpointProgress | None:
    return progress.checkpoints[-1] if progress.checkpoints else None


def _checkpoint_age_s(held: Held, look: Look) -> float | None:
    if held.job.settings.checkpoint_dir is None:
        return None
    newest = _newest(look.now)
    since_ms = held.started_at_ms if newest is None else newest.at_ms
    return max(0.0, (look.at_ms - since_ms) / 1000)


def _checkpoint_interval_s(held: Held, _: Look) -> float | None:
    settings = held.job.settings
    return None if settings.checkpoint_dir is None else settings.checkpoint_interval_ms / 1000


def _busy_s(progress: Progress) -> float:
    return sum(step.busy_s for step in progress.steps)


def _batch_rows(before: StepProgress, now: StepProgress, _: float) -> float | None:
    batches = now.batches - before.batches
    return (now.rows_in - before.rows_in) / batches if batches > 0 else None


_G, _C = Kind.GAUGE, Kind.COUNTER

OF_JOBS = (
    Metric(
        "millstream_job_state", _G, "",
        "1 for the state the job is in, 0 for all others.",
        ("job_name", "state"), _states,
    ),
    of_held("start_time_seconds", "seconds", "When the job was started, in seconds since 1970.",
             lambda held, _: held.started_at_ms / 1000),
    of_job("input_rows_total", _C, "rows",
            "Rows read; rows read again after a restart count once.",
            lambda p: p.rows_in),
    of_job("output_rows_total", _C, "rows", "Rows given to sinks.", lambda p: p.rows_out),
    of_job("input_bytes_total", _C, "bytes", "Bytes of payload read.",
            lambda p: sum(s.bytes_in for s in p.steps)),
    of_job("output_bytes_total", _C, "bytes", "Bytes of columns given to sinks.",
            lambda p: sum(s.bytes_out for s in p.steps)),
    of_job("late_rows_total", _C, "rows", "Rows set aside because they came behind the watermark.",
            lambda p: p.rows_late),
    of_job("rejected_rows_total", _C, "rows",
            "Rows that a step could not use or a sink's system refused.",
            lambda p: p.rows_rejected),
    of_job("repeated_rows_total", _C, "rows",
            "Rows left out because their message had been read before.",
            lambda p: p.rows_repeated),
    of_job("skipped_documents_total", _C, "",
            "Documents read that hold no row, such as tombstones behind deletes.",
            lambda p: p.documents_skipped),
    of_job("batches_total", _C, "", "Batches taken by the compute thread.", lambda p: p.batches),
    of_job("busy_seconds_total", _C, "seconds", "Time in which the compute thread worked.",
            _busy_s),
    of_held("busy_ratio", "ratio",
             "Part of about the last second in which the compute thread worked.",
             lately(_busy_s)),
    of_job("backpressure_seconds_total", _C, "seconds",
            "Time in which rows were there, but sinks, memory or answers let none be taken.",
            lambda p: p.waited_s),
    of_held("backpressure_ratio", "ratio",
             "Part of about the last second in which rows were there and none could be taken.",
             lately(lambda p: p.waited_s)),
    of_job("watermark_timestamp_seconds", _G, "seconds",
            "The lowest watermark of all sources, in seconds since 1970.",
            lambda p: _seconds(p.watermark_ms)),
    of_job("watermark_lag_seconds", _G, "seconds", "Clock minus watermark.",
            lambda p: _seconds(p.lag_ms)),
    of_job("waiting_rows", _G, "rows", "Rows known to wait at the sources (source lag).",
            lambda p: p.rows_waiting),
    of_job("latency_seconds", Kind.HISTOGRAM, "seconds",
            "From the moment a row was read until its result was with the sinks (exactly once: "
            "until its epoch was); weighted by rows.",
            lambda p: p.latency),
    of_job("state_rows", _G, "rows", "Entries of state.", lambda p: p.state_rows),
    of_job("state_bytes", _G, "bytes", "Bytes of state.", lambda p: p.state_bytes),
    of_job("spilled_bytes", _G, "bytes", "The part of the state that lies on the disk.",
            lambda p: p.spilled_bytes),
    of_job("memory_bytes", _G, "bytes", "Memory that counts towards the limit.",
            lambda p: p.memory_bytes),
    of_job("memory_limit_bytes", _G, "bytes", "The limit; not there where there is none.",
            lambda p: p.memory_limit or None),
    of_job("queued_bytes", _G, "bytes", "Read ahead, or given out and not with the sinks yet.",
            lambda p: p.queued_bytes),
    of_job("checkpoint_number", _G, "", "Number of the newest durable checkpoint.",
            lambda p: None if (newest := _newest(p)) is None else newest.number),
    of_job("checkpoint_duration_seconds", _G, "seconds",
            "How long it took, from its cut until the sinks had its rows.",
            lambda p: None if (newest := _newest(p)) is None else newest.took_ms / 1000),
    of_job("checkpoint_size_bytes", _G, "bytes", "How large it is.",
            lambda p: None if (newest := _newest(p)) is None else newest.bytes),
    of_held("checkpoint_age_seconds", "seconds",
             "Since the cut of the newest durable checkpoint; before the first one, since the "
             "start. Only of jobs with a checkpoint folder.",
             _checkpoint_age_s),
    of_held("checkpoint_interval_seconds", "seconds",
             "How often a checkpoint is to be made. Only of jobs with a checkpoint folder.",
             _checkpoint_interval_s),
    of_job("checkpoint_failures_total", _C, "", "Checkpoints that could not be written.",
            lambda p: p.checkpoint_failures),
    of_job("restarts_total", _C, "", "How often the job was started again after a failure.",
            lambda p: p.restarts),
)  # fmt: skip

OF_OPERATORS = (
    Metric(
        "millstream_operator_info", _G, "",
        "Always 1; what kind of step it is: source, step or sink.",
        ("job_name", "operator", "kind"), _kinds,
    ),
    of_operators("input_rows_total", _C, "rows", "Rows that came in.", lambda s: s.rows_in),
    of_operators("output_rows_total", _C, "rows", "Rows that went out.", lambda s: s.rows_out),
    of_operators("input_bytes_total", _C, "bytes", "Bytes of payload read; of sources.",
                  lambda s: s.bytes_in if s.kind == "source" else None),
    of_operators("output_bytes_total", _C, "bytes", "Bytes of columns given out; of sinks.",
                  lambda s: s.bytes_out if s.kind == "sink" else None),
    of_operators("late_rows_total", _C, "rows", "Rows set aside because they were late.",
                  lambda s: s.rows_late),
    of_operators("rejected_rows_total", _C, "rows", "Rows it could not use.",
                  lambda s: s.rows_rejected),
    of_operators("dropped_rows_total", _C, "rows", "Rows of a view that went because it was full.",
                  lambda s: s.rows_dropped),
    of_operators("batches_total", _C, "", "Batches it worked on.", lambda s: s.batches),
    of_operators_lately("batch_rows", "rows",
                         "Rows in a batch, the mean of about the last second.", _batch_rows),
    of_operators("busy_seconds_total", _C, "seconds", "Time in which it worked.",
                  lambda s: s.busy_s),
    of_operators_lately("busy_ratio", "ratio",
                         "Part of about the last second in which it worked.",
                         lambda then, now, passed_s: share((now.busy_s - then.busy_s) / passed_s)),
    of_operators("watermark_timestamp_seconds", _G, "seconds",
                  "Its watermark, in seconds since 1970.", lambda s: _seconds(s.watermark_ms)),
    of_operators("state_rows", _G, "rows", "Entries of its state.", lambda s: s.state_rows),
    of_operators("state_bytes", _G, "bytes", "Bytes of its state.", lambda s: s.state_bytes),
    of_operators("spilled_bytes", _G, "bytes", "The part of its state that lies on the disk.",
                  lambda s: s.spilled_bytes),
)  # fmt: skip

OF_SPLITS = (
    of_splits("input_rows_total", _C, "rows", "Rows read.", lambda s: s.rows),
    of_splits("input_bytes_total", _C, "bytes", "Bytes of payload read.", lambda s: s.bytes),
    of_splits("waiting_rows", _G, "rows", "Rows known to wait (source lag).",
               lambda s: s.rows_waiting),
    of_splits("watermark_timestamp_seconds", _G, "seconds",
               "Its watermark, in seconds since 1970.", lambda s: _seconds(s.watermark_ms)),
    of_splits("read_timestamp_seconds", _G, "seconds",
               "When its newest row was read, in seconds since 1970.",
               lambda s: _seconds(s.read_at_ms)),
    of_splits("idle", _G, "", "1 while it gives no rows and holds no watermark back.",
               lambda s: float(s.idle)),
    of_splits("ended", _G, "", "1 when all of it has been read.", lambda s: float(s.ended)),
)  # fmt: skip

OF_SINKS = (
    of_sinks("accepted_rows_total", _C, "rows", "Rows its system accepted.",
              lambda s: s.rows_accepted),
    of_sinks("refused_rows_total", _C, "rows", "Rows its system refused.",
              lambda s: s.rows_refused),
    of_sinks("queued_bytes", _G, "bytes", "Bytes given out that its system has not taken yet.",
              lambda s: s.bytes_queued),
    of_sinks("busy_seconds_total", _C, "seconds", "Time inside the calls of its system.",
              lambda s: s.busy_s),
    of_sinks("exactly_once", _G, "", "1 where each row is there exactly once, 0 at least once.",
              lambda s: float(s.exactly_once)),
    Metric("millstream_view_rows", _G, "rows", "Rows a live view holds.",
           ("job_name", "view"), _views),
    Metric("millstream_view_bytes", _G, "bytes",
           "Bytes a live view keeps for its readers, rows of the past among them.",
           ("job_name", "view"), _view_bytes),
    Metric("millstream_view_full", _G, "",
           "1 while a live view holds as many rows as it may: each new one drives an old one out.",
           ("job_name", "view"), _view_full),
    Metric("millstream_view_changes_total", _C, "",
           "Changes a live view took in since the process started.",
           ("job_name", "view"), _view_changes, Falls.ANEW),
    Metric("millstream_alert_active", _G, "",
           "How many keys an alert is pending or firing for.",
           ("job_name", "alert", "severity", "state"), _alerts),
    Metric("millstream_alert_dropped_changes_total", _C, "",
           "Changes of alerts that some channel was never told: given up, or too far behind.",
           JOB, _alerts_dropped, Falls.ANEW),
)  # fmt: skip

METRICS = OF_JOBS + OF_OPERATORS + OF_SPLITS + OF_SINKS


@dataclass(frozen=True, slots=True)
class OfProcess:
    """A metric of the process itself: one number per set of labels, known when it is scraped."""

    name: str
    unit: str
    help: str
    labels: tuple[str, ...]


BUILD_INFO = OfProcess(
    "millstream_build_info", "", "Always 1; the versions that run.", ("version", "python_version")
)
JOB_UP = OfProcess(
    "millstream_job_up", "", "1 if the job could be asked for its figures, 0 if not.", JOB
)
PROCESS = (BUILD_INFO, JOB_UP)

NAMES = frozenset(m.name for m in (*METRICS, *PROCESS))


def named(name: str) -> str:
    """Return the full name of a metric; what shows metrics asks here, so none is made up."""
    full = f"millstream_{name}"
    assert full in NAMES, f"the table knows no metric '{full}'"
    return full
