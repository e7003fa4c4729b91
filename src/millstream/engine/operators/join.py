"""Regular joins: every row of one side meets every row of the other, whenever it comes.

in      port 0 left, port 1 right; rows may be taken back (``$op``)
state   both sides' rows by key (:mod:`millstream.engine.state.arrangement`). A side whose rows are
        also given without a partner (and the left side of SEMI and ANTI) keeps with each row how
        many partners it has that the residual lets pass
out     per input row, in order: its pairs, oldest partner first. Where a partner's first pair
        comes, the partner's row without one is taken back before it; where its last pair goes,
        that row comes back after it. NULL keys meet nothing and are not kept
reject  a pair for which the residual cannot be computed: it is no pair
late    never
ttl     a row not written for so long is not seen any more; nothing is given out for that
source  the pairs follow from (L + dL) x R = L x R + dL x R, one side at a time
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from millstream.columns.frames import filtered, gathered_columns, is_there
from millstream.columns.physical import polars_schema
from millstream.engine.batch import HIDDEN, OP, Batch
from millstream.engine.operator import NOTHING, Lowering, Operator, Outputs, Snapshot, lowers
from millstream.engine.operators.join_kernels import Says, react
from millstream.engine.program import Program
from millstream.engine.stages import Keep
from millstream.engine.state.arena import Arena
from millstream.engine.state.arrangement import (
    Arrangement,
    Needs,
    forget_empty,
    keys_of_sides,
)
from millstream.engine.state.codec import NO_WORDS, nulls
from millstream.engine.state.heap import ByteHeap
from millstream.expr.tree import columns_of
from millstream.plan.joins import Join, JoinKind

PAIRS_MAX = 1 << 20
"""So many candidate pairs are looked at at once, or those of one row."""
PAIR = "$pair"


class RegularJoin(Operator):
    """One running join."""

    def __init__(self, node: Join, lowering: Lowering) -> None:
        self.uid = node.uid
        self._kind = node.kind
        self._updates = any(lowering.changes_in) or node.kind.changes
        self._arena = Arena()
        heap = ByteHeap(self._arena)
        schemas = [dict(polars_schema(side.schema)) for side in node.inputs]
        self._names = tuple(tuple(schema) for schema in schemas)
        self._keys = tuple(tuple(pair[port] for pair in node.keys) for port in (0, 1))
        self._index = keys_of_sides(
            {f"k{i}": schemas[0][name] for i, name in enumerate(self._keys[0])},
            lowering.seed,
            arena=self._arena,
            heap=heap,
        )
        self._says = tuple(_says(node.kind, port) for port in (0, 1))
        self._sides = tuple(
            Arrangement(
                schema,
                self._index,
                port,
                Needs(lowering.changes_in[port], self._says[1 - port].reacts, lowering.ttl_ms),
                lowering.seed,
                arena=self._arena,
                heap=heap,
            )
            for port, schema in enumerate(schemas)
        )
        self._residual = None if node.residual is None else _Residual(node, lowering, self._names)

    def on_batch(self, batch: Batch, port: int = 0) -> Outputs:
        if not len(batch):
            return NOTHING
        frame = batch.frame if batch.frame.n_chunks() == 1 else batch.frame.rechunk()
        weights = batch.weights()
        signs = None if weights is None else weights.astype(np.int64)
        for side in self._sides:
            side.expiry.at_time(batch.read_at_ms)
        owners = self._owners(frame, port)
        out: list[pl.DataFrame] = []
        rejected: list[pl.DataFrame] = []
        partners = np.zeros(frame.height, dtype=np.int64)
        for candidates in self._pieces(owners, port):
            piece = candidates
            if self._residual is not None and piece.rows.size:
                other = self._sides[1 - port]
                piece, bad = self._residual.passing(piece, frame, signs, other, port, batch)
                rejected += bad
            out += self._given(piece, frame, signs, partners, port)
        self._store(frame, owners, signs, partners, port)
        return Outputs(out=tuple(out), rejected=tuple(rejected))

    def snapshot(self) -> Snapshot:
        tables = {name: side.save() for name, side in zip(SIDES, self._sides, strict=True)}
        facts = {} if self._residual is None else self._residual.program.snapshot().facts
        return Snapshot(tables, facts)

    def restore(self, snapshot: Snapshot) -> None:
        for port, (name, side) in enumerate(zip(SIDES, self._sides, strict=True)):
            saved = snapshot.tables[name]
            side.load(saved, self._owners(saved, port))
        if self._residual is not None:
            self._residual.program.restore(Snapshot(facts=snapshot.facts))

    @property
    def state_bytes(self) -> int:
        return self._arena.bytes_used

    @property
    def state_rows(self) -> int:
        return sum(map(len, self._sides))

    @property
    def rows_unmatched(self) -> int:
        """Rows taken back that were not there."""
        return sum(side.rows_unmatched for side in self._sides)

    def _owners(self, frame: pl.DataFrame, port: int) -> np.ndarray:
        """Return the slot of each row's key, -1 where some key column is NULL."""
        # They go by place: one column of a side may equal two of the other.
        keys = [frame[name] for name in self._keys[port]]
        if not any(column.null_count() for column in keys):
            return self._index.upsert_columns(keys, frame.height)[0]
        valid = np.ones(frame.height, dtype=np.bool_)
        for column in keys:
            valid &= is_there(column).to_numpy()
        mask = pl.Series(valid)
        owners = np.full(frame.height, -1, dtype=np.int64)
        keys = [column.filter(mask) for column in keys]
        owners[valid] = self._index.upsert_columns(keys, int(valid.sum()))[0]
        return owners

    def _pieces(self, owners: np.ndarray, port: int) -> Iterator[_Piece]:
        """Cut the batch where its candidate pairs become too many."""
        other = self._sides[1 - port]
        counts = other.count_partners(owners)
        ends = np.cumsum(counts)
        start = 0
        while start < owners.size:
            passed = int(ends[start - 1]) if start else 0
            end = int(np.searchsorted(ends, passed + PAIRS_MAX, side="right"))
            end = max(end, start + 1)
            some = slice(start, end)
            yield _Piece(start, end, *other.pairs(owners[some], counts[some], start))
            start = end

    def _given(
        self,
        piece: _Piece,
        frame: pl.DataFrame,
        signs: np.ndarray | None,
        partners: np.ndarray,
        port: int,
    ) -> list[pl.DataFrame]:
        """Return what a piece of the batch gives; notes how many partners each row has."""
        other, says = self._sides[1 - port], self._says[port]
        if not self._updates and self._kind is JoinKind.INNER:
            if not piece.rows.size:
                return []
            return [pl.DataFrame(self._columns(frame, piece.places, piece.rows, port))]
        kinds = frame[OP].to_numpy() if OP in frame.columns else np.zeros(frame.height, np.int8)
        places, rows, ops = react(
            other.rows.view,
            other.layout,
            says,
            (piece.start, piece.end),
            (piece.places, piece.rows),
            NO_WORDS if signs is None else signs,
            kinds,
            partners,
            other.expiry.now_ms,
        )
        if not places.size:
            return []
        ops_given = [pl.Series(OP, ops)] if self._updates else []
        return [pl.DataFrame([*self._columns(frame, places, rows, port), *ops_given])]

    def _columns(
        self, frame: pl.DataFrame, places: np.ndarray, rows: np.ndarray, port: int
    ) -> list[pl.Series]:
        """Return output rows: a place of the batch beside a row kept; -1 = NULLs there."""
        if not self._kind.gives_right:
            own = port == 0
            return picked(frame, places, self._names[0]) if own else self._sides[0].get(rows)
        mine = picked(frame, places, self._names[port])
        kept = self._sides[1 - port].get(rows)
        return [*mine, *kept] if port == 0 else [*kept, *mine]

    def _store(
        self,
        frame: pl.DataFrame,
        owners: np.ndarray,
        signs: np.ndarray | None,
        partners: np.ndarray,
        port: int,
    ) -> None:
        side = self._sides[port]
        rows = pl.DataFrame([frame[name] for name in self._names[port]])
        if (owners < 0).any():
            keyed = owners >= 0
            rows, owners = filtered(rows, pl.Series(keyed)), owners[keyed]
            partners = partners[keyed]
            signs = None if signs is None else signs[keyed]
        lost = [side.fold(rows, owners, signs, partners)]
        lost += [each.sweep(frame.height) for each in self._sides]
        if any(owners.size for owners in lost):
            forget_empty(self._index, np.concatenate(lost))


