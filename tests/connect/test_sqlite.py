"""SQLite files: the shared contract, text for what SQLite has no type for, values of any type."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from millstream.errors import ConnectorError, OptionError
from millstream.plan.table import Table
from millstream.ports.connector import REASON, Delivered
from millstream.ports.registry import sink_for, source_for
from millstream.types import Schema
from tests.connect import sql_file
from tests.connect.contract import Bad, Expected, read, sink_rows, table_of

ALL = Schema.of(
    {
        "tiny": "TINYINT", "small": "SMALLINT", "int": "INT", "float": "FLOAT",
        "wide": "DECIMAL(38, 10)", "char": "CHAR(5)", "bytes": "BYTES", "day": "DATE",
        "clock": "TIME(6)", "seconds": "TIMESTAMP(0)", "micros": "TIMESTAMP(6)",
        "nanos": "TIMESTAMP(9)", "ltz": "TIMESTAMP_LTZ(3)", "ltz9": "TIMESTAMP_LTZ(9)",
        "months": "INTERVAL YEAR TO MONTH", "span": "INTERVAL DAY TO SECOND(3)",
    }
)  # fmt: skip


@pytest.fixture
def run(tmp_path: Path) -> sql_file.Run:
    def once(statement: str) -> list[tuple[Any, ...]]:
        with contextlib.closing(sqlite3.connect(tmp_path / "file.db")) as connection, connection:
            return connection.execute(statement).fetchall()

    return once


class TestSource(sql_file.SqlFileSource):
    connector = "sqlite"

    @pytest.fixture
    def table(self, tmp_path: Path, run: sql_file.Run) -> Table:
        table = table_of("sqlite", {"path": str(tmp_path / "file.db")})
        sink = sink_for(table, updating=False)
        sink.open("p", 0)
        sink.write(sink_rows(1, 2, 3))
        sink.flush()
        run("INSERT INTO t (id, price) VALUES (4, 'dear'), (5, 1)")
        run("DELETE FROM t WHERE id = 5")
        run("INSERT INTO t (id, seen) VALUES (6, 17)")
        sink.write(sink_rows(7, 8))
        sink.flush()
        sink.close()
        return table

    @pytest.fixture
    def expected(self) -> Mapping[str, Expected]:
        bad = [
            Bad(raw=b'[4, null, "dear", null, null, null]', offset=3, reason="column 'price'"),
            Bad(raw=b'[6, null, null, "17", null, null]', offset=4, reason="'17', which is no"),
        ]
        return {"table": Expected(frame=sink_rows(1, 2, 3, 7, 8), bad=bad)}

    def test_tables_of_others_are_read(self, tmp_path: Path, run: sql_file.Run) -> None:
        """Other programs write a T between date and time, numbers as text, and offsets."""
        run("CREATE TABLE t (a, b, c, d, e, f)")
        run("INSERT INTO t VALUES ('2026-01-02T03:04:05', 7, 1.5, '2026-01-02 03:04:05+00:00', "
            "12.25, 1)")  # fmt: skip
        run("INSERT INTO t VALUES ('2026-01-02 03:04:05.5', 'x', 2, '2026-01-02T03:04:05.25Z', "
            "'3', 0)")  # fmt: skip
        schema = Schema.of(
            {"a": "TIMESTAMP(3)", "b": "STRING", "c": "DOUBLE", "d": "TIMESTAMP_LTZ(3)",
             "e": "DECIMAL(5, 2)", "f": "BOOLEAN"}
        )  # fmt: skip
        frame = sql_file.all_of(table_of("sqlite", {"path": str(tmp_path / "file.db")}, schema))
        assert [[str(v) for v in row] for row in frame.rows()] == [
            ["2026-01-02 03:04:05", "7", "1.5", "2026-01-02 03:04:05+00:00", "12.25", "True"],
            ["2026-01-02 03:04:05.500000", "x", "2.0", "2026-01-02 03:04:05.250000+00:00", "3.00",
             "False"],
        ]  # fmt: skip

    @pytest.mark.parametrize(
        ("type_", "value"),
        [("TINYINT", "128"), ("INT", "1.5"), ("DATE", "'2026-02-30'"), ("STRING", "x'00'"),
         ("DECIMAL(3, 1)", "'1000'"), ("TIMESTAMP(3)", "'noon'"), ("DOUBLE", "'much'")],
    )  # fmt: skip
    def test_what_is_no_value_of_its_type_is_rejected(
        self, tmp_path: Path, run: sql_file.Run, type_: str, value: str
    ) -> None:
        """It must not become NULL in silence, nor stop the other rows."""
        run("CREATE TABLE t (a)")
        run(f"INSERT INTO t VALUES (NULL), ({value}), (NULL)")
        table = table_of("sqlite", {"path": str(tmp_path / "file.db")}, Schema.of({"a": type_}))
        got = read(source_for(table).open("table", resume=None), max_rows=9)
        assert got.frame["a"].to_list() == [None, None]
        ((reason, offset, _),) = got.bad
        assert type_ in reason
        assert offset == 1

    def test_views_and_tables_without_rowid_are_read_in_a_stable_order(
        self, table: Table, run: sql_file.Run
    ) -> None:
        """Their pages must fit together too."""
        run("CREATE VIEW v AS SELECT id FROM t ORDER BY random()")
        run("CREATE TABLE w (id INTEGER PRIMARY KEY) WITHOUT ROWID")
        run("INSERT INTO w VALUES (3), (1), (2)")
        for name, ids in (("v", [1, 2, 3, 4, 6, 7, 8]), ("w", [1, 2, 3])):
            some = table_of("sqlite", table.options, Schema.of({"id": "BIGINT"}), name=name)
            got = read(source_for(some).open("table", resume=None), max_rows=2)
            assert got.frame["id"].to_list() == ids


class TestSink(sql_file.SqlFileSink):
    connector = "sqlite"

    def test_every_type_comes_back(self, options: dict[str, Any], new_sink: Any) -> None:
        """Made-up rows of all types, with NULLs, written and read again."""
        nulls = {f"fields.{name}.null-rate": "0.2" for name in ALL.names}
        made = table_of("datagen", {"number-of-rows": "200", "rows-per-second": "0", **nulls}, ALL)
        rows = read(source_for(made).open("rows", resume=None), max_rows=200).frame
        rows = rows.with_columns(pl.col("seconds").dt.truncate("1s"))
        table = table_of("sqlite", options, ALL)
        sink = new_sink(table)
        sink.open("p", 1)
        sink.deliver(1, [rows])
        assert_frame_equal(sql_file.all_of(table), rows)

    def test_nan_and_infinity_come_back(self, options: dict[str, Any], new_sink: Any) -> None:
        """SQLite would make NULL of NaN without a word."""
        table = table_of("sqlite", options, Schema.of({"x": "DOUBLE"}))
        rows = pl.DataFrame({"x": [float("nan"), float("inf"), -0.0, None, 1e-300]})
        sink = new_sink(table)
        sink.open("p", 1)
        sink.deliver(1, [rows])
        assert_frame_equal(sql_file.all_of(table), rows)

    def test_lists_are_refused(self, options: dict[str, Any], new_sink: Any) -> None:
        """Told at the start, with what to do instead."""
        with pytest.raises(OptionError, match="no type for") as caught:
            new_sink(table_of("sqlite", options, Schema.of({"a": "ARRAY<INT>"})))
        assert "CAST" in str(caught.value)

    def test_a_null_key_is_refused(self, options: dict[str, Any], new_sink: Any) -> None:
        """SQLite lets NULL into a key, where each would be a new row."""
        table = table_of("sqlite", options, Schema.of({"k": "INT", "v": "INT"}), key=("k",))
        sink = new_sink(table)
        sink.open("p", 1)
        heard: list[str] = []
        sink.keep_refused = lambda _, rows: heard.extend(rows[REASON])
        rows = pl.DataFrame({"k": [None], "v": [1]}, schema={"k": pl.Int32, "v": pl.Int32})
        assert sink.deliver(1, [rows]) == Delivered(0, 1)
        assert heard == ["NOT NULL constraint failed: t.k"]

    def test_a_file_held_by_another_writer_is_waited_for(
        self, table: Table, options: dict[str, Any], new_sink: Any
    ) -> None:
        """Somebody else's short transaction costs a moment; one that stays is named."""
        sink = new_sink(table)
        sink.open("p", 1)
        hurried = new_sink(table_of("sqlite", {**options, "lock-timeout": "20 ms"}))
        with contextlib.closing(sqlite3.connect(options["path"], isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(ConnectorError, match="locked") as caught:
                hurried.open("p", 1)
            assert "writes the file" in str(caught.value)
            delivery = threading.Thread(target=sink.deliver, args=(1, [sink_rows(1)]))
            delivery.start()
            other.execute("COMMIT")
            delivery.join(20)
        assert sql_file.all_of(table).rows() == sink_rows(1).rows()

    def test_what_is_no_database_is_not_touched(
        self, tmp_path: Path, options: dict[str, Any], new_sink: Any
    ) -> None:
        """A mistyped path must not cost somebody a file."""
        other = tmp_path / "notes.txt"
        other.write_bytes(b"dear diary " * 1000)
        with pytest.raises(ConnectorError, match="not a database"):
            new_sink(table_of("sqlite", {**options, "path": str(other)})).open("p", 1)
        assert other.read_bytes() == b"dear diary " * 1000
