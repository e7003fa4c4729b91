"""Standard input and output, through real pipes."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import polars as pl
import pytest

from millstream.errors import ConnectorError
from millstream.plan.table import Table
from millstream.ports.registry import decoder_for, sink_for, source_for
from millstream.types import Schema
from tests.connect.contract import (
    SINK_COLUMNS,
    Bad,
    Expected,
    SinkContract,
    SourceContract,
    read,
    sink_rows,
    table_of,
)

SCHEMA = Schema.of({"a": "INT"})


def pipe_of(data: bytes) -> io.TextIOWrapper:
    """Return the reading end of a pipe that holds some bytes and ends."""
    reading, writing = os.pipe()
    os.write(writing, data)
    os.close(writing)
    return os.fdopen(reading)


class TestStdin(SourceContract):
    replayable = False

    @pytest.fixture
    def table(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[Table]:
        made: list[io.TextIOWrapper] = []

        class Fresh:
            """Each reader gets a pipe of its own, as each process does."""

            def fileno(self) -> int:
                if not made:
                    made.append(pipe_of(b'{"a":1}\n\nx\n{"a":2}\n{"a":3}'))
                return made[0].fileno()

        monkeypatch.setattr(sys, "stdin", Fresh())
        yield table_of("stdio", {"format": "json"}, SCHEMA)
        for pipe in made:
            pipe.close()

    @pytest.fixture
    def expected(self) -> Mapping[str, Expected]:
        frame = pl.DataFrame({"a": [1, 2, 3]}, schema={"a": pl.Int32})
        return {"stdin": Expected(frame=frame, bad=[Bad(raw=b"x", offset=9)])}


def test_an_endless_input_gives_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """`tail -f | millstream`: a line is a row as soon as it is complete."""
    reading, writing = os.pipe()
    monkeypatch.setattr(sys, "stdin", os.fdopen(reading))
    source = source_for(table_of("stdio", {"format": "json", "bounded": "false"}, SCHEMA))
    assert not source.bounded
    reader = source.open("stdin", resume=None)
    assert reader.poll(max_rows=9, timeout_s=0) is None
    os.write(writing, b'{"a":1}\n{"a"')
    assert read(reader, max_rows=9, documents=1).frame["a"].to_list() == [1]
    os.write(writing, b":2}\n")
    assert read(reader, max_rows=9, documents=1).frame["a"].to_list() == [2]
    os.close(writing)
    reader.close()
    sys.stdin.close()


def test_no_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service has none."""
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(ConnectorError, match="no standard input"):
        source_for(table_of("stdio", {"format": "json"}, SCHEMA)).open("stdin", resume=None)


class TestStdout(SinkContract):
    exactly_once = False

    @pytest.fixture
    def table(self) -> Table:
        return table_of("stdio", {"format": "json"})

    @pytest.fixture
    def read_back(
        self, capsysbinary: pytest.CaptureFixture[bytes]
    ) -> Callable[[], list[tuple[Any, ...]]]:
        decoder = decoder_for(SINK_COLUMNS, {"format": "json"}, owner="test")
        capsysbinary.readouterr()

        def rows() -> list[tuple[Any, ...]]:
            lines = capsysbinary.readouterr().out.splitlines()
            return decoder.decode(pl.Series(lines, dtype=pl.Binary)).frame.rows()

        return rows

    def test_a_closed_stdout_is_a_clear_error(
        self, table: Table, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """`millstream run … | head` ends the pipe; that is no traceback."""
        closed = io.StringIO()
        closed.close()
        monkeypatch.setattr(sys, "stdout", closed)
        with pytest.raises(ConnectorError, match="cannot be written"):
            sink_for(table, updating=False).write(sink_rows(1))


def test_standard_input_to_standard_output() -> None:
    """A pipeline is a filter among other programs: rows in, rows out, nothing else on stdout."""
    script = """
    CREATE TABLE i (id BIGINT, name STRING) WITH ('connector' = 'stdio', 'format' = 'json');
    CREATE TABLE o (id BIGINT, name STRING) WITH ('connector' = 'stdio', 'format' = 'json');
    INSERT INTO o SELECT id * 2, UPPER(name) FROM i WHERE id > 1;
    """
    code = (
        "from millstream.sql.script import Session, Inserted\n"
        "from millstream.job import Job\nfrom millstream.plan.nodes import Plan\n"
        f"for o in Session().execute('''{script}'''):\n"
        "    if isinstance(o, Inserted): Job(Plan(o.sinks)).run()\n"
    )
    lines = b'{"id": 1, "name": "a"}\n{"id": 2, "name": "b"}\nno json\n{"id": 3, "name": "c"}\n'
    done = subprocess.run(
        [sys.executable, "-c", code], input=lines, capture_output=True, check=True
    )
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert rows == [{"id": 4, "name": "B"}, {"id": 6, "name": "C"}]
