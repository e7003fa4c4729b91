"""The supervisor: real runs that fail, wait, and go on from their checkpoint."""

from __future__ import annotations

import dataclasses
import errno
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from millstream.connect.memory import Collected
from millstream.engine import delivering
from millstream.engine.progress import Progress
from millstream.engine.supervise import ordinal
from millstream.errors import ConnectorError, DataError, Domain, JobError, Retry
from millstream.expr.tree import Column, Udf, UdfCall
from millstream.frame.figures import progress_line, summary_lines
from millstream.job import Job
from millstream.plan.nodes import MapBatches, Node, Plan, RejectedRows, Scan, Write
from millstream.plan.table import Computed, Physical, Table
from millstream.ports import registry
from millstream.ports.store import Bytes, StoreError
from millstream.settings import OnReject, RestartStrategy, Settings
from millstream.stores import open as stores
from millstream.stores.memory import MemoryStore
from millstream.types import Schema
from tests.unit.engine.flaky import Flaky

NUMBERS = Schema.of({"x": "BIGINT"})
ROWS = pl.DataFrame({"x": range(100)}, schema={"x": pl.Int64})
GONE = "Connection refused."


class Panic(BaseException):
    """What a panic of native code looks like: no ``except Exception`` catches it."""


@pytest.fixture(autouse=True)
def _flaky(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.CONNECTORS, "flaky", "tests.unit.engine.flaky")
    registry.connector.cache_clear()


def gone() -> ConnectorError:
    return ConnectorError(GONE, retry=Retry.LATER, domain=Domain.NETWORK)


def numbers(flaky: Flaky) -> Scan:
    columns = tuple(Physical(f.name, f.type) for f in NUMBERS)
    return Scan(table=Table("numbers", columns, "flaky", {"flaky": flaky}))


def into(node: Node, name: str, **options: Any) -> Write:
    columns = tuple(Physical(f.name, f.type) for f in node.schema)
    connector = "flaky" if "flaky" in options else "memory"
    return Write(input=node, table=Table(name, columns, connector, options))


def quick(folder: Path | None, **more: Any) -> Settings:
    return Settings(
        checkpoint_dir=None if folder is None else str(folder),
        checkpoint_interval_ms=50,
        restart_backoff_initial_ms=1,
        restart_backoff_max_ms=5,
        **more,
    )


def values(flaky: Flaky) -> list[int]:
    frame = flaky.taken.frame()
    return sorted(frame["x"].to_list()) if frame.height else []


def test_a_lost_source_is_opened_again(tmp_path: Path) -> None:
    """The most common trouble there is mends itself, and no row is lost or doubled."""
    source = Flaky(ROWS, [(30, gone()), (60, gone())])
    out = Flaky()
    summary = Job(Plan((into(numbers(source), "out", flaky=out),)), quick(tmp_path)).run()
    assert values(out) == list(range(100))
    assert (summary.ended, summary.progress.restarts) == ("completed", 2)
    assert summary.progress.last_failure == "Connection refused"
    assert summary.progress.rows_in == 100, "rows read again count once"
    assert "restarted 2 times; the last failure: Connection refused" in "\n".join(
        summary_lines(summary)
    )


@pytest.mark.parametrize(
    "trouble", [gone(), OSError(errno.EPIPE, "Broken pipe"), RuntimeError("a bug of a plugin")]
)
def test_a_lost_sink_is_opened_again(tmp_path: Path, trouble: BaseException) -> None:
    """Its epoch is durable: the next start delivers it, once."""
    source, out = Flaky(ROWS), Flaky(failures=[(1, trouble)])
    summary = Job(Plan((into(numbers(source), "out", flaky=out),)), quick(tmp_path)).run()
    assert values(out) == list(range(100))
    assert summary.progress.restarts == 1


def test_without_checkpoints_the_first_failure_is_the_end() -> None:
    """A restart would begin anew, and write every row again."""
    source = Flaky(ROWS, [(30, gone())])
    with pytest.raises(ConnectorError, match="refused"):
        Job(Plan((into(numbers(source), "out", flaky=Flaky()),)), quick(None)).run()
    assert source.opened == 1


def test_without_checkpoints_a_restart_can_be_chosen() -> None:
    """Whoever says so gets it: for a source that begins at its end anyway."""
    source, out = Flaky(ROWS, [(0, gone())]), Flaky()
    settings = quick(None, restart_strategy=RestartStrategy.FIXED_DELAY, restart_fixed_delay_ms=1)
    summary = Job(Plan((into(numbers(source), "out", flaky=out),)), settings).run()
    assert (summary.progress.restarts, values(out)) == (1, list(range(100)))


def test_no_restart_if_none_is_wanted(tmp_path: Path) -> None:
    """An operator's own supervisor may want every failure."""
    source = Flaky(ROWS, [(30, gone())])
    settings = quick(tmp_path, restart_strategy=RestartStrategy.NONE)
    with pytest.raises(ConnectorError, match="refused"):
        Job(Plan((into(numbers(source), "out", flaky=Flaky()),)), settings).run()


