"""Pausing and going on: what stands still meanwhile, and what does not."""

from __future__ import annotations

import threading
from pathlib import Path

import polars as pl
import pytest

from millstream.connect.memory import Collected
from millstream.engine.progress import State
from millstream.engine.supervise import Supervisor
from millstream.engine.taking import Turn
from millstream.errors import ConnectorError, Domain, JobError, Retry
from millstream.expr.resolve import resolve
from millstream.expr.tree import AggCall, Call, Column, Named
from millstream.job import Job, Running
from millstream.plan.nodes import Plan, Project, Scan, WindowAggregate
from millstream.plan.table import Physical, Table
from millstream.plan.windows import Tumble
from millstream.settings import Settings
from tests.unit.engine.flaky import Flaky
from tests.unit.engine.pipelines import EVENTS, counts, events, into, known, rows, until
from tests.unit.engine.scripted import Script


@pytest.fixture(autouse=True)
def _connectors(monkeypatch: pytest.MonkeyPatch) -> None:
    known(monkeypatch)


def turns(running: Running, number: int) -> None:
    """Let the compute thread look around so often; nothing that it would do is left undone then."""
    driver = running._supervisor.driver
    seen = 0
    look = driver.memory.look

    def counted(now_s: float) -> object:
        nonlocal seen
        seen += 1
        return look(now_s)

    driver.memory.look = counted  # type: ignore[method-assign, assignment]
    until(lambda: seen >= number)
    driver.memory.look = look  # type: ignore[method-assign]


def test_a_paused_job_takes_no_row_and_goes_on_where_it_was(tmp_path: Path) -> None:
    """That is what it is for; checkpoints, savepoints and reading ahead work meanwhile."""
    script = Script({"0": rows(*range(100)), "1": rows(1)}, bounded=False, chunk_rows=10)
    script.gates["0"] = threading.Event()
    out = Collected()
    settings = Settings(checkpoint_dir=str(tmp_path / "kept"), checkpoint_interval_ms=50)
    with Job(Plan((into(events(script), "out", out),)), settings).start() as running:
        until(lambda: running.progress().rows_in == 1)
        running.pause()
        assert running.state is running.progress().state is State.PAUSED
        script.gates["0"].set()
        until(lambda: script.polls > 3)
        turns(running, 3)
        assert running.progress().rows_in == 1
        until(lambda: out.frames)  # what was read before is with the sink: its epoch has closed
        epoch = running.savepoint(tmp_path / "saved")
        assert epoch == running.progress().epoch
        assert running.progress().waited_s == 0, "nobody but the user holds it up"
        running.resume()
        assert running.state is State.RUNNING
        until(lambda: running.progress().rows_in == 101)
        running.stop()
    assert out.frame().height == 101


def test_bounded_input_does_not_end_while_paused() -> None:
    """The end of the input gives results too: windows that are open."""
    script, out = Script({"0": rows(1, 2)}), Collected()
    script.gates["0"] = _OpenAtFirst(script)
    running = Job(Plan((into(counts(events(script)), "out", out),))).start()
    until(lambda: running.progress().rows_in == 2)
    running.pause()
    script.gates["0"].set()
    until(lambda: running.progress().splits[0].ended)
    turns(running, 3)
    assert (running.state, running.done, out.frames) == (State.PAUSED, False, [])
    running.resume()
    assert running.wait() is not None
    assert out.frame()["n"].to_list() == [2]
    assert running.state is State.COMPLETED


def test_a_paused_job_can_be_stopped(tmp_path: Path) -> None:
    """Nobody has to resume what is to end; open windows stay in the checkpoint."""
    script = Script({"0": rows(1, 2, 3)}, bounded=False)
    running = Job(
        Plan((into(counts(events(script)), "out", Collected()),)),
        Settings(checkpoint_dir=str(tmp_path)),
    ).start()
    until(lambda: running.progress().rows_in == 3)
    running.pause()
    summary = running.stop()
    assert summary is not None
    assert (summary.ended, summary.state_left > 0) == ("stopped", True)
    with pytest.raises(JobError, match="ended"):
        running.resume()


