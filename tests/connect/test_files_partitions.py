"""Folders named after column values: written, marked as complete, read back."""

from __future__ import annotations

import csv
import datetime as dt
import os
import time
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from benchmarks.nexmark.run import generator, script
from polars.testing import assert_frame_equal

import millstream as ms
from millstream.columns.physical import polars_type
from millstream.connect import files_write
from millstream.connect.memory import collected
from millstream.errors import ConnectorError, OptionError
from millstream.plan.table import Condition, Physical, Table
from millstream.ports.connector import FINAL_MARK_MS, End
from millstream.ports.registry import sink_for, source_for
from millstream.types import Schema
from tests.connect.contract import read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SCHEMA = Schema.of({"v": "INT", "dt": "STRING", "w": "STRING", "hm": "STRING"})
POLICY = {
    "sink.partition-commit.trigger": "partition-time",
    "sink.partition-commit.delay": "1 min",
    "sink.partition-commit.policy.kind": "success-file",
    "partition.time-extractor.timestamp-pattern": "$dt $hm:00",
}
WAIT_S = 60.0


def parted(
    folder: Path,
    options: dict[str, str] | None = None,
    schema: Schema = SCHEMA,
    by: tuple[str, ...] = ("dt", "hm"),
) -> Table:
    columns = tuple(Physical(f.name, f.type) for f in schema)
    given = {"path": str(folder), "format": "json", **(options or {})}
    return Table("t", columns, "filesystem", given, partitions=by)


def rows(*said: tuple[int, str | None, str | None]) -> pl.DataFrame:
    table = [(v, day, f"w{v}", hm) for v, day, hm in said]
    kinds = {"v": pl.Int32, "dt": pl.String, "w": pl.String, "hm": pl.String}
    return pl.DataFrame(table, schema=kinds, orient="row")


def minute(hm: str) -> int:
    """Return the mark of a minute of the first day."""
    at = dt.datetime.fromisoformat(f"2026-01-05 {hm}:00").replace(tzinfo=dt.UTC)
    return int(at.timestamp() * 1000)


def read_back(table: Table, **more: Any) -> pl.DataFrame:
    reader = source_for(table, **more).open("files", resume=None)
    try:
        got = read(reader, max_rows=1000)
    finally:
        reader.close()
    assert not got.bad
    return got.frame


def complete(folder: Path, name: str = "_SUCCESS") -> list[str]:
    """Return the folders that are marked as complete."""
    return sorted(p.parent.relative_to(folder).as_posix() for p in folder.rglob(name))


