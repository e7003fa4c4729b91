"""Printing and forgetting."""

from __future__ import annotations

import sys
from io import StringIO
from typing import TYPE_CHECKING, Any

import pytest

from millstream.columns.changes import Op
from millstream.errors import ConnectorError
from millstream.ports.registry import sink_for
from tests.connect.contract import SinkContract, sink_rows, table_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from millstream.plan.table import Table


class TestPrint(SinkContract):
    exactly_once = False

    @pytest.fixture
    def table(self) -> Table:
        return table_of("print", {})

    @pytest.fixture
    def read_back(self, capsys: pytest.CaptureFixture[str]) -> Callable[[], list[tuple[Any, ...]]]:
        wanted = {self.line(i): sink_rows(i).row(0) for i in range(1, 5)}
        return lambda: [wanted[line] for line in capsys.readouterr().out.splitlines()]

    def line(self, i: int) -> str:
        if i % 3 == 2:
            return f"+I[{i}, null, null, null, null, null]"
        (row,) = sink_rows(i).rows()
        seen = row[3].isoformat(timespec="milliseconds")
        return f"+I[{i}, {row[1]}, {row[2]:.2f}, {seen}, {str(row[4]).lower()}, {row[5]}]"

    def test_identifier_change_kind_and_standard_error(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Two print sinks in one terminal can be told apart."""
        named = table_of("print", {"print-identifier": "out", "standard-error": "true"})
        sink = sink_for(named, updating=True)
        sink.write(sink_rows(2, op=Op.UPDATE_AFTER))
        assert capsys.readouterr() == ("", "out> +U[2, null, null, null, null, null]\n")

    def test_a_closed_stdout_is_a_clear_error(
        self, table: Table, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """`millstream run … | head` ends the pipe; that is no traceback."""
        closed = StringIO()
        closed.close()
        monkeypatch.setattr(sys, "stdout", closed)
        with pytest.raises(ConnectorError, match="cannot be printed"):
            sink_for(table, updating=False).write(sink_rows(1))


class TestBlackhole(SinkContract):
    exactly_once = False

    @pytest.fixture
    def table(self) -> Table:
        return table_of("blackhole", {})

    @pytest.fixture
    def read_back(self) -> Callable[[], list[tuple[Any, ...]]]:
        return lambda: sink_rows(1, 2, 3).rows()  # it shows nothing; only its count is tested
