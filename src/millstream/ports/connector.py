"""The contract of a connector: how events come in and results go out.

One connector is one file in ``connect/`` with a typed config (a frozen dataclass whose fields are
declared with :func:`millstream.settings.option`), a source, a sink, or both, gathered in one
:class:`Connector` value named ``CONNECTOR``. SQL ``WITH`` options, the CLI, the Python API and the
docs page all come from the config.

Frames are Polars frames; this module only names them, so that planning imports no Polars.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from millstream.plan.table import Condition, Metadata, Table
from millstream.ports.lookup import Lookup, LookupSpec
from millstream.settings import DeliveryChoice, option
from millstream.types import Schema

if TYPE_CHECKING:
    import polars as pl


FINAL_MARK_MS = 2**63 - 1
"""The mark at the end of bounded input: no more rows will come."""


class Delivery(Enum):
    """What a connector guarantees, from weakest to strongest."""

    AT_MOST_ONCE = "at most once"
    AT_LEAST_ONCE = "at least once"
    EXACTLY_ONCE = "exactly once"


class Changes(Enum):
    """What kind of changelog a source gives or a sink takes."""

    APPEND = "append"
    UPSERT = "upsert"
    RETRACT = "retract"


class End(Exception):
    """A bounded split has given its last row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Rows of one split, decoded, in order.

    frame     physical columns of the table in schema order, then the wanted metadata columns
              under their column names; plus ``$op`` (Int8, engine.batch.Op) for changelog sources
    rejected  documents that could not be decoded, with columns ``reason`` (String), ``offset``
              (Int64, null where there is none) and ``raw`` (Binary), from acknowledging sources
              also ``id`` (String); they count as read
    resume    a JSON value: the place after the last row, given back to ``open`` after a restart
    offsets   each row's place in the split (Int64), where the system has one
    bytes     payload bytes read
    pending   rows known to wait behind this chunk, for the lag display; None = unknown
    skipped   documents that hold no row (tombstones behind a delete); they count as read
    ids       each row's message id (String), from acknowledging sources, which may send a message
              again; null = it has none
    """

    frame: pl.DataFrame
    resume: Any
    rejected: pl.DataFrame | None = None
    offsets: pl.Series | None = None
    bytes: int = 0
    pending: int | None = None
    skipped: int = 0
    ids: pl.Series | None = None


class Reader(ABC):
    """Reads one split. All calls come from one thread, except ``close`` which may come later."""

    @abstractmethod
    def poll(self, *, max_rows: int, timeout_s: float) -> Chunk | None:
        """Return up to ``max_rows`` rows, None if none came in time; raise End after the last.

        A bounded replayable split gives exactly ``max_rows`` documents (rows plus rejected) until
        its end, so that a run is a function of the data.
        """

    def commit(self, resume: Any) -> None:  # noqa: B027 (a courtesy most systems do not need)
        """Our checkpoint with this place is safe: the system may forget everything before it."""

    def close(self) -> None:  # noqa: B027 (not every reader holds something)
        """Free sockets, files and threads; may be called twice."""


class Source(ABC):
    """A table that can be read.

    ``bounded`` tells whether every split ends. ``splits`` may be asked again while running; new
    ids are opened then. A split id is stable over restarts.

    An *acknowledging* system (a queue) forgets what it was told to by ``Reader.commit``, which
    comes after the epoch is durable; what it sends again is known by its id (``Chunk.ids``) and
    left out by the engine, within the window of ``source.deduplication-window``.

    Where one connection brings the rows of all splits (``waits_for_any``), a poll of any of them
    comes back as soon as there is something for another one, without rows of its own.
    """

    delivery: Delivery = Delivery.EXACTLY_ONCE
    bounded: bool = False
    acknowledging: bool = False
    waits_for_any: bool = False
    changes: Changes = Changes.APPEND

    @abstractmethod
    def splits(self) -> Sequence[str]:
        """Return the ids of all splits there are now."""

    @abstractmethod
    def open(self, split: str, *, resume: Any | None) -> Reader:
        """Start reading a split: at its configured start (None) or right after ``resume``."""

    def decode(self, documents: pl.DataFrame) -> Chunk | None:
        """Decode documents that were kept as bytes, as a reader would; None = there are no such.

        ``raw`` are their bytes, ``split`` and ``offset`` say where they came from. The offsets of
        the chunk, and of what it rejects, count the given documents from 0.
        """
        return None

    def test(self) -> None:  # noqa: B027 (a source without a system has nothing to try)
        """Try the connection; raises ConnectorError saying what to do."""

    def close(self) -> None:  # noqa: B027
        """Free what the readers share; may be called twice."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """What a sink did with rows: how many the system accepted, and how many it refused."""

    accepted: int
    refused: int = 0


REASON = "$reason"
"""The column that says why, beside the columns of a refused row."""


def _refused_unheard(epoch: int | None, rows: pl.DataFrame) -> None:
    raise AssertionError(f"a sink refused {rows.height} rows before anybody listened")


class Sink(ABC):
    """A table that can be written. Frames have the writable columns, plus ``$op`` if updating.

    Rows the system refuses go to ``keep_refused(epoch, rows)``: the rows as they were given, with
    ``$reason`` (String) beside them. ``deliver`` calls it *before* its commit, with the epoch, and
    what it was called with is durable when it returns: a crash between the two gives the same call
    again. A call for an epoch tells all its refused rows; where an attempt at the epoch is tried
    again, the later call replaces the earlier one. ``write`` and ``flush`` call it with None, each
    row once, perhaps from a thread of the sink's own.
    """

    delivery: Delivery = Delivery.EXACTLY_ONCE
    keep_refused: Callable[[int | None, pl.DataFrame], None] = staticmethod(_refused_unheard)

    @abstractmethod
    def open(self, pipeline: str, incarnation: int) -> int | None:
        """Connect, shut out older owners, and return the last epoch delivered (None = never).

        ``pipeline`` is a stable id; ``incarnation`` grows with each start of it, and is 0 where no
        checkpoints are kept, so that there are no epochs and no older owners. Called once.
        """

    @abstractmethod
    def deliver(self, epoch: int, frames: Sequence[pl.DataFrame]) -> Delivered:
        """Make an epoch's rows visible, atomically and once: a repeat of the same epoch is a no-op.

        Only called where ``delivery`` is EXACTLY_ONCE and the pipeline keeps checkpoints.
        """

    @abstractmethod
    def write(self, frame: pl.DataFrame) -> Delivered:
        """Write rows at once (at least once); they are safe once ``flush`` has returned."""

    def flush(self) -> Delivered:
        """Wait until everything written is acknowledged."""
        return Delivered(0)

    def committed(self, epoch: int) -> None:  # noqa: B027 (most have given their rows away)
        """Take note that an epoch is in a checkpoint and with all sinks of the pipeline.

        Epochs come in their order; each ends at a ``flush`` where ``delivery`` is not
        EXACTLY_ONCE. Called from another thread than everything else, and must come back at once.
        """

    @property
    def bytes_kept(self) -> int:
        """Bytes of the rows that stay in this process for who looks at them."""
        return 0

    def passed(self, mark_ms: int) -> None:  # noqa: B027 (most systems know no event time)
        """Take note that the watermark has passed so far for everything written or delivered.

        Also called now and then while nothing comes, and again after a restart: it must be
        idempotent. ``FINAL_MARK_MS`` at the end of bounded input.
        """

    def close(self) -> None:  # noqa: B027
        """Free everything; may be called twice. Rows written but not flushed may be lost."""

    def test(self) -> None:  # noqa: B027
        """Try the connection; raises ConnectorError saying what to do."""


class Deciding(ABC):
    """A sink whose own commit can be the decision on an epoch, so that its rows are written once.

    Used where it is the only exactly-once sink of a pipeline. Per epoch, in one thread: ``stage``
    as rows come, ``prepare(N)``, then the engine makes manifest N durable, marked as *prepared* by
    this sink, then ``commit(N)``. After a restart ``open`` returns the last epoch committed; a
    prepared manifest above it never happened and is dropped.
    source  reliability.md §2.2 B
    """

    epoch_s: float = 0.0
    """The checkpoint interval, set before ``open`` where rows will be staged: a transaction has to
    stay open for longer than that."""

    @abstractmethod
    def stage(self, frame: pl.DataFrame) -> None:
        """Send rows into the open transaction; nobody sees them yet."""

    @abstractmethod
    def prepare(self, epoch: int) -> Delivered:
        """Wait until the system has all rows staged; what it refused is out of them."""

    @abstractmethod
    def commit(self, epoch: int) -> None:
        """Make the epoch visible together with its number; ConnectorError if that is unknown."""


class Viewable(ABC):
    """A sink of this process that can be looked at while it is written."""

    @abstractmethod
    def view(self, waiting: Sequence[pl.DataFrame]) -> pl.DataFrame:
        """Return the rows there are; ``waiting`` are those whose epoch is not delivered yet."""


@dataclass(frozen=True, slots=True)
class Home:
    """Where a source may keep what is its own: a folder of this machine, of one pipeline.

    ``commits`` tells whether epochs are kept, so that ``Reader.commit`` will come.
    """

    folder: str = ".millstream/millstream"
    commits: bool = True
    pipeline: str = "millstream"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSpec:
    """What a source is built from.

    ``metadata`` are the wanted metadata columns; ``formats`` are the format options left over
    after the connector's own (``format``, ``json.*`` …), for the connectors that decode payloads.
    ``conditions``: rows that do not meet them all may be left out (a filter above drops them).
    """

    table: Table
    config: Any
    physical: Schema
    metadata: tuple[Metadata, ...]
    formats: Mapping[str, Any] = field(default_factory=dict)
    conditions: tuple[Condition, ...] = ()
    home: Home = Home()


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkSpec:
    """What a sink is built from. ``updating`` tells whether rows will carry ``$op``."""

    table: Table
    config: Any
    writable: Schema
    primary_key: tuple[str, ...]
    updating: bool
    formats: Mapping[str, Any] = field(default_factory=dict)
    exactly_once: bool = True
    """Whether epochs will be delivered; False: rows are only written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkOptions:
    """The options of every table that can be written, beside its connector's own."""

    delivery: DeliveryChoice = option(
        "sink.delivery-guarantee",
        "'exactly-once' or 'at-least-once'; 'auto' does as the setting of this name says.",
        default=DeliveryChoice.AUTO,
        kind="enum",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Connector:
    """One system. ``takes`` is what its sink accepts: UPSERT needs a primary key on the table.

    metadata  key → SQL type text of the metadata columns a source can fill
    bounded   tells from the config alone whether the source ends, without connecting
    narrows   whether its source can leave out fields of a ROW column
    partitions  whether PARTITIONED BY means something to it
    filters   tells whether its source makes use of conditions for a table
    payload   True where rows travel as payloads in a ``format``
    reads, writes  what its source and its sink can give at best
    decides   whether its sinks are :class:`Deciding`
    guarantee one line on delivery, for ``explain`` and the docs
    restored  whether its sink shows at once what comes, and after a restart what the checkpoint
              knows: no row twice
    lookup    makes what answers questions by key, for lookup joins
    """

    name: str
    doc: str
    config: type
    extra: str | None = None
    source: Callable[[SourceSpec], Source] | None = None
    lookup: Callable[[LookupSpec], Lookup] | None = None
    sink: Callable[[SinkSpec], Sink] | None = None
    gives: Changes = Changes.APPEND
    takes: Changes = Changes.APPEND
    metadata: Mapping[str, str] = field(default_factory=dict)
    bounded: Callable[[Any], bool] = lambda _: False
    payload: bool = False
    narrows: bool = False
    partitions: bool = False
    filters: Callable[[Table], bool] = lambda _: False
    reads: Delivery = Delivery.EXACTLY_ONCE
    writes: Delivery = Delivery.EXACTLY_ONCE
    decides: bool = False
    restored: bool = False
    guarantee: str = ""
    aliases: tuple[str, ...] = ()
