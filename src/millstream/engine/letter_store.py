"""The dead letters of one pipeline as blobs of a store: for people, and for putting through again.

``epochs/000000012``              the letters of an epoch, written once it is durable
``refused/000000012-orders-0``    rows that the system of the sink ``orders`` refused of an epoch
``requests/000003.json``          which letters are to be put through again (dead_requests.py)
``taken/000003.json``             how far that has come

A blob of letters is eight bytes of magic, the length of a JSON header, the header, and one Arrow
IPC file per *part*: the letters of one operator, of one kind, with columns of one shape. Parts
carry a hash; one that does not fit is refused. Writing a blob again writes the same bytes.

in      frames of :data:`LETTER` columns and ``row``, the columns as they were, in one struct
limits  letters older than ``retention_ms`` are removed; where the store would hold more than
        ``bytes_max`` the pipeline stops, or the oldest go (``WhenFull``)
"""

from __future__ import annotations

import hashlib
import io
import json
import struct
import urllib.parse
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

import polars as pl

from millstream.engine.rejects import ROW, ROWS_ASIDE
from millstream.errors import CheckpointError, Domain
from millstream.ports.store import Store, StoreError
from millstream.settings import WhenFull

MAGIC = b"MSDEAD01"
VERSION = 1
EPOCHS, REFUSED = "epochs/", "refused/"
LETTER: dict[str, pl.DataType] = {
    "ordinal": pl.Int64(),
    "time": pl.Int64(),
    "attempt": pl.Int32(),
    "was": pl.String(),
    **{name: dtype for name, dtype in ROWS_ASIDE.items() if name != "operator"},
}
"""``ordinal`` counts the letters of a blob, ``time`` is their arrival (ms), ``attempt`` how often a
letter was put through before, ``was`` the letter it was then."""


class Kind(str, Enum):  # noqa: UP042 (its text is what stands in a header)
    """What happened to a row."""

    UNDECODABLE = "undecodable"
    REJECTED = "rejected"
    LATE = "late"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Part:
    """Letters of one operator, kind and shape; ``table`` is what the operator reads or writes."""

    operator: str
    kind: Kind
    table: str | None
    frame: pl.DataFrame


@dataclass(frozen=True, slots=True)
class PartHead:
    """What a header says of a part."""

    operator: str
    kind: Kind
    table: str | None
    rows: int
    first_ms: int
    last_ms: int
    start: int
    bytes: int
    hash: str


@dataclass(frozen=True, slots=True)
class Head:
    """The header of a blob."""

    blob: str
    epoch: int | None
    parts: tuple[PartHead, ...]


