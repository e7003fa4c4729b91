"""The driver: threads around one compute thread."""

from __future__ import annotations

import datetime as dt
import itertools
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from millstream.connect.memory import Collected
from millstream.errors import CheckpointError, ConnectorError, DataError
from millstream.expr.resolve import resolve
from millstream.expr.tree import AggCall, Call, Column, Expr, Literal, Named
from millstream.job import Job, Running
from millstream.plan.nodes import (
    LateRows,
    MapBatches,
    Node,
    Plan,
    Project,
    Scan,
    WindowAggregate,
    Write,
)
from millstream.plan.table import Physical, Table, Watermark
from millstream.plan.windows import Session, Tumble
from millstream.ports import registry
from millstream.settings import OnReject, Settings
from millstream.types import Schema
from tests.unit.engine.scripted import Script

START = dt.datetime(2026, 1, 1)  # noqa: DTZ001 (event time has no zone)
EVENTS = Schema.of({"k": "STRING", "v": "INT", "ts": "TIMESTAMP(3)"})
PATIENCE_S = 60.0


@pytest.fixture(autouse=True)
def _scripted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.CONNECTORS, "scripted", "tests.unit.engine.scripted")
    registry.connector.cache_clear()


def rows(*seconds: int, key: str = "a") -> pl.DataFrame:
    return pl.DataFrame(
        {
            "k": [key] * len(seconds),
            "v": range(len(seconds)),
            "ts": [START + dt.timedelta(seconds=s) for s in seconds],
        },
        schema={"k": pl.String, "v": pl.Int32, "ts": pl.Datetime("ms")},
    )


def events(script: Script, watermark: bool = True) -> Scan:
    mark = Watermark("ts", resolve(Column("ts"), EVENTS)) if watermark else None
    columns = tuple(Physical(f.name, f.type) for f in EVENTS)
    return Scan(table=Table("events", columns, "scripted", {"script": script}, mark))


def counts(scan: Scan, size_s: int = 10) -> WindowAggregate:
    count = resolve(AggCall("COUNT", ()), EVENTS)
    return WindowAggregate(
        input=scan, window=Tumble(size_s * 1000), time="ts", keys=("k",), aggs=(Named("n", count),)
    )


def write(node: Node, out: Collected, name: str = "out") -> Write:
    columns = tuple(Physical(f.name, f.type) for f in node.schema)
    return Write(input=node, table=Table(name, columns, "memory", {"target": out}))


def until(true: Callable[[], Any]) -> None:
    """Poll for an event; a test that waits in vain fails instead of hanging."""
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


def test_a_pipeline_killed_between_epochs_gives_each_row_once(tmp_path: Path) -> None:
    """Exactly once: rows after the last epoch are read again, rows before it are not."""
    out = Collected()
    script = Script({"0": rows(*range(500))}, fail_after=300, chunk_rows=50)
    settings = Settings(checkpoint_dir=str(tmp_path), checkpoint_interval_ms=50)
    for attempt in itertools.count():
        try:
            summary = Job(Plan((write(counts(events(script)), out),)), settings).run()
            break
        except ConnectorError:
            assert attempt < 5, "no progress between restarts"
            script.fail_after = None if attempt else 400
    assert summary.ended == "completed"
    assert out.frame()["n"].to_list() == [10] * 50
    assert out.frame()["window_start"].is_unique().all()


def test_a_completed_pipeline_started_again_gives_nothing_more(tmp_path: Path) -> None:
    """A restart after the end finds the end; final windows do not fire twice."""
    out = Collected()
    settings = Settings(checkpoint_dir=str(tmp_path))
    for _ in range(2):
        plan = Plan((write(counts(events(Script({"0": rows(1, 2, 30)}))), out),))
        assert Job(plan, settings).run().ended == "completed"
    assert out.frame()["n"].to_list() == [2, 1]


