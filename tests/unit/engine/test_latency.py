"""How long rows were on their way: the histogram of a run, against what the run really did."""

from __future__ import annotations

import threading
import time
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream.connect.memory import Collected
from millstream.engine.graph import Graph
from millstream.engine.latency import BOUNDS_S, READS_MAX, Latency, Reads, Stopwatch
from millstream.engine.progress import Histogram, Progress
from millstream.errors import ConnectorError, Domain, Retry
from millstream.job import Job
from millstream.plan.nodes import MapBatches, Node, Plan, Scan
from millstream.plan.table import Physical, Table
from millstream.ports import registry
from millstream.settings import Settings
from millstream.types import Schema
from tests.unit.engine.flaky import Flaky
from tests.unit.engine.gated import Gated
from tests.unit.engine.pipelines import counts, events, into, known, rows, until
from tests.unit.engine.scripted import Script
from tests.unit.engine.scripted_lookup import Answers
from tests.unit.engine.test_asking import looked_up
from tests.unit.engine.test_supervise import Panic

BIG = Schema.of({"x": "BIGINT"})


@pytest.fixture(autouse=True)
def _connectors(monkeypatch: pytest.MonkeyPatch) -> None:
    known(monkeypatch)


def measured(progress: Progress) -> Histogram:
    assert progress.latency is not None
    return progress.latency


def of_rows(progress: Progress) -> int:
    return sum(measured(progress).counts)


def test_the_bounds_are_those_of_the_contract() -> None:
    """From half a millisecond to a minute, each a little more than the one before."""
    assert (BOUNDS_S[0], BOUNDS_S[-1]) == (0.0005, 60.0)
    assert all(1 < high / low <= 2 for low, high in pairwise(BOUNDS_S))


@pytest.mark.parametrize("kept", [False, True], ids=["at least once", "exactly once"])
@pytest.mark.parametrize("windows", [False, True], ids=["each row", "windows"])
def test_every_row_that_was_read_is_measured_once(
    tmp_path: Path, kept: bool, windows: bool
) -> None:
    """Whatever becomes of it: given out, kept in a window, to one sink or to several."""
    script = Script({"0": rows(*range(300)), "1": rows(*range(0, 600, 2))}, chunk_rows=7)
    scan = events(script)
    node: Node = counts(scan) if windows else scan
    settings = Settings(
        checkpoint_dir=str(tmp_path) if kept else None,
        checkpoint_interval_ms=50,
        epoch_bytes_max=1_000,
    )
    plan = Plan((into(node, "out", Collected()), into(scan, "copy", Gated(by_epoch=False))))
    progress = Job(plan, settings).run().progress
    assert of_rows(progress) == progress.rows_in == 600
    assert measured(progress).sum_s > 0


@pytest.mark.parametrize("by_epoch", [False, True], ids=["at least once", "exactly once"])
def test_it_ends_when_the_last_sink_has_the_rows(tmp_path: Path, by_epoch: bool) -> None:
    """A quick sink beside a slow one does not make rows arrive before they have."""
    slow, quick = Gated(by_epoch=by_epoch), Gated()
    slow.gate.clear()
    script = Script({"0": rows(1, 2, 3)}, bounded=False)
    scan = events(script)
    settings = Settings(checkpoint_dir=str(tmp_path), checkpoint_interval_ms=50)
    plan = Plan((into(scan, "slow", slow), into(scan, "quick", quick)))
    running = Job(plan, settings).start()
    until(lambda: running.progress().splits[0].read_at_ms is not None)
    began_s = time.monotonic()
    until(lambda: slow.waits and quick.rows == 3)
    assert of_rows(running.progress()) == 0
    until(lambda: time.monotonic() - began_s > 0.1)
    waited_s = time.monotonic() - began_s
    slow.gate.set()
    until(lambda: of_rows(running.progress()) == 3)
    found = measured(running.progress())
    assert found.sum_s >= 3 * waited_s
    fast = [n for bound, n in zip(BOUNDS_S, found.counts, strict=False) if bound < waited_s]
    assert sum(fast) == 0
    running.stop()


def test_a_chunk_that_waits_to_be_taken_is_on_its_way() -> None:
    """The time in the queue of a source counts: it is where rows of a slow job wait."""
    script = Script({"0": rows(1, 2)}, bounded=False)
    supervisor = Job(Plan((into(events(script), "out", Collected()),)))._opened()
    supervisor.hold(on=True)
    thread = threading.Thread(target=supervisor.run, daemon=True)
    thread.start()
    until(lambda: supervisor.progress().splits[0].read_at_ms is not None)
    began_s = time.monotonic()
    until(lambda: time.monotonic() - began_s > 0.1)
    waited_s = time.monotonic() - began_s
    supervisor.hold(on=False)
    until(lambda: of_rows(supervisor.progress()) == 2)
    assert measured(supervisor.progress()).sum_s >= 2 * waited_s
    supervisor.stop()
    thread.join()


