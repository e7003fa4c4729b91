"""Rows that wait for answers from outside, in a running pipeline."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from millstream.connect.memory import Collected
from millstream.errors import ConnectorError, Retry
from millstream.expr.resolve import resolve
from millstream.expr.tree import AggCall, Column, Named
from millstream.job import Job
from millstream.plan.joins import JoinKind, LookupJoin
from millstream.plan.nodes import Node, Plan, WindowAggregate
from millstream.plan.table import Physical, Table
from millstream.plan.windows import Tumble
from millstream.ports import registry
from millstream.settings import OutputMode, Settings
from millstream.types import Int, Schema
from tests.unit.engine.scripted import Script
from tests.unit.engine.scripted_lookup import Answers
from tests.unit.engine.test_driver import PATIENCE_S, events, rows, until, write

if TYPE_CHECKING:
    from pathlib import Path

NAMES = Schema.of({"id": "INT", "name": "STRING"})


@pytest.fixture(autouse=True)
def _scripted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.CONNECTORS, "scripted", "tests.unit.engine.scripted")
    monkeypatch.setitem(registry.CONNECTORS, "scripted-lookup", "tests.unit.engine.scripted_lookup")
    registry.connector.cache_clear()


def looked_up(source: Node, answers: Answers, **options: Any) -> LookupJoin:
    """Return events with the name of their value."""
    columns = tuple(Physical(f.name, f.type) for f in NAMES)
    names = Table("names", columns, "scripted-lookup", {"answers": answers, **options})
    return LookupJoin(
        input=source,
        table=names,
        kind=JoinKind.LEFT,
        on=((Column("v", type=Int()), "id"),),
        names=(("name", "name"),),
    )


def counts(source: Node) -> WindowAggregate:
    count = Named("n", resolve(AggCall("COUNT", ()), source.schema))
    return WindowAggregate(
        input=source, window=Tumble(10_000), time="ts", keys=("k",), aggs=(count,)
    )


def warmed_up() -> None:
    """Compile the kernels of windows, which would take longer than a test is patient."""
    out = Collected()
    Job(Plan((write(counts(looked_up(events(Script({"0": rows(1)})), Answers())), out),))).run()


def settings(tmp_path: Path | None = None, **more: Any) -> Settings:
    """Each row a batch of its own, so that several are under way."""
    folder = None if tmp_path is None else str(tmp_path)
    return Settings(chunk_rows_max=1, checkpoint_dir=folder, checkpoint_interval_ms=50, **more)


def gates(*keys: int) -> dict[int, threading.Event]:
    return {key: threading.Event() for key in keys}


def test_rows_keep_their_order_while_several_are_asked_for() -> None:
    """The second answer may come first; the rows must not."""
    out, answers = Collected(), Answers(gates=gates(0))
    script = Script({"0": rows(1, 2, 3, 4)})
    job = Job(Plan((write(looked_up(events(script), answers), out),)), settings()).start()
    until(lambda: len(answers.asked) == 4)
    assert not out.frames
    answers.gates[0].set()
    assert job.wait(PATIENCE_S) is not None
    assert out.frame()["name"].to_list() == ["n0", "n1", "n2", "n3"]
    assert answers.closed


def test_rows_may_overtake_where_that_is_allowed() -> None:
    """Who wants the shortest wait says so, and gets rows as answers come."""
    out, answers = Collected(), Answers(gates=gates(0))
    script = Script({"0": rows(1, 2, 3)})
    plan = Plan((write(looked_up(events(script), answers), out),))
    job = Job(plan, settings(async_output_mode=OutputMode.ALLOW_UNORDERED)).start()
    until(lambda: len(out.frame()) == 2)
    assert set(out.frame()["name"]) == {"n1", "n2"}
    answers.gates[0].set()
    assert job.wait(PATIENCE_S) is not None
    assert out.frame()["name"].to_list()[-1] == "n0"


def test_windows_wait_for_the_rows_before_the_mark() -> None:
    """A watermark that overtook a waiting row would close the row's window without it."""
    warmed_up()
    out, answers = Collected(), Answers(gates=gates(1))
    script = Script({"0": rows(1, 2, 60)}, bounded=False)
    plan = Plan((write(counts(looked_up(events(script), answers)), out),))
    mode = OutputMode.ALLOW_UNORDERED  # the row that raises the mark goes on before row 1
    job = Job(plan, settings(async_output_mode=mode)).start()
    until(lambda: len(answers.asked) == 3 and job.progress().state_rows > 0)
    assert not out.frames
    answers.gates[1].set()
    until(lambda: out.frames)
    assert out.frame()["n"].to_list() == [2]
    job.stop(timeout_s=PATIENCE_S)


