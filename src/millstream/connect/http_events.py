"""Events that are sent to this process over HTTP: ``POST /v1/events/TABLE``.

delivery   exactly once: what was answered with 200 is on the disk, and read from there by number;
           a request that comes again with its idempotency key is not taken twice
split      one, ``log``
bad row    a document that is JSON of another shape goes to ``rejected``; what is no JSON at all is
           refused before it is taken
place      ``path``, or ``events/TABLE`` beside the checkpoints of the job; events that a durable
           checkpoint has behind it are removed. Without checkpoints, those are that were read
limits     the log's bytes; beyond them requests are refused until the job has caught up
rooms      ``event_log`` keeps the events; the server (``serve/routes/events.py``) appends them
"""

from __future__ import annotations

import itertools
import os
import time
import urllib.parse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pyarrow as pa

from millstream.columns.physical import polars_type
from millstream.connect.chunks import decoded_again, one_chunk, part_of
from millstream.connect.event_log import EventLog, LogLimits, Segment, acquire, release
from millstream.connect.event_records import MAGIC, Record, records, size_at
from millstream.errors import ConnectorError, Domain, OptionError
from millstream.ports.connector import (
    Chunk,
    Connector,
    End,
    Home,
    Reader,
    Source,
    SourceSpec,
)
from millstream.ports.registry import config_of, decoder_for, metadata_type
from millstream.settings import option

if TYPE_CHECKING:
    from millstream.plan.table import Metadata, Table
    from millstream.ports.format import Decoder

NAME = "http-events"
SPLIT = "log"
BLOCK_BYTES = 1 << 20
CHUNK_BYTES_MAX = 8 << 20
_READERS = itertools.count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpEventsConfig:
    """Options of the connector 'http-events'."""

    path: str | None = option(
        "path",
        "Folder of this machine for the events; without, one beside the job's checkpoints.",
        default=None,
    )
    bytes_max: int = option(
        "bytes-max",
        "Most bytes of events that are kept; beyond, requests are refused.",
        default=1 << 30,
        kind="bytes",
    )
    segment_bytes: int = option(
        "segment-bytes", "Bytes of one file of events.", default=16 << 20, kind="bytes"
    )
    key_window_ms: int = option(
        "idempotency-window",
        "So long an idempotency key is remembered.",
        default=86_400_000,
        kind="duration_ms",
    )
    keys_max: int = option(
        "idempotency-keys-max",
        "Most idempotency keys that are remembered; beyond, the oldest are forgotten.",
        default=100_000,
        kind="int",
    )

    def __post_init__(self) -> None:
        if min(self.bytes_max, self.segment_bytes, self.key_window_ms) < 1 or self.keys_max < 0:
            raise OptionError(
                "'bytes-max', 'segment-bytes' and 'idempotency-window' must be 1 or more.",
            )

    @property
    def limits(self) -> LogLimits:
        """What the log keeps."""
        return LogLimits(self.bytes_max, self.segment_bytes, self.keys_max, self.key_window_ms)


def now_ms() -> int:
    """Return the clock's time."""
    return time.time_ns() // 1_000_000


def log_of(table: Table, home: Home) -> EventLog:
    """Return the log of a table of this connector; ``release`` it afterwards."""
    _, config, _ = config_of(table)
    return _log_of(table, config, home)


def _log_of(table: Table, config: HttpEventsConfig, home: Home) -> EventLog:
    owner = f"table '{table.name}' of the job '{home.pipeline}' in {home.folder}"
    return acquire(folder_of(table, config, home), config.limits, now_ms, owner)


def folder_of(table: Table, config: HttpEventsConfig, home: Home) -> Path:
    """Return where the events of a table are."""
    if config.path is not None:
        return Path(config.path).expanduser().resolve()
    return Path(home.folder, "events", urllib.parse.quote(table.name, safe="")).resolve()


