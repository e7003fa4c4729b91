"""Finds the rows that no step can bear, and sets them aside.

in      where the run before failed (:class:`Suspicion`), and the blocks of rows as they are taken
state   how many rows of each split were ever taken (:class:`Tally`), kept in every epoch
out     what the good rows of a block give; a row that fails alone goes to ``rejected`` of its
        scan, with the exception and the step as reason, and its mark counts as if it had been read
how     before a suspicious block the state is copied; where the block fails, a fresh graph takes
        the copy back and halves are tried, until single rows stand alone
bad     what is no row's fault (a timer that fails whatever row comes, a row refused by policy) is
        raised; more than ``ROWS_ASIDE_MAX`` such rows in one epoch are a broken step, not bad rows
cost    nothing until something failed; then a copy of the state per piece that succeeds
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial
from traceback import walk_tb

import polars as pl

from millstream.engine.batch import OFFSET, SPLIT
from millstream.engine.graph import Counters, Delivery, Graph
from millstream.engine.marks import SplitMarks
from millstream.engine.operator import Operator, Snapshot
from millstream.engine.rejects import rejected_rows
from millstream.engine.scan import Block, ScanStage
from millstream.errors import JobError, MillstreamError

ROWS_ASIDE_MAX = 1_000
REASON_CHARS_MAX = 500

SplitId = tuple[str, str]
"""A scan and one of its splits."""
Rows = dict[SplitId, tuple[int, int]]
"""Per split the rows from one number up to another."""


@dataclass(frozen=True, slots=True)
class Suspicion:
    """Which rows are to be taken with care; None = all of them, until an epoch after ``epoch``."""

    epoch: int
    rows: Rows | None

    def concerns(self, split: SplitId, first: int, last: int) -> bool:
        """Tell whether some of the rows from ``first`` up to ``last`` are suspicious."""
        if self.rows is None:
            return True
        begin, end = self.rows.get(split, (0, 0))
        return first < end and last > begin

    def is_over(self, tally: Tally, epoch: int) -> bool:
        """Tell whether all suspicious rows are behind us, ``epoch`` being durable."""
        if self.rows is None:
            return epoch > self.epoch
        return all(tally.taken(split) >= last for split, (_, last) in self.rows.items())


class Tally:
    """Counts the rows taken from each split since the pipeline's first start."""

    def __init__(self, taken: Mapping[str, Mapping[str, int]] | None = None) -> None:
        said = taken or {}
        self._taken = {(s, p): rows for s, splits in said.items() for p, rows in splits.items()}
        self._turn: dict[SplitId, int] | None = None

    def taken(self, split: SplitId) -> int:
        """Return how many rows of a split were taken."""
        return self._taken.get(split, 0)

    def to_json(self) -> dict[str, dict[str, int]]:
        """Return the counts as an epoch keeps them."""
        said: dict[str, dict[str, int]] = {}
        for (scan, split), rows in self._taken.items():
            said.setdefault(scan, {})[split] = rows
        return said

    @property
    def is_pushing(self) -> bool:
        """Whether a turn with rows is under way: after a failure, whether it came from one."""
        return self._turn is not None

    def begin(self) -> None:
        """A turn begins: what is taken from now on is what may make it fail."""
        self._turn = dict(self._taken)

    def done(self) -> None:
        """The turn went well."""
        self._turn = None

    def take(self, split: SplitId, rows: int) -> int:
        """Count rows; returns the number of the first."""
        first = self._taken.get(split, 0)
        self._taken[split] = first + rows
        return first

    def suspicion(self, epoch: int, *, everywhere: bool) -> Suspicion:
        """Return what the turn under way took."""
        if everywhere or self._turn is None:
            return Suspicion(epoch, None)
        before = ((split, self._turn.get(split, 0), last) for split, last in self._taken.items())
        return Suspicion(epoch, {s: (first, last) for s, first, last in before if last > first})


@dataclass(frozen=True, slots=True)
class _Saved:
    """All that a turn changes in a graph."""

    operators: dict[str, Snapshot]
    marks: dict[str, int]
    scans: list[tuple[SplitMarks, bool]]
    counts: list[Counters]


