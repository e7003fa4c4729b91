"""Running: which sinks a run takes, contexts, background jobs, what programs are looked at."""

from __future__ import annotations

import contextvars
import threading

import pytest

import millstream as ms
from millstream import col
from millstream.frame import context


@pytest.fixture(autouse=True)
def _own_context():
    with context.surrounded(context.Surroundings()):
        yield


def numbers():
    return ms.read_memory([{"x": 1}, {"x": 5}], name="numbers")


def test_a_bare_run_takes_what_was_declared_since_the_last():
    """A program declares sinks and runs them together; the next run starts from nothing."""
    a, b = numbers().write_memory("a"), numbers().filter(col("x") > 2).write_memory("b")
    summary = ms.run()
    assert (summary.ended, summary.progress.rows_out) == ("completed", 3)
    assert (a.frame().height, b.frame().height) == (2, 1)
    with pytest.raises(ms.PlanError, match="nothing to run"):
        ms.run()


def test_a_named_run_leaves_the_others_declared():
    """run(a) runs a alone; b still waits for the bare run."""
    a, b = numbers().write_memory("a"), numbers().write_memory("b")
    ms.run(a)
    assert (a.frame().height, b.frame().height) == (2, 0)
    ms.run()
    assert (a.frame().height, b.frame().height) == (2, 2)


def test_threads_do_not_see_each_others_sinks():
    """There is no hidden global graph: another thread starts with nothing declared."""
    numbers().write_memory("mine")
    seen: list[int] = []
    thread = threading.Thread(target=lambda: seen.append(len(context.take_declared())))
    thread.start()
    thread.join()
    assert seen == [0]
    assert len(contextvars.copy_context().run(context.take_declared)) == 1


def test_a_background_job_can_be_waited_for_and_asked():
    """start() is for notebooks and services."""
    sink = numbers().write_memory("n")
    job = ms.start(sink)
    summary = job.wait(60)
    assert summary is not None
    assert summary.ended == "completed"
    assert sink.frame().rows() == [(1,), (5,)]


def test_settings_are_checked_by_name():
    """A misspelt setting is told with the near name, before anything runs."""
    with pytest.raises(ms.UnknownName, match="Did you mean") as caught:
        numbers().write_memory().run(settings={"pipeline.nam": "x"})
    assert "'pipeline.name'" in str(caught.value)


def test_explain_looks_without_running():
    """explain() of declared sinks leaves them declared."""
    sink = numbers().write_memory("a")
    assert "Write a [memory]" in ms.explain()
    assert sink.frame().height == 0
    assert ms.run().progress.rows_out == 2


def test_a_program_that_is_looked_at_connects_to_nothing():
    """check and explain execute a program, but its runs only leave their plans."""
    with context.surrounded(context.Surroundings(context.Purpose.LOOK)) as around:
        sink = numbers().write_memory("a")
        assert ms.run().ended == "looked at"
        with pytest.raises(context.ProgramEnd):
            numbers().collect()
    assert len(around.plans) == 2
    assert sink.frame().height == 0


def test_show_prints_the_result_when_there_is_no_terminal(capsys):
    """In a pipe or a log the table comes once, at the end."""
    numbers().show("result")
    ms.run()
    printed = capsys.readouterr().out
    assert "result" in printed
    assert "5" in printed
    assert "2 rows" in printed


def test_test_replaces_every_source():
    """A test feeds rows by table name and needs no broker."""
    left = ms.read_kafka("nowhere:9092", topic="left", schema={"x": "BIGINT"})
    right = ms.read_kafka("nowhere:9092", topic="right", schema={"x": "BIGINT"})
    both = left.union(right)
    assert sorted(ms.test(both, left=[{"x": 1}], right=[{"x": 2}]).rows) == [(1,), (2,)]
    with pytest.raises(ms.PlanError, match="by name"):
        ms.test(both, [{"x": 1}])
    with pytest.raises(ms.UnknownName, match="Did you mean 'right'"):
        ms.test(both, rigth=[{"x": 1}])
