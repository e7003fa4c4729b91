"""What users hold in their hands when they test a pipeline."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest

import millstream as ms
from millstream.errors import PlanError, UnknownName
from millstream.testing import Trial, assert_crash_safe

SCHEMA = {"user": "STRING", "v": "BIGINT", "ts": "TIMESTAMP(3)"}


@pytest.fixture
def clicks() -> ms.Stream:
    return ms.read_kafka(
        "localhost:1", topic="clicks", schema=SCHEMA, event_time="ts", watermark="5s"
    )


def click(user: str, v: int, second: int) -> dict[str, object]:
    return {"user": user, "v": v, "ts": dt.datetime(2026, 1, 1, 12, 0, second)}  # noqa: DTZ001


def test_a_window_closes_when_its_watermark_passes(clicks):
    """The one thing people test first: not a millisecond before its end, and then once."""
    summed = clicks.group_by("user", window=ms.tumble("10s")).agg(v=ms.col("v").sum())
    trial = Trial(summed.select("user", "v"))
    trial.feed([click("a", 1, 1), click("a", 2, 9)])
    assert trial.watermark("2026-01-01 12:00:09.998").rows() == []
    assert trial.state_rows == 1
    assert trial.watermark("2026-01-01 12:00:10").new() == [("+I", ("a", 3))]
    assert trial.new() == []
    trial.feed([click("a", 5, 3)])
    assert [row["v"] for row in trial.late()] == [5]


def test_rows_that_cannot_be_computed_are_seen(clicks):
    """A test must be able to say that a bad row is rejected, and why."""
    trial = Trial(clicks.select(number=ms.col("user").cast("INT")))
    trial.feed([click("7", 1, 1), click("seven", 3, 2)])
    assert trial.rows() == [(7,)]
    assert "seven" in trial.rejected()[0]["reason"]


def test_the_clock_runs_by_hand():
    """Processing time is a matter of the test, not of the machine it runs on."""
    trial = Trial.of_sql(
        """
        CREATE TABLE t (k STRING, p AS PROCTIME()) WITH ('connector' = 'datagen');
        SELECT window_start, COUNT(*) AS n
        FROM TUMBLE(TABLE t, DESCRIPTOR(p), INTERVAL '1' MINUTE) GROUP BY window_start, window_end
        """,
        clock="2026-03-01 08:00:30",
    )
    trial.feed([{"k": "a"}, {"k": "b"}])
    assert trial.advance("29s").rows() == []
    (row,) = trial.advance("1s").rows()
    assert row[1] == 2
    assert trial.now == dt.datetime(2026, 3, 1, 8, 1, 0, tzinfo=dt.UTC)


def test_a_script_with_several_tables_and_outputs(tmp_path):
    """A SQL file is tried as it stands: its sources are fed, its sinks are kept."""
    file = tmp_path / "job.sql"
    file.write_text(
        """
        CREATE TABLE a (id BIGINT, v INT) WITH ('connector' = 'datagen');
        CREATE TABLE b (id BIGINT, w INT) WITH ('connector' = 'datagen');
        CREATE TABLE joined (id BIGINT, v INT, w INT) WITH ('connector' = 'print');
        CREATE TABLE large (v INT) WITH ('connector' = 'blackhole');
        EXECUTE STATEMENT SET BEGIN
          INSERT INTO joined SELECT a.id, v, w FROM a JOIN b ON a.id = b.id;
          INSERT INTO large SELECT v FROM a WHERE v > 10;
        END;
        """
    )
    trial = Trial.of_sql(file)
    trial.feed([{"id": 1, "v": 11}, {"id": 2, "v": 5}], "a").crash()
    trial.feed([{"id": 1, "w": 7}], "b")
    assert trial.outputs == ("joined", "large")
    assert trial.rows("joined") == [(1, 11, 7)]
    assert trial.rows("large") == [(11,)]


def test_a_changing_table_is_fed_with_kinds():
    """Changelog input is part of a pipeline's life, so it must be sayable in a test."""
    trial = Trial.of_sql(
        """
        CREATE TABLE t (id BIGINT, v INT, PRIMARY KEY (id) NOT ENFORCED) WITH (
          'connector' = 'kafka', 'topic' = 't', 'properties.bootstrap.servers' = 'localhost:1',
          'format' = 'debezium-json');
        SELECT SUM(v) AS v FROM t
        """
    )
    trial.feed([{"id": 1, "v": 4}, {"id": 2, "v": 6}]).feed([{"id": 1, "v": 4}], op="-D")
    assert trial.rows() == [(6,)]


