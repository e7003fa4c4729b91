"""DuckDB files: the shared contract, all types, and a lock that is never held for long."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from millstream.errors import ConnectorError, OptionError
from millstream.plan.table import Table
from millstream.ports.registry import sink_for, source_for
from millstream.types import Schema
from tests.connect import sql_file
from tests.connect.contract import Expected, read, sink_rows, table_of

ALL = Schema.of(
    {
        "tiny": "TINYINT", "small": "SMALLINT", "int": "INT", "float": "FLOAT",
        "wide": "DECIMAL(38, 10)", "char": "CHAR(5)", "bytes": "BYTES", "day": "DATE",
        "clock": "TIME(6)", "seconds": "TIMESTAMP(0)", "micros": "TIMESTAMP(6)",
        "nanos": "TIMESTAMP(9)", "ltz": "TIMESTAMP_LTZ(3)", "ltz9": "TIMESTAMP_LTZ(9)",
        "months": "INTERVAL YEAR TO MONTH", "span": "INTERVAL DAY TO SECOND(3)",
        "list": "ARRAY<INT>", "row": "ROW<a INT, b ARRAY<STRING>>",
    }
)  # fmt: skip
HOLD = (
    "import duckdb, sys\nc = duckdb.connect(sys.argv[1])\nprint(1, flush=True)\ninput()\nc.close()"
)


@pytest.fixture
def run(tmp_path: Path) -> sql_file.Run:
    def once(statement: str) -> list[tuple[Any, ...]]:
        connection = duckdb.connect(str(tmp_path / "file.db"))
        try:
            return connection.execute(statement).fetchall()
        finally:
            connection.close()

    return once


class TestSource(sql_file.SqlFileSource):
    connector = "duckdb"

    @pytest.fixture
    def table(self, tmp_path: Path) -> Table:
        table = table_of("duckdb", {"path": str(tmp_path / "file.db")})
        sink = sink_for(table, updating=False)
        sink.open("p", 0)
        sink.write(sink_rows(*range(1, 9)))
        sink.flush()
        sink.close()
        return table

    @pytest.fixture
    def expected(self) -> Mapping[str, Expected]:
        return {"table": Expected(frame=sink_rows(*range(1, 9)))}

    def test_a_view_is_read_in_a_stable_order(self, table: Table, run: sql_file.Run) -> None:
        """A view may be computed in any order; pages of it must still fit together."""
        run("CREATE VIEW v AS SELECT id % 3 AS part, id FROM t ORDER BY random()")
        schema = Schema.of({"id": "BIGINT"})
        view = table_of("duckdb", table.options, schema, name="v")
        got = read(source_for(view).open("table", resume=None), max_rows=2)
        assert got.frame["id"].to_list() == [3, 6, 1, 4, 7, 2, 5, 8]

    def test_a_value_that_does_not_fit_is_an_error(self, table: Table) -> None:
        """A number cut in silence is worse than a stop."""
        narrow = table_of("duckdb", table.options, Schema.of({"name": "INT"}))
        with pytest.raises(ConnectorError, match="cannot be read"):
            source_for(narrow).open("table", resume=None).poll(max_rows=9, timeout_s=0)


class TestSink(sql_file.SqlFileSink):
    connector = "duckdb"

    def test_every_type_comes_back(self, options: dict[str, Any], new_sink: Any) -> None:
        """Made-up rows of all types, with NULLs, written and read again."""
        nulls = {f"fields.{name}.null-rate": "0.2" for name in ALL.names}
        made = table_of("datagen", {"number-of-rows": "200", "rows-per-second": "0", **nulls}, ALL)
        rows = read(source_for(made).open("rows", resume=None), max_rows=200).frame
        rows = rows.with_columns(pl.col("seconds").dt.truncate("1s"))
        table = table_of("duckdb", options, ALL)
        sink = new_sink(table)
        sink.open("p", 1)
        sink.deliver(1, [rows])
        assert_frame_equal(sql_file.all_of(table), rows)

    def test_a_map_comes_back_and_a_multiset_is_refused(
        self, options: dict[str, Any], new_sink: Any
    ) -> None:
        """A MAP is a list of pairs with us, and a MAP in DuckDB."""
        table = table_of("duckdb", options, Schema.of({"m": "MAP<STRING, INT>"}))
        pairs = pl.Series(
            "m", [[{"key": "a", "value": 1}], [], None],
            dtype=pl.List(pl.Struct({"key": pl.String, "value": pl.Int32})),
        )  # fmt: skip
        sink = new_sink(table)
        sink.open("p", 1)
        sink.deliver(1, [pairs.to_frame()])
        assert_frame_equal(sql_file.all_of(table), pairs.to_frame())
        with pytest.raises(OptionError, match="MULTISET"):
            new_sink(table_of("duckdb", options, Schema.of({"m": "MULTISET<INT>"})))

    def test_a_file_held_by_another_program_is_waited_for(
        self, table: Table, options: dict[str, Any], new_sink: Any
    ) -> None:
        """A reader that looks for a moment costs a moment; one that stays is named."""
        sink = new_sink(table)
        sink.open("p", 1)
        hurried = new_sink(table_of("duckdb", {**options, "lock-timeout": "50 ms"}))
        with subprocess.Popen(
            [sys.executable, "-c", HOLD, options["path"]],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        ) as holder:  # fmt: skip
            assert holder.stdin is not None
            assert holder.stdout is not None
            holder.stdout.readline()
            with pytest.raises(ConnectorError, match="lock") as caught:
                hurried.open("p", 1)
            assert "has the file open" in str(caught.value)
            delivery = threading.Thread(target=sink.deliver, args=(1, [sink_rows(1)]))
            delivery.start()
            holder.stdin.write("\n")
            holder.stdin.flush()
            delivery.join(20)
        assert sql_file.all_of(table).rows() == sink_rows(1).rows()

    def test_several_sinks_share_a_file(self, options: dict[str, Any], new_sink: Any) -> None:
        """Statement sets write many tables of one file at the same moment."""
        tables = [table_of("duckdb", options, name=f"t{i}") for i in range(4)]
        failed: list[BaseException] = []

        def deliver(table: Table) -> None:
            try:
                sink = new_sink(table)
                sink.open("p", 1)
                for epoch in range(1, 6):
                    sink.deliver(epoch, [sink_rows(epoch)])
            except BaseException as error:  # noqa: BLE001 (shown by the assert below)
                failed.append(error)

        threads = [threading.Thread(target=deliver, args=(t,)) for t in tables]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert not failed
        for table in tables:
            assert sql_file.all_of(table).rows() == sink_rows(1, 2, 3, 4, 5).rows()

    def test_what_is_no_database_is_not_touched(
        self, tmp_path: Path, options: dict[str, Any], new_sink: Any
    ) -> None:
        """A mistyped path must not cost somebody a file."""
        other = tmp_path / "notes.txt"
        other.write_bytes(b"dear diary " * 1000)
        with pytest.raises(ConnectorError, match="not a valid DuckDB"):
            new_sink(table_of("duckdb", {**options, "path": str(other)})).open("p", 1)
        assert other.read_bytes() == b"dear diary " * 1000


def test_a_missing_package_says_what_to_install() -> None:
    """`pip install millstream` has no DuckDB; checking a script works without it."""
    program = (
        "import sys\nsys.modules['duckdb'] = None\n"
        "from millstream.errors import MissingExtra\nfrom millstream.plan.table import *\n"
        "from millstream.ports.registry import config_of, source_for\n"
        "from millstream.types import parse_type\n"
        "t = Table('t', (Physical('a', parse_type('INT')),), 'duckdb', {'path': 'x'})\n"
        "config_of(t)\n"
        "try: source_for(t)\nexcept MissingExtra as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False,
        env={"PYTHONPATH": ":".join(filter(None, sys.path))},
    )  # fmt: skip
    assert "pip install 'millstream[duckdb]'" in done.stdout, done.stderr
