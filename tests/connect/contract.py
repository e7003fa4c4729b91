"""The contract of every connector, as tests: a test file subclasses and gives the tables.

A source's test class gives ``table`` (a Table over data that is there already) and ``expected``
(per split: the rows, and the documents that are rejected). A sink's test class gives ``table``
(with the columns of :data:`SINK_COLUMNS`) and ``read_back`` (the rows the system shows now).
"""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from millstream.columns.changes import OP, Op
from millstream.columns.physical import polars_schema, polars_type
from millstream.errors import ConnectorError, UnknownName
from millstream.plan.table import Physical, Table
from millstream.ports.connector import (
    REASON,
    Chunk,
    Delivered,
    Delivery,
    End,
    Reader,
    Sink,
    Source,
)
from millstream.ports.registry import sink_for, source_for
from millstream.types import Schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

SINK_COLUMNS = Schema.of(
    {
        "id": "BIGINT NOT NULL",
        "name": "STRING",
        "price": "DECIMAL(10, 2)",
        "seen": "TIMESTAMP(3)",
        "ok": "BOOLEAN",
        "score": "DOUBLE",
    }
)
WAIT_S = 120.0


def table_of(
    connector: str,
    options: Mapping[str, Any],
    schema: Schema = SINK_COLUMNS,
    *,
    key: tuple[str, ...] = (),
    name: str = "t",
) -> Table:
    """Return a table whose columns are all physical."""
    columns = tuple(Physical(f.name, f.type) for f in schema)
    return Table(name, columns, connector, dict(options), primary_key=key)


def sink_rows(*ids: int, op: Op | None = None, name: str | None = None) -> pl.DataFrame:
    """Return one row per id for :data:`SINK_COLUMNS`; every third id has NULLs."""
    rows = [
        (i, None, None, None, None, None)
        if i % 3 == 2
        else (
            i,
            name or f'n{i}, "quoted" ü',
            Decimal(i) / 4,
            datetime(2026, 1, 1, 0, 0, i % 60, 5000),  # noqa: DTZ001
            i % 2 == 0,
            i / 8,
        )
        for i in ids
    ]
    frame = pl.DataFrame(rows, schema=polars_schema(SINK_COLUMNS), orient="row")
    return frame if op is None else frame.with_columns(pl.lit(int(op), dtype=pl.Int8).alias(OP))


# --------------------------------------------------------------------------- what stays behind


@contextmanager
def nothing_left_behind() -> Iterator[None]:
    """Check that the block ends with the threads and open files it began with."""
    before = _held()
    yield
    deadline = time.monotonic() + WAIT_S
    while (left := _held() - before) and time.monotonic() < deadline:
        time.sleep(0.02)  # a closed socket's thread may need a moment to end
    assert not left, f"left open after close: {sorted(left)}"


def _held() -> set[str]:
    found = {f"thread {t.name} {t.ident}" for t in threading.enumerate() if t.is_alive()}
    for fd in Path("/proc/self/fd").iterdir():
        try:
            target = str(fd.readlink())
        except OSError:
            continue  # the descriptor of this very listing
        if not target.startswith(("anon_inode:", "/dev/", "/proc/")):
            found.add(f"fd {fd.name} {target}")
    return found


# ------------------------------------------------------------------------------------- sources