@lowers(Join)
def _(node: Join, lowering: Lowering) -> Operator:
    return RegularJoin(node, lowering)


SIDES = ("left", "right")


@dataclass(frozen=True, slots=True)
class _Piece:
    """Rows ``start`` to ``end`` of a batch, and their pairs (place, row of the other side)."""

    start: int
    end: int
    places: np.ndarray
    rows: np.ndarray


class _Residual:
    """What else must be TRUE of a pair."""

    def __init__(self, node: Join, lowering: Lowering, names: tuple[tuple[str, ...], ...]) -> None:
        assert node.residual is not None, "a join without residual"
        self.program = Program(
            (Keep(node.residual),), lowering.ctx, seed=lowering.seed, uid=node.uid
        )
        self._fails = any(stage.fail is not None for stage in self.program.stages)
        read = names[0] + names[1] if self._fails else tuple(columns_of(node.residual))
        self._reads = tuple(tuple(n for n in side if n in read) for side in names)

    def passing(
        self,
        piece: _Piece,
        frame: pl.DataFrame,
        signs: np.ndarray | None,
        other: Arrangement,
        port: int,
        batch: Batch,
    ) -> tuple[_Piece, list[pl.DataFrame]]:
        """Return the pairs that pass, and what was rejected of the pairs that come."""
        hidden = [c for c in frame.columns if c in HIDDEN[2:]] if self._fails else []
        own = picked(frame, piece.places, self._reads[port])
        kept = other.get(piece.rows, self._reads[1 - port])
        sides = [*own, *kept] if port == 0 else [*kept, *own]
        places = picked(frame, piece.places, tuple(hidden))
        asked = pl.DataFrame([*sides, *places, pl.Series(PAIR, np.arange(piece.rows.size))])
        if signs is None or not self._fails:
            found, rejected = self._run(asked, batch)
        else:
            comes = signs[piece.places] > 0
            found, rejected = self._run(asked.filter(comes), batch)
            # A pair that failed was rejected when it came.
            goes, _ = self._run(asked.filter(~comes), batch)
            found = np.sort(np.concatenate([found, goes]))
        return _Piece(piece.start, piece.end, piece.places[found], piece.rows[found]), rejected

    def _run(self, asked: pl.DataFrame, batch: Batch) -> tuple[np.ndarray, list[pl.DataFrame]]:
        given = self.program.on_batch(batch.with_frame(asked))
        found = [f[PAIR].to_numpy() for f in given.out]
        return np.concatenate(found) if found else NO_WORDS, list(given.rejected)


def picked(frame: pl.DataFrame, places: np.ndarray, names: tuple[str, ...]) -> list[pl.Series]:
    """Return columns of some rows of a frame; place -1 is NULL."""
    columns = [frame[name] for name in names]
    if places.size == frame.height and (places == np.arange(places.size)).all():
        return columns
    if not places.size or places.min() >= 0:
        return gathered_columns(columns, places)
    there = places >= 0
    found = gathered_columns(columns, np.where(there, places, 0))
    mask = pl.Series(there)
    return [column.zip_with(mask, nulls(column.dtype, len(column))) for column in found]


def _says(kind: JoinKind, port: int) -> Says:
    """Return what a row of ``port`` gives, beside its pairs and by them."""
    if not kind.gives_right:
        own = 0 if port == 1 else (1 if kind is JoinKind.SEMI else -1)
        theirs = 0 if port == 0 else (1 if kind is JoinKind.SEMI else -1)
        return Says(pairs=0, own=own, theirs=theirs)
    fills = (kind.fills_right, kind.fills_left)
    return Says(pairs=1, own=-fills[port], theirs=-fills[1 - port])
