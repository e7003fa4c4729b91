"""Lookup joins: each row asks a table outside for its partners, as they are when the answer comes.

in      append-only batches
state   the rows whose answers have not come, by ask: one ask per batch, with its different keys
out     pairs in the order of the batch's rows, of one row in the order of the answer; LEFT gives
        rows without partner with NULLs. NULL keys are not asked for, and meet nothing. Columns of
        the processing time are those of the answer
late    never: rows keep the mark they came under, and marks wait behind them
reject  a row whose key cannot be computed; a pair whose condition cannot be, which is no match
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import polars as pl

from millstream.columns.physical import polars_type
from millstream.engine.batch import HIDDEN, MARK, Batch
from millstream.engine.lookups import TableResolver
from millstream.engine.marks import LOWEST_MS
from millstream.engine.operator import (
    NOTHING,
    Ask,
    Asking,
    Lowering,
    Operator,
    Outputs,
    Resolver,
    Snapshot,
    lowers,
)
from millstream.engine.operators.join_rows import LEFT, JoinRows, pairs_of
from millstream.engine.program import Program
from millstream.engine.stages import Compute
from millstream.expr.tree import Column, Expr, Named
from millstream.plan.joins import JoinKind, LookupJoin
from millstream.ports.lookup import ASK
from millstream.types import Field, Schema

KEY, NUMBER = "$key", "$number"
"""Before the number of a key column beside its row; the ask a saved row belongs to."""


@dataclass(slots=True)
class _Open:
    """Rows that wait, with their keys, and for each the place of its key in the ask (-1: none)."""

    rows: pl.DataFrame
    places: np.ndarray
    asked: pl.DataFrame


class LookupPairs(Asking):
    """One running lookup join."""

    def __init__(self, node: LookupJoin, lowering: Lowering) -> None:
        self.uid = node.uid
        self._node = node
        self._kind = node.kind
        self._lowering = lowering
        own, found = node.input.schema, node.table.schema
        given = Schema(tuple(Field(new, found.type_of(name)) for name, new in node.names))
        self._names = own.names
        self._rows = JoinRows((own, given), node.kind, node.residual, lowering, node.uid)
        self._answer = dict(node.names)
        self._clocks = tuple(c for c in lowering.facts_in[0].clocks if c in own.names)
        self._clock_types = {c: polars_type(own.type_of(c)) for c in self._clocks}
        # Two equations with one column: what both say must be equal, else there is no key.
        self._columns = tuple(dict.fromkeys(column for _, column in node.on))
        exprs = tuple(Named(f"{KEY}{i}", expr) for i, (expr, _) in enumerate(node.on))
        self._keys = _KeyColumns(exprs, own, lowering, node.uid)
        self._open: dict[int, _Open] = {}
        self._new: list[int] = []
        self._made = 0

    def on_batch(self, batch: Batch, port: int = 0) -> Outputs:
        assert port == 0, "a lookup join has one input"
        if not batch.frame.height:
            return NOTHING
        rows, rejected = self._keys.beside(batch)
        if rows.height:
            self._made += 1
            self._wait(self._made, rows)
        return Outputs(rejected=rejected) if rejected else NOTHING

    def resolver(self) -> Resolver:
        return TableResolver.of(self._node, self._columns, self._lowering)

    def asks(self) -> list[Ask]:
        made, self._new = self._new, []
        return [Ask(number, self._open[number].asked) for number in made]

    def on_reply(self, number: int, reply: pl.DataFrame, read_at_ms: int) -> Outputs:
        waited = self._open.pop(number)
        rows = waited.rows.drop([c for c in waited.rows.columns if c.startswith(KEY)])
        if self._clocks:
            stamp = pl.lit(read_at_ms).cast(pl.Datetime("ms", "UTC"))
            rows = rows.with_columns(stamp.cast(t).alias(c) for c, t in self._clock_types.items())
        at_left, at_right = matches(waited.places, reply[ASK].to_numpy(), waited.asked.height)
        found = reply.select(ASK, *(pl.col(name).alias(new) for name, new in self._answer.items()))
        pairs, rejected = self._rows.passed(pairs_of(rows, found, at_left, at_right), read_at_ms)
        out = self._given(rows, pairs)
        return Outputs(out=(out,) if out.height else (), rejected=rejected)

    @property
    def asks_made(self) -> int:
        return self._made

    @property
    def asks_open(self) -> Collection[int]:
        return self._open.keys()

    def snapshot(self) -> Snapshot:
        if not self._open:
            return Snapshot()
        saved = [w.rows.with_columns(pl.lit(n).alias(NUMBER)) for n, w in self._open.items()]
        return Snapshot({"waiting": pl.concat(saved, how="diagonal")})

    def restore(self, snapshot: Snapshot) -> None:
        if "waiting" not in snapshot.tables:
            return
        saved = snapshot.tables["waiting"]
        if MARK in saved.columns:  # some asks had rows behind their mark, others had not
            saved = saved.with_columns(pl.col(MARK).fill_null(LOWEST_MS))
        # Asks get new numbers: what the others were called matters to nobody any more.
        for rows in saved.partition_by(NUMBER, maintain_order=True, include_key=False):
            self._made += 1
            self._wait(self._made, rows)

    @property
    def state_bytes(self) -> int:
        return sum(int(w.rows.estimated_size()) for w in self._open.values())

    @property
    def state_rows(self) -> int:
        return sum(w.rows.height for w in self._open.values())

    def _wait(self, number: int, rows: pl.DataFrame) -> None:
        """Keep rows until their keys are answered."""
        keys = self._keys.asked(rows, self._node.on, self._columns)
        places, asked = distinct(keys)
        self._open[number] = _Open(rows, places, asked)
        self._new.append(number)

    def _given(self, rows: pl.DataFrame, pairs: pl.DataFrame) -> pl.DataFrame:
        hidden = [h for h in HIDDEN if h in rows.columns]
        if self._kind is JoinKind.INNER:
            return self._rows.given(pairs, *hidden)
        met = np.zeros(rows.height, dtype=np.bool_)
        met[pairs[LEFT].to_numpy()] = True
        if met.all():
            return self._rows.given(pairs, *hidden)
        alone = pl.Series(LEFT, np.flatnonzero(~met))
        lonely = rows.filter(pl.Series(~met)).with_columns(alone)
        both = [
            self._rows.given(pairs, *hidden, LEFT),
            self._rows.left_alone(lonely, *hidden, LEFT),
        ]
        return pl.concat(both).sort(LEFT, maintain_order=True).drop(LEFT)


@lowers(LookupJoin)
def _(node: LookupJoin, lowering: Lowering) -> Operator:
    return LookupPairs(node, lowering)


class _KeyColumns:
    """Computes what is asked for beside the rows."""

    def __init__(self, exprs: tuple[Named, ...], own: Schema, lowering: Lowering, uid: str) -> None:
        kept = (Named(f.name, Column(f.name, type=f.type)) for f in own)
        stage = Compute((*kept, *exprs))
        self._program = Program((stage,), lowering.ctx, seed=lowering.seed, uid=uid, port=0)

    def beside(self, batch: Batch) -> tuple[pl.DataFrame, tuple[pl.DataFrame, ...]]:
        """Return the rows with their keys, and those rejected."""
        made = self._program.on_batch(batch)
        return made.out[0] if made.out else batch.frame.clear(), made.rejected

    def asked(
        self, rows: pl.DataFrame, on: tuple[tuple[Expr, str], ...], columns: tuple[str, ...]
    ) -> pl.DataFrame:
        """Return the key of each row, NULL where it has none."""
        said: dict[str, list[pl.Expr]] = {column: [] for column in columns}
        for i, (_, column) in enumerate(on):
            said[column].append(pl.col(f"{KEY}{i}"))
        return rows.select(
            pl.when(pl.all_horizontal(first == other for other in others)).then(first).alias(name)
            if others
            else first.alias(name)
            for name, (first, *others) in said.items()
        )


def distinct(keys: pl.DataFrame) -> tuple[np.ndarray, pl.DataFrame]:
    """Return the place of each row's key among the different ones, -1 for NULL, and these."""
    able = keys.select(pl.all_horizontal(pl.all().is_not_null())).to_series()
    numbered = keys.with_row_index("$row").filter(able)
    different = numbered.group_by(keys.columns, maintain_order=True).agg(pl.col("$row"))
    places = np.full(keys.height, -1, dtype=np.int64)
    lengths = different["$row"].list.len().to_numpy()
    rows = different["$row"].explode(empty_as_null=False).to_numpy()
    places[rows] = np.repeat(np.arange(different.height), lengths)
    return places, different.select(keys.columns)


def matches(places: np.ndarray, answers: np.ndarray, keys: int) -> tuple[np.ndarray, np.ndarray]:
    """Return pairs (row, row of the answer): rows in order, then answers in theirs."""
    order = np.argsort(answers, kind="stable")
    counts = np.bincount(answers, minlength=keys + 1)
    starts = np.cumsum(counts) - counts
    # Rows without a key count as those of a key nobody answered.
    each = counts[np.where(places < 0, keys, places)]
    left = np.repeat(np.arange(places.size), each)
    begins = np.cumsum(each) - each
    nth = np.arange(left.size) - np.repeat(begins, each)
    return left, order[starts[places[left]] + nth]
