"""What a run tells of its steps, splits, sinks and checkpoints, against what it really did."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import polars as pl
import pytest

from millstream.connect.memory import Collected
from millstream.engine.driver import CHECKPOINTS_TOLD_MAX
from millstream.engine.progress import Progress, State
from millstream.errors import ConnectorError, Domain, Retry
from millstream.expr.resolve import resolve
from millstream.expr.tree import Call, Column, Literal
from millstream.job import Job
from millstream.plan.nodes import Filter, LateRows, Plan, Scan
from millstream.plan.table import Physical, Table
from millstream.settings import Settings
from tests.unit.engine.flaky import Flaky
from tests.unit.engine.gated import Gated
from tests.unit.engine.pipelines import (
    EVENTS,
    START_MS,
    counts,
    events,
    into,
    known,
    rows,
    until,
)
from tests.unit.engine.scripted import Script

ROWS = pl.DataFrame({"x": range(100)}, schema={"x": pl.Int64})


@pytest.fixture(autouse=True)
def _connectors(monkeypatch: pytest.MonkeyPatch) -> None:
    known(monkeypatch)


def numbers(flaky: Flaky) -> Scan:
    columns = (Physical("x", EVENTS.type_of("v")),)
    return Scan(table=Table("numbers", columns, "flaky", {"flaky": flaky}))


def gone() -> ConnectorError:
    return ConnectorError("Connection refused.", retry=Retry.LATER, domain=Domain.NETWORK)


def quick(folder: Path) -> Settings:
    return Settings(
        checkpoint_dir=str(folder), checkpoint_interval_ms=50, restart_backoff_initial_ms=1
    )


def test_the_graph_can_be_drawn_from_what_is_told() -> None:
    """Every step names those before it; a side output and a fused chain stand there once."""
    few = Call(">=", (Column("v"), Literal(0)))
    scan = events(Script({"0": rows(1, 50, 2, 99)}, chunk_rows=1))
    kept = Filter(input=Filter(input=scan, predicate=resolve(few, EVENTS)), predicate=resolve(
        Call("<", (Column("v"), Literal(100))), EVENTS
    ))  # fmt: skip
    windows = counts(kept)
    plan = Plan(
        (
            into(windows, "out", Collected()),
            into(LateRows(input=windows), "late", Collected()),
            into(scan, "copy", Collected()),
        )
    )
    steps = {s.uid: s for s in Job(plan).run().progress.steps}
    known_uids = set(steps)
    assert all(set(s.inputs) <= known_uids for s in steps.values())
    (source,) = [s for s in steps.values() if s.kind == "source"]
    assert source.inputs == ()
    assert {s.uid for s in steps.values() if s.kind == "sink"} == {"out", "late", "copy"}
    assert steps["copy"].inputs == (source.uid,)

    def way(uid: str) -> list[str]:
        inputs = steps[uid].inputs
        assert len(inputs) <= 1
        return [uid] if not inputs else [*way(inputs[0]), uid]

    to_out, to_late = way("out"), way("late")
    assert to_out[0] == to_late[0] == source.uid
    assert to_out[-2] == to_late[-3], "the tap of late rows hangs on the window"
    assert len(to_out) <= 4, "filters that run as one are one step"
    assert steps["late"].rows_in == steps[to_out[-2]].rows_late == 1


def test_marks_bytes_and_splits_are_those_of_the_run() -> None:
    """What is drawn beside a step or a split is what the engine goes by."""
    script = Script({"0": rows(1, 25), "1": rows(3, 31)}, bounded=False, row_bytes=7)
    running = Job(Plan((into(counts(events(script)), "out", Collected()),))).start()
    until(lambda: running.progress().rows_in == 4)
    progress = running.progress()
    splits = {s.split: s for s in progress.splits}
    assert {s.table for s in progress.splits} == {"events"}
    assert [(splits[n].rows, splits[n].bytes) for n in "01"] == [(2, 14), (2, 14)]
    assert [splits[n].watermark_ms for n in "01"] == [START_MS + 25_000, START_MS + 31_000]
    assert all(s.read_at_ms is not None and not s.ended and not s.idle for s in progress.splits)
    assert all(s.rows_waiting is None for s in progress.splits), "the script does not tell"
    until(lambda: running.progress().steps[-1].watermark_ms == START_MS + 25_000)
    steps = running.progress().steps
    assert (steps[0].kind, steps[0].bytes_in, steps[0].bytes_out) == ("source", 28, 0)
    running.stop(drain=True)
    after = running.progress()
    assert all(s.watermark_ms is None for s in after.steps), "the end of the input is no time"
    assert after.steps[-1].bytes_out > 0


def test_a_split_that_has_ended_says_so() -> None:
    """Whoever waits for a split must see that nothing more comes."""
    progress = Job(
        Plan((into(events(Script({"0": rows(1), "1": rows()})), "out", Collected()),))
    ).run().progress  # fmt: skip
    assert [(s.split, s.rows, s.ended) for s in progress.splits] == [("0", 1, True), ("1", 0, True)]
    assert [s.read_at_ms is None for s in progress.splits] == [False, True]


def test_figures_go_on_over_restarts(tmp_path: Path) -> None:
    """Rows that are read again count once, at the split and the sink as in the totals."""
    seen: list[Progress] = []
    source, out = Flaky(ROWS, [(60, gone()), (80, gone())]), Collected()
    source.until = lambda: any(p.epoch for p in seen)
    settings = dataclasses.replace(quick(tmp_path), progress_interval_ms=1)
    summary = Job(Plan((into(numbers(source), "out", out),)), settings).run(seen.append)
    progress = summary.progress
    assert progress.restarts == 2
    assert sum(s.rows for s in progress.splits) == progress.rows_in == 100
    told = [c.number for c in progress.checkpoints]
    assert told == sorted(set(told))
    assert (told[0], told[-1]) == (1, progress.epoch)


def test_time_that_was_lost_stays_lost(tmp_path: Path) -> None:
    """A restart does not undo that rows had to wait."""
    gated = Gated(by_epoch=True, failures=[gone()])
    gated.gate.clear()
    settings = dataclasses.replace(quick(tmp_path), epoch_bytes_max=1, chunk_rows_max=10)
    running = Job(Plan((into(numbers(Flaky(ROWS)), "out", gated),)), settings).start()
    until(lambda: gated.waits and running.progress().waited_s > 0.1)
    gated.gate.set()
    summary = running.wait()
    assert summary is not None
    assert summary.progress.restarts == 1
    assert summary.progress.waited_s > 0.1


def test_checkpoints_are_told_with_what_they_cost(tmp_path: Path) -> None:
    """The newest ones only, oldest first; each was written and took its time."""
    script = Script({"0": rows(*range(200))}, bounded=False, chunk_rows=1)
    settings = dataclasses.replace(quick(tmp_path), epoch_bytes_max=1)
    running = Job(Plan((into(events(script), "out", Collected()),)), settings).start()
    until(lambda: running.progress().epoch > CHECKPOINTS_TOLD_MAX)
    summary = running.stop()
    assert summary is not None
    told = summary.progress.checkpoints
    assert len(told) == CHECKPOINTS_TOLD_MAX
    last = summary.progress.epoch
    assert [c.number for c in told] == list(range(last + 1 - len(told), last + 1))
    assert all(c.bytes > 0 and c.took_ms > 0 for c in told)
    assert [c.at_ms for c in told] == sorted(c.at_ms for c in told)
    newest = max(tmp_path.glob("manifests/*"), default=None)
    if newest is not None:
        assert told[-1].bytes >= newest.stat().st_size


@pytest.mark.parametrize("by_epoch", [False, True], ids=["at least once", "exactly once"])
def test_a_sink_that_does_not_take_rows_is_seen(tmp_path: Path, by_epoch: bool) -> None:
    """Its bytes wait, the time in which rows are held up runs, and both end with the trouble."""
    gated = Gated(by_epoch=by_epoch)
    gated.gate.clear()
    script = Script({"0": rows(*range(1_000))}, bounded=False, chunk_rows=10)
    settings = dataclasses.replace(quick(tmp_path), epoch_bytes_max=1, chunk_rows_max=10)
    running = Job(Plan((into(events(script), "out", gated),)), settings).start()
    until(lambda: gated.waits and running.progress().waited_s > 0)
    before = running.progress()
    assert before.sinks[0].exactly_once is by_epoch
    assert before.sinks[0].bytes_queued > 0
    until(lambda: running.progress().waited_s > before.waited_s)
    held_s = running.progress().elapsed_s - before.elapsed_s
    gated.gate.set()
    until(lambda: gated.rows == 1_000)
    until(lambda: running.progress().sinks[0].bytes_queued == 0)
    summary = running.stop()
    assert summary is not None
    (sink,) = summary.progress.sinks
    assert (sink.bytes_queued, sink.rows_accepted) == (0, 1_000)
    assert sink.busy_s >= held_s > 0, "it was in its call all that time"
    assert summary.progress.steps[-1].bytes_out >= before.sinks[0].bytes_queued


def test_of_very_many_splits_those_that_go_on_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of a million files must not make every look a long one."""
    monkeypatch.setattr("millstream.engine.reporting.SPLITS_MAX", 2)
    script = Script({"0": rows(1), "1": rows(2), "2": rows(3)})
    job = Job(Plan((into(events(script), "out", Collected()),)))
    assert [s.split for s in job.run().progress.splits] == ["2", "1"]