def test_sources_pause_while_too_many_wait() -> None:
    """A slow service must not fill the memory with rows that wait."""
    out, answers = Collected(), Answers(gates=gates(0, 1, 2))
    script = Script({"0": rows(*range(20))})
    plan = Plan((write(looked_up(events(script), answers), out),))
    job = Job(plan, settings(async_asks_max=3)).start()
    until(lambda: len(answers.asked) == 3 and job.progress().rows_in == 3)
    for gate in answers.gates.values():
        gate.set()
    assert job.wait(PATIENCE_S) is not None
    assert out.frame()["name"].to_list() == [f"n{i}" for i in range(20)]


def test_one_at_a_time_where_async_is_off() -> None:
    """'lookup.async' = 'false' is for systems that bear one question at a time."""
    out, answers = Collected(), Answers(gates=gates(0))
    script = Script({"0": rows(1, 2, 3)})
    join = looked_up(events(script), answers, **{"lookup.async": "false"})
    job = Job(Plan((write(join, out),)), settings()).start()
    until(lambda: job.progress().rows_in == 3)
    assert answers.asked == [[0]]
    answers.gates[0].set()
    assert job.wait(PATIENCE_S) is not None
    assert answers.asked == [[0], [1], [2]]


def test_a_stop_between_ask_and_answer_asks_again(tmp_path: Path) -> None:
    """Rows that wait are neither lost by a restart nor given twice."""
    out, answers = Collected(), Answers(gates=gates(1))

    def plan(script: Script, said: Answers) -> Plan:
        return Plan((write(looked_up(events(script), said), out),))

    job = Job(
        plan(Script({"0": rows(1, 2, 3)}, bounded=False), answers), settings(tmp_path)
    ).start()
    until(lambda: len(answers.asked) == 3 and out.frames)
    summary = job.stop(timeout_s=PATIENCE_S)
    assert summary is not None
    assert summary.state_left == 2
    answers.gates[1].set()
    again = Answers()
    Job(plan(Script({"0": rows(1, 2, 3, 4)}), again), settings(tmp_path)).run()
    assert out.frame()["name"].to_list() == ["n0", "n1", "n2", "n3"]
    assert again.asked == [[1], [2], [3]]


def test_a_drain_waits_for_answers() -> None:
    """``drain`` promises that everything read is given."""
    warmed_up()
    out, answers = Collected(), Answers(gates=gates(2))
    script = Script({"0": rows(1, 2, 3)}, bounded=False)
    plan = Plan((write(counts(looked_up(events(script), answers)), out),))
    job = Job(plan, settings()).start()
    until(lambda: len(answers.asked) == 3)
    threading.Timer(0.05, answers.gates[2].set).start()
    summary = job.stop(drain=True, timeout_s=PATIENCE_S)
    assert summary is not None
    assert out.frame()["n"].to_list() == [3]


def test_a_failing_lookup_is_tried_again_then_stops_the_job() -> None:
    """A passing failure must not stop the job; a lasting one must, naming table and key."""
    out, answers = Collected(), Answers(failures=2)
    script = Script({"0": rows(1)})
    Job(Plan((write(looked_up(events(script), answers), out),)), settings()).run()
    assert out.frame()["name"].to_list() == ["n0"]
    answers = Answers(failures=9)
    join = looked_up(events(Script({"0": rows(1)})), answers, **{"lookup.max-retries": "1"})
    with pytest.raises(ConnectorError, match=r"table 'names', id = 0") as failed:
        Job(Plan((write(join, out),)), settings()).run()
    assert failed.value.retry is Retry.LATER
    assert len(answers.asked) == 2
    never = Answers(failures=9, retry=Retry.NEVER)
    with pytest.raises(ConnectorError):
        Job(Plan((write(looked_up(events(Script({"0": rows(1)})), never), out),)), settings()).run()
    assert len(never.asked) == 1


def test_an_answer_that_never_comes_stops_the_job() -> None:
    """A service that takes the question and says nothing must not stop a pipeline in silence."""
    out, answers = Collected(), Answers(gates=gates(0))
    plan = Plan((write(looked_up(events(Script({"0": rows(1)})), answers), out),))
    with pytest.raises(ConnectorError, match="has not come"):
        Job(plan, settings(async_timeout_ms=100)).run()
    answers.gates[0].set()


def test_a_partial_cache_asks_each_key_once() -> None:
    """What was answered is not asked again; a key without a row is an answer too."""
    answers = Answers(missing=frozenset({2}))
    out = Collected()
    frame = rows(*range(12))
    frame = frame.with_columns(frame["v"] % 4)
    join = looked_up(events(Script({"0": frame})), answers, **{"lookup.cache": "PARTIAL"})
    Job(Plan((write(join, out),)), settings(async_asks_max=1)).run()
    assert out.frame()["name"].to_list() == ["n0", "n1", None, "n3"] * 3
    assert sorted(id_ for ids in answers.asked for id_ in ids) == [0, 1, 2, 3]