class Isolation:
    """Pushes blocks through a graph such that a row which fails does so alone.

    ``fresh`` makes another graph of the same plan, without state.
    """

    def __init__(self, graph: Graph, fresh: Callable[[], Graph]) -> None:
        self._graph = graph
        self._fresh = fresh
        self.rows_aside = 0

    def push(self, index: int, block: Block, now_ms: int) -> Iterator[list[Delivery]]:
        """Push a block of a scan piece by piece; yields what each piece gave.

        Whoever asks for the next piece has seen to it that no row waits for an answer: a fresh
        graph would not know of the question.
        """
        todo = [block]
        saved: _Saved | None = None
        # A stack and not a recursion: first halves come first, so that rows keep their order.
        while todo:
            assert not self._graph.is_waiting, "rows wait for answers while others are tried"
            part = todo.pop()
            saved = saved or self._copied()
            try:
                got = self._tried(index, part, now_ms)
            except BaseException as error:
                if not is_of_a_row(error) or not part.frame.height:
                    raise
                self._put_back(saved)
                if part.frame.height > 1:
                    todo += cut(part, part.frame.height // 2)[::-1]
                    continue
                got = self._set_aside(index, part, now_ms, error)
            saved = None
            yield got

    def aside(self, index: int, block: Block, now_ms: int, reason: str) -> list[Delivery]:
        """Reject the rows of a block without showing them to any step."""
        stage = self._graph.stages[index]
        with suppress(Exception):  # the mark counts, if the scan itself can bear the row
            stage.turn([block], now_ms)
        self.rows_aside += block.frame.height
        if self.rows_aside > ROWS_ASIDE_MAX:
            raise JobError(
                f"More than {ROWS_ASIDE_MAX} rows failed alone: {reason}.",
                hint="So many bad rows are a broken function. Mend it and start again: the "
                "pipeline goes on from its checkpoint, and these rows are read once more.",
            )
        rejected = rejected_rows(_placed(block), reason, stage.uid, port=0)
        return self._graph.turn(index, stage.turn((), now_ms).batch, [rejected])

    def _tried(self, index: int, part: Block, now_ms: int) -> list[Delivery]:
        """Push rows; what falls aside is told only where the whole push succeeds."""
        graph = self._graph
        told: list[Callable[[], None]] = []
        on_aside, on_rejected = graph.on_aside, graph.on_rejected
        if on_aside is not None:
            graph.on_aside = lambda *given: told.append(partial(on_aside, *given))
        if on_rejected is not None:
            graph.on_rejected = lambda rows: told.append(partial(on_rejected, rows))
        try:
            scanned = graph.scanned(index, [part], now_ms)
            got = graph.turn(index, scanned.batch, scanned.rejected)
        finally:
            graph.on_aside, graph.on_rejected = on_aside, on_rejected
        for tell in told:
            tell()
        return got

    def _set_aside(
        self, index: int, row: Block, now_ms: int, error: BaseException
    ) -> list[Delivery]:
        """Reject a row that failed alone, unless what fails is not its fault."""
        step = step_of(error) or self._graph.stages[index].uid
        try:
            return self.aside(index, row, now_ms, reason_of(error, step))
        except BaseException as other:
            if not is_of_a_row(other):
                raise
            raise JobError(
                f"The step '{step}' fails whatever row comes: {type(other).__name__}: {other}.",
                where=step_of(other),
                hint="It fails without the row too, where only time goes on. Mend the function; "
                "the pipeline goes on from its checkpoint.",
            ) from other

    def _copied(self) -> _Saved:
        graph = self._graph
        return _Saved(
            graph.snapshots(),
            graph.marks(),
            [(deepcopy(stage.marks), stage.final) for stage in graph.stages],
            [replace(step.count) for step in graph.steps],
        )

    def _put_back(self, saved: _Saved) -> None:
        """Give the graph the state it had, in steps that never saw what came since."""
        graph, fresh = self._graph, self._fresh()
        fresh.restore(saved.operators, saved.marks)
        for step, new, count in zip(graph.steps, fresh.steps, saved.counts, strict=True):
            step.operator, step.mark_ms = new.operator, new.mark_ms
            step.passed_ms, step.held = new.passed_ms, new.held
            step.count = replace(count)
        for stage, (marks, final) in zip(graph.stages, saved.scans, strict=True):
            stage.marks, stage.final = deepcopy(marks), final
        graph.forget_turn()


def is_of_a_row(error: BaseException) -> bool:
    """Tell whether an error may come from a row: not from a policy, a user's wish or the world."""
    return not isinstance(error, MillstreamError | KeyboardInterrupt | SystemExit | GeneratorExit)


def step_of(error: BaseException) -> str | None:
    """Return the id of the step in which an error arose, from its traceback."""
    found: str | None = None
    for frame, _ in walk_tb(error.__traceback__):
        here = frame.f_locals.get("self")
        if isinstance(here, Operator | ScanStage) and here.uid:
            found = here.uid
    return found


def reason_of(error: BaseException, step: str) -> str:
    """Return why a row was set aside, in one line."""
    text = " ".join(str(error).split())
    return f"step '{step}' failed: {type(error).__name__}: {text}"[:REASON_CHARS_MAX]


def cut(block: Block, at: int) -> list[Block]:
    """Cut a block before a row; undecodable documents stay with the first part."""
    rows = block.frame.height
    offsets = block.offsets
    return [
        Block(
            block.split,
            block.frame.slice(first, last - first),
            block.rejected if not first else None,
            None if offsets is None else offsets.slice(first, last - first),
        )
        for first, last in ((0, at), (at, rows))
        if last > first
    ]


def _placed(block: Block) -> pl.DataFrame:
    """Return the rows as the reader gave them, with their split and offset."""
    offsets = block.offsets
    if offsets is None:
        offsets = pl.Series([None], dtype=pl.Int64).new_from_index(0, block.frame.height)
    return block.frame.with_columns(
        pl.lit(block.split).alias(SPLIT), offsets.cast(pl.Int64).alias(OFFSET)
    )
