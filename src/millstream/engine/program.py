"""A chain of filters and projections, fused into as few Polars calls as its failures allow.

in      any batches; ``$op``, ``$mark`` and the other hidden columns ride along
state   a counter of input rows, only where an expression draws random bits
out     the rows that pass, with the columns of the last projection
reject  a row whose expression cannot be computed, as it came in: before the first of the chain
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from millstream.columns.frames import (
    FEW_ROWS,
    computed,
    filtered,
    framed,
    is_there,
    picked,
    without,
)
from millstream.engine.batch import HIDDEN, Batch
from millstream.engine.evaluate import lower
from millstream.engine.functions import DRAW, NOW, Context, Fail, Lowered
from millstream.engine.operator import NOTHING, Operator, Outputs, Snapshot
from millstream.engine.rejects import rejected_rows
from millstream.engine.sharing import sharing
from millstream.engine.stages import Add, Compute, Keep, Stage
from millstream.expr.tree import Call, Column, Expr, UdfCall

if TYPE_CHECKING:
    from polars.expr.whenthen import ChainedThen, Then

AT = "$at"
"""Which row of the batch a row is made of, where a stage behind the first can fail."""
FAIL = "$fail"
KEEP = "$keep"


class Program(Operator):
    """The fused chain; ``port``: rejected rows are rows of this input of the step ``uid``."""

    def __init__(
        self,
        stages: tuple[Stage, ...],
        ctx: Context,
        *,
        seed: int,
        uid: str,
        port: int | None = None,
    ) -> None:
        self.uid = uid
        links = sharing(stages, lambda expr: bool(lower(expr, ctx).fails))
        self.stages = _sparing([_LoweredStage.of(stage, ctx) for stage in links])
        self._few = _in_one_query(self.stages)
        self.can_fail = any(stage.fail is not None for stage in self.stages)
        self._numbered = any(stage.fail is not None for stage in self.stages[1:])
        self._port = port
        self._turn = ctx.turn
        self._seed = np.uint64((seed ^ zlib.crc32(uid.encode())) & (2**64 - 1))
        self._wants = frozenset().union(*(s.reads for s in self.stages)) & {NOW, DRAW}
        self._rows = 0

    def on_batch(self, batch: Batch, port: int = 0) -> Outputs:
        assert port == 0, "a program has one input"
        frame = batch.frame
        if not frame.height:
            return NOTHING
        frame = self._with_ambient(frame, batch.read_at_ms) if self._wants else frame
        if self._numbered and AT not in frame.columns:
            frame = frame.with_row_index(AT)
        hidden = tuple(c for c in (*HIDDEN, NOW, DRAW, AT) if c in frame.columns)
        rejected: list[pl.DataFrame] = []
        for stage in self._few if frame.height <= FEW_ROWS else self.stages:
            self._turn.number += 1
            frame, bad = stage.run(frame, hidden)
            if bad is not None:
                rejected.append(self._as_it_came(bad, batch.frame))
        leave = self._wants if AT in batch.frame.columns else {*self._wants, AT}
        frame = without(frame, leave)
        return Outputs(out=(frame,) if frame.height else (), rejected=tuple(rejected))

    @property
    def may_reject(self) -> bool:
        return self.can_fail

    def snapshot(self) -> Snapshot:
        return Snapshot(facts={"rows": self._rows} if DRAW in self._wants else {})

    def restore(self, snapshot: Snapshot) -> None:
        self._rows = int(snapshot.facts.get("rows", 0))

    def _as_it_came(self, bad: _Bad, came: pl.DataFrame) -> pl.DataFrame:
        rows = bad.rows
        if self._numbered and AT not in came.columns:
            rows = came[rows[AT]]
        return rejected_rows(rows, bad.reasons, self.uid, port=self._port)

    def _with_ambient(self, frame: pl.DataFrame, read_at_ms: int) -> pl.DataFrame:
        added: list[pl.Series] = []
        if NOW in self._wants:
            now = pl.Series(NOW, [read_at_ms], dtype=pl.Int64).cast(pl.Datetime("ms", "UTC"))
            added.append(now.new_from_index(0, frame.height))
        if DRAW in self._wants:
            at = np.arange(self._rows, self._rows + frame.height, dtype=np.uint64)
            added.append(pl.Series(DRAW, _splitmix(at, self._seed)))
            self._rows += frame.height
        return frame.hstack(added)


@dataclass(frozen=True, slots=True)
class _Bad:
    """Rows that a stage could not compute, as they came to it."""

    rows: pl.DataFrame
    reasons: pl.Series


@dataclass(frozen=True, slots=True)
class _Column:
    """A column of the output; ``source`` is the one of the input that it is, where it is one."""

    name: str
    value: pl.Expr
    source: str | None = None

    @classmethod
    def of(cls, name: str, expr: Expr, lowered: Lowered) -> _Column:
        source = expr.name if isinstance(expr, Column) else None
        return cls(name, lowered.value.alias(name), source)


@dataclass(frozen=True, slots=True)
class _LoweredStage:
    """One stage as Polars expressions; ``fail`` is a String, the reason, or None.

    A stage with a predicate and columns computes both over all rows, then keeps those that pass.
    """

    predicate: pl.Expr | None
    columns: tuple[_Column, ...]
    fail: pl.Expr | None
    reads: frozenset[str]
    only_paths: bool
    """Whether each column is one of the input, or a field of one: nothing is computed."""
    adds: bool = False
    """Whether the columns stand beside those that came."""
    leaves: frozenset[str] | None = None
    """The columns that somebody reads behind a predicate; None = all of them."""
    calls_user: bool = False
    """Whether a function of the user is called, which is asked for rows that pass alone."""

    @classmethod
    def of(cls, stage: Stage, ctx: Context) -> _LoweredStage:
        predicate: pl.Expr | None = None
        columns: tuple[_Column, ...] = ()
        paths = False
        if isinstance(stage, Keep):
            lowered = [lower(stage.predicate, ctx)]
            predicate = lowered[0].value.alias(KEEP)
        elif isinstance(stage, Add):
            lowered = [lower(stage.column.expr, ctx)]
            columns = (_Column.of(stage.column.name, stage.column.expr, lowered[0]),)
        else:
            lowered = [lower(c.expr, ctx) for c in stage.columns]
            pairs = zip(stage.columns, lowered, strict=True)
            columns = tuple(_Column.of(c.name, c.expr, low) for c, low in pairs)
            paths = bool(columns) and all(_is_path(c.expr) for c in stage.columns)
        fail = reason_of(lowered)
        parts = [low.value for low in lowered] + ([] if fail is None else [fail])
        reads = frozenset(name for part in parts for name in part.meta.root_names())
        exprs = (c.expr for c in stage.columns) if isinstance(stage, Compute) else ()
        user = any(isinstance(part, UdfCall) for expr in exprs for part in expr.walk())
        adds = isinstance(stage, Add)
        fail = None if fail is None else fail.alias(FAIL)
        return cls(predicate, columns, fail, reads, paths, adds, calls_user=user)

    @property
    def is_mask(self) -> bool:
        """Whether it only says which rows pass, row by row."""
        if self.predicate is None or self.fail is not None:
            return False
        return bool(self.predicate.meta.root_names())

    @property
    def may_see_all(self) -> bool:
        """Whether it may be computed over rows that a filter before it would take away."""
        alone = self.predicate is None and self.fail is None and not self.adds
        return alone and bool(self.columns) and not self.calls_user

    def behind(self, mask: _LoweredStage) -> _LoweredStage:
        """Return the stage that computes what this one does, of rows that pass a mask."""
        return replace(self, predicate=mask.predicate, reads=self.reads | mask.reads)

    def run(self, frame: pl.DataFrame, hidden: tuple[str, ...]) -> tuple[pl.DataFrame, _Bad | None]:
        """Return the rows that pass, and those that cannot be computed."""
        if self.fail is not None and frame.height:
            return self._split(frame, self.fail, hidden)
        if self.predicate is not None:
            return self._passing(frame, self.predicate, hidden), None
        if self.adds:
            return frame.hstack(computed(frame, [c.value for c in self.columns])), None
        own = [c.value for c in self.columns if c.source is None]
        return self._made(frame, computed(frame, own), hidden), None

    def _made(
        self, frame: pl.DataFrame, own: Sequence[pl.Series], hidden: tuple[str, ...]
    ) -> pl.DataFrame:
        """Return the columns and what is hidden; no query is made for a column that is there."""
        made = iter(own)
        columns = [
            next(made) if c.source is None else frame[c.source].alias(c.name) for c in self.columns
        ]
        return framed([*columns, *(frame[h] for h in hidden)])

    def _passing(
        self, frame: pl.DataFrame, predicate: pl.Expr, hidden: tuple[str, ...]
    ) -> pl.DataFrame:
        own = [c.value for c in self.columns if c.source is None]
        mask, *made = computed(frame, [predicate, *own])
        left = frame
        if self.columns:
            left = self._made(frame, made, hidden)
        elif self.leaves is not None:
            left = picked(frame, [c for c in frame.columns if c in self.leaves or c in hidden])
        return filtered(left, mask)

    def _split(
        self, frame: pl.DataFrame, fail: pl.Expr, hidden: tuple[str, ...]
    ) -> tuple[pl.DataFrame, _Bad | None]:
        """Compute values and failures over the same rows at once, then part the rows.

        Values computed again for the rows that are left would ask a user's function twice.
        """
        own = [c.value for c in self.columns if c.source is None]
        reasons, *made = computed(
            frame, [fail, *([] if self.predicate is None else [self.predicate]), *own]
        )
        bad = None
        if reasons.null_count() < frame.height:
            failed = is_there(reasons)
            bad = _Bad(filtered(frame, failed), reasons.filter(failed))
            frame = filtered(frame, ~failed)
            made = [column.filter(~failed) for column in made]
        if self.predicate is not None:
            return filtered(frame, made[0]), bad
        return self._made(frame, made, hidden), bad


def _sparing(stages: Sequence[_LoweredStage]) -> tuple[_LoweredStage, ...]:
    """Let filters gather only what is read behind them.

    Of a wide ROW that may be one field: it is taken out first, which costs nothing.
    """
    spared: list[_LoweredStage] = []
    reads: frozenset[str] | None = None
    for stage in reversed(stages):
        behind = spared[-1] if spared else None
        if stage.is_mask and behind is not None and behind.only_paths and behind.may_see_all:
            spared[-1] = behind.behind(stage)
            reads = spared[-1].reads
            continue
        # Without any column a frame would forget how many rows it has.
        spared.append(replace(stage, leaves=reads or None) if stage.is_mask else stage)
        if stage.predicate is None and not stage.adds:
            reads = stage.reads
        elif reads is not None:
            reads |= stage.reads
    return tuple(reversed(spared))


def _in_one_query(stages: Sequence[_LoweredStage]) -> tuple[_LoweredStage, ...]:
    """Let filters of few rows be computed together with the columns behind them.

    A query costs more than the values of a few rows that do not pass.
    """
    found: list[_LoweredStage] = []
    for stage in stages:
        if found and found[-1].is_mask and not found[-1].columns and stage.may_see_all:
            found[-1] = stage.behind(found[-1])
        else:
            found.append(stage)
    return tuple(found)


def _is_path(expr: Expr) -> bool:
    if isinstance(expr, Call) and expr.function == "FIELD":
        return _is_path(expr.args[0])
    return isinstance(expr, Column)


def reason_of(lowered: list[Lowered]) -> pl.Expr | None:
    """Return the first failure's reason per row, or None where nothing can fail."""
    fails: list[Fail] = [f for low in lowered for f in low.fails]
    if not fails:
        return None
    reason: Then | ChainedThen = pl.when(fails[0].when).then(fails[0].text)
    for fail in fails[1:]:
        reason = reason.when(fail.when).then(fail.text)
    return reason.otherwise(pl.lit(None, dtype=pl.String))


def _splitmix(at: np.ndarray, seed: np.uint64) -> np.ndarray:
    """Random bits of each position (splitmix64, Steele et al., OOPSLA 2014)."""
    with np.errstate(over="ignore"):
        z = (at + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15) + seed
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))