def test_restarts_that_lead_nowhere_end(tmp_path: Path) -> None:
    """The message says how often, why, what kind of trouble, and what to do."""
    source = Flaky(ROWS, [(0, gone()) for _ in range(20)])
    settings = quick(tmp_path, restart_attempts_max=4)
    with pytest.raises(JobError) as caught:
        Job(Plan((into(numbers(source), "out", flaky=Flaky()),)), settings).run()
    assert source.opened == 5
    text = str(caught.value)
    assert "restarted 4 times and got no further: Connection refused" in text
    assert "network" in text
    assert "goes on from its checkpoint" in text
    assert isinstance(caught.value.__cause__, ConnectorError)


def test_what_no_restart_mends_is_raised_as_it_is(tmp_path: Path) -> None:
    """A refused password is told at once, in its own words."""
    refused = ConnectorError("Password refused.", domain=Domain.AUTH)
    source = Flaky(ROWS, [(30, refused)])
    with pytest.raises(ConnectorError) as caught:
        Job(Plan((into(numbers(source), "out", flaky=Flaky()),)), quick(tmp_path)).run()
    assert caught.value is refused


def test_the_first_assembly_raises_at_once(tmp_path: Path) -> None:
    """A wrong address is a mistake to be told, not a fault to wait for."""

    def unreachable() -> None:
        raise gone()

    source = Flaky(ROWS, on_open=unreachable)
    with pytest.raises(ConnectorError, match="refused"):
        Job(Plan((into(numbers(source), "out", flaky=Flaky()),)), quick(tmp_path)).start()


def test_a_stop_is_heard_while_it_waits(tmp_path: Path) -> None:
    """A signal during back-off ends it at once: nothing is open, the checkpoint has all."""
    source, out = Flaky(ROWS, [(30, gone())]), Flaky()
    settings = dataclasses.replace(
        quick(tmp_path), restart_backoff_initial_ms=3_600_000, restart_backoff_max_ms=3_600_000
    )
    running = Job(Plan((into(numbers(source), "out", flaky=out),)), settings).start()
    line = ""
    while "restarting" not in line:
        line = progress_line(running.progress())
    assert "(1st time): Connection refused" in line
    summary = running.stop()
    assert summary is not None
    assert summary.ended == "stopped"
    again = Flaky(ROWS)
    Job(Plan((into(numbers(again), "out", flaky=out),)), quick(tmp_path)).run()
    assert values(out) == list(range(100))


def test_progress_is_shown_while_it_waits(tmp_path: Path) -> None:
    """Whoever looks sees a pipeline that waits, not one that hangs."""
    source = Flaky(ROWS, [(30, gone())])
    seen: list[Progress] = []
    settings = dataclasses.replace(quick(tmp_path), restart_backoff_initial_ms=50)
    Job(Plan((into(numbers(source), "out", flaky=Flaky()),)), settings).run(seen.append)
    assert any(p.restarting is not None and p.restarting.number == 1 for p in seen)


class _Full(MemoryStore):
    """A store that has no room for a while."""

    refusals = 0
    domain = Domain.LIMIT

    def put(self, name: str, data: Bytes) -> None:
        if self.refusals and name.startswith("packs/"):
            self.refusals -= 1
            fact = "no space is left"
            raise StoreError(fact, where=name, retry=Retry.LATER, domain=self.domain)
        super().put(name, data)


def _full(monkeypatch: pytest.MonkeyPatch, refusals: int) -> _Full:
    store = _Full()
    store.refusals = refusals
    monkeypatch.setitem(stores.OTHERS, "full", lambda _: store)
    monkeypatch.setattr(delivering, "TRY_AGAIN_S", 0.01)
    return store


def test_a_checkpoint_without_room_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The old one stays, nothing is restarted, and it goes on by itself when there is room."""
    _full(monkeypatch, 3)
    out = Flaky()
    seen: list[Progress] = []
    settings = dataclasses.replace(
        quick(None), checkpoint_dir="full://", epoch_bytes_max=1, progress_interval_ms=1
    )
    source = Flaky(ROWS, until=lambda: any(p.checkpoint_failures >= 3 for p in seen))
    job = Job(Plan((into(numbers(source), "out", flaky=out),)), settings)
    summary = job.run(seen.append)
    assert values(out) == list(range(100))
    assert (summary.progress.checkpoint_failures, summary.progress.restarts) == (3, 0)
    assert "no space is left" in (summary.progress.last_failure or "")


def test_a_stop_does_not_wait_for_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks for the end gets it: with an error, as the last epoch could not be kept."""
    store = _full(monkeypatch, 1_000_000)
    settings = dataclasses.replace(quick(None), checkpoint_dir="full://", epoch_bytes_max=1)
    running = Job(
        Plan((into(numbers(Flaky(ROWS, until=lambda: False)), "out", flaky=Flaky()),)), settings
    ).start()
    while store.refusals > 1_000_000 - 2:
        running.wait(0.01)
    with pytest.raises(StoreError, match="no space is left"):
        running.stop()


# -- rows that no step can bear -------------------------------------------------------------------