@dataclass(frozen=True, kw_only=True)
class Bad:
    """One rejected document: its bytes, its offset, and words of its reason."""

    raw: bytes
    offset: int | None = None
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What one split gives from its start to its end."""

    frame: pl.DataFrame
    bad: list[Bad] = field(default_factory=list)


@dataclass
class Read:
    """What was read from one split, and after which chunks it can be resumed."""

    frames: list[pl.DataFrame] = field(default_factory=list)
    rejected: list[pl.DataFrame] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    resumes: list[Any] = field(default_factory=list)

    def add(self, chunk: Chunk) -> None:
        self.frames.append(chunk.frame)
        bad = 0 if chunk.rejected is None else chunk.rejected.height
        if chunk.rejected is not None:
            assert chunk.rejected.schema == REJECTED, chunk.rejected.schema
            self.rejected.append(chunk.rejected)
        if chunk.offsets is not None:
            assert chunk.offsets.dtype == pl.Int64
            assert len(chunk.offsets) == chunk.frame.height, "one offset per row"
        self.sizes.append(chunk.frame.height + bad)
        self.resumes.append(json.loads(json.dumps(chunk.resume)))

    @property
    def frame(self) -> pl.DataFrame:
        return pl.concat(self.frames)

    @property
    def bad(self) -> list[tuple[str, int | None, bytes]]:
        return pl.concat(self.rejected).rows() if self.rejected else []


REJECTED = pl.Schema({"reason": pl.String, "offset": pl.Int64, "raw": pl.Binary})


def read(reader: Reader, *, max_rows: int, documents: int | None = None) -> Read:
    """Read until the end, or until ``documents`` have come from a split that never ends."""
    got = Read()
    deadline = time.monotonic() + WAIT_S
    while documents is None or sum(got.sizes) < documents:
        assert time.monotonic() < deadline, f"only {sum(got.sizes)} documents came"
        try:
            chunk = reader.poll(max_rows=max_rows, timeout_s=0.2)
        except End:
            break
        if chunk is not None:
            assert chunk.frame.height <= max_rows, "more rows than asked for"
            got.add(chunk)
    return got


class SourceContract:
    """Every source. Override ``table`` and ``expected``; say so where a promise is not given."""

    chunk_sizes: tuple[int, ...] = (1, 2, 3, 7, 1000)
    replayable: bool = True

    @pytest.fixture
    def table(self) -> Table:
        raise AssertionError("the test class gives the table")

    @pytest.fixture
    def expected(self) -> Mapping[str, Expected]:
        raise AssertionError("the test class gives what each split holds")

    def documents(self, expected: Expected) -> int:
        return expected.frame.height + len(expected.bad)

    def drain(self, source: Source, split: str, expected: Expected, **options: Any) -> Read:
        """Read one split to its end (or to as many documents as there are), and close it."""
        resume = options.pop("resume", None)
        reader = source.open(split, resume=resume)
        try:
            stop = None if source.bounded else options.pop("documents", self.documents(expected))
            options.pop("documents", None)
            return read(reader, documents=stop, **options)
        finally:
            reader.close()

    def test_every_row_comes_in_order_and_bad_ones_are_rejected(
        self, table: Table, expected: Mapping[str, Expected]
    ) -> None:
        """Nothing is lost in silence: each document is a row or a rejected one with its bytes."""
        source = source_for(table)
        assert sorted(source.splits()) == sorted(expected)
        for split, wanted in expected.items():
            got = self.drain(source, split, wanted, max_rows=3)
            assert_frame_equal(got.frame, wanted.frame)
            assert len(got.bad) == len(wanted.bad), got.bad
            for (reason, offset, raw), bad in zip(got.bad, wanted.bad, strict=True):
                assert bad.raw == raw
                assert bad.reason in reason
                if bad.offset is not None:
                    assert offset == bad.offset
        source.close()

    def test_columns_have_the_tables_types(
        self, table: Table, expected: Mapping[str, Expected]
    ) -> None:
        """The engine relies on the dtype of each SQL type and on the order of the columns."""
        source = source_for(table)
        wanted = polars_schema(table.physical)
        wanted.update({m.name: polars_type(m.type) for m in table.metadata})
        for split, holds in expected.items():
            for frame in self.drain(source, split, holds, max_rows=2).frames:
                assert frame.drop(OP, strict=False).schema == wanted
        source.close()

    def test_resume_gives_the_row_after_the_last_one(
        self, table: Table, expected: Mapping[str, Expected]
    ) -> None:
        """A restart at any place repeats nothing and leaves nothing out."""
        if not self.replayable:
            pytest.skip("this source cannot be read again")
        for size in self.chunk_sizes:
            for split, wanted in expected.items():
                whole = self.drain(source_for(table), split, wanted, max_rows=size)
                done = rows = bad = 0
                for i, resume in enumerate(whole.resumes):
                    done += whole.sizes[i]
                    rows += whole.frames[i].height
                    bad = done - rows
                    if not source_for(table).bounded and done == self.documents(wanted):
                        break
                    rest = self.drain(
                        source_for(table),
                        split,
                        wanted,
                        max_rows=size + 1,
                        resume=resume,
                        documents=self.documents(wanted) - done,
                    )
                    frame = rest.frame if rest.frames else wanted.frame.clear()
                    assert_frame_equal(frame, wanted.frame.slice(rows))
                    assert [b[2] for b in rest.bad] == [b.raw for b in wanted.bad[bad:]]

    def test_a_bounded_split_fills_its_chunks(
        self, table: Table, expected: Mapping[str, Expected]
    ) -> None:
        """A run over bounded input is a function of the data, so cuts must not vary."""
        source = source_for(table)
        if not source.bounded or not self.replayable:
            pytest.skip("this source has no end, or cannot be read again")
        for split, wanted in expected.items():
            got = self.drain(source, split, wanted, max_rows=2)
            full, rest = divmod(self.documents(wanted), 2)
            assert got.sizes == [2] * full + [1] * rest
        source.close()

    def test_the_end_stays_the_end(self, table: Table, expected: Mapping[str, Expected]) -> None:
        """The driver may ask once more after the end; it must not block or begin again."""
        source = source_for(table)
        if not source.bounded:
            pytest.skip("this source has no end")
        for split in expected:
            reader = source.open(split, resume=None)
            read(reader, max_rows=1000)
            for _ in range(2):
                with pytest.raises(End):
                    reader.poll(max_rows=1, timeout_s=0.0)
            reader.close()
        source.close()

    def test_close_leaves_nothing(self, table: Table, expected: Mapping[str, Expected]) -> None:
        """A pipeline that starts and stops for months must not eat threads or descriptors."""

        def once() -> None:
            source = source_for(table)
            for split, wanted in expected.items():
                reader = source.open(split, resume=None)
                read(reader, max_rows=2, documents=min(1, self.documents(wanted)))
                reader.close()
                reader.close()
            source.close()
            source.close()

        once()  # what libraries open for good is open after this
        with nothing_left_behind():
            once()

    def test_an_unknown_option_is_named(self, table: Table) -> None:
        """A mistyped option must never be taken as its default."""
        broken = table_of(table.connector, {**table.options, "no-such-option": "1"}, table.physical)
        with pytest.raises(UnknownName, match="no-such-option"):
            source_for(broken)


# --------------------------------------------------------------------------------------- sinks


class SinkContract:
    """Every sink. Override ``table`` and ``read_back``, ``upsert_table`` where keys are taken."""

    exactly_once: bool = True
    pipeline: str = "pipe-1"

    @pytest.fixture
    def table(self) -> Table:
        raise AssertionError("the test class gives the table")

    @pytest.fixture
    def read_back(self) -> Callable[[], list[tuple[Any, ...]]]:
        raise AssertionError("the test class tells how the system's rows are read")

    @pytest.fixture
    def upsert_table(self) -> Table:
        pytest.skip("this sink takes no keys")

    @pytest.fixture
    def unwritable(self) -> Table:
        pytest.skip("there is no target that cannot be written")

    @pytest.fixture
    def refusing(self) -> tuple[Table, pl.DataFrame]:
        """A table of :data:`SINK_COLUMNS`, and one row for it that the system refuses."""
        pytest.skip("this sink refuses no row")

    @pytest.fixture
    def new_sink(self) -> Iterator[Callable[..., Sink]]:
        """Build sinks that are closed at the end of the test, failed or not."""
        made: list[Sink] = []

        def build(table: Table, *, updating: bool = False) -> Sink:
            made.append(sink_for(table, updating=updating))
            return made[-1]

        yield build
        for sink in made:
            sink.close()

    @pytest.fixture
    def needs_epochs(self) -> None:
        if not self.exactly_once:
            pytest.skip("this sink keeps no epochs")

    def test_an_epoch_delivered_twice_is_there_once(
        self, table: Table, read_back: Any, new_sink: Any, needs_epochs: None
    ) -> None:
        """After a crash between delivery and its note, the same epoch is delivered again."""
        sink = new_sink(table)
        assert sink.delivery is Delivery.EXACTLY_ONCE
        assert sink.open(self.pipeline, 1) is None
        frames = [sink_rows(1, 2), sink_rows(3)]
        assert sink.deliver(1, frames).accepted == 3
        once = read_back()
        assert once == sink_rows(1, 2, 3).rows()
        sink.deliver(1, frames)
        assert read_back() == once
        assert sink.deliver(2, [sink_rows(4)]).accepted == 1
        assert read_back() == sink_rows(1, 2, 3, 4).rows()

    def test_a_restart_learns_the_last_epoch(
        self, table: Table, read_back: Any, new_sink: Any, needs_epochs: None
    ) -> None:
        """Recovery asks each sink where it stands before it decides what to deliver again."""
        first = new_sink(table)
        first.open(self.pipeline, 1)
        first.deliver(7, [sink_rows(1)])
        first.close()
        second = new_sink(table)
        assert second.open(self.pipeline, 2) == 7
        second.deliver(7, [sink_rows(1)])
        second.deliver(8, [sink_rows(2)])
        assert read_back() == sink_rows(1, 2).rows()

    def test_an_epoch_without_rows_counts(
        self, table: Table, read_back: Any, new_sink: Any, needs_epochs: None
    ) -> None:
        """A quiet stream still moves on; the sink's epoch must not fall behind the checkpoint."""
        sink = new_sink(table)
        sink.open(self.pipeline, 1)
        sink.deliver(1, [sink_rows(1)])
        assert sink.deliver(2, []).accepted == 0
        sink.deliver(3, [sink_rows().clear()])
        sink.close()
        assert new_sink(table).open(self.pipeline, 2) == 3
        assert read_back() == sink_rows(1).rows()

    def test_an_older_incarnation_is_shut_out(
        self, table: Table, read_back: Any, new_sink: Any, needs_epochs: None
    ) -> None:
        """A process that was thought dead and wakes up must not write beside its successor."""
        old = new_sink(table)
        old.open(self.pipeline, 1)
        old.deliver(1, [sink_rows(1)])
        new = new_sink(table)
        assert new.open(self.pipeline, 2) == 1
        with pytest.raises(ConnectorError):
            old.deliver(2, [sink_rows(99)])
        new.deliver(2, [sink_rows(2)])
        with pytest.raises(ConnectorError):
            old.deliver(3, [sink_rows(99)])
        assert read_back() == sink_rows(1, 2).rows()

    def test_two_pipelines_share_a_target(
        self, table: Table, read_back: Any, new_sink: Any, needs_epochs: None
    ) -> None:
        """Epochs are counted per pipeline; one's epoch 1 says nothing about the other's."""
        for pipeline, row in (("pipe-1", 1), ("pipe-2", 2)):
            sink = new_sink(table)
            assert sink.open(pipeline, 1) is None
            sink.deliver(1, [sink_rows(row)])
            sink.close()
        assert sorted(read_back()) == sink_rows(1, 2).rows()

    def test_a_refused_row_is_told_as_it_was_and_the_others_stay(
        self, refusing: tuple[Table, pl.DataFrame], read_back: Any, new_sink: Any
    ) -> None:
        """One bad row in a million must neither stop the pipeline nor vanish nor take others."""
        table, bad = refusing
        sink = new_sink(table)
        heard: list[tuple[int | None, pl.DataFrame]] = []
        sink.keep_refused = lambda epoch, rows: heard.append((epoch, rows))
        sink.open(self.pipeline, 1)
        frames = [sink_rows(1, 2), pl.concat([bad, sink_rows(3), bad])]
        if self.exactly_once:
            done = [sink.deliver(1, frames), sink.deliver(1, frames)]
        else:
            done = [*map(sink.write, frames), sink.flush()]
        assert (sum(d.accepted for d in done), sum(d.refused for d in done)) == (3, 2)
        assert {epoch for epoch, _ in heard} == {1 if self.exactly_once else None}
        told = pl.concat([rows for _, rows in heard])
        assert all(told[REASON].is_not_null())
        assert_frame_equal(told.drop(REASON), pl.concat([bad, bad]))
        assert read_back() == sink_rows(1, 2, 3).rows()

    def test_refused_rows_are_told_before_the_commit(
        self, refusing: tuple[Table, pl.DataFrame], read_back: Any, new_sink: Any,
        needs_epochs: None,
    ) -> None:  # fmt: skip
        """A crash between the two must give the epoch again, with its refused rows."""
        table, bad = refusing

        class CrashError(Exception):
            pass

        def crash(epoch: int | None, rows: pl.DataFrame) -> None:
            raise CrashError

        first = new_sink(table)
        first.open(self.pipeline, 1)
        first.deliver(1, [sink_rows(1)])
        first.keep_refused = crash
        with pytest.raises(CrashError):
            first.deliver(2, [sink_rows(2), bad])
        first.close()
        second = new_sink(table)
        assert second.open(self.pipeline, 2) == 1
        assert read_back() == sink_rows(1).rows()
        heard: list[int] = []
        second.keep_refused = lambda epoch, rows: heard.append(rows.height)
        assert second.deliver(2, [sink_rows(2), bad]) == Delivered(1, 1)
        assert heard == [1]
        assert read_back() == sink_rows(1, 2).rows()

    def test_written_rows_are_there_after_flush(
        self, table: Table, read_back: Any, new_sink: Any
    ) -> None:
        """At least once: what flush has acknowledged is kept, whatever comes after."""
        sink = new_sink(table)
        sink.open(self.pipeline, 1)
        accepted = sink.write(sink_rows(1, 2)).accepted
        accepted += sink.write(sink_rows(3)).accepted
        accepted += sink.flush().accepted
        assert accepted == 3
        assert read_back() == sink_rows(1, 2, 3).rows()

    def test_keys_are_replaced_and_deleted(
        self, upsert_table: Table, read_back: Any, new_sink: Any
    ) -> None:
        """An updating query ends as a table with one row per key."""
        sink = new_sink(upsert_table, updating=True)
        sink.open(self.pipeline, 1)
        changes = [
            sink_rows(1, 3, 4, op=Op.INSERT),
            sink_rows(1, op=Op.UPDATE_BEFORE),
            sink_rows(1, op=Op.UPDATE_AFTER, name="new"),
            sink_rows(3, op=Op.DELETE),
            sink_rows(6, op=Op.INSERT),
            sink_rows(6, op=Op.DELETE),
            sink_rows(7, op=Op.DELETE),
            sink_rows(7, op=Op.INSERT),
        ]
        if self.exactly_once:
            sink.deliver(1, [pl.concat(changes[:5]), *changes[5:]])
            sink.deliver(2, [sink_rows(4, op=Op.UPDATE_AFTER, name="last")])
        else:
            for frame in [*changes, sink_rows(4, op=Op.UPDATE_AFTER, name="last")]:
                sink.write(frame)
            sink.flush()
        wanted = [*sink_rows(1, name="new").rows(), *sink_rows(4, name="last").rows()]
        assert sorted(read_back()) == [*wanted, *sink_rows(7).rows()]

    def test_an_unwritable_target_is_one_clear_error(
        self, unwritable: Table, new_sink: Any
    ) -> None:
        """A user reads what is wrong and where, not a traceback of a library."""
        sink = new_sink(unwritable)

        def use() -> None:
            sink.open(self.pipeline, 1)
            sink.deliver(1, [sink_rows(1)])

        with pytest.raises(ConnectorError) as caught:
            use()
        assert caught.value.where is not None
        assert caught.value.hint

    def test_close_leaves_nothing(self, table: Table, new_sink: Any) -> None:
        """A pipeline that starts and stops for months must not eat threads or descriptors."""

        def once(incarnation: int) -> None:
            sink = new_sink(table)
            last = sink.open(self.pipeline, incarnation) or 0
            if self.exactly_once:
                sink.deliver(last + 1, [sink_rows(incarnation)])
            else:
                sink.write(sink_rows(incarnation))
            sink.close()
            sink.close()

        once(1)  # what libraries open for good is open after this
        with nothing_left_behind():
            once(2)

    def test_an_unknown_option_is_named(self, table: Table) -> None:
        """A mistyped option must never be taken as its default."""
        broken = table_of(table.connector, {**table.options, "no-such-option": "1"})
        with pytest.raises(UnknownName, match="no-such-option"):
            sink_for(broken, updating=False)