class HttpEventsSource(Source):
    """The log of one table."""

    def __init__(self, spec: SourceSpec, decoder: Decoder) -> None:
        self._spec, self._decoder = spec, decoder
        self._metadata = {
            m.name: polars_type(metadata_type(CONNECTOR, m.key)) for m in spec.metadata
        }

    def splits(self) -> Sequence[str]:
        """There is one."""
        return (SPLIT,)

    def open(self, split: str, *, resume: Any | None) -> Reader:
        """Read from an event on; without a place from the first that nobody has read for good."""
        assert split == SPLIT, f"no split '{split}'"
        log = self._log()
        try:
            number = log.done if resume is None else int(resume["next"])
            _check(log, number)
            return _EventsReader(log, number, self._spec, self._decoder)
        except BaseException:
            release(log)
            raise

    def decode(self, documents: pl.DataFrame) -> Chunk:
        """Decode documents that were kept as bytes."""
        return decoded_again(self._decoder, documents, self._metadata)

    def test(self) -> None:
        """Open the log and close it."""
        release(self._log())

    def _log(self) -> EventLog:
        return _log_of(self._spec.table, self._spec.config, self._spec.home)


class _EventsReader(Reader):
    def __init__(self, log: EventLog, number: int, spec: SourceSpec, decoder: Decoder) -> None:
        self._log, self._next = log, number
        self._decoder = decoder
        self._metadata = spec.metadata
        self._commits = spec.home.commits
        self._id = next(_READERS)
        self._closed = False
        self._segment: Segment | None = None
        self._file: int | None = None
        self._at = 0
        log.begin(self._id, number)

    def poll(self, *, max_rows: int, timeout_s: float) -> Chunk | None:
        """Return events that are on the disk."""
        if self._closed:
            raise End
        if not self._commits:
            self._log.forget(self._id, self._next)  # whoever asks again has taken what came
        if not self._log.wait(self._next, timeout_s, lambda: self._closed) or self._closed:
            return None
        found = self._records(max_rows)
        assert found, "there is an event of this number"
        return self._chunk(found, max_rows)

    def commit(self, resume: Any) -> None:
        """Have what is before this place removed."""
        self._log.forget(self._id, int(resume["next"]))

    def close(self) -> None:
        """Leave the log."""
        if self._closed:
            return
        self._closed = True
        self._log.leave(self._id)
        self._leave_segment()
        release(self._log)

    def _records(self, max_rows: int) -> list[Record]:
        """Return records with at least one wanted event, as many as make the rows wanted."""
        if self._segment is not None and self._next >= self._segment.end:
            newer = self._log.segment_of(self._next)
            if newer is not None and newer.path == self._segment.path:
                self._segment = newer
            else:
                self._leave_segment()
        if self._segment is None:
            self._enter_segment()
        assert self._segment is not None, "entered just now"
        assert self._file is not None, "a segment has its file"
        found: list[Record] = []
        rows = taken = 0
        while rows < max_rows and taken < CHUNK_BYTES_MAX and self._at < self._segment.size:
            begin, block = self._at, self._block()
            for record in records(block):
                if record.first + record.count > self._next:
                    found.append(record)
                    rows = record.first + record.count - self._next
                    taken += len(record.data)
                    if rows > max_rows:
                        return found  # the rest of it is read again
                self._at = begin + record.end
                if rows >= max_rows or taken >= CHUNK_BYTES_MAX:
                    break
            if self._at == begin:
                raise ConnectorError(
                    f"The log of events is damaged: {self._segment.path.name} at byte {begin}.",
                    where=str(self._log.folder),
                    hint="Restore it from a backup.",
                    domain=Domain.DATA,
                )
        return found

    def _block(self) -> bytes:
        """Return the next bytes of the segment: at least one record, whole."""
        assert self._segment is not None, "in a segment"
        assert self._file is not None, "a segment has its file"
        left = self._segment.size - self._at
        block = os.pread(self._file, min(BLOCK_BYTES, left), self._at)
        size = size_at(memoryview(block), 0)
        if size is not None and len(block) < size <= left:
            block = os.pread(self._file, size, self._at)
        return block

    def _enter_segment(self) -> None:
        self._segment = self._log.segment_of(self._next)
        assert self._segment is not None, "what is wanted is kept"
        self._file = os.open(self._segment.path, os.O_RDONLY)
        self._at = len(MAGIC)

    def _leave_segment(self) -> None:
        if self._file is not None:
            os.close(self._file)
        self._file = self._segment = None

    def _chunk(self, found: list[Record], max_rows: int) -> Chunk:
        """Return the events of records from the next one on."""
        first = found[0].first
        begin = self._next - first
        end = min(sum(r.count for r in found), begin + max_rows)
        lengths = np.concatenate([r.lengths for r in found]).astype(np.int64)
        offsets = np.zeros(len(lengths) + 1, np.int64)
        np.cumsum(lengths, out=offsets[1:])
        data = b"".join(r.data for r in found)
        whole = pa.LargeBinaryArray.from_buffers(
            pa.large_binary(), len(lengths), [None, pa.py_buffer(offsets), pa.py_buffer(data)]
        )
        payloads = pl.Series(whole, dtype=pl.Binary)[begin:end]
        numbers = np.arange(first + begin, first + end)
        decoded = self._decoder.decode(payloads)
        part = part_of(decoded, payloads, numbers)
        if self._metadata:
            times = np.repeat([r.at_ms for r in found], [r.count for r in found])[begin:end]
            part = part.with_frame(self._with_metadata(part.frame, decoded.good, numbers, times))
        self._next = first + end
        return one_chunk(
            [part], resume={"next": self._next}, pending=max(0, self._log.end - self._next)
        )

    def _with_metadata(
        self, frame: pl.DataFrame, good: np.ndarray | None, numbers: np.ndarray, times: np.ndarray
    ) -> pl.DataFrame:
        values = {"offset": numbers, "timestamp": times}
        hidden = [name for name in frame.columns if name.startswith("$")]
        columns = [_column(m, values[m.key], good) for m in self._metadata]
        data = [name for name in frame.columns if name not in hidden]
        more = pl.DataFrame(columns)
        return pl.concat([frame.select(data), more, frame.select(hidden)], how="horizontal")