def test_looked_up_tables_are_given():
    """A trial never connects: the table on the other side of a lookup is part of the test."""
    script = """
        CREATE TABLE o (id BIGINT, p AS PROCTIME()) WITH ('connector' = 'datagen');
        CREATE TABLE names (id BIGINT, name STRING) WITH (
          'connector' = 'postgres', 'url' = 'postgresql://localhost:1/x', 'table-name' = 'names');
        SELECT o.id, name FROM o JOIN names FOR SYSTEM_TIME AS OF o.p ON o.id = names.id
        """
    with pytest.raises(PlanError, match="looked up"):
        Trial.of_sql(script)
    trial = Trial.of_sql(script, lookups={"names": [{"id": 1, "name": "ann"}]})
    assert trial.feed([{"id": 1}, {"id": 2}]).rows() == [(1, "ann")]


def test_wrong_names_say_what_there_is(clicks):
    """A typing error in a test costs a minute, not an hour."""
    trial = Trial(clicks.select("user"))
    with pytest.raises(UnknownName, match="Did you mean 'clicks'"):
        trial.feed([], "click")
    with pytest.raises(UnknownName, match="result"):
        trial.rows("results")
    with pytest.raises(PlanError, match="no time"):
        trial.watermark("noon")


# ------------------------------------------------------------------------------ crash safety

ROWS = [click("ab"[i % 2], i, i % 50) for i in range(60)]


def test_pipelines_are_crash_safe(clicks):
    """What we promise of every pipeline holds for a window, a join and a group of ours."""
    summed = clicks.group_by("user", window=ms.tumble("10s")).agg(v=ms.col("v").sum())
    assert_crash_safe(summed, ROWS, seeds=8)
    assert_crash_safe(
        """
        CREATE TABLE a (id BIGINT, v INT) WITH ('connector' = 'datagen');
        CREATE TABLE b (id BIGINT, w INT) WITH ('connector' = 'datagen');
        SELECT a.id, SUM(v + w) AS s FROM a JOIN b ON a.id = b.id GROUP BY a.id
        """,
        a=[{"id": i % 5, "v": i} for i in range(30)],
        b=[{"id": i % 7, "w": i} for i in range(30)],
        seeds=8,
    )


def test_a_function_with_a_memory_is_caught(clicks):
    """State outside the engine is what goes wrong in production and in no other test."""
    seen: list[int] = []

    def numbered(frame: pl.DataFrame) -> pl.DataFrame:
        seen.append(frame.height)
        return frame.select("user", n=pl.lit(len(seen), dtype=pl.Int64))

    stream = clicks.map_batches(numbered, schema={"user": "STRING", "n": "BIGINT"})
    with pytest.raises(AssertionError, match="seed 0: cuts or crashes change"):
        assert_crash_safe(stream, ROWS, seeds=3)


def test_a_function_that_looks_at_the_whole_batch_is_caught(clicks):
    """A batch is an accident: what is computed over it differs with every cut."""

    def centred(frame: pl.DataFrame) -> pl.DataFrame:
        return frame.select("user", v=pl.col("v") - pl.col("v").max())

    stream = clicks.map_batches(centred, schema={"user": "STRING", "v": "BIGINT"})
    with pytest.raises(AssertionError, match="unexpected"):
        assert_crash_safe(stream, ROWS, seeds=3)


def test_a_trial_of_ones_own_is_taken(clicks):
    """Lookups and a clock are given where the trial is made."""
    assert_crash_safe(lambda: Trial(clicks.select("user"), clock="2026-05-05"), ROWS, seeds=3)
    with pytest.raises(PlanError, match="cannot be cut"):
        assert_crash_safe(clicks.select("user"), ROWS[:1])
