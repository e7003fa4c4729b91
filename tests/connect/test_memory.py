"""Frames of this process as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from millstream.columns.changes import OP, Op
from millstream.connect.memory import Collected, collected
from millstream.errors import OptionError
from millstream.ports.connector import Changes
from millstream.ports.registry import source_for
from tests.connect.contract import (
    SINK_COLUMNS,
    Expected,
    SinkContract,
    SourceContract,
    sink_rows,
    table_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from millstream.plan.table import Table


class TestSource(SourceContract):
    @pytest.fixture
    def table(self) -> Table:
        frames = [sink_rows(1, 2, 3), sink_rows().clear(), sink_rows(4), sink_rows(5, 6, 7)]
        return table_of("memory", {"frame": frames})

    @pytest.fixture
    def expected(self) -> Mapping[str, Expected]:
        return {"frames": Expected(frame=sink_rows(1, 2, 3, 4, 5, 6, 7))}

    def test_changes_come_along(self) -> None:
        """A changelog made by hand is how operators are tested."""
        frame = pl.concat([sink_rows(1, op=Op.INSERT), sink_rows(1, op=Op.DELETE)])
        source = source_for(table_of("memory", {"frame": frame}))
        assert source.changes is Changes.RETRACT
        chunk = source.open("frames", resume=None).poll(max_rows=9, timeout_s=0)
        assert chunk is not None
        assert chunk.frame[OP].to_list() == [0, 3]

    @pytest.mark.parametrize("given", [None, "text", [1]])
    def test_what_is_no_frame_is_refused(self, given: Any) -> None:
        """The mistake shows where the table is used, not inside a thread later."""
        with pytest.raises(OptionError, match="frame"):
            source_for(table_of("memory", {"frame": given}))

    def test_a_frame_without_a_column_is_refused(self) -> None:
        """Likewise, and with the columns there are."""
        with pytest.raises(OptionError, match="no column 'score'") as caught:
            source_for(table_of("memory", {"frame": sink_rows(1).drop("score")}))
        assert "price" in str(caught.value)

    def test_types_are_made_to_fit(self) -> None:
        """A frame made in Python has Int64 where the table says INT."""
        schema = SINK_COLUMNS.of({"a": "INT"})
        source = source_for(table_of("memory", {"frame": pl.DataFrame({"a": [1]})}, schema))
        chunk = source.open("frames", resume=None).poll(max_rows=9, timeout_s=0)
        assert chunk is not None
        assert chunk.frame.schema == {"a": pl.Int32}
        with pytest.raises(OptionError, match="does not fit"):
            source_for(table_of("memory", {"frame": pl.DataFrame({"a": [1 << 40]})}, schema))


class TestSink(SinkContract):
    @pytest.fixture
    def target(self) -> Collected:
        return Collected()

    @pytest.fixture
    def table(self, target: Collected) -> Table:
        return table_of("memory", {"target": target})

    @pytest.fixture
    def read_back(self, target: Collected) -> Callable[[], list[tuple[Any, ...]]]:
        return lambda: target.frame().rows()

    def test_changes_are_told(self, table: Table, target: Collected, new_sink: Any) -> None:
        """Mixed frames, with and without change kinds, read as one list of changes."""
        sink = new_sink(table, updating=True)
        sink.open("p", 1)
        sink.write(sink_rows(1))
        sink.write(sink_rows(1, op=Op.DELETE))
        (row,) = sink_rows(1).rows()
        assert target.changes() == [("+I", *row), ("-D", *row)]

    def test_a_name_is_one_place(self, new_sink: Any) -> None:
        """SQL can only say a name; Python finds the rows under it."""
        sink = new_sink(table_of("memory", {"target": "test-memory-name"}))
        sink.open("p", 1)
        sink.write(sink_rows(1))
        assert collected("test-memory-name").frame().rows() == sink_rows(1).rows()
        collected("test-memory-name").clear()

    def test_what_is_no_target_is_refused(self, new_sink: Any) -> None:
        """A list looks like a place to collect in, but cannot keep epochs."""
        with pytest.raises(OptionError, match="target"):
            new_sink(table_of("memory", {"target": []}))
