"""Sources in Python words: inferred columns, options by their Python names, events' times."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import polars as pl
import pytest

import millstream as ms
from millstream import col
from millstream.plan.nodes import Scan
from millstream.plan.table import Table

MOMENT = dt.datetime(2026, 1, 1, 0, 0, 5)  # noqa: DTZ001 (a TIMESTAMP has no zone)


def table_of(stream: ms.Stream) -> Table:
    assert isinstance(stream.node, Scan)
    return stream.node.table


def test_a_parquet_file_tells_its_columns(tmp_path: Path) -> None:
    """The schema stands in the file; the event time is cut to milliseconds."""
    file = tmp_path / "a.parquet"
    frame = pl.DataFrame({"id": [1], "ts": [MOMENT], "tags": [["x", "y"]]})
    frame.write_parquet(file)
    stream = ms.read_parquet(file, event_time="ts")
    assert str(stream.schema) == "id BIGINT, ts TIMESTAMP(3), tags ARRAY<STRING>"
    assert stream.collect().rows() == [(1, MOMENT, ["x", "y"])]


def test_a_csv_file_without_schema_names_its_columns(tmp_path: Path) -> None:
    """Its first line does; with a schema the first line is data, as in Flink."""
    file = tmp_path / "a.csv"
    file.write_text("id,ts\n1,2026-01-01 00:00:05\n")
    stream = ms.read_csv(file, event_time="ts")
    assert str(stream.schema) == "id BIGINT, ts TIMESTAMP(3)"
    assert stream.collect().rows() == [(1, MOMENT)]
    texts = ms.read_csv(file, schema={"a": "STRING", "b": "STRING"})
    assert texts.collect().height == 2
    by_name = ms.read_csv(file, schema={"ts": "STRING", "id": "INT"}, header=True)
    assert by_name.collect().rows() == [("2026-01-01 00:00:05", 1)]


def test_json_lines_are_sampled(tmp_path: Path) -> None:
    """One object a line; the columns are those of the sample."""
    file = tmp_path / "a.jsonl"
    file.write_text('{"id": 1, "k": "x"}\n{"id": 2, "k": null}\n')
    assert ms.read_files(file).collect().rows() == [(1, "x"), (2, None)]


def test_without_file_and_schema_the_columns_are_unknown(tmp_path: Path) -> None:
    """One clear error: what was looked at, and what to give."""
    with pytest.raises(ms.ConnectorError, match="cannot be looked at") as caught:
        ms.read_csv(tmp_path / "none.csv")
    assert "schema=" in str(caught.value)
    with pytest.raises(ms.PlanError, match="does not tell its format"):
        ms.read_files(tmp_path / "data.bin")


def test_options_have_python_names_and_their_own() -> None:
    """scan_bounded_mode is scan.bounded.mode; a name with dots may be given as it is."""
    schema = {"id": "BIGINT"}
    by_python = ms.read_kafka("b:1", topic="t", schema=schema, scan_bounded_mode="latest-offset")
    by_own = ms.read_kafka(
        "b:1", topic="t", schema=schema, options={"scan.bounded.mode": "latest-offset"}
    )
    assert table_of(by_python).options == table_of(by_own).options
    assert table_of(by_python).options["scan.bounded.mode"] == "latest-offset"


def test_kafka_words_become_its_options() -> None:
    """start, group, properties and metadata are the words; Flink's option names the result."""
    stream = ms.read_kafka(
        "b:1", topic=["t", "u"], schema={"id": "BIGINT"}, start="earliest", group="g",
        properties={"security.protocol": "PLAINTEXT"}, metadata={"part": "partition"},
    )  # fmt: skip
    options = table_of(stream).options
    assert options["topic"] == "t;u"
    assert options["scan.startup.mode"] == "earliest-offset"
    assert options["properties.group.id"] == "g"
    assert options["properties.security.protocol"] == "PLAINTEXT"
    assert str(stream.schema) == "id BIGINT, part INT"


def test_computed_columns_may_be_the_event_time() -> None:
    """Epoch milliseconds become a time where the table is read."""
    rows = ms.read_memory(
        [{"ms": 1_767_225_605_000}],
        computed={"at": ms.call("TO_TIMESTAMP_LTZ", col("ms"), 3)},
        event_time="at",
        watermark="5s",
    )
    windows = rows.group_by(window=ms.tumble("1m")).agg(n=ms.count())
    assert windows.select("n").collect().rows() == [(1,)]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ({"event_time": "tss"}, "Did you mean 'ts'"),
        ({"event_time": "id"}, "TO_TIMESTAMP_LTZ"),
        ({"event_time": "ts", "watermark": "soon"}, "is not a duration"),
        ({"metadata": {"x": "ofset"}}, "Did you mean 'offset'"),
        ({"scan_startup_mod": "x"}, "Unknown option"),
        ({"start": "yesterday"}, "'earliest-offset'"),
        ({"schema": {"id": "BIGIN"}}, "Did you mean 'BIGINT'"),
        ({"schema": {"id": object()}}, "Write a SQL type"),
        ({"primary_key": ["nothing"]}, "primary key column 'nothing'"),
    ],
    ids=lambda v: str(v) if " at 0x" not in str(v) else "object",
)
def test_mistakes_are_told_at_the_line_that_made_them(words, says) -> None:
    """Nothing waits for the start of the pipeline, and nothing is connected to."""
    given = {"schema": {"id": "BIGINT", "ts": "TIMESTAMP(3)"}, **words}
    with pytest.raises(ms.PlanError) as caught:
        ms.read_kafka("broker:1", topic="t", **given)
    assert says in str(caught.value)
    assert "test_read.py" in str(caught.value)


def test_rows_that_do_not_fit_are_told_by_column() -> None:
    """A list of dicts with a missing column or a wrong value."""
    with pytest.raises(ms.PlanError, match="no column 'b'"):
        ms.read_memory([{"a": 1}], schema={"a": "INT", "b": "INT"})
    with pytest.raises(ms.PlanError, match="values of 'a' do not fit"):
        ms.read_memory([{"a": "x"}], schema={"a": "INT"})


def test_an_updating_stream_goes_to_kafka_by_key() -> None:
    """Changes become messages by key and tombstones: that is another connector."""
    counted = ms.read_memory([{"k": "a"}]).group_by("k").agg(n=ms.count())
    assert counted.write_kafka("b:1", topic="t", key="k").node.table.connector == "upsert-kafka"
    plain = ms.read_memory([{"k": "a"}]).write_kafka("b:1", topic="t", key="k")
    assert plain.node.table.connector == "kafka"
    assert plain.node.table.options["key.fields"] == "k"
