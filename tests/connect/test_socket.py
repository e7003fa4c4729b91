"""Lines from a TCP server, from a real one on the loopback."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import polars as pl
import pytest

from millstream.errors import ConnectorError, OptionError
from millstream.plan.table import Table
from millstream.ports.connector import Delivery, End, Reader
from millstream.ports.registry import source_for
from millstream.types import Schema
from tests.connect.contract import Bad, Expected, SourceContract, read, table_of

SCHEMA = Schema.of({"a": "INT"})


@contextmanager
def server(*connections: bytes, port: int = 0) -> Iterator[int]:
    """Send each connection its bytes and hang up; the last ones again and again."""
    listener = socket.create_server(("127.0.0.1", port))
    listener.settimeout(0.05)
    stop = threading.Event()

    def serve() -> None:
        served = 0
        while not stop.is_set():
            try:
                client, _ = listener.accept()
            except TimeoutError:
                continue
            with client:
                client.sendall(connections[min(served, len(connections) - 1)])
            served += 1

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        stop.set()
        thread.join()
        listener.close()


def socket_table(port: int, **options: str) -> Table:
    given = {"hostname": "127.0.0.1", "port": str(port), "format": "json", **options}
    given.setdefault("max-num-retries", "0")
    return table_of("socket", given, SCHEMA)


class TestSocket(SourceContract):
    replayable = False

    @pytest.fixture
    def table(self) -> Iterator[Table]:
        with server(b'{"a":1}\n{"a":2}\nx\n{"a":3}') as port:
            yield socket_table(port)

    @pytest.fixture
    def expected(self, table: Table) -> Mapping[str, Expected]:
        frame = pl.DataFrame({"a": [1, 2, 3]}, schema={"a": pl.Int32})
        split = f"127.0.0.1:{table.options['port']}"
        return {split: Expected(frame=frame, bad=[Bad(raw=b"x", offset=16)])}

    def test_the_end_of_the_stream(self, table: Table) -> None:
        """Without retries the stream ends with its connection, and says that it promises little."""
        source = source_for(table)
        assert source.delivery is Delivery.AT_MOST_ONCE
        reader = source.open(source.splits()[0], resume=None)
        assert read(reader, max_rows=9, documents=10).frame.height == 3
        with pytest.raises(End):
            reader.poll(max_rows=1, timeout_s=0)
        reader.close()


def test_another_delimiter_and_a_new_connection() -> None:
    """A server that restarts: what it sends afterwards is read, until the tries are used up."""
    with server(b'{"a":1}\0{"a":2}\0', b'{"a":3}\0', b"") as port:
        options = {"byte-delimiter": "0", "max-num-retries": "2", "delay-between-retries": "1ms"}
        source = source_for(socket_table(port, **options))
        reader = source.open(source.splits()[0], resume=None)
        got = read(reader, max_rows=9, documents=9)
        assert got.frame["a"].to_list() == [1, 2, 3]
        reader.close()


def test_a_line_without_end_does_not_fill_the_memory() -> None:
    """A hostile server sends no line end; that line is rejected once, the next one is read."""
    sent = b'{"a":1}\n' + b"x" * 2_000_000 + b'\n{"a":2}\n' + b"y" * 600
    with server(sent) as port:
        source = source_for(socket_table(port, **{"line-bytes-max": "500"}))
        reader = source.open(source.splits()[0], resume=None)
        got = read(reader, max_rows=9, documents=9)
        reader.close()
    assert got.frame["a"].to_list() == [1, 2]
    assert [(reason, place) for reason, place, _ in got.bad] == [
        ("the line is longer than 500 bytes", 8),
        ("the line is longer than 500 bytes", 2_000_017),
    ]
    assert got.bad[0][2] == b"x" * 1024


def test_a_server_that_starts_late_is_waited_for() -> None:
    """Whoever starts both at once must not need to start the pipeline twice."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    options = {"max-num-retries": "-1", "delay-between-retries": "1ms"}
    source = source_for(socket_table(port, **options))
    opened: list[Reader] = []
    opening = threading.Thread(
        target=lambda: opened.append(source.open(source.splits()[0], resume=None))
    )
    opening.start()
    with server(b'{"a":1}\n', port=port):
        opening.join()
        assert read(opened[0], max_rows=9, documents=1).frame["a"].to_list() == [1]
        opened[0].close()


def test_mistakes_are_named() -> None:
    """No server, and options that cannot be."""
    free = socket.create_server(("127.0.0.1", 0))
    port = free.getsockname()[1]
    free.close()
    source = source_for(socket_table(port))
    with pytest.raises(ConnectorError, match="No connection") as caught:
        source.open(source.splits()[0], resume=None)
    assert "nc -lk" in str(caught.value)
    with pytest.raises(ConnectorError, match="No connection"):
        source.test()
    with pytest.raises(OptionError, match="byte-delimiter"):
        source_for(socket_table(port, **{"byte-delimiter": "300"}))
    with pytest.raises(OptionError, match="port"):
        source_for(socket_table(0))