def test_a_stop_keeps_open_windows_in_the_checkpoint(tmp_path: Path) -> None:
    """SIGTERM in the middle of a window must not cut the window in two."""
    out = Collected()
    settings = Settings(checkpoint_dir=str(tmp_path), checkpoint_interval_ms=50)
    script = Script({"0": rows(1, 2, 3)}, bounded=False)
    job = Job(Plan((write(counts(events(script)), out),)), settings).start()
    until(lambda: job.progress().rows_in == 3)
    summary = job.stop(timeout_s=PATIENCE_S)
    assert summary is not None
    assert summary.ended == "stopped"
    assert summary.state_left > 0
    assert not out.frames
    again = Script({"0": rows(1, 2, 3, 4, 20)}, bounded=False)
    job = Job(Plan((write(counts(events(again)), out),)), settings).start()
    until(lambda: out.frames)
    job.stop(timeout_s=PATIENCE_S)
    assert out.frame()["n"].to_list() == [4]
    assert again.committed["0"] == 5


def test_a_drain_closes_open_windows() -> None:
    """``stop(drain=True)`` says that no more rows will come."""
    out = Collected()
    job = _started(Script({"0": rows(1, 2, 3)}, bounded=False), out)
    until(lambda: job.progress().rows_in == 3)
    summary = job.stop(drain=True, timeout_s=PATIENCE_S)
    assert summary is not None
    assert summary.ended == "drained"
    assert out.frame()["n"].to_list() == [3]


def _started(script: Script, out: Collected, **settings: Any) -> Running:
    return Job(Plan((write(counts(events(script)), out),)), Settings(**settings)).start()


@pytest.mark.parametrize("slow", ["0", "1"])
def test_the_order_of_a_bounded_run_is_a_function_of_the_data(slow: str) -> None:
    """Which rows are late must not depend on which split answers faster."""
    out, late = Collected(), Collected()
    script = Script(
        {"0": rows(1, 50, 2, 3, key="a"), "1": rows(30, 31, 5, 90, key="b")},
        chunk_rows=1,
        delay_s={slow: 0.003},
    )
    windows = counts(events(script))
    Job(Plan((write(windows, out), write(LateRows(input=windows), late, "late")))).run()
    assert sorted(late.frame().select("k", "v").rows()) == [("a", 2), ("a", 3), ("b", 2)]
    assert out.frame()["n"].sum() == 5


def test_a_split_without_rows_holds_the_mark_until_it_is_idle() -> None:
    """One quiet partition must not stop every window, if the user said so."""
    gate = threading.Event()
    script = Script({"0": rows(1, 2, 30), "1": rows(40)}, bounded=False, gates={"1": gate})
    out = Collected()
    job = _started(script, out)
    until(lambda: job.progress().rows_in == 3)
    assert not out.frames
    job.stop(timeout_s=PATIENCE_S)
    job = _started(script, out, idle_timeout_ms=50)
    until(lambda: out.frames)
    assert out.frame()["n"].to_list() == [2]
    job.stop(timeout_s=PATIENCE_S)


def test_windows_end_on_a_silent_source_if_asked() -> None:
    """With a silence timeout event time runs on with the clock."""
    out = Collected()
    script = Script({"0": rows(1, 2, 9)}, bounded=False)
    job = _started(script, out, silence_timeout_ms=50)
    until(lambda: out.frames)
    assert out.frame()["n"].to_list() == [3]
    job.stop(timeout_s=PATIENCE_S)


@pytest.mark.parametrize("window", [Tumble(40), Session(40)], ids=str)
def test_windows_of_the_clock_end_on_a_quiet_source(window: Tumble | Session) -> None:
    """Nobody waits for a further row: the clock goes on where none comes."""
    out = Collected()
    script = Script({"0": rows(1, 2, 9)}, bounded=False)
    scan = events(script, watermark=False)
    read = Named("read", resolve(Call("PROCTIME", ()), EVENTS))
    count = Named("n", resolve(AggCall("COUNT", ()), EVENTS))
    stamped = Project(input=scan, columns=(Named("k", resolve(Column("k"), EVENTS)), read))
    node = WindowAggregate(input=stamped, window=window, time="read", keys=("k",), aggs=(count,))
    job = Job(Plan((write(node, out),))).start()
    until(lambda: out.frames)
    assert out.frame()["n"].to_list() == [3]
    job.stop(timeout_s=PATIENCE_S)