def test_restarts_never_mix_what_was_lost_with_what_arrived(tmp_path: Path) -> None:
    """What is on its way when a run fails did not arrive; the totals only grow."""
    numbers = pl.DataFrame({"x": range(100)}, schema={"x": pl.Int64})
    gone = [ConnectorError("Gone.", retry=Retry.LATER, domain=Domain.NETWORK) for _ in range(3)]
    seen: list[Progress] = []
    source = Flaky(numbers, [(60, gone[0]), (70, gone[1]), (90, gone[2])])
    source.until = lambda: any(of_rows(p) for p in seen)
    scan = Scan(table=Table("n", (Physical("x", BIG.type_of("x")),), "flaky", {"flaky": source}))
    settings = Settings(
        checkpoint_dir=str(tmp_path),
        checkpoint_interval_ms=50,
        progress_interval_ms=1,
        restart_backoff_initial_ms=1,
    )
    summary = Job(Plan((into(scan, "out", Collected()),)), settings).run(seen.append)
    assert summary.progress.restarts == 3
    totals = [measured(p) for p in (*seen, summary.progress)]
    assert all(
        all(a <= b for a, b in zip(before.counts, after.counts, strict=True))
        and before.sum_s <= after.sum_s
        for before, after in pairwise(totals)
    )
    assert 50 <= of_rows(summary.progress) <= 100, "an epoch's rows arrive once"


def test_rows_that_are_pushed_with_care_are_measured_once(tmp_path: Path) -> None:
    """After a failure a batch goes row by row; its chunk arrives with its epoch all the same."""
    numbers = pl.DataFrame({"x": range(100)}, schema={"x": pl.Int64})

    def fn(frame: pl.DataFrame) -> pl.DataFrame:
        if 17 in frame["x"]:
            raise Panic
        return frame

    table = Table("n", (Physical("x", BIG.type_of("x")),), "flaky", {"flaky": Flaky(numbers)})
    node = MapBatches(input=Scan(table=table), fn=fn, gives=BIG)
    settings = Settings(
        checkpoint_dir=str(tmp_path),
        checkpoint_interval_ms=3_600_000,
        restart_backoff_initial_ms=1,
    )
    progress = Job(Plan((into(node, "out", Collected()),)), settings).run().progress
    assert (progress.restarts, progress.rows_out) == (1, 99)
    assert of_rows(progress) == 100


def test_rows_that_wait_for_answers_are_on_their_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lookup takes its time outside: a turn that has only asked has given nothing yet."""
    lookup = "tests.unit.engine.scripted_lookup"
    monkeypatch.setitem(registry.CONNECTORS, "scripted-lookup", lookup)
    answers = Answers(gates={number: threading.Event() for number in range(3)})
    join = looked_up(events(Script({"0": rows(1, 2, 3)}, bounded=False)), answers)
    plan = Plan((into(join, "out", Collected()),))
    running = Job(plan, Settings(chunk_rows_max=1)).start()
    until(lambda: running.progress().rows_in == 3)
    began_s = time.monotonic()
    until(lambda: time.monotonic() - began_s > 0.1)
    assert of_rows(running.progress()) == 0
    waited_s = time.monotonic() - began_s
    for gate in answers.gates.values():
        gate.set()
    until(lambda: of_rows(running.progress()) == 3)
    assert measured(running.progress()).sum_s >= 3 * waited_s
    running.stop()


@given(st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 50)), max_size=READS_MAX * 5))
def test_what_is_kept_of_an_epoch_is_bounded_and_its_sum_stays(
    chunks: list[tuple[int, int]],
) -> None:
    """An epoch of an hour must not keep an entry per chunk; rows and their mean time stay."""
    reads, more = Reads(), Reads()
    for number, (at_s, many) in enumerate(chunks):
        (reads if number % 2 else more).add(float(at_s), many)
    reads.extend(more)
    assert len(reads.rows) <= READS_MAX
    assert sum(reads.rows) == sum(many for _, many in chunks)
    whole_s = sum(a * n for a, n in zip(reads.at_s, reads.rows, strict=True))
    assert whole_s == pytest.approx(sum(at_s * many for at_s, many in chunks))


def test_a_time_at_a_bound_is_below_it() -> None:
    """As Prometheus counts: ``le`` is at most."""
    latency, reads = Latency([], Graph([], [], [], [])), Reads()
    now_s = time.perf_counter()
    reads.add(now_s + 5, 1)  # a clock that seems to go back gives no negative time
    reads.add(now_s - 61, 2)
    latency.leaves(reads, ())
    found = latency.histogram()
    assert (found.counts[0], found.counts[-1]) == (1, 2)


def test_a_stopwatch_adds_up_only_while_it_runs() -> None:
    """Who stops it twice, or looks while it runs, must not change it."""
    watch = Stopwatch(1.0)
    watch.run(on=False)
    assert watch.total_s == 1.0
    watch.run(on=True)
    watch.run(on=True)
    until(lambda: watch.total_s > 1.0)
    watch.run(on=False)
    stood_s = watch.total_s
    assert watch.total_s == stood_s > 1.0