def _column(wanted: Metadata, values: np.ndarray, good: np.ndarray | None) -> pl.Series:
    dtype = polars_type(metadata_type(CONNECTOR, wanted.key))
    kept = values if good is None else values[good]
    return pl.Series(wanted.name, kept.astype(np.int64)).cast(dtype)


def _check(log: EventLog, number: int) -> None:
    """Refuse a place that the log does not have."""
    first = log.segments[0].first if log.segments else log.end
    if first <= number <= log.end:
        return
    fact = "does not have that many" if number > log.end else "has removed it"
    raise ConnectorError(
        f"The job goes on from event {number}, the log {fact}: it has {first} up to {log.end}.",
        where=str(log.folder),
        hint="The folder was lost or is another one; or an old savepoint is restored whose events "
        "are gone. Give the right 'path', or start without the checkpoint.",
        domain=Domain.DATA,
    )


def _source(spec: SourceSpec) -> Source:
    where = f"table '{spec.table.name}'"
    said = str(spec.formats.get("format", ""))
    if said and not said.endswith("json"):
        raise OptionError(
            f"Events come as JSON, not as '{said}'.", where=where, hint="Say 'format' = 'json'."
        )
    decoder = decoder_for(spec.physical, spec.formats, owner=where, whole=spec.table.physical)
    return HttpEventsSource(spec, decoder)


CONNECTOR = Connector(
    name=NAME,
    doc="Events that are sent to the running job over HTTP; durable before they are answered.",
    config=HttpEventsConfig,
    source=_source,
    metadata={"offset": "BIGINT NOT NULL", "timestamp": "TIMESTAMP_LTZ(3) NOT NULL"},
    payload=True,
    guarantee="exactly once: events are on the disk before the request is answered",
)
