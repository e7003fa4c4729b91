"""Committed rows of a live view: what a checkpoint has, of one epoch in all views of a pipeline."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

import millstream as ms
from millstream.columns.changes import OP, Op
from millstream.connect import live_view
from millstream.connect.live_view import ROW, LiveRows, LiveView, snapshots
from millstream.errors import CheckpointError, JobError, Unsupported
from millstream.job import Job
from millstream.plan.nodes import Plan
from millstream.settings import Settings
from millstream.types import Schema
from tests.connect.failing_view import failing_view

if TYPE_CHECKING:
    from pathlib import Path

    from millstream.job import Running

SCHEMA = Schema.of({"k": "BIGINT", "n": "BIGINT"})
Rows = dict[int, int]


def frame_of(rows: list[tuple[int, int | None]]) -> pl.DataFrame:
    """Return changes: None takes the row of a number away."""
    return pl.DataFrame(
        {
            ROW: [k for k, _ in rows],
            "k": [k for k, _ in rows],
            "n": [n or 0 for _, n in rows],
            OP: [int(Op.DELETE if n is None else Op.UPDATE_AFTER) for _, n in rows],
        },
        schema={ROW: pl.Int64, "k": pl.Int64, "n": pl.Int64, OP: pl.Int8},
    )


class Model:
    """What a view is to hold, said with dictionaries."""

    def __init__(self, chosen: random.Random, key: tuple[str, ...] | None) -> None:
        self.chosen = chosen
        self.view = LiveView("v", SCHEMA, key=key)
        self.view.begin("p")
        self.newest: Rows = {}
        self.committed: Rows = {}
        self.cuts: list[Rows] = []
        self.epoch = 0

    def put(self) -> None:
        """A batch; a row may come and go in it."""
        changes: list[tuple[int, int | None]] = []
        for _ in range(self.chosen.randint(1, 8)):
            k = self.chosen.randrange(30)
            changes.append((k, None if self.chosen.random() < 0.3 else self.chosen.randrange(9)))
        for k, n in changes:
            self.newest[k] = n or 0
            if n is None:
                del self.newest[k]
        self.view.put(frame_of(changes))

    def cut(self) -> None:
        """An epoch ends."""
        self.view.cut()
        self.cuts.append(dict(self.newest))

    def commit(self) -> None:
        """The oldest epoch is in a checkpoint."""
        if self.cuts:
            self.epoch += 1
            self.view.commit(self.epoch)
            self.committed = self.cuts.pop(0)

    def restart(self) -> None:
        """The pipeline goes back to its checkpoint."""
        self.view.begin("p")
        self.view.replace(frame_of(list(self.committed.items())).drop(OP))
        self.newest, self.cuts = dict(self.committed), []


@pytest.mark.parametrize("seed", range(40))
def test_both_kinds_of_rows_through_packing_and_restarts(seed: int, monkeypatch: Any) -> None:
    """Two tables of places share one log: packing it must move both, and what waits for commit."""
    monkeypatch.setattr(live_view, "PACK_AFTER_ROWS", 20)
    chosen = random.Random(seed)
    model = Model(chosen, ("k",) if seed % 2 else None)
    acts = [model.put] * 60 + [model.cut] * 20 + [model.commit] * 18 + [model.restart] * 2
    followed: Rows = {}
    version = 0
    for _ in range(200):
        chosen.choice(acts)()
        committed = model.view.at("committed")
        assert held_by(model.view) == model.newest
        assert held_by(committed) == model.committed
        assert (len(model.view), len(committed)) == (len(model.newest), len(model.committed))
        if chosen.random() < 0.3:
            changed = committed.changes_since(version)
            version = changed.version
            for number in changed.gone.tolist():
                followed.pop(number, None)
            followed |= dict(zip(changed.rows.tolist(), changed.frame["n"].to_list(), strict=True))
            assert followed == model.committed
    assert model.view._log.rows <= 2 * (30 * (2 + len(model.cuts))) + 28, "the log grows"


def held_by(rows: LiveRows) -> Rows:
    """Return what stands, by number."""
    seen = rows.snapshot()
    assert seen.frame["k"].to_list() == seen.rows.tolist()
    return dict(zip(seen.rows.tolist(), seen.frame["n"].to_list(), strict=True))


def test_views_of_a_pipeline_are_of_one_epoch() -> None:
    """A report over two views must add up, also while the second is about to be told."""
    first, second, other = (LiveView(name, SCHEMA, key=("k",)) for name in "abc")
    for view, pipeline in ((first, "p"), (second, "p"), (other, "q")):
        view.begin(pipeline)
        view.put(frame_of([(1, 1)]))
        view.cut()
    first.commit(7)
    alone = snapshots([first.at("committed"), other.at("committed")])
    assert [seen.frame.height for seen in alone] == [1, 0], "another pipeline has its own epochs"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("millstream.connect.live_rows.SAME_EPOCH_S", 0.01)
        with pytest.raises(JobError, match=r"'b' stands at checkpoint 0, others .* at 7"):
            snapshots([first.at("committed"), second.at("committed")])
    second.commit(7)
    both = snapshots([first.at("committed"), second.at("committed"), second])
    assert [seen.frame.height for seen in both] == [1, 1, 1]


def test_a_running_job_shows_whole_epochs(tmp_path: Path) -> None:
    """What two queries say of the same rows agrees at every moment, and only grows."""
    sinks, settings = script(tmp_path)
    with Job(Plan(sinks), settings).start() as job:
        before, seen = 0, set()
        while len(seen) < 8:
            assert not job.done
            found = job.query("SELECT a.n AS n, b.n AS m FROM a, b", at="committed").rows()
            n, m = found[0] if found else (0, 0)
            assert n == m
            assert n >= before
            before = n
            seen.add(n)
        newest = job.query("a").item()
        assert newest >= job.query("a", at="committed").item() >= before


def script(folder: Path) -> tuple[tuple[Any, ...], Settings]:
    """Return two views that count the same rows, and what they run with."""
    from millstream.frame.sqls import script_of

    text = """
    CREATE TABLE t (k INT, v INT)
    WITH ('connector' = 'datagen', 'rows-per-second' = '20000', 'fields.k.max' = '99');
    CREATE MATERIALIZED VIEW a AS SELECT COUNT(*) AS n FROM t;
    CREATE MATERIALIZED VIEW b AS
    SELECT SUM(c) AS n FROM (SELECT k, COUNT(*) AS c FROM t GROUP BY k);
    """
    given = {
        "execution.checkpointing.dir": str(folder),
        "execution.checkpointing.interval": "30 ms",
    }
    sinks, settings = script_of(text, "test", given)
    return tuple(sink.node for sink in sinks), settings


def test_a_failure_takes_nothing_committed_back(tmp_path: Path, monkeypatch: Any) -> None:
    """Whoever acted on a committed row acted on what stays; the newest rows may go back."""
    running: list[Running] = []
    sql = "SELECT COUNT(*) AS n FROM t"
    sink, job = failing_view(sql, tmp_path, monkeypatch, running, interval_ms=20)
    counts: list[int] = []
    newest: list[int] = []
    with job.start() as now:
        committed = sink.live.at("committed")
        with (
            committed.heard(lambda: counts.append(committed.frame()["n"].sum())),
            sink.live.heard(lambda: newest.append(sink.frame()["n"].sum())),
        ):
            running.append(now)
            summary = now.wait(60)
    assert summary is not None
    assert summary.progress.restarts == 2
    assert counts == sorted(counts)
    assert newest != sorted(newest), "nothing went back: the test has not failed late enough"
    assert counts[-1] == newest[-1] == 200
    assert sink.frame(at="committed").rows() == [(200,)]


def test_without_checkpoints_nothing_is_committed() -> None:
    """An empty answer would be taken for the truth; the message says what is missing."""
    sink = ms.read_memory([{"k": 1}], name="t").view("v")
    kept = ms.read_memory([{"k": 1}], name="t").write_memory("kept")
    with ms.start(sink, kept) as job:
        job.wait()
        for asked in ("v", "SELECT k FROM v"):
            with pytest.raises(CheckpointError, match="its job keeps no checkpoints") as told:
                job.query(asked, at="committed")
            assert "execution.checkpointing.dir" in str(told.value)
        with pytest.raises(Unsupported, match="Of 'kept' the newest rows"):
            job.query("kept", at="committed")
        assert job.query("kept").rows() == job.query("v").rows() == [(1,)]