def test_a_source_pauses_when_its_buffer_is_full() -> None:
    """Back-pressure: what is read ahead is bounded, however slow the rest is."""
    script = Script({"0": rows(*range(1000))}, chunk_rows=10)
    ahead: list[int] = []

    def slow(frame: pl.DataFrame) -> pl.DataFrame:
        time.sleep(0.002)  # the slow step itself, not a wait for an event
        ahead.append(script.polls - len(ahead))
        return frame

    scan = events(script)
    node = MapBatches(input=scan, fn=slow, gives=scan.schema)
    settings = Settings(buffer_bytes_max=2_000, chunk_rows_max=10)
    summary = Job(Plan((write(node, Collected()),)), settings).run()
    assert summary.progress.rows_out == 1000
    assert max(ahead) <= 6


def test_a_failing_source_stops_the_job_with_its_own_error() -> None:
    """The user is told what the connector said, not that a thread died."""
    script = Script({"0": rows(1, 2, 3)}, fail_after=2, chunk_rows=1)
    with pytest.raises(ConnectorError, match="The script says so"):
        Job(Plan((write(events(script), Collected()),))).run()


def _hundred_over_v(scan: Scan) -> Node:
    quotient: Expr = Call("/", (Literal(100), Column("v")))
    return Project(input=scan, columns=(Named("q", resolve(quotient, EVENTS)),))


def test_a_row_that_fails_is_counted_with_its_reason_and_the_others_go_on() -> None:
    """Never NULL, never silent, never the whole batch."""
    out = Collected()
    scan = events(Script({"0": rows(1, 2, 3)}))
    summary = Job(Plan((write(_hundred_over_v(scan), out),))).run()
    assert out.frame()["q"].to_list() == [100, 50]
    assert summary.progress.rows_rejected == 1
    assert "division by zero" in summary.reasons[0][0]


def test_on_reject_fail_stops_at_the_first_bad_row() -> None:
    """Whoever cannot afford a hole says so and gets an error."""
    scan = events(Script({"0": rows(1, 2, 3)}))
    settings = Settings(on_reject=OnReject.FAIL)
    with pytest.raises(DataError, match="division by zero"):
        Job(Plan((write(_hundred_over_v(scan), Collected()),)), settings).run()


def test_two_processes_cannot_run_one_pipeline(tmp_path: Path) -> None:
    """A checkpoint folder has one owner."""
    script = Script({"0": rows(1)}, bounded=False)
    settings = Settings(checkpoint_dir=str(tmp_path))
    plan = Plan((write(events(script), Collected()),))
    with Job(plan, settings).start(), pytest.raises(CheckpointError, match="Another process"):
        Job(plan, settings).run()


def test_a_damaged_checkpoint_is_refused(tmp_path: Path) -> None:
    """A flipped bit must never become wrong money."""
    settings = Settings(checkpoint_dir=str(tmp_path))
    plan = Plan((write(counts(events(Script({"0": rows(1, 2)}))), Collected()),))
    Job(plan, settings).run()
    file = max(tmp_path.glob("packs/*"))
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(bytes(data))
    with pytest.raises(CheckpointError, match="damaged"):
        Job(plan, settings).run()


def test_a_changed_program_does_not_take_over_state_that_does_not_fit(tmp_path: Path) -> None:
    """A window of another size cannot go on from this state; it must say so."""
    settings = Settings(checkpoint_dir=str(tmp_path))
    script = Script({"0": rows(1, 2)}, bounded=False)
    job = Job(Plan((write(counts(events(script)), Collected()),)), settings).start()
    until(lambda: job.progress().rows_in == 2)
    job.stop(timeout_s=PATIENCE_S)
    with pytest.raises(CheckpointError, match="program changed"):
        Job(Plan((write(counts(events(script), 60), Collected()),)), settings).run()
