"""Live views of running jobs: whole after a restart, current while they run, refused as tables."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

import millstream as ms
from millstream.connect.live_view import LiveView
from millstream.errors import OptionError, PlanError, SqlError, UnknownName
from millstream.job import Job
from millstream.plan.nodes import Plan
from millstream.settings import Settings
from millstream.types import Schema
from tests.connect.failing_view import failing_view

if TYPE_CHECKING:
    from pathlib import Path

    from millstream.job import Running

ORDERS = [{"id": i, "country": "de" if i % 3 else "fr", "v": i} for i in range(100)]


def totals() -> Any:
    orders = ms.read_memory(ORDERS, name="orders")
    return orders.group_by("country").agg(v=ms.col("v").sum(), n=ms.count())


@pytest.mark.parametrize("key", [None, "id"])
def test_a_view_is_whole_again_in_another_process(tmp_path: Path, key: str | None):
    """Whoever starts a program again must find its views as they were, also what is not read."""
    for _ in range(2):  # the second run has nothing to read: its rows are those of the checkpoint
        view = ms.read_memory(ORDERS, name="orders").view("orders", key=key, rows_max=60)
        sums = totals().view("sums")
        ms.run(view, sums, checkpoint=str(tmp_path))
        assert view.frame().rows(named=True) == ORDERS[40:]
        assert sorted(sums.frame().rows()) == [("de", 3267, 66), ("fr", 1683, 34)]


def test_a_restart_after_a_failure_shows_no_empty_view(tmp_path: Path, monkeypatch):
    """A page that follows a view must not see it vanish; rows read twice must not count twice."""
    running: list[Running] = []
    sql = "SELECT k, COUNT(*) AS n FROM t GROUP BY k"
    sink, job = failing_view(sql, tmp_path, monkeypatch, running, interval_ms=50)
    heights: list[int] = []
    with sink.live.heard(lambda: heights.append(len(sink.live))), job.start() as now:
        running.append(now)
        summary = now.wait(60)
    assert summary is not None
    assert summary.progress.restarts == 2
    assert 0 not in heights
    assert dict(sink.live.frame().rows()) == {k: 29 if k < 4 else 28 for k in range(7)}
    assert sink.live.version == len(heights)


def test_a_running_job_is_asked(tmp_path: Path):
    """Names of sinks, SQL over one view and over several, and mistakes, through one door."""
    view, last = totals().view("sums"), ms.read_memory(ORDERS, name="orders").view("orders")
    with ms.start(view, last) as job:
        job.wait()
        assert [v.name for v in job.views] == ["sums", "orders"]
        assert job.query("sums").equals(view.frame())
        found = job.query(
            "SELECT o.country, COUNT(*) AS n FROM orders o JOIN sums s ON o.country = s.country "
            "WHERE s.n > 50 GROUP BY o.country"
        )
        assert found.rows() == [("de", 66)]
        assert job.query("SELECT id FROM orders", limit=3).height == 3
        with pytest.raises(UnknownName, match="Did you mean 'sums'"):
            job.query("sum")
        with pytest.raises(SqlError, match="One query"):
            job.query("DROP VIEW sums")


def test_a_table_is_not_declared_on_it():
    """The error names the statement that makes a view."""
    with pytest.raises(OptionError, match="CREATE MATERIALIZED VIEW v "):
        ms.run(
            *ms.script(
                "CREATE TABLE v (x BIGINT, PRIMARY KEY (x) NOT ENFORCED) "
                "WITH ('connector' = 'view'); INSERT INTO v SELECT x FROM t",
                t=ms.read_memory([{"x": 1}]),
            )
        )


def test_what_a_view_is_told_in_python():
    """Options reach the view; wrong ones are told at the call."""
    orders = ms.read_memory(ORDERS, name="orders")
    chart = orders.chart("line", x="id", y=["v", "id"], by="country", limit=5, name="c", ttl="1m")
    assert chart.live.chart == {
        "kind": "line", "x": "id", "y": "v,id", "by": "country", "limit": "5",
    }  # fmt: skip
    assert chart.live.ttl_ms == 60_000
    assert totals().view("t").live.key == ("country",)
    assert ms.sql("SELECT COUNT(*) AS n FROM t", t=orders).view("n").live.key == ()
    for wrong in ({"key": "idd"}, {"rows_max": 0}, {"ttl": "soon"}):
        with pytest.raises(PlanError):
            orders.view("wrong", **wrong)
    with pytest.raises(PlanError, match="a part of addresses"):
        orders.view("by/day")
    for wrong in ({"kind": "pie"}, {"x": "idd"}, {"order": "-idd"}):
        with pytest.raises(UnknownName):
            orders.chart(**wrong)


def test_explain_tells_of_its_state():
    """Whoever plans memory must see that a view is bounded, and by what."""
    text = totals().view("sums", rows_max=500).explain()
    assert "Materialize by [country]: at most 500 rows" in text
    assert "state bounded by the limit" in text


def test_a_view_is_no_weak_link(tmp_path: Path):
    """A pipeline does not become at-least-once because somebody looks at it."""
    plan = Plan((totals().view("sums").node,))
    kept = Job(plan, Settings(checkpoint_dir=str(tmp_path))).explain()
    assert "a restart goes back to the checkpoint" in kept
    assert "weakest link" not in kept
    assert "weakest link: no checkpoint folder" in Job(plan).explain()


def test_a_session_reads_it_as_a_view():
    """Scripts are tried in a shell, where no job keeps anything."""
    text = (
        "CREATE MATERIALIZED VIEW big WITH ('rows-max' = '9') AS SELECT v FROM t WHERE v > 1;"
        "SELECT v FROM big"
    )
    assert ms.sql(text, t=ms.read_memory([{"v": 1}, {"v": 2}])).collect().rows() == [(2,)]


def test_readers_and_a_writer_at_once():
    """Every reader sees whole frames: here all values of a version are the same number."""
    view = LiveView("v", Schema.of({"n": "BIGINT"}), key=("n",))
    numbers, over = list(range(500)), threading.Event()
    wrong: list[Any] = []

    def read() -> None:
        version, held = 0, {}
        while not over.is_set():
            seen = view.snapshot()
            if seen.frame["n"].n_unique() > 1:
                wrong.append(seen)
            changed = view.changes_since(version)
            version = changed.version
            for number in changed.gone.tolist():
                held.pop(number, None)
            held |= dict(zip(changed.rows.tolist(), changed.frame["n"].to_list(), strict=True))
            if len(set(held.values())) > 1:
                wrong.append(held)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for turn in range(300):
        frame = pl.DataFrame({"$row": numbers[: 500 - turn % 3], "n": [turn] * (500 - turn % 3)})
        if turn % 50 == 49:
            view.replace(frame)
        else:
            gone = pl.DataFrame({"$row": numbers, "n": [turn] * 500, "$op": [0] * 500})
            ops = [0] * frame.height + [3] * (500 - frame.height)
            view.put(gone.with_columns(pl.Series("$op", ops, dtype=pl.Int8)))
    over.set()
    for reader in readers:
        reader.join()
    assert not wrong


def test_the_rows_of_a_memory_sink_are_asked_by_its_name():
    """A name alone is the shortest question there is; an empty answer would be believed."""
    counted, rows = totals().write_memory("counted"), ms.read_memory(ORDERS).write_memory("rows")
    with ms.start(counted, rows) as job:
        job.wait()
        assert sorted(job.query("counted").rows()) == [("de", 3267, 66), ("fr", 1683, 34)]
        assert job.query("rows").rows(named=True) == ORDERS


def test_rows_that_went_for_want_of_room_are_told():
    """A view that forgets must not look like one that knows all."""
    view = ms.read_memory(ORDERS, name="orders").view("few", key="id", rows_max=30)
    with ms.start(view) as job:
        summary = job.wait()
    assert summary is not None
    assert sum(step.rows_dropped for step in summary.progress.steps) == 70
    assert view.live.is_full


def test_its_rows_count_as_memory_of_the_pipeline():
    """A limit that does not know of a view's rows names the wrong holder."""
    view = ms.read_memory([{"s": "x" * 1_000, "k": k} for k in range(500)]).view("v", key="k")
    ms.run(view)
    assert view.live.bytes_kept > 500_000