def test_a_pause_outlives_a_restart(tmp_path: Path) -> None:
    """Whoever paused it finds it paused, not running again because a connection broke."""
    numbers = pl.DataFrame({"x": range(100)}, schema={"x": pl.Int64})
    wait = threading.Event()

    def fails() -> bool:
        if not wait.is_set():
            return False
        wait.clear()
        raise ConnectorError("Gone.", retry=Retry.LATER, domain=Domain.NETWORK)

    source, out = Flaky(numbers, until=fails), Collected()
    scan = Scan(table=Table("n", (Physical("x", EVENTS.type_of("v")),), "flaky", {"flaky": source}))
    settings = Settings(
        checkpoint_dir=str(tmp_path), checkpoint_interval_ms=50, restart_backoff_initial_ms=1
    )
    running = Job(Plan((into(scan, "out", out),)), settings).start()
    until(lambda: running.progress().rows_in == 50)
    until(lambda: running.progress().epoch > 0)
    running.pause()
    wait.set()
    until(lambda: running.progress().restarts == 1 and running.state is State.PAUSED)
    source.until = None
    turns(running, 3)
    assert running.progress().rows_in == 50
    running.resume()
    summary = running.wait()
    assert summary is not None
    assert (summary.progress.rows_in, sorted(out.frame()["x"])) == (100, list(range(100)))


def test_the_clock_goes_on_while_paused() -> None:
    """A window of the clock that is due is given out: its rows were there before the pause."""
    script, out = Script({"0": rows(1, 2, 9)}, bounded=False), Collected()
    count = Named("n", resolve(AggCall("COUNT", ()), EVENTS))
    read = Named("read", resolve(Call("PROCTIME", ()), EVENTS))
    stamped = Project(
        input=events(script, watermark=False),
        columns=(Named("k", resolve(Column("k"), EVENTS)), read),
    )
    node = WindowAggregate(
        input=stamped, window=Tumble(1_000), time="read", keys=("k",), aggs=(count,)
    )
    with Job(Plan((into(node, "out", out),))).start() as running:
        until(lambda: running.progress().rows_in == 3)
        running.pause()
        until(lambda: out.frames)
        assert out.frame()["n"].sum() == 3


def test_silence_says_nothing_while_paused() -> None:
    """Rows wait: time must not run past them, or they would be late when they are taken."""
    script = Script({"0": rows(9.95), "1": rows(9.9)}, bounded=False)
    script.gates["1"] = threading.Event()
    plan = Plan((into(counts(events(script)), "out", Collected()),))
    running = Job(plan, Settings(silence_timeout_ms=20))._opened()
    driver = running.driver

    def pause(turn: Turn) -> None:
        if turn.cuts:
            running.hold(on=True)

    driver.on_turn = pause  # within the turn: no silence can come before
    with _Started(running) as thread:
        until(lambda: running.state is State.PAUSED)
        script.gates["1"].set()
        until(lambda: running.progress().splits[1].read_at_ms is not None)
        began_ms = running.world.now_ms()
        until(lambda: running.world.now_ms() > began_ms + 200)
        driver.on_turn = None
        running.hold(on=False)
        until(lambda: running.progress().rows_in == 2)
        running.stop(drain=True)
        thread.join()
    assert running.progress().rows_late == 0


class _OpenAtFirst(threading.Event):
    """A gate that lets the first poll through."""

    def __init__(self, script: Script) -> None:
        super().__init__()
        self._script = script

    def is_set(self) -> bool:
        return self._script.polls <= 1 or super().is_set()


class _Started:
    """A supervisor in a thread."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._thread = threading.Thread(target=supervisor.run, daemon=True)
        self._supervisor = supervisor

    def __enter__(self) -> threading.Thread:
        self._thread.start()
        return self._thread

    def __exit__(self, *_: object) -> None:
        self._supervisor.stop()
        self._thread.join()
