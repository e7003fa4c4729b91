"""Collects the rows that nobody reads and that could not be used: the dead letters of a run.

in      late and rejected rows as steps give them (:meth:`Letters.take`, compute thread), rows that
        sinks' systems refused (:meth:`Letters.refused`, sink workers)
state   the letters of the open epoch, with their columns as they were; how many there were
out     the letters of an epoch as one of its outputs, under ``$letters``, delivered by number into
        the :class:`~millstream.engine.letter_store.LetterStore` once the epoch is durable
left    rows that a stream of the program reads (``.rejected``, ``.late``) are no letters
limits  an epoch closes early when letters and output exceed ``engine.epoch-bytes-max``; where no
        checkpoint is kept, letters are written about once a second, and when they exceed that
without a place for them, letters are counted and let go
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from millstream.engine.batch import MARK
from millstream.engine.graph import Graph, Step
from millstream.engine.letter_store import Kind, LetterStore, Part, letters_frame
from millstream.engine.marks import LOWEST_MS
from millstream.engine.operator import Outputs
from millstream.engine.rejects import DECODE, PORT, rejected_rows
from millstream.plan.nodes import Scan, Write
from millstream.ports.connector import REASON
from millstream.settings import Settings
from millstream.stores.open import open_store

if TYPE_CHECKING:
    from millstream.engine.checkpoint import Epoch
    from millstream.plan.nodes import Node

LETTERS = "$letters"
"""The output of an epoch that holds its letters; the split that letters come from again."""
AGAIN = LETTERS + ":"
FOLDER = "dead-letters"
FLUSH_EVERY_MS = 1_000
_OF_PART = ("operator", "kind", "table")


@dataclass(frozen=True, slots=True)
class _Aside:
    """Rows of one step that came aside in one turn."""

    step: Step
    kind: Kind
    frame: pl.DataFrame
    first: int
    time_ms: int


class Letters:
    """The letters of one run."""

    def __init__(
        self, graph: Graph, store: LetterStore | None, *, now_ms: Callable[[], int], bytes_max: int
    ) -> None:
        self.store = store
        self.bytes = 0
        """Of the letters of the open epoch."""
        self.count: Counter[Kind] = Counter()
        self.origins: Callable[[str, pl.Series], pl.DataFrame] | None = None
        """Returns of letters put through again what they were: was, attempt, split, offset."""
        self.on_delivered: Callable[[Mapping[str, Mapping[str, Any]]], None] | None = None
        """Told of the positions of durable epochs."""
        self._now_ms = now_ms
        self._bytes_max = bytes_max
        self._stamp_ms: Callable[[], int] = lambda: graph.now_ms or now_ms()
        self._open: list[_Aside] = []
        self._ordinal = 0
        self._number: int | None = None
        self._flushed_ms = now_ms()
        self._refused_calls: Counter[tuple[str, int | None]] = Counter()
        self._lock = threading.Lock()
        graph.on_aside = self.take

    @property
    def where(self) -> str | None:
        """Where they are kept, for people."""
        return None if self.store is None else self.store.place

    @property
    def total(self) -> int:
        """How many letters there were in this run."""
        return sum(self.count.values())

    def take(self, step: Step, outputs: Outputs) -> None:
        """Take what a step gave aside, unless a stream of the program reads it."""
        if not step.rejected:
            for frame in outputs.rejected:
                for undecodable in (True, False):
                    kind = Kind.UNDECODABLE if undecodable else Kind.REJECTED
                    of_kind = frame[PORT].eq_missing(DECODE) == undecodable
                    self._add(step, kind, frame if of_kind.all() else frame.filter(of_kind))
        if not step.late:
            for frame in outputs.late:
                if frame.height:
                    self._add(step, Kind.LATE, _late(step, frame))

    def close_epoch(self) -> dict[str, list[pl.DataFrame]]:
        """Return the letters of the open epoch as an output of it, and begin the next."""
        return {LETTERS: frames} if (frames := [_as_output(p) for p in self._parts()]) else {}

    def deliver(self, epoch: Epoch) -> None:
        """Write the letters of a durable epoch; again is no matter."""
        if self.store is not None:
            parts = [_of_output(frame) for frame in epoch.outputs.get(LETTERS, [])]
            self.store.deliver(epoch.number, parts, self._now_ms())
        if self.on_delivered is not None:
            self.on_delivered(epoch.positions)

    def flush(self, *, at_once: bool = False) -> bool:
        """Write letters where no epochs are kept: now and then, or at the end."""
        now_ms = self._now_ms()
        due = now_ms - self._flushed_ms >= FLUSH_EVERY_MS or self.bytes >= self._bytes_max
        if not (due or at_once):
            return False
        self._flushed_ms = now_ms
        if not self._open or self.store is None:
            return True
        if self._number is None:
            self._number = self.store.last_number()
        self._number += 1
        self.store.deliver(self._number, self._parts(), now_ms)
        return True

    def keeper(
        self, write: Write, told: Callable[[str, pl.DataFrame], None]
    ) -> Callable[[int | None, pl.DataFrame], None]:
        """Return what a sink calls with the rows its system refused; ``told`` hears of them."""

        def keep(epoch: int | None, rows: pl.DataFrame) -> None:
            if rows.height:
                told(write.uid, rows)
                self.refused(write.uid, write.table.name, epoch, rows)

        return keep

    def refused(self, uid: str, table: str, epoch: int | None, rows: pl.DataFrame) -> None:
        """Keep rows that a sink's system refused; they are durable when this returns."""
        with self._lock:
            self.count[Kind.REFUSED] += rows.height
            if self.store is None or not rows.height:
                return
            call = self._refused_calls[uid, epoch]
            self._refused_calls[uid, epoch] += 1
        if epoch is None:
            tag = f"{self._now_ms()}-{call}"
        else:
            tag = str(call)
            if call == 0:  # an epoch that is delivered anew says again what was refused
                self.store.forget_refused(uid, epoch)
        aside = rejected_rows(rows.drop(REASON), rows[REASON], uid, port=0)
        frame = letters_frame(aside, pl.int_range(rows.height, eager=True), self._now_ms())
        part = Part(uid, Kind.REFUSED, table, frame)
        self.store.keep_refused(uid, epoch, tag, part, self._now_ms())

    def _add(self, step: Step, kind: Kind, frame: pl.DataFrame) -> None:
        if not frame.height:
            return
        self.count[kind] += frame.height
        if self.store is None:
            return
        aside = _Aside(step, kind, frame, self._ordinal, self._stamp_ms())
        self._ordinal += frame.height
        self.bytes += int(frame.estimated_size())
        self._open.append(aside)

    def _parts(self) -> list[Part]:
        """Take the open letters, those of one step, kind and shape together."""
        found: dict[tuple[str, Kind, str], list[pl.DataFrame]] = {}
        steps: dict[str, Step] = {}
        for aside in self._open:
            steps[aside.step.uid] = aside.step
            shape = str(aside.frame.schema)
            found.setdefault((aside.step.uid, aside.kind, shape), []).append(self._letters(aside))
        self._open, self._ordinal, self.bytes = [], 0, 0
        return [
            Part(uid, kind, _table(steps[uid].node), pl.concat(frames))
            for (uid, kind, _), frames in found.items()
        ]

    def _letters(self, aside: _Aside) -> pl.DataFrame:
        ordinals = pl.int_range(aside.first, aside.first + aside.frame.height, eager=True)
        frame = letters_frame(aside.frame, ordinals, aside.time_ms)
        again = frame["split"].str.starts_with(AGAIN).fill_null(False)
        if self.origins is None or not again.any():
            return frame
        known = self.origins
        parts = [frame.filter(~again)]
        for (split,), rows in frame.filter(again).group_by("split", maintain_order=True):
            was = known(str(split).removeprefix(AGAIN), rows["offset"])
            parts.append(rows.with_columns(was.get_columns()))
        return pl.concat(parts).sort("ordinal")


