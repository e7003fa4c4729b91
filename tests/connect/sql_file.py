"""What the tests of DuckDB and SQLite share: the same table options, the same promises."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from millstream.columns.changes import Op
from millstream.errors import ConnectorError, PlanError
from millstream.plan.table import Table
from millstream.ports.connector import REASON, Delivered
from millstream.ports.registry import sink_for, source_for
from millstream.types import Schema
from tests.connect.contract import (
    WAIT_S,
    SinkContract,
    SourceContract,
    nothing_left_behind,
    read,
    sink_rows,
    table_of,
)

NO_ID = sink_rows(3).with_columns(id=pl.lit(None, dtype=pl.Int64))
"""Its column is NOT NULL."""
Run = Callable[[str], list[tuple[Any, ...]]]
"""Opens the file with the database's own client, runs a statement, closes the file."""


def all_of(table: Table) -> pl.DataFrame:
    """Return what our own source reads."""
    got = read(source_for(table).open("table", resume=None), max_rows=1000)
    assert not got.bad
    return got.frame


class SqlFileSource(SourceContract):
    """The source tests that hold for both."""

    connector: str

    def test_a_missing_file_table_or_column_is_one_clear_error(
        self, tmp_path: Path, run: Run
    ) -> None:
        """Reading must not make an empty file where a path was mistyped."""
        run("CREATE TABLE t (id BIGINT)")
        here, gone = str(tmp_path / "file.db"), tmp_path / "gone.db"
        schema = Schema.of({"id": "BIGINT", "nope": "STRING"})
        for options, says in (
            ({"path": str(gone)}, "no such file"),
            ({"path": here, "table": "other"}, "no table 'other'"),
            ({"path": here}, "no column 'nope'"),
        ):
            with pytest.raises(ConnectorError, match=says) as caught:
                source_for(table_of(self.connector, options, schema)).test()
            assert caught.value.where
            assert caught.value.hint
        assert not gone.exists()

    def test_rows_without_columns_are_counted(self, tmp_path: Path, run: Run) -> None:
        """COUNT(*) asks for no column; the rows must be there all the same."""
        run("CREATE TABLE t (id BIGINT)")
        run("INSERT INTO t VALUES (1), (2), (3)")
        options, schema = {"path": str(tmp_path / "file.db")}, Schema.of({"id": "BIGINT"})
        source = source_for(table_of(self.connector, options, schema), ())
        got = read(source.open("table", resume=None), max_rows=2)
        assert [f.height for f in got.frames] == [2, 1]

    def test_a_table_is_read_into_another_of_the_same_file(self, tmp_path: Path, run: Run) -> None:
        """A pipeline inside one file: the reader must not shut out the writer."""
        run("CREATE TABLE t (id BIGINT)")
        run("INSERT INTO t VALUES (1), (2), (3)")
        options, schema = {"path": str(tmp_path / "file.db")}, Schema.of({"id": "BIGINT"})
        reader = source_for(table_of(self.connector, options, schema)).open("table", resume=None)
        sink = sink_for(table_of(self.connector, options, schema, name="u"), updating=False)
        sink.open("p", 1)
        for epoch in (1, 2):
            chunk = reader.poll(max_rows=2, timeout_s=0)
            assert chunk is not None
            sink.deliver(epoch, [chunk.frame])
        assert run("SELECT id FROM u") == [(1,), (2,), (3,)]