class LetterStore:
    """Where the letters of a pipeline are; safe to call from several threads."""

    def __init__(
        self,
        store: Store,
        *,
        retention_ms: int = 0,
        bytes_max: int = 0,
        when_full: WhenFull = WhenFull.FAIL,
    ) -> None:
        self.store = store
        self.place = store.place
        self._retention_ms = retention_ms
        self._bytes_max = bytes_max
        self._when_full = when_full
        self._bytes: int | None = None
        self._dropped_at_ms: int | None = None

    def deliver(self, epoch: int, parts: Sequence[Part], now_ms: int) -> None:
        """Write the letters of an epoch; again with the same bytes is no matter."""
        if parts:
            self._write(f"{EPOCHS}{epoch:09d}", epoch, parts, now_ms)

    def keep_refused(
        self, sink: str, epoch: int | None, call: str, part: Part, now_ms: int
    ) -> None:
        """Write rows that a sink's system refused; ``call`` tells the calls of an epoch apart."""
        number = "always" if epoch is None else f"{epoch:09d}"
        name = f"{REFUSED}{number}-{urllib.parse.quote(sink, safe='')}-{call}"
        self._write(name, epoch, (part,), now_ms)

    def forget_refused(self, sink: str, epoch: int) -> None:
        """Remove what was refused of an epoch that is delivered anew from its beginning."""
        for name in self.store.names(f"{REFUSED}{epoch:09d}-{urllib.parse.quote(sink, safe='')}-"):
            self.store.delete(name)

    def last_number(self) -> int:
        """Return the number of the newest blob of an epoch; 0 = none."""
        names = self.store.names(EPOCHS)
        return int(names[-1].removeprefix(EPOCHS)) if names else 0

    def heads(self) -> Iterator[Head]:
        """Yield the headers of all blobs, oldest epoch first."""
        names = [*self.store.names(EPOCHS), *self.store.names(REFUSED)]
        for name in sorted(names, key=in_order):
            yield self.head(name)

    def head(self, blob: str) -> Head:
        """Read the header of a blob."""
        first = self.store.get(blob, start=0, length=len(MAGIC) + 8)
        if first[: len(MAGIC)] != MAGIC:
            raise _damaged(self.place, blob)
        (size,) = struct.unpack("<q", first[len(MAGIC) :])
        said = json.loads(self.store.get(blob, start=len(first), length=size))
        base = len(first) + size
        parts = tuple(
            PartHead(**{**part, "kind": Kind(part["kind"]), "start": part["start"] + base})
            for part in said["parts"]
        )
        return Head(blob, said["epoch"], parts)

    def frame(
        self, blob: str, part: PartHead, columns: Sequence[str] | None = None
    ) -> pl.DataFrame:
        """Read the letters of a part, checked against its hash."""
        data = self.store.get(blob, start=part.start, length=part.bytes)
        if _hash(data) != part.hash:
            raise _damaged(self.place, blob)
        return pl.read_ipc(io.BytesIO(data), columns=None if columns is None else list(columns))

    def remove(self, blob: str) -> None:
        """Remove a blob with all its letters."""
        self._bytes = None
        self.store.delete(blob)

    def drop_old(self, now_ms: int) -> int:
        """Remove blobs whose newest letter is older than the retention; returns letters removed."""
        if not self._retention_ms:
            return 0
        before_ms, removed = now_ms - self._retention_ms, 0
        for head in list(self.heads()):
            if max((p.last_ms for p in head.parts), default=0) < before_ms:
                removed += sum(p.rows for p in head.parts)
                self.remove(head.blob)
        return removed

    def _write(self, name: str, epoch: int | None, parts: Iterable[Part], now_ms: int) -> None:
        data = encode(epoch, parts)
        if self._dropped_at_ms is None or now_ms - self._dropped_at_ms > _DROP_EVERY_MS:
            self._dropped_at_ms = now_ms
            self.drop_old(now_ms)
        if self._bytes_max:
            self._make_room(name, len(data))
        self.store.put(name, data)

    def _make_room(self, name: str, size: int) -> None:
        if self._bytes is None:
            names = [*self.store.names(EPOCHS), *self.store.names(REFUSED)]
            self._bytes = sum(self.store.size(blob) for blob in names if blob != name)
        if self._bytes + size > self._bytes_max and self._when_full is WhenFull.DROP_OLDEST:
            for head in list(self.heads()):
                if self._bytes + size <= self._bytes_max or head.blob == name:
                    continue
                self._bytes -= self.store.size(head.blob)
                self.store.delete(head.blob)
        elif self._bytes + size > self._bytes_max:
            raise StoreError(
                f"The dead letters would take more than {self._bytes_max} bytes.",
                where=self.place,
                hint="Look at them with 'millstream dlq list', remove them with 'dlq purge', raise "
                "'pipeline.dead-letters.bytes-max', or set 'pipeline.dead-letters.when-full' = "
                "'drop-oldest'.",
                domain=Domain.LIMIT,
            )
        self._bytes += size


_DROP_EVERY_MS = 60_000


def encode(epoch: int | None, parts: Iterable[Part]) -> bytes:
    """Return the bytes of a blob of letters."""
    heads: list[dict[str, Any]] = []
    bodies: list[bytes] = []
    at = 0
    for part in parts:
        body = _ipc(part.frame)
        times = part.frame["time"]
        head = PartHead(
            part.operator,
            part.kind,
            part.table,
            part.frame.height,
            _int(times.min()),
            _int(times.max()),
            at,
            len(body),
            _hash(body),
        )
        heads.append({**asdict(head), "kind": part.kind.value})
        bodies.append(body)
        at += len(body)
    header = json.dumps({"version": VERSION, "epoch": epoch, "parts": heads}).encode()
    return b"".join([MAGIC, struct.pack("<q", len(header)), header, *bodies])


def in_order(blob: str) -> tuple[str, str]:
    """Return what blobs are sorted by: their epoch, then their name."""
    return blob.split("/")[1].partition("-")[0], blob


def letters_frame(aside: pl.DataFrame, ordinals: pl.Series, time_ms: int) -> pl.DataFrame:
    """Return rows aside as letters that came at a time, for the first time."""
    given = {
        "ordinal": pl.lit(ordinals),
        "time": pl.lit(time_ms),
        "attempt": pl.lit(0),
        "was": pl.lit(None),
    }
    return aside.select(
        *(given.get(name, pl.col(name)).cast(dtype).alias(name) for name, dtype in LETTER.items()),
        pl.col(ROW),
    )


def _ipc(frame: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.write_ipc(buffer, compression="lz4")
    return buffer.getvalue()


def _int(value: Any) -> int:
    assert isinstance(value, int), "a part has letters, and each has a time"
    return value


def _hash(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def _damaged(place: str, blob: str) -> CheckpointError:
    return CheckpointError(
        "A blob of dead letters is damaged.",
        where=f"{place}: {blob}",
        hint="Restore it from a backup, or remove it: its letters are lost then.",
    )