def letter_store(settings: Settings) -> LetterStore | None:
    """Return where the letters of a pipeline are kept, or None where they are only counted."""
    address = settings.dead_letters_dir or settings.dead_letters_fallback_dir
    if settings.dead_letters_dir is None and settings.checkpoint_dir is not None:
        address = f"{settings.checkpoint_dir.rstrip('/')}/{FOLDER}"
    if address is None:
        return None
    return LetterStore(
        open_store(address, settings),
        retention_ms=settings.dead_letters_retention_ms,
        bytes_max=settings.dead_letters_bytes_max,
        when_full=settings.dead_letters_when_full,
    )


def _late(step: Step, frame: pl.DataFrame) -> pl.DataFrame:
    if MARK not in frame.columns:
        mark = None if step.mark_ms == LOWEST_MS else step.mark_ms
        frame = frame.with_columns(pl.lit(mark, dtype=pl.Int64).alias(MARK))
    have = set(frame.columns)
    fits = [p for p, below in enumerate(step.node.inputs) if set(below.schema.names) <= have]
    port = fits[0] if len(fits) == 1 else None
    return rejected_rows(frame, "behind the watermark", step.uid, port=port)


def _table(node: Node) -> str | None:
    return node.table.name if isinstance(node, Scan | Write) else None


def _as_output(part: Part) -> pl.DataFrame:
    said: Mapping[str, str | None] = {
        "operator": part.operator,
        "kind": part.kind.value,
        "table": part.table,
    }
    return part.frame.with_columns(
        pl.lit(value, dtype=pl.String).alias("$" + name) for name, value in said.items()
    )


def _of_output(frame: pl.DataFrame) -> Part:
    operator, kind, table = (frame["$" + name][0] for name in _OF_PART)
    return Part(operator, Kind(kind), table, frame.drop("$" + name for name in _OF_PART))