def test_a_run_tells_where_it_is_in_its_life(tmp_path: Path) -> None:
    """A page says running, restarting, stopping and how it ended; each of them is a fact."""
    source = Flaky(ROWS, [(30, gone())])
    settings = dataclasses.replace(
        quick(tmp_path), restart_backoff_initial_ms=3_600_000, restart_backoff_max_ms=3_600_000
    )
    running = Job(Plan((into(numbers(source), "out", Collected()),)), settings).start()
    until(lambda: running.state is State.RESTARTING)
    assert running.progress().state is State.RESTARTING
    running.stop()
    assert running.state is running.progress().state is State.STOPPED

    done = Job(Plan((into(numbers(Flaky(ROWS)), "out", Collected()),))).run()
    assert done.progress.state is State.COMPLETED

    running = Job(Plan((into(numbers(Flaky(ROWS, [(30, gone())])), "out", Collected()),))).start()
    with pytest.raises(ConnectorError):
        running.wait()
    assert running.state is running.progress().state is State.FAILED


def test_stopping_is_seen_while_a_sink_holds_up_the_end() -> None:
    """Who asked for the end sees that it was heard, however long the last rows take."""
    gated = Gated()
    gated.gate.clear()
    script = Script({"0": rows(1)}, bounded=False)
    running = Job(Plan((into(events(script), "out", gated),))).start()
    until(lambda: gated.waits)
    assert running.state is State.RUNNING
    running.ask_to_stop()
    assert running.state is running.progress().state is State.STOPPING
    gated.gate.set()
    running.wait()
    assert running.state is State.STOPPED