def eventually(true: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + WAIT_S
    while not true():
        assert time.monotonic() < deadline_s, "it did not come"
        time.sleep(0.01)


@pytest.fixture
def sinks() -> Iterator[Callable[..., Any]]:
    """Open sinks that are closed at the end of the test."""
    made: list[Any] = []

    def build(table: Table, incarnation: int = 1) -> Any:
        sink = sink_for(table, updating=False)
        sink.open("p", incarnation)
        made.append(sink)
        return sink

    yield build
    for sink in made:
        sink.close()


ODD = [
    "10:30", "a/b", "..", "%3A", "x=y", "ü €", " ", "q'\"{[^]}", "tab\tend\n", "a\\b", "#?*",
]  # fmt: skip


@pytest.mark.parametrize("kind", ["json", "csv", "parquet"])
@pytest.mark.parametrize("once", [True, False])
def test_rows_come_back_whatever_their_folders_are_called(
    tmp_path: Path, sinks: Callable[..., Any], kind: str, once: bool
) -> None:
    """Values become names of folders: no character may break out of them or be lost."""
    table = parted(tmp_path, {"format": kind})
    given = rows(
        *((i, "2026-01-05", hm) for i, hm in enumerate(ODD)), (98, None, "x"), (99, "", "")
    )
    sink = sinks(table)
    if once:
        assert sink.deliver(1, [given[:5], given[5:]]).accepted == given.height
    else:
        assert sink.write(given).accepted == given.height
        sink.flush()
        sink.close()
    empty_is_null = given.with_columns(pl.col("dt", "hm").replace("", None))
    assert_frame_equal(read_back(table).sort("v"), empty_is_null)
    names = {p.relative_to(tmp_path).parts[:2] for p in tmp_path.rglob("part-*")}
    assert ("dt=2026-01-05", "hm=10%3A30") in names
    assert ("dt=__DEFAULT_PARTITION__", "hm=__DEFAULT_PARTITION__") in names
    assert all(len(p.relative_to(tmp_path).parts) == 3 for p in tmp_path.rglob("part-*"))


TYPED: dict[str, tuple[str, Any, str]] = {
    "b": ("BOOLEAN", True, "true"),
    "i": ("BIGINT", -7, "-7"),
    "n": ("DECIMAL(10, 2)", Decimal("1.50"), "1.50"),
    "f": ("DOUBLE", 0.5, "0.5"),
    "d": ("DATE", dt.date(2026, 1, 5), "2026-01-05"),
    "h": ("TIME", dt.time(10, 30), "10%3A30%3A00"),
    "s": ("TIMESTAMP(3)", dt.datetime(2026, 1, 5, 10, 30), "2026-01-05T10%3A30"),  # noqa: DTZ001
    "z": (
        "TIMESTAMP_LTZ(3)",
        dt.datetime(2026, 1, 5, 10, 30, tzinfo=dt.UTC),
        "2026-01-05T10%3A30%3A00Z",
    ),
}


@pytest.mark.parametrize("name", TYPED)
def test_values_of_each_type_come_back(
    tmp_path: Path, sinks: Callable[..., Any], name: str
) -> None:
    """A path is text; what is written as text must be read as the same value."""
    kind, value, said = TYPED[name]
    table = parted(tmp_path, None, Schema.of({name: kind, "v": "INT"}), (name,))
    schema = {f.name: polars_type(f.type) for f in table.physical}
    given = pl.DataFrame([(value, 1), (None, 2)], schema=schema, orient="row")
    sinks(table).deliver(1, [given])
    assert (tmp_path / f"{name}={said}").is_dir()
    assert_frame_equal(read_back(table).sort("v"), given)
    assert read_back(table, wanted=(name,)).columns == [name]
    kept = read_back(table, conditions=(Condition(name, "=", value),))
    assert kept["v"].to_list() == [1]


@pytest.mark.parametrize(
    "path",
    [
        # written by Flink 2.3.0, and as other writers say the same values
        "s=a b%2Fc%25%3Aé%7B%7D/b=true/n=1.50/f=1.0E7/at=2026-01-05T10%3A30/z=2026-01-05T10%3A30",
        "s=a b%2fc%25:é{}/b=TRUE/n=1.5/f=10000000/at=2026-01-05 10%3A30%3A00/z=2026-01-05 10:30:00",
    ],
)
def test_paths_of_other_writers_are_read(tmp_path: Path, path: str) -> None:
    """A folder is often filled by one system and read by another."""
    kinds = {"s": "STRING", "b": "BOOLEAN", "n": "DECIMAL(10, 2)", "f": "DOUBLE"}
    kinds |= {"at": "TIMESTAMP(3)", "z": "TIMESTAMP_LTZ(3)", "v": "INT"}
    (tmp_path / path).mkdir(parents=True)
    (tmp_path / path / "part-0").write_bytes(b'{"v":1}\n')
    table = parted(tmp_path, None, Schema.of(kinds), tuple(kinds)[:-1])
    at = dt.datetime(2026, 1, 5, 10, 30)  # noqa: DTZ001
    wanted = ("a b/c%:é{}", True, Decimal("1.50"), 1e7, at, at.replace(tzinfo=dt.UTC), 1)
    assert read_back(table).rows() == [wanted]


def test_folders_that_nobody_asks_for_are_not_opened(
    tmp_path: Path, sinks: Callable[..., Any]
) -> None:
    """Partitions are there so that a query of one day reads one day."""
    table = parted(tmp_path)
    sinks(table).deliver(1, [rows((1, "2026-01-05", "10:00"), (2, "2026-01-06", "11:00"))])
    for path in (tmp_path / "dt=2026-01-06").rglob("part-*"):
        path.write_bytes(b"no JSON at all\n")
    days = "dt STRING, hm STRING, v INT"
    ddl = f"CREATE TABLE t ({days}) PARTITIONED BY (dt, hm) WITH ('connector' = 'filesystem', "
    ddl += f"'path' = '{tmp_path}', 'format' = 'json');"
    (sink,) = ms.script(
        f"{ddl} CREATE TABLE o (v INT, hm STRING) WITH ('connector' = 'memory');"
        "INSERT INTO o SELECT v, hm FROM t WHERE dt = '2026-01-05' AND v > 0;"
    )
    collected("o").clear()
    assert sink.run().progress.rows_rejected == 0
    assert collected("o").frame().rows() == [(1, "10:00")]
    ahead = (Condition("hm", "IS NOT NULL"), Condition("dt", "=", "2027-01-01"))
    with pytest.raises(End):
        source_for(table, None, ahead).open("files", resume=None).poll(max_rows=1, timeout_s=0)


@pytest.mark.parametrize(
    ("folder", "words"),
    [
        ("day=2026-01-05", "does not say"),
        ("day=soon/hm=1", "'soon' is no DATE"),
        ("day=1/hm=x", "'1'"),
    ],
)
def test_a_path_that_says_nothing_useful_is_named(tmp_path: Path, folder: str, words: str) -> None:
    """A value that cannot be read must not become NULL in silence."""
    schema = Schema.of({"v": "INT", "day": "DATE", "hm": "INT"})
    (tmp_path / folder).mkdir(parents=True)
    (tmp_path / folder / "f.json").write_bytes(b'{"v":1}\n')
    with pytest.raises(ConnectorError, match=words) as caught:
        read_back(parted(tmp_path, None, schema, ("day", "hm")))
    assert "f.json" in str(caught.value.where)


# ----------------------------------------------------------------------------------- complete


def test_folders_are_complete_when_the_mark_is_past_them(
    tmp_path: Path, sinks: Callable[..., Any]
) -> None:
    """Whoever waits for _SUCCESS reads the folder once; rows that come later mark it anew."""
    sink = sinks(parted(tmp_path, POLICY))
    day = "2026-01-05"
    sink.deliver(1, [rows((1, day, "10:00"), (2, day, "10:01"), (3, None, "10:00"))])
    sink.passed(minute("10:01"))
    assert complete(tmp_path) == []  # the delay has passed, but the minute itself may have more
    sink.passed(minute("10:01") + 1)
    assert complete(tmp_path) == [f"dt={day}/hm=10%3A00"]
    sink.passed(minute("10:01") + 1)
    sink.passed(minute("23:00"))
    assert complete(tmp_path) == [f"dt={day}/hm=10%3A00", f"dt={day}/hm=10%3A01"]
    (tmp_path / f"dt={day}" / "hm=10%3A00" / "_SUCCESS").unlink()
    sink.passed(minute("23:01"))
    assert len(complete(tmp_path)) == 1  # nothing is marked twice …
    sink.deliver(2, [rows((4, day, "10:00"))])
    sink.passed(minute("23:02"))
    assert len(complete(tmp_path)) == 2  # … unless it got rows
    sink.passed(FINAL_MARK_MS)
    assert "dt=__DEFAULT_PARTITION__/hm=10%3A00" in complete(tmp_path)
    assert read_back(parted(tmp_path))["v"].sort().to_list() == [1, 2, 3, 4]


def test_by_the_clock_folders_are_complete_after_the_delay(
    tmp_path: Path, sinks: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without event time the age of a folder is all there is."""
    now_ms = 1_000_000
    monkeypatch.setattr(files_write, "_now_ms", lambda: now_ms)
    options = {
        "sink.partition-commit.policy.kind": "success-file",
        "sink.partition-commit.delay": "10 s",
        "sink.partition-commit.success-file.name": "_done",
    }
    sink = sinks(parted(tmp_path, options))
    sink.deliver(1, [rows((1, "a", "b"))])
    sink.passed(minute("10:00"))
    now_ms += 9_999
    sink.passed(minute("10:00"))
    assert complete(tmp_path, "_done") == []
    now_ms += 1
    sink.passed(minute("10:00"))
    assert complete(tmp_path, "_done") == ["dt=a/hm=b"]


class Crash(BaseException):
    """The machine is gone."""


class CrashAt:
    """Crashes instead of the n-th fsync, and whenever it is asked again."""

    def __init__(self, step: int) -> None:
        self._left = step
        self._real = os.fsync

    def __call__(self, handle: int) -> None:
        self._left -= 1
        if self._left <= 0:
            raise Crash
        self._real(handle)


def test_a_crash_at_any_step_repeats_nothing_and_forgets_no_folder(
    tmp_path: Path, sinks: Callable[..., Any]
) -> None:
    """Between files and note an epoch is half there: its repetition must leave no trace of that."""
    day = "2026-01-05"
    first = rows((1, day, "10:00"), (2, day, "10:01"))
    second = rows((3, day, "10:00"), (4, None, "10:05"), (5, day, "10:02"))
    crashes = step = 0
    while crashes == step:
        step += 1
        folder = tmp_path / str(step)
        table = parted(folder, POLICY)
        sink = sinks(table)
        sink.deliver(1, [first])
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "fsync", CrashAt(step))
            patch.setattr(Path, "unlink", lambda *_, **__: None)  # the dead clean nothing up
            try:
                sink.deliver(2, [second])
                sink.passed(minute("10:02") + 1)
            except Crash:
                crashes += 1
        again = sinks(table, 2)
        again.deliver(2, [second])
        again.passed(minute("10:02") + 1)
        assert_frame_equal(read_back(table).sort("v"), pl.concat([first, second]))
        assert complete(folder) == [f"dt={day}/hm=10%3A00", f"dt={day}/hm=10%3A01"]
        assert not list(folder.rglob(".part*"))
        again.passed(FINAL_MARK_MS)
        assert len(complete(folder)) == 4
    assert crashes > 10


def test_rows_of_a_crash_are_shown_and_their_folders_marked(
    tmp_path: Path, sinks: Callable[..., Any]
) -> None:
    """At least once: what was flushed is safe, and so is the promise of a _SUCCESS."""
    table, day = parted(tmp_path, POLICY), "2026-01-05"
    crashed = sinks(table)
    crashed.write(rows((1, day, "10:00"), (2, day, "10:01")))
    crashed.flush()
    crashed.write(rows((3, day, "10:02")))  # begun, but neither flushed nor noted
    for live in crashed._live.values():
        live.file.close()
    crashed._live.clear()
    assert not list(tmp_path.rglob("part-*"))
    after = sinks(table, 2)
    assert read_back(table)["v"].sort().to_list() == [1, 2, 3]
    after.passed(minute("10:03") + 1)
    assert len(complete(tmp_path)) == 3
    with pytest.raises(ConnectorError, match="started again"):
        crashed.write(rows((4, day, "11:00")))


def test_a_folder_is_shown_before_it_is_complete(tmp_path: Path, sinks: Callable[..., Any]) -> None:
    """At least once: an open file is hidden, and a reader of a complete folder would miss it."""
    table, day = parted(tmp_path, POLICY), "2026-01-05"
    sink = sinks(table)
    sink.write(rows((1, day, "10:00"), (2, day, "12:00")))
    sink.passed(minute("11:00"))
    (shown,) = tmp_path.rglob("part-*")
    assert shown.parent.name == "hm=10%3A00"
    assert complete(tmp_path) == [f"dt={day}/hm=10%3A00"]


def test_so_many_files_are_open_at_most(tmp_path: Path, sinks: Callable[..., Any]) -> None:
    """Rows of a thousand folders must not use up the descriptors of the process."""
    table = parted(tmp_path)
    sink = sinks(table)
    count = files_write.LIVE_FILES_MAX + 10
    sink.write(rows(*((i, "d", str(i)) for i in range(count))))
    assert len(list(tmp_path.rglob("part-*"))) == 10
    sink.close()
    assert read_back(table)["v"].sort().to_list() == list(range(count))


@pytest.mark.parametrize(
    ("rolling", "shown"),
    [
        ({"check-interval": "0ms", "rollover-interval": "0ms"}, 1),
        ({"check-interval": "1h", "rollover-interval": "0ms"}, 0),
        ({"check-interval": "0ms", "rollover-interval": "1h"}, 0),
        ({"check-interval": "1h", "file-size": "1b"}, 1),
    ],
)
def test_files_are_shown_by_size_and_age(
    tmp_path: Path, sinks: Callable[..., Any], rolling: dict[str, str], shown: int
) -> None:
    """Without checkpoints nothing flushes: the passing of time must show files all the same."""
    options = {f"sink.rolling-policy.{name}": value for name, value in rolling.items()}
    sink = sinks(parted(tmp_path, options))
    sink.write(rows((1, "a", "b")))
    sink.passed(0)
    assert len(list(tmp_path.rglob("part-*"))) == shown


# ------------------------------------------------------------------------------- whole pipelines


@pytest.mark.parametrize("checkpoint", [True, False])
def test_q10_of_nexmark(tmp_path: Path, checkpoint: bool) -> None:
    """The query as it stands: every bid in the folder of its minute, all complete at the end."""
    text = script(10, source=generator(10_000, 100), sink="", folder=tmp_path)
    options: dict[str, Any] = {"checkpoint": tmp_path / "checkpoint"} if checkpoint else {}
    assert ms.run(*ms.script(text), **options).progress.rows_out == 9_200
    folders = complete(tmp_path / "q10")
    assert folders == ["dt=2026-01-01/hm=00%3A00", "dt=2026-01-01/hm=00%3A01"]
    minutes: Counter[str] = Counter()
    for path in (tmp_path / "q10").rglob("part-*"):
        with path.open() as file:
            minutes.update(row[3][:16] for row in csv.reader(file))
        assert {path.parent.name} == {f"hm={m[11:].replace(':', '%3A')}" for m in _minutes(path)}
    assert minutes == {"2026-01-01 00:00": 5_520, "2026-01-01 00:01": 3_680}


def _minutes(path: Path) -> set[str]:
    with path.open() as file:
        return {row[3][:16] for row in csv.reader(file)}


PIPELINE = """
CREATE TABLE events (v INT, at TIMESTAMP(3), WATERMARK FOR at AS at) WITH (
  'connector' = 'filesystem', 'path' = '{folder}/in', 'format' = 'json',
  'source.monitor-interval' = '10ms');
CREATE TABLE out (v INT, dt STRING, hm STRING) PARTITIONED BY (dt, hm) WITH (
  'connector' = 'filesystem', 'path' = '{folder}/out', 'format' = 'json', {policy});
INSERT INTO out SELECT v, DATE_FORMAT(at, 'yyyy-MM-dd'), DATE_FORMAT(at, 'HH:mm') FROM events;
"""


@pytest.mark.parametrize("checkpoint", [True, False])
def test_a_running_pipeline_marks_folders_as_event_time_passes(
    tmp_path: Path, checkpoint: bool
) -> None:
    """An endless job never ends: its folders must be complete while it runs, and over a restart."""
    (tmp_path / "in").mkdir()
    log = tmp_path / "in" / "log.json"
    policy = ", ".join(f"'{name}' = '{value}'" for name, value in POLICY.items())
    text = PIPELINE.format(folder=tmp_path, policy=policy)
    options: dict[str, Any] = {"settings": {"execution.checkpointing.interval": "100ms"}}
    options |= {"checkpoint": tmp_path / "checkpoint"} if checkpoint else {}
    times = ("10:00:10", "10:01:10", "10:02:10", "10:03:30")
    log.write_text("".join(f'{{"v":{i},"at":"2026-01-05 {at}"}}\n' for i, at in enumerate(times)))
    running = ms.start(*ms.script(text), **options)
    try:
        eventually(lambda: len(complete(tmp_path / "out")) == 3)
    finally:
        running.stop()
    day = "dt=2026-01-05"
    assert complete(tmp_path / "out") == [f"{day}/hm=10%3A0{m}" for m in (0, 1, 2)]
    if not checkpoint:
        return
    with log.open("a") as file:
        file.write('{"v":9,"at":"2026-01-05 10:10:00"}\n')
    running = ms.start(*ms.script(text), **options)
    try:
        eventually(lambda: f"{day}/hm=10%3A03" in complete(tmp_path / "out"))
    finally:
        running.stop()
    schema = Schema.of({"v": "INT", "dt": "STRING", "hm": "STRING"})
    out = read_back(parted(tmp_path / "out", None, schema))
    assert sorted(out["v"]) == [0, 1, 2, 3, 9]


@pytest.mark.parametrize(
    ("options", "by", "words"),
    [
        ({"sink.partition-commit.policy.kind": "metastore,success-file"}, ("dt",), "metastore"),
        ({"sink.partition-commit.policy.kind": "custom"}, ("dt",), "JVM"),
        ({"sink.partition-commit.policy.kind": "success-file"}, (), "has none"),
        ({**POLICY, "sink.partition-commit.success-file.name": "done"}, ("dt", "hm"), "as data"),
        ({**POLICY, "partition.time-extractor.timestamp-pattern": "$day"}, ("dt",), "'day'"),
        ({**POLICY, "partition.time-extractor.kind": "custom"}, ("dt", "hm"), "'custom'"),
        ({**POLICY, "sink.partition-commit.watermark-time-zone": "Mars"}, ("dt", "hm"), "Mars"),
        ({}, ("v", "dt", "w", "hm"), "nothing would be in the files"),
    ],
)
def test_mistakes_are_named(
    tmp_path: Path, options: dict[str, str], by: tuple[str, ...], words: str
) -> None:
    """What cannot be done is said before the job starts."""
    with pytest.raises(OptionError, match=words):
        sink_for(parted(tmp_path, options, by=by), updating=False)


def test_the_time_of_a_folder_is_in_the_zone_of_the_option(
    tmp_path: Path, sinks: Callable[..., Any]
) -> None:
    """Folders by local time say 11:00 in Berlin when it is 10:00 UTC."""
    zone = {"sink.partition-commit.watermark-time-zone": "Europe/Berlin"}
    sink = sinks(parted(tmp_path, {**POLICY, **zone}))
    sink.deliver(1, [rows((1, "2026-01-05", "11:00"), (2, "2026-1-5", "11:02"))])
    sink.passed(minute("10:01") + 1)
    assert complete(tmp_path) == ["dt=2026-01-05/hm=11%3A00"]
    sink.passed(minute("10:03") + 1)
    assert len(complete(tmp_path)) == 2