def bearing(
    source: Flaky, bad: Callable[[int], bool], error: Callable[[], BaseException]
) -> MapBatches:
    def fn(frame: pl.DataFrame) -> pl.DataFrame:
        if any(bad(x) for x in frame["x"]):
            raise error()
        return frame

    return MapBatches(input=numbers(source), fn=fn, gives=NUMBERS)


def test_a_row_that_no_step_can_bear_is_set_aside(tmp_path: Path) -> None:
    """Exactly that row, with the step, the error, its split and offset; the others count once."""
    source, out, rejected = Flaky(ROWS), Flaky(), Collected()
    node = bearing(source, lambda x: x in (17, 18, 63), lambda: Panic("attempt to add"))
    sinks = (
        into(node, "out", flaky=out),
        into(RejectedRows(input=node), "bad", target=rejected),
    )
    summary = Job(Plan(sinks), quick(tmp_path)).run()
    assert values(out) == [x for x in range(100) if x not in (17, 18, 63)]
    found = rejected.frame()
    assert found["offset"].to_list() == [17, 18, 63]
    assert found["split"].to_list() == ["0"] * 3
    assert all("Panic: attempt to add" in r for r in found["reason"])
    assert summary.progress.rows_rejected == 3
    assert summary.ended == "completed"


def test_a_passing_failure_sets_nothing_aside(tmp_path: Path) -> None:
    """Memory that was short for a moment is no reason to reject rows."""
    source, out = Flaky(ROWS), Flaky()
    left = [1]

    def once(_: int) -> bool:
        return bool(left and left.pop())

    node = bearing(source, once, Panic)
    summary = Job(Plan((into(node, "out", flaky=out),)), quick(tmp_path)).run()
    assert values(out) == list(range(100))
    assert (summary.progress.rows_rejected, summary.progress.restarts) == (0, 1)


def test_without_checkpoints_a_bad_row_ends_the_run_and_the_message_says_what_would_help() -> None:
    """There is nothing to go on from; a folder would be."""
    node = bearing(Flaky(ROWS), lambda x: x == 17, Panic)
    with pytest.raises(Panic) as caught:
        Job(Plan((into(node, "out", flaky=Flaky()),)), quick(None)).run()
    assert "checkpoint folder" in caught.value.__notes__[0]


def test_the_policy_fail_is_obeyed(tmp_path: Path) -> None:
    """Whoever wants to stop at the first bad row stops there."""
    node = bearing(Flaky(ROWS), lambda x: x == 17, Panic)
    settings = quick(tmp_path, on_reject=OnReject.FAIL)
    with pytest.raises(DataError, match="Panic"):
        Job(Plan((into(node, "out", flaky=Flaky()),)), settings).run()


def test_a_step_that_fails_for_every_row_is_told(tmp_path: Path) -> None:
    """A broken function is not hidden behind a million rejected rows."""
    rows = pl.DataFrame({"x": range(5_000)}, schema={"x": pl.Int64})
    node = bearing(Flaky(rows, chunk_rows=5_000), lambda x: x > 10, Panic)
    with pytest.raises(JobError, match="More than 1000 rows failed alone"):
        Job(Plan((into(node, "out", flaky=Flaky()),)), quick(tmp_path)).run()


def test_a_function_that_never_returns_is_interrupted() -> None:
    """Its row is rejected as if it had raised; no thread is left spinning."""
    source, out = Flaky(ROWS), Flaky()
    hung = threading.Event()

    def fn(frame: pl.DataFrame) -> pl.DataFrame:
        while 17 in frame["x"]:
            hung.set()
        return frame

    node = MapBatches(input=numbers(source), fn=fn, gives=NUMBERS)
    settings = quick(None, batch_timeout_ms=300)
    summary = Job(Plan((into(node, "out", flaky=out),)), settings).run()
    assert hung.is_set()
    assert values(out) == [x for x in range(100) if x != 17]
    assert "no return within 0.3 s" in summary.reasons[0][0]


def test_a_function_of_a_computed_column_that_never_returns_is_interrupted() -> None:
    """It is called by the scan, before the first step, and in a thread of Polars."""
    hung = threading.Event()

    def spin(x: int) -> int:
        while x == 17:
            hung.set()
        return x

    kind = NUMBERS.type_of("x")
    same = UdfCall(udf=Udf("spin", spin, None, kind), args=(Column("x", type=kind),), type=kind)
    scan = numbers(Flaky(ROWS))
    table = dataclasses.replace(scan.table, columns=(*scan.table.columns, Computed("y", same)))
    out = Flaky()
    plan = Plan((into(dataclasses.replace(scan, table=table), "out", flaky=out),))
    summary = Job(plan, quick(None, batch_timeout_ms=300)).run()
    assert hung.is_set()
    assert values(out) == [x for x in range(100) if x != 17]
    assert "no return within 0.3 s" in summary.reasons[0][0]


@pytest.mark.parametrize(
    ("number", "text"), [(1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (22, "22nd")]
)
def test_numbers_in_a_row(number: int, text: str) -> None:
    """The progress line is read by people."""
    assert ordinal(number) == text
