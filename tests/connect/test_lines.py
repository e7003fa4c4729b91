"""Streams of bytes: standard input and output, sockets."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream.connect.lines import LineCutter, TooLong
from millstream.connect.memory import Collected
from millstream.errors import ConnectorError
from millstream.job import Job
from millstream.plan.nodes import Plan, Scan, Write
from millstream.plan.table import Physical, Table
from millstream.ports.registry import source_for
from millstream.types import Schema
from tests.connect.contract import nothing_left_behind, table_of

COLUMNS = Schema.of({"id": "BIGINT", "name": "STRING"})


@given(st.binary(max_size=60), st.lists(st.integers(0, 60), max_size=6))
def test_any_pieces_give_the_same_lines(data: bytes, cuts: list[int]) -> None:
    """How a network cuts a stream is an accident."""
    whole = LineCutter()
    expected = whole.cut(data) + whole.end()
    cutter, found, at = LineCutter(), [], 0
    for cut in [*sorted(cuts), len(data)]:
        found += cutter.cut(data[at:cut])
        at = max(at, cut)
    assert found + cutter.end() == expected
    lines = data.replace(b"\r\n", b"\n").split(b"\n")
    if b"\r" not in data:
        assert expected == (lines if lines[-1] else lines[:-1])


def test_a_line_without_end_does_not_fill_the_memory() -> None:
    """A hostile server sends no line feed; its line is rejected once, the next one is read."""
    cutter = LineCutter(bytes_max=10)
    assert cutter.cut(b"x" * 11) == [TooLong(b"x" * 11)]
    assert cutter.cut(b"y" * 1000) == []
    assert cutter.cut(b"y\nok\n") == [b"ok"]


@contextmanager
def server(*connections: bytes) -> Iterator[int]:
    """Serve each byte string to one connection, then stop listening."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        for data in connections:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(data)
        listener.close()

    thread = threading.Thread(target=serve)
    thread.start()
    yield listener.getsockname()[1]
    listener.close()
    thread.join()


def socket_table(port: int, **options: str) -> Table:
    given = {"hostname": "127.0.0.1", "port": str(port), "format": "json", **options}
    return table_of("socket", given, COLUMNS)


def run(table: Table) -> tuple[pl.DataFrame, int]:
    out = Collected()
    columns = tuple(Physical(f.name, f.type) for f in COLUMNS)
    sink = Table("out", columns, "memory", {"target": out})
    summary = Job(Plan((Write(input=Scan(table=table), table=sink),))).run()
    return out.frame(), summary.progress.rows_rejected


def test_a_socket_is_read_to_its_end_and_bad_lines_are_rejected() -> None:
    """A broken line costs that line."""
    data = b'{"id": 1, "name": "a"}\n{"id": oops}\n{"id": 2, "name": "b"}'
    with nothing_left_behind(), server(data) as port:
        frame, rejected = run(socket_table(port, **{"max-num-retries": "0"}))
    assert frame.rows() == [(1, "a"), (2, "b")]
    assert rejected == 1


def test_a_server_that_comes_back_is_read_on() -> None:
    """A closed connection is tried again before the stream counts as ended."""
    options = {"max-num-retries": "2", "delay-between-retries": "10 ms"}
    with server(b'{"id": 1}\n', b'{"id": 2}\n') as port:
        frame, _ = run(socket_table(port, **options))
    assert frame["id"].to_list() == [1, 2]


def test_nobody_listening_is_one_clear_error() -> None:
    """What, where, what next."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    source = source_for(socket_table(port, **{"max-num-retries": "0"}))
    with pytest.raises(ConnectorError, match="No connection to"):
        source.open(source.splits()[0], resume=None)


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
        [sys.executable, "-c", code],
        input=lines,
        capture_output=True,
        check=True,
        env={**os.environ},
    )
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert rows == [{"id": 4, "name": "B"}, {"id": 6, "name": "C"}]