class SqlFileSink(SinkContract):
    """The sink tests that hold for both."""

    connector: str

    @pytest.fixture
    def options(self, tmp_path: Path) -> dict[str, Any]:
        return {"path": str(tmp_path / "file.db")}

    @pytest.fixture
    def table(self, options: dict[str, Any]) -> Table:
        return table_of(self.connector, options)

    @pytest.fixture
    def upsert_table(self, options: dict[str, Any]) -> Table:
        return table_of(self.connector, options, key=("id",))

    @pytest.fixture
    def unwritable(self, tmp_path: Path) -> Table:
        return table_of(self.connector, {"path": str(tmp_path / "none" / "file.db")})

    @pytest.fixture
    def refusing(self, table: Table) -> tuple[Table, pl.DataFrame]:
        return table, NO_ID

    @pytest.fixture
    def read_back(self, table: Table) -> Callable[[], list[tuple[Any, ...]]]:
        return lambda: all_of(table).rows()

    def test_another_client_may_read_between_epochs(
        self, table: Table, run: Run, new_sink: Any
    ) -> None:
        """A dashboard looks at the file while the pipeline runs."""
        sink = new_sink(table)
        sink.open("p", 1)
        for epoch in (1, 2):
            sink.deliver(epoch, [sink_rows(epoch)])
            assert run("SELECT count(*) FROM t") == [(epoch,)]
            assert run("SELECT epoch FROM _millstream_epoch") == [(epoch,)]

    def test_written_rows_leave_by_themselves(
        self, options: dict[str, Any], run: Run, new_sink: Any
    ) -> None:
        """Without checkpoints nobody may call flush for hours, and the stream may fall silent."""
        sink = new_sink(table_of(self.connector, {**options, "sink.buffer-flush.interval": "10"}))
        sink.open("p", 0)
        accepted = sink.write(sink_rows(1, 2)).accepted
        timer = sink._timer
        if timer is not None:
            timer.join(WAIT_S)
        assert run("SELECT id FROM t") == [(1,), (2,)]
        assert accepted + sink.flush().accepted == 2

    def test_many_rows_do_not_wait(self, options: dict[str, Any], run: Run, new_sink: Any) -> None:
        """What waits is bounded by rows too."""
        more = {"sink.buffer-flush.interval": "1 h", "sink.buffer-flush.max-rows": "3"}
        sink = new_sink(table_of(self.connector, {**options, **more}))
        sink.open("p", 0)
        assert sink.write(sink_rows(1, 2)).accepted == 0
        assert run("SELECT count(*) FROM t") == [(0,)]
        assert sink.write(sink_rows(3)).accepted == 3
        assert run("SELECT count(*) FROM t") == [(3,)]
        with nothing_left_behind():
            sink.write(sink_rows(4))
            sink.close()

    def test_a_failure_of_the_timer_is_raised(
        self, options: dict[str, Any], run: Run, new_sink: Any
    ) -> None:
        """Rows that could not be stored behind the writer's back must stop the pipeline."""
        sink = new_sink(table_of(self.connector, {**options, "sink.buffer-flush.interval": "10"}))
        sink.open("p", 0)
        run("DROP TABLE t")
        sink.write(sink_rows(1))
        timer = sink._timer
        if timer is not None:
            timer.join(WAIT_S)
        with pytest.raises(ConnectorError):
            sink.flush()

    def test_no_table_is_made_unless_wanted(self, options: dict[str, Any], new_sink: Any) -> None:
        """Some want a mistyped table name to be an error."""
        sink = new_sink(table_of(self.connector, {**options, "sink.create-table": "false"}))
        with pytest.raises(ConnectorError, match="no table 't'") as caught:
            sink.open("p", 1)
        assert "sink.create-table" in str(caught.value)

    def test_a_table_without_a_column_is_refused(
        self, table: Table, run: Run, new_sink: Any
    ) -> None:
        """The error comes at the start and names the column, before any row is lost."""
        run("CREATE TABLE t (id BIGINT, name VARCHAR)")
        with pytest.raises(ConnectorError, match="no column 'price'") as caught:
            new_sink(table).open("p", 1)
        assert "id, name" in str(caught.value)

    def test_rows_refused_among_many_are_found(
        self, options: dict[str, Any], run: Run, new_sink: Any
    ) -> None:
        """Constraints of every kind, and two rows of which only the first can stay."""
        run(
            "CREATE TABLE t (id BIGINT NOT NULL UNIQUE, name VARCHAR CHECK (name <> 'no'), "
            "price VARCHAR, seen VARCHAR, ok BOOLEAN, score DOUBLE)"
        )
        sink = new_sink(table_of(self.connector, options))
        heard: list[pl.DataFrame] = []
        sink.keep_refused = lambda _, rows: heard.append(rows)
        sink.open("p", 1)
        frames = [sink_rows(*range(40)), sink_rows(100, name="no"), sink_rows(*range(30, 50))]
        assert sink.deliver(1, frames) == Delivered(50, 11)
        (told,) = heard
        assert told["id"].to_list() == [100, *range(30, 40)]
        assert "CHECK" in told[REASON][0]
        assert all("nique" in why or "UNIQUE" in why for why in told[REASON][1:])
        assert run("SELECT id FROM t ORDER BY id") == [(i,) for i in range(50)]
        assert run("SELECT epoch FROM _millstream_epoch") == [(1,)]

    def test_rows_refused_behind_the_timer_are_told(
        self, options: dict[str, Any], new_sink: Any
    ) -> None:
        """Rows leave by the timer's thread too; what it could not write is counted and kept."""
        sink = new_sink(table_of(self.connector, {**options, "sink.buffer-flush.interval": "10"}))
        heard: list[tuple[int | None, int]] = []
        sink.keep_refused = lambda epoch, rows: heard.append((epoch, rows.height))
        sink.open("p", 0)
        first = sink.write(pl.concat([sink_rows(1), NO_ID]))
        timer = sink._timer
        if timer is not None:
            timer.join(WAIT_S)
        then = sink.flush()
        assert (first.accepted + then.accepted, first.refused + then.refused) == (1, 1)
        assert heard == [(None, 1)]

    def test_a_table_without_the_key_is_one_clear_error(
        self, upsert_table: Table, table: Table, run: Run, new_sink: Any
    ) -> None:
        """Upserts into a table that was made without a key cannot find their rows."""
        new_sink(table).open("p", 1)
        sink = new_sink(upsert_table, updating=True)

        def open_and_deliver(sink: Any) -> None:
            sink.open("p", 2)
            sink.deliver(1, [sink_rows(1, op=Op.INSERT)])

        with pytest.raises(ConnectorError, match="cannot be written") as caught:
            open_and_deliver(sink)
        assert "PRIMARY KEY" in str(caught.value)
        assert run("SELECT count(*) FROM t") == [(0,)]

    def test_changes_need_a_key(self, table: Table) -> None:
        """Found before anything is opened."""
        with pytest.raises(PlanError, match="need a key"):
            sink_for(table, updating=True)

    def test_odd_names_are_only_names(self, options: dict[str, Any], new_sink: Any) -> None:
        """Quotes and key words in names must neither break a statement nor become one."""
        schema = Schema.of({'a"; DROP': "INT", "select": "STRING"})
        table = table_of(self.connector, {**options, "table": 'x"y z'}, schema, key=("select",))
        sink = new_sink(table)
        sink.open("p", 1)
        rows = pl.DataFrame(
            {'a"; DROP': [1], "select": ["it's"]}, schema_overrides={'a"; DROP': pl.Int32}
        )
        sink.deliver(1, [rows])
        assert all_of(table).rows() == [(1, "it's")]
