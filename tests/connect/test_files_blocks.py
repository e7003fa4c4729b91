"""Files in blocks: how much is read at once never shows in the rows, the places, the rejected."""

from __future__ import annotations

import gzip
import threading
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from millstream.connect import files_lines
from millstream.connect.chunks import Part, part_of_lines
from millstream.errors import ConnectorError
from millstream.formats.side_by_side import piece_size
from millstream.ports.connector import Chunk, End
from millstream.ports.registry import source_for
from tests.connect.test_files import files_table, json_lines

JSON = json_lines(1, 22, 333) + b"oops\n\r\n\n" + json_lines(4)[:-1] + b"\r\n" + json_lines(5)[:-1]
CSV = b'b,a\n"1\n2",1\nb2,2\r\nx,y\n"3""4",3\n'


def chunks(path: Path, max_rows: int, resume: Any = None, **options: Any) -> list[Chunk]:
    table = files_table(path, "csv" if path.name.startswith("c") else "json", **options)
    reader = source_for(table).open("files", resume=resume)
    found = []
    try:
        while (chunk := reader.poll(max_rows=max_rows, timeout_s=0)) is not None:
            found.append(chunk)
    except End:
        pass
    finally:
        reader.close()
    return found


def told(found: list[Chunk]) -> list[Any]:
    """Return everything that is told of the documents."""
    said: list[Any] = []
    for chunk in found:
        assert chunk.offsets is not None
        rejected = [] if chunk.rejected is None else chunk.rejected.rows()
        good = zip(chunk.offsets.to_list(), chunk.frame.rows(), strict=True)
        said.append((list(good), rejected, chunk.resume, chunk.bytes))
    return said


@pytest.mark.parametrize(
    ("name", "data", "options"),
    [
        ("j.json", JSON, {}),
        ("c.csv", CSV, {"header": "true"}),
        ("j.json.gz", gzip.compress(JSON, mtime=0), {}),
    ],
)
@pytest.mark.parametrize("max_rows", [1, 2, 100])
def test_a_border_at_every_byte(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    data: bytes,
    options: dict[str, str],
    max_rows: int,
) -> None:
    """Blocks of one byte to the whole file: each line is cut at each of its bytes once."""
    path = tmp_path / name
    path.write_bytes(data)
    wanted = told(chunks(path, max_rows, **options))
    assert sum(len(bad) for _, bad, _, _ in wanted) == 1
    for size in range(1, len(JSON) + 2):
        monkeypatch.setattr(files_lines, "_BLOCK_BYTES", size)
        monkeypatch.setattr(files_lines, "_BLOCK_BYTES_MAX", size)
        assert told(chunks(path, max_rows, **options)) == wanted


@pytest.mark.parametrize("name", ["j.json", "j.json.gz"])
@pytest.mark.parametrize("max_rows", [7, 100, 10_000])
def test_how_many_threads_read_never_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, max_rows: int
) -> None:
    """Rows, places, rejected documents and where to go on: one thread's are all threads'."""
    data = JSON.replace(b'"b333"', '"ä€"'.encode()) + b"\n"
    path = tmp_path / name
    path.write_bytes(gzip.compress(data * 60) if name.endswith("gz") else data * 60)
    monkeypatch.setattr(files_lines, "PIECE_PAYLOADS_MIN", 3)
    monkeypatch.setattr(files_lines, "piece_size", partial(piece_size, least=3))
    monkeypatch.setattr(files_lines, "_LINE_BYTES_FIRST", 16.0)
    monkeypatch.setattr(files_lines, "usable_cores", lambda: 1)
    wanted = told(chunks(path, max_rows))
    assert sum(len(bad) for _, bad, _, _ in wanted) == 60
    before = set(threading.enumerate())
    threads: set[str] = set()

    def noted(*args: Any, **options: Any) -> Part:
        name = threading.current_thread().name
        if name not in threads:
            threads.add(name)
            met.wait(30)  # so that no thread takes all pieces before another has begun
        return part_of_lines(*args, **options)

    expected = 2 if max_rows == 100 else 1
    met = threading.Barrier(expected)
    monkeypatch.setattr(files_lines, "part_of_lines", noted)
    monkeypatch.setattr(files_lines, "usable_cores", lambda: 2)
    assert told(chunks(path, max_rows)) == wanted
    assert len(threads) >= expected
    assert set(threading.enumerate()) <= before


def test_an_error_of_the_disk_is_the_same_in_any_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It names the file, comes with the poll that needs the bytes, and leaves no thread behind."""
    monkeypatch.setattr(files_lines, "PIECE_PAYLOADS_MIN", 3)
    monkeypatch.setattr(files_lines, "piece_size", partial(piece_size, least=3))
    path = tmp_path / "x.json.gz"
    path.write_bytes(gzip.compress(JSON * 500)[:-20])
    before = set(threading.enumerate())
    said = []
    for cores in (1, 3):
        monkeypatch.setattr(files_lines, "usable_cores", lambda cores=cores: cores)
        reader = source_for(files_table(path)).open("files", resume=None)
        chunk = reader.poll(max_rows=10, timeout_s=0)
        assert chunk is not None
        assert chunk.frame["a"].head(3).to_list() == [1, 22, 333]
        with pytest.raises(ConnectorError, match=r"(?s)cannot be read.*x\.json\.gz") as raised:
            reader.poll(max_rows=100_000, timeout_s=0)
        said.append(str(raised.value))
        reader.close()
    assert said[0] == said[1]
    assert set(threading.enumerate()) <= before


def test_a_restart_after_every_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was read ahead is not given out: a place is behind the last line of its chunk."""
    path = tmp_path / "j.json"
    path.write_bytes(JSON)
    wanted = told(chunks(path, 1))
    for size in (1, 7, 1 << 20):
        monkeypatch.setattr(files_lines, "_BLOCK_BYTES", size)
        for i, (_, _, resume, _) in enumerate(wanted):
            assert told(chunks(path, 1, resume)) == wanted[i + 1 :]


def test_a_follower_does_not_wait_for_a_full_block(tmp_path: Path) -> None:
    """A line that is complete is given out; half of one waits, and is read on from there."""
    path = tmp_path / "j.json"
    followed = {"source.monitor-interval": "1ms"}
    reader = source_for(files_table(path.parent, **followed)).open("files", resume=None)
    said: list[Any] = []

    def poll() -> None:
        chunk = reader.poll(max_rows=10_000, timeout_s=1)
        if chunk is not None:
            assert chunk.offsets is not None
            said.extend(zip(chunk.offsets.to_list(), chunk.frame["a"].to_list(), strict=True))

    data = json_lines(1, 2, 3)
    line = len(json_lines(1))
    with path.open("ab", buffering=0) as file:
        for begin, stop, lines in ((0, line + 3, 1), (line + 3, 2 * line, 2), (2 * line, None, 3)):
            file.write(data[begin:stop])
            while len(said) < lines:
                poll()
            assert len(said) == lines
    reader.close()
    assert said == [(0, 1), (line, 2), (2 * line, 3)]
