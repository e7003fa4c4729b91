"""Files: read once or followed, in every format and compression; written by epoch."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
from collections.abc import Callable, Mapping
from datetime import UTC
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from polars.testing import assert_frame_equal

from millstream.errors import ConnectorError, OptionError, UnknownName
from millstream.plan.table import Metadata, Physical, Table
from millstream.ports.registry import sink_for, source_for
from millstream.types import Schema, parse_type
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

SCHEMA = Schema.of({"a": "INT", "b": "STRING"})


def rows(*ids: int) -> pl.DataFrame:
    return pl.DataFrame({"a": ids, "b": [f"b{i}" for i in ids]}, schema_overrides={"a": pl.Int32})


def json_lines(*ids: int) -> bytes:
    return b"".join(b'{"a":%d,"b":"b%d"}\n' % (i, i) for i in ids)


def files_table(path: Path | str, format: str = "json", **options: Any) -> Table:  # noqa: A002
    return table_of("filesystem", {"path": str(path), "format": format, **options}, SCHEMA)


class TestJsonLines(SourceContract):
    """Two files with blank lines, bad lines and no line end at the last line."""

    @pytest.fixture
    def table(self, tmp_path: Path) -> Table:
        (tmp_path / "sub").mkdir()
        (tmp_path / "1.json").write_bytes(json_lines(1, 2) + b"oops\n\r\n\n" + json_lines(3))
        (tmp_path / "2.json").write_bytes(b"")
        (tmp_path / "sub" / "3.json").write_bytes(
            json_lines(4) + b'{"a":"x"}\n' + json_lines(5)[:-1]
        )
        (tmp_path / ".hidden").write_bytes(json_lines(99))
        return files_table(tmp_path)

    @pytest.fixture
    def expected(self) -> Mapping[str, Expected]:
        line = len(json_lines(1))
        bad = [
            Bad(raw=b"oops", offset=2 * line, reason="JSON"),
            Bad(raw=b'{"a":"x"}', offset=line, reason="'x'"),
        ]
        return {"files": Expected(frame=rows(1, 2, 3, 4, 5), bad=bad)}


def _zstandard(data: bytes) -> bytes:
    return pa.compress(data, codec="zstd", asbytes=True)


@pytest.fixture(
    params=[(".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress), (".zst", None)],
    ids=lambda p: p[0],
)
def packer(request: pytest.FixtureRequest) -> tuple[str, Callable[[bytes], bytes]]:
    suffix, pack = request.param
    return suffix, pack or _zstandard


class TestCompressed(SourceContract):
    @pytest.fixture
    def table(self, tmp_path: Path, packer: tuple[str, Callable[[bytes], bytes]]) -> Table:
        suffix, pack = packer
        path = tmp_path / f"x.json{suffix}"
        if suffix == ".zst":
            with pa.CompressedOutputStream(str(path), "zstd") as out:
                out.write(json_lines(*range(5)))
        else:
            path.write_bytes(pack(json_lines(*range(5))))
        return files_table(path)

    @pytest.fixture
    def expected(self) -> Mapping[str, Expected]:
        return {"files": Expected(frame=rows(*range(5)))}


class TestCsvWithHeader(SourceContract):
    """Each file names its own columns; a quoted field may hold a line end."""

    @pytest.fixture
    def table(self, tmp_path: Path) -> Table:
        (tmp_path / "1.csv").write_bytes(b'b,x,a\nb1,"7\n8",1\n"b2",,2\n')
        (tmp_path / "2.csv").write_bytes(b"\xef\xbb\xbfa,b,b\r\n3,b3,y\r\nz,b4,\r\n5,b5,\r\n")
        (tmp_path / "3.csv").write_bytes(b"")
        return files_table(tmp_path / "*.csv", "csv", header="true")

    @pytest.fixture
    def expected(self) -> Mapping[str, Expected]:
        return {"files": Expected(frame=rows(1, 2, 3, 5), bad=[Bad(raw=b"z,b4,", reason="'z'")])}


class TestParquet(SourceContract):
    @pytest.fixture
    def table(self, tmp_path: Path) -> Table:
        wide = (
            rows(*range(7)).with_columns(c=pl.lit(1)).select("c", "b", pl.col("a").cast(pl.Int64))
        )
        wide.write_parquet(tmp_path / "1.parquet", row_group_size=3)
        wide.clear().write_parquet(tmp_path / "2.parquet")
        rows(7, 8).write_parquet(tmp_path / "3.parquet")
        return files_table(tmp_path, "parquet")

    @pytest.fixture
    def expected(self) -> Mapping[str, Expected]:
        return {"files": Expected(frame=rows(*range(9)))}


class TestFollowed(SourceContract):
    """The contract over what is there already; growing has its own tests below."""

    @pytest.fixture
    def table(self, tmp_path: Path) -> Table:
        (tmp_path / "1.json").write_bytes(json_lines(1, 2) + b"oops\n")
        (tmp_path / "2.json.gz").write_bytes(gzip.compress(json_lines(3, 4)))
        rows(9).write_parquet(tmp_path / ".ignored.parquet")
        (tmp_path / "3.json").write_bytes(json_lines(5) + b'{"a":6')
        return files_table(tmp_path, **{"source.monitor-interval": "5ms"})

    @pytest.fixture
    def expected(self) -> Mapping[str, Expected]:
        return {"files": Expected(frame=rows(1, 2, 3, 4, 5), bad=[Bad(raw=b"oops")])}


@pytest.mark.parametrize("followed", [False, True])
def test_a_place_of_the_other_way_to_read_is_refused(tmp_path, followed):
    """What is followed and what is read once note their place in different ways."""
    (tmp_path / "1.json").write_bytes(json_lines(1, 2))
    tables = [
        files_table(tmp_path),
        files_table(tmp_path, **{"source.monitor-interval": "5ms"}),
    ]
    first, then = tables if followed else tables[::-1]
    reader = source_for(first).open("files", resume=None)
    chunk = reader.poll(max_rows=1, timeout_s=1.0)
    reader.close()
    assert chunk is not None
    with pytest.raises(ConnectorError, match="place in the files was noted"):
        source_for(then).open("files", resume=chunk.resume)


def test_files_that_grow_and_new_files_are_followed(tmp_path: Path) -> None:
    """Log files are appended to, folders are dropped into; a half line waits for its end."""
    table = files_table(tmp_path, **{"source.monitor-interval": "1ms"})
    reader = source_for(table).open("files", resume=None)
    assert reader.poll(max_rows=10, timeout_s=0.01) is None
    first = tmp_path / "b.json"
    first.write_bytes(json_lines(1) + b'{"a":2,')
    got = read(reader, max_rows=10, documents=1)
    with first.open("ab") as file:
        file.write(b'"b":"b2"}\n')
    (tmp_path / "a.json").write_bytes(json_lines(3))
    more = read(reader, max_rows=10, documents=2)
    assert_frame_equal(got.frame, rows(1))
    assert sorted(more.frame["a"]) == [2, 3]
    reader.close()
    with first.open("ab") as file:
        file.write(json_lines(4))
    again = source_for(table).open("files", resume=more.resumes[-1])
    assert read(again, max_rows=10, documents=1).frame["a"].to_list() == [4]
    first.write_bytes(b"")
    with pytest.raises(ConnectorError, match="shorter"):
        read(again, max_rows=10, documents=1)
    again.close()


def test_metadata_columns(tmp_path: Path) -> None:
    """Where a row came from is asked for by everyone who reads a folder."""
    path = tmp_path / "x.json"
    path.write_bytes(json_lines(1, 2))
    os.utime(path, (1_700_000_000, 1_700_000_000))
    columns = (
        Physical("a", parse_type("INT")),
        Metadata("p", parse_type("STRING"), "file.path", virtual=True),
        Metadata("n", parse_type("STRING"), "file.name", virtual=True),
        Metadata("s", parse_type("BIGINT"), "file.size", virtual=True),
        Metadata("m", parse_type("TIMESTAMP_LTZ(3)"), "file.modification-time", virtual=True),
    )
    table = Table("t", columns, "filesystem", {"path": str(tmp_path), "format": "json"})
    got = read(source_for(table).open("files", resume=None), max_rows=9)
    value = got.frame.row(1)
    assert value[:4] == (2, str(path), "x.json", path.stat().st_size)
    assert value[4].astimezone(UTC).timestamp() == 1_700_000_000
    only = read(source_for(table, ("n",)).open("files", resume=None), max_rows=9)
    assert only.frame.rows() == [("x.json",), ("x.json",)]


def test_pattern_and_pruned_csv_columns(tmp_path: Path) -> None:
    """The pattern matches the whole path; a query for the second field reads the second field."""
    (tmp_path / "yes-1.csv").write_bytes(b"1,b1\n")
    (tmp_path / "no.csv").write_bytes(b"2,b2\n")
    table = files_table(tmp_path, "csv", **{"source.path.regex-pattern": ".*/yes-.*"})
    got = read(source_for(table, ("b",)).open("files", resume=None), max_rows=9)
    assert got.frame.rows() == [("b1",)]
    nothing = read(source_for(table, ()).open("files", resume=None), max_rows=9)
    assert nothing.frame.height == 1


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"path": "/no/such/place"}, ConnectorError, "no file or folder"),
        ({"path": "/no/such/*.json"}, ConnectorError, "No file matches"),
        ({"path": "s3://bucket/x"}, OptionError, "not on this machine"),
        ({"source.path.regex-pattern": "["}, OptionError, "no pattern"),
        ({"header": "true"}, OptionError, "CSV"),
        ({"format": "jsn"}, UnknownName, "jsn"),
    ],
)
def test_mistakes_are_named(
    tmp_path: Path, options: dict[str, str], error: type[Exception], words: str
) -> None:
    """Every way to get the path or format wrong."""
    given = {"path": str(tmp_path), "format": "json", **options}
    with pytest.raises(error, match=words):
        source_for(table_of("filesystem", given, SCHEMA)).open("files", resume=None)


def test_broken_files_are_named(tmp_path: Path) -> None:
    """A truncated archive or a file that is no Parquet stops with the file's name."""
    (tmp_path / "x.json.gz").write_bytes(gzip.compress(json_lines(*range(100)))[:-20])
    reader = source_for(files_table(tmp_path)).open("files", resume=None)
    with pytest.raises(ConnectorError, match=r"(?s)cannot be read.*x\.json\.gz"):
        read(reader, max_rows=1000)
    reader.close()
    (tmp_path / "x.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(ConnectorError, match="Parquet"):
        read(
            source_for(files_table(tmp_path / "x.parquet", "parquet")).open("files", resume=None),
            max_rows=1,
        )
    rows(1).drop("b").write_parquet(tmp_path / "y.parquet")
    with pytest.raises(ConnectorError, match="no column 'b'"):
        read(
            source_for(files_table(tmp_path / "y.parquet", "parquet")).open("files", resume=None),
            max_rows=1,
        )


def test_a_large_file_in_pieces(tmp_path: Path) -> None:
    """Lines across block borders; memory holds blocks, not the file."""
    count = 60_000
    path = tmp_path / "x.json"
    path.write_bytes(json_lines(*range(count)))
    reader = source_for(files_table(path)).open("files", resume=None)
    got = read(reader, max_rows=7_777)
    assert got.frame["a"].to_list() == list(range(count))
    reader.close()


# --------------------------------------------------------------------------------------- sink


class FilesSinkContract(SinkContract):
    options: Mapping[str, Any] = {"format": "json"}

    @pytest.fixture
    def table(self, tmp_path: Path) -> Table:
        rolling = {"sink.rolling-policy.rollover-interval": "0ms"}
        return table_of("filesystem", {"path": str(tmp_path / "out"), **rolling, **self.options})

    @pytest.fixture
    def read_back(self, table: Table) -> Callable[[], list[tuple[Any, ...]]]:
        def rows_now() -> list[tuple[Any, ...]]:
            got = read(source_for(table).open("files", resume=None), max_rows=1000)
            assert not got.bad
            return got.frame.rows() if got.frames else []

        return rows_now

    @pytest.fixture
    def unwritable(self, tmp_path: Path) -> Table:
        (tmp_path / "file").write_bytes(b"")
        return table_of("filesystem", {"path": str(tmp_path / "file" / "out"), **self.options})


class TestJsonSink(FilesSinkContract):
    def test_a_failed_write_leaves_nothing(
        self, table: Table, tmp_path: Path, new_sink: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A full disk must not leave half a file that a reader takes for whole."""
        sink = new_sink(table)
        sink.open("p", 1)

        def full(_: int) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            with pytest.raises(ConnectorError, match="No space left"):
                sink.deliver(1, [sink_rows(1)])
        assert [p.name for p in (tmp_path / "out").iterdir()] == [".millstream"]
        assert sink.deliver(1, [sink_rows(1)]).accepted == 1

    def test_names_tell_pipeline_and_epoch(
        self, table: Table, tmp_path: Path, new_sink: Any
    ) -> None:
        """Names are the same after a crash, and no pipeline's name can leave the folder."""
        sink = new_sink(table)
        sink.open("../a b", 1)
        sink.deliver(42, [sink_rows(1)])
        (name,) = [p.name for p in (tmp_path / "out").iterdir() if p.is_file()]
        assert name == "part-..%2Fa%20b+t+000000000042.json"

    def test_rows_written_before_a_crash_are_shown_by_the_next_start(
        self, tmp_path: Path, new_sink: Any
    ) -> None:
        """At least once: flushed rows are safe though their file was not due; half a line goes."""
        out = tmp_path / "out"
        table = table_of("filesystem", {"path": str(out), "format": "json"})
        crashed = new_sink(table)
        crashed.open("p", 1)
        crashed.write(sink_rows(1, 2))
        crashed.flush()
        assert [p for p in out.iterdir() if not p.name.startswith(".")] == []
        (hidden,) = out.glob(".part*")
        with hidden.open("ab") as file:
            file.write(b'{"id":')
        copy = hidden.read_bytes()
        crashed.close()  # the test's process lives on; put the disk back as the crash left it
        (shown,) = out.glob("part*")
        shown.unlink()
        hidden.write_bytes(copy)
        new_sink(table).open("p", 2)
        got = read(source_for(table).open("files", resume=None), max_rows=9)
        assert got.frame.rows() == sink_rows(1, 2).rows()
        assert not list(out.glob(".part*"))

    def test_a_damaged_state_is_not_guessed(
        self, table: Table, tmp_path: Path, new_sink: Any
    ) -> None:
        """Taking it for a new folder would deliver every epoch again."""
        sink = new_sink(table)
        sink.open("p", 1)
        (state,) = (tmp_path / "out" / ".millstream").glob("*.json")
        assert json.loads(state.read_bytes()) == {"epoch": None, "incarnation": 1}
        state.write_bytes(b"{")
        with pytest.raises(ConnectorError, match="damaged"):
            new_sink(table).open("p", 2)


class TestCsvSink(FilesSinkContract):
    options: Mapping[str, Any] = {"format": "csv", "header": "true", "csv.null-literal": "\\N"}


class TestParquetSink(FilesSinkContract):
    options: Mapping[str, Any] = {"format": "parquet", "parquet.compression": "zstd"}


def test_raw_lines(tmp_path: Path) -> None:
    """One text column, one line a row; blank lines are texts here."""
    schema = Schema.of({"line": "STRING"})
    (tmp_path / "x.txt").write_bytes(b"a\n\nb")
    table = table_of("filesystem", {"path": str(tmp_path), "format": "raw"}, schema)
    got = read(source_for(table).open("files", resume=None), max_rows=9)
    assert got.frame["line"].to_list() == ["a", "", "b"]


def test_the_sink_takes_no_updates() -> None:
    """What is written stays; an updating query is refused by the plan."""
    from millstream.ports.connector import Changes
    from millstream.ports.registry import connector

    assert connector("filesystem").takes is Changes.APPEND
    assert SINK_COLUMNS.names[0] == "id"
    with pytest.raises(UnknownName, match="compression"):
        sink_for(files_table("x", **{"json.compression": "x"}), updating=False)


def test_a_second_start_without_checkpoints_adds_files(tmp_path: Path) -> None:
    """INSERT INTO twice is twice the rows; the first run's file is not replaced."""
    for start in (1, 2):
        sink = sink_for(files_table(tmp_path), updating=False)
        sink.open("job", 0)
        sink.write(rows(start))
        sink.flush()
        sink.close()
    texts = sorted(p.read_bytes() for p in tmp_path.glob("part-*"))
    assert texts == [json_lines(1), json_lines(2)]
