"""Takes rows with care where a run before came to harm: slower, and no row can end it twice.

in      the blocks of every turn (they are counted always), what is suspicious, and notes of
        processes that died
state   :class:`~millstream.engine.poison.Tally`; durable notes, where a checkpoint folder is
out     per block the pieces to push, each with the way to push it
how     * an exception: the next run isolates the rows that the failing turn had taken (poison.py)
        * a process that died (a crash of native code, no memory left) leaves a note that it was
          there; the next one writes down which rows it is about to push before it does, and the
          one after that cuts those rows finer, ``PARTS`` at a time. A single row that was the last
          thing ``DEATHS_OF_A_ROW`` processes did is set aside. Who got past ``WARY_EPOCHS`` epochs
          and ``WARY_S`` is as careless as before: another death begins near its checkpoint
limits  notes count rows per split: they find a row again only where a source gives the same rows in
        the same order after a restart, which a queue does not
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace

from millstream.engine.graph import Delivery, Graph
from millstream.engine.poison import Isolation, SplitId, Suspicion, Tally, cut
from millstream.engine.scan import Block
from millstream.ports.store import NotThere, Store, StoreError

NOTE = "suspect.json"
PARTS = 64
"""Into so many parts the rows are cut at which a process died."""
DEATHS_OF_A_ROW = 2
WARY_EPOCHS = 4
WARY_S = 10.0


@dataclass(frozen=True, slots=True)
class Span:
    """Rows of a split, from one number up to another, counted since the first start."""

    scan: str
    split: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Note:
    """What the process that runs a pipeline wants the next one to know, should it die.

    deaths  processes that died, one after the other
    span    what it is about to push; ``tries``: how often a process died over this one row
    aside   rows that are not to be pushed again
    closed  it ended by itself, well or not: it did not die
    """

    deaths: int = 0
    span: Span | None = None
    tries: int = 0
    aside: tuple[Span, ...] = ()
    closed: bool = False

    @classmethod
    def of_json(cls, text: bytes) -> Note:
        """Read a note."""
        said = json.loads(text)
        span = None if said["span"] is None else Span(**said["span"])
        aside = tuple(Span(**a) for a in said["aside"])
        return cls(said["deaths"], span, said["tries"], aside, said["closed"])


class Notes:
    """The note of this process, kept beside the checkpoints."""

    def __init__(self, store: Store, tally: Tally) -> None:
        self._store = store
        try:
            left = Note.of_json(store.get(NOTE))
        except NotThere:
            left = Note(closed=True)
        except (ValueError, KeyError, TypeError):  # damaged, or of another version: only a hint
            left = Note(closed=True)
        self.died = left.span if not left.closed and _is_ahead(left.span, tally) else None
        """The rows over which the process before died, if it noted any."""
        self._note = _of_the_living(left, self.died, tally)
        self._write(self._note)

    @property
    def is_wary(self) -> bool:
        """Whether the process before died."""
        return self._note.deaths > 0

    def is_aside(self, span: Span) -> bool:
        """Tell whether a row is not to be pushed again."""
        return span in self._note.aside

    def pieces(self, split: SplitId, first: int, block: Block) -> Iterator[tuple[int, Block]]:
        """Cut a block at the rows where a process died; yields the first row's number too."""
        if not block.frame.height:  # every message of it was known already
            yield first, block
            return
        last, at = first + block.frame.height, {first}
        for span in (self.died, *self._note.aside):
            if span is None or (span.scan, span.split) != split:
                continue
            step = max(1, -(-(span.last - span.first) // PARTS))
            at |= set(range(span.first, span.last, step)) | {span.last}
        starts = sorted(n for n in at if first <= n < last)
        rest = block
        for start, end in zip(starts, [*starts[1:], last], strict=True):
            if end == last:
                yield start, rest
                return
            piece, rest = cut(rest, end - start)
            yield start, piece

    def about_to_push(self, span: Span) -> None:
        """Write down what comes next; returns when that is durable."""
        same = span == self.died
        self._write(replace(self._note, span=span, tries=self._note.tries if same else 0))

    def has_pushed(self) -> None:
        """Write down that the row before was not the end of this process, whatever comes now."""
        self._write(replace(self._note, span=None, tries=0))

    def relax(self) -> None:
        """It got on: nothing of what happened before matters any more."""
        self.died = None
        self._note = Note()
        self._write(self._note)

    def close(self) -> None:
        """This process ends by itself: it did not die."""
        if not self._note.deaths:
            self._store.delete(NOTE)
            return
        try:
            self._write(replace(self._note, closed=True))
        except StoreError:
            if self._note.aside:
                raise
            # Left open it would say that this process died over its rows; to delete takes no room.
            self._store.delete(NOTE)

    def _write(self, note: Note) -> None:
        self._store.put(NOTE, json.dumps(asdict(note)).encode())


def _is_ahead(span: Span | None, tally: Tally) -> bool:
    return span is not None and span.last > tally.taken((span.scan, span.split))


def _of_the_living(left: Note, died: Span | None, tally: Tally) -> Note:
    """Return the note of the next process; whoever left one that is not closed has died."""
    note = replace(
        left,
        span=None,
        tries=0,
        closed=False,
        aside=tuple(span for span in left.aside if _is_ahead(span, tally)),
    )
    if left.closed:
        return note
    note = replace(note, deaths=left.deaths + 1)
    if died is None or died.last - died.first > 1:
        return note
    if left.tries + 1 >= DEATHS_OF_A_ROW:
        return replace(note, aside=(*note.aside, died))
    return replace(note, tries=left.tries + 1)


@dataclass
class Care:
    """How the rows of one run are pushed."""

    graph: Graph
    tally: Tally
    isolation: Isolation
    suspicion: Suspicion | None = None
    notes: Notes | None = None
    _first: int = field(default=0, init=False)
    _epochs: int = field(default=0, init=False)
    _since_s: float | None = field(default=None, init=False)

    @property
    def is_on(self) -> bool:
        """Whether blocks are to be pushed one by one, by :meth:`push`."""
        return self.suspicion is not None or (self.notes is not None and self.notes.is_wary)

    def watched(self, index: int, blocks: Iterator[Block]) -> Iterator[Block]:
        """Count the rows of blocks as they are taken."""
        uid = self.graph.stages[index].uid
        self.tally.begin()
        for block in blocks:
            self._first = self.tally.take((uid, block.split), block.frame.height)
            yield block

    def push(self, index: int, block: Block, now_ms: int) -> Iterator[list[Delivery]]:
        """Push the block that was taken last; see :meth:`Isolation.push`."""
        stage = self.graph.stages[index]
        split, first = (stage.uid, block.split), self._first
        if self.notes is None or not self.notes.is_wary:
            yield from self._pushed(index, split, first, block, now_ms)
            return
        for at, piece in self.notes.pieces(split, first, block):
            span = Span(*split, at, at + piece.frame.height)
            if self.notes.is_aside(span):
                why = f"the process died {DEATHS_OF_A_ROW} times while this row was worked on"
                yield self.isolation.aside(index, piece, now_ms, why)
                continue
            if piece.frame.height:
                self.notes.about_to_push(span)
            yield from self._pushed(index, split, at, piece, now_ms)
            if piece.frame.height == 1 and self.notes is not None:
                self.notes.has_pushed()

    def delivered(self, epoch: int, now_s: float) -> None:
        """An epoch is durable: what came before it does no harm any more."""
        if self.suspicion is not None and self.suspicion.is_over(self.tally, epoch):
            self.suspicion = None
        self._epochs += 1
        self._since_s = now_s if self._since_s is None else self._since_s
        got_on = self._epochs >= WARY_EPOCHS and now_s - self._since_s >= WARY_S
        if self.notes is not None and self.notes.is_wary and got_on:
            self.notes.relax()

    def close(self) -> None:
        """The run ends in this process; may be called twice."""
        if self.notes is not None:
            with suppress(StoreError):  # no room: the next start is warier than it need be
                self.notes.close()
            self.notes = None

    def _pushed(
        self, index: int, split: SplitId, first: int, block: Block, now_ms: int
    ) -> Iterator[list[Delivery]]:
        last = first + block.frame.height
        if self.suspicion is not None and self.suspicion.concerns(split, first, last):
            yield from self.isolation.push(index, block, now_ms)
            return
        scanned = self.graph.scanned(index, [block], now_ms)
        yield self.graph.turn(index, scanned.batch, scanned.rejected)
