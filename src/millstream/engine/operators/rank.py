"""Top-N: the first rows of each partition in some order, kept up to date.

in      any batches; rows may be taken back (``$op``)
state   per partition its rows in order: of appended rows only those that are among the first, of
        changing rows all, because one that goes makes room for the next
out     per batch first the rows that left their rank (-U where the rank stays, else -D), then
        those that have it now (+U, +I), partitions in first-touch order. Without the rank in the
        result only rows that enter or leave. For readers that keep the newest row per key the -U
        are left out
ties    appended rows that are equal in the order: the older first. Changing rows: by their other
        columns (NULLs lowest), because when a row came depends on how changes were merged
late    never
ttl     a partition not written for so long is forgotten, without any output
bad     a row taken back that never came is counted in ``rows_unmatched``
"""

from __future__ import annotations

import numpy as np
import polars as pl

from millstream.columns.physical import polars_schema
from millstream.engine.batch import OP, Batch, Op
from millstream.engine.operator import NOTHING, Lowering, Operator, Outputs, Snapshot, lowers
from millstream.engine.operators.rank_best import BestPerKey
from millstream.engine.operators.rank_first import FirstInTime
from millstream.engine.state import top, treap
from millstream.engine.state.arena import Arena
from millstream.engine.state.codec import NO_WORDS, face
from millstream.engine.state.hash_table import HashTable
from millstream.engine.state.heap import ByteHeap
from millstream.engine.state.kept_rows import KeptRows, scatter_words
from millstream.engine.state.key_index import KeyIndex
from millstream.engine.state.order import SortWords
from millstream.engine.state.slots import SlotRows, gather_words
from millstream.plan.ranks import Rank, RankKind

KINDS = {
    RankKind.ROW_NUMBER: top.ROW_NUMBER,
    RankKind.RANK: top.RANK,
    RankKind.DENSE_RANK: top.DENSE_RANK,
}
HASHES = 2
SWEPT_MIN = 64
"""Partitions looked at for their age, at least, per batch."""


class TopRows(Operator):
    """One running top-N."""

    def __init__(self, node: Rank, lowering: Lowering) -> None:
        schema = dict(polars_schema(node.input.schema))
        self._names = node.input.schema.names
        self._partition = node.partition
        self._number = node.number
        self._changes = lowering.changes_in[0]
        self._upsert_out = lowering.upsert_out
        self._ttl_ms = lowering.ttl_ms
        self._wanted = top.Wanted(KINDS[node.kind], node.first, node.last, node.number is not None)
        self._paired = node.kind is RankKind.ROW_NUMBER and (
            node.number is not None or node.last == 1
        )
        self._arena = Arena()
        heap = self._heap = ByteHeap(self._arena)
        self._index = KeyIndex(
            {name: schema[name] for name in node.partition},
            lowering.seed,
            arena=self._arena,
            heap=heap,
            extra_words=top.TOP_WORDS,
        )
        self._sort = SortWords(node.by, schema, heap)
        self._values = KeptRows(
            {name: schema[name] for name in self._names if name not in node.partition}, heap
        )
        at = top.ROW_WORDS + (HASHES if self._changes else 0)
        self._sort_at = at
        self._rows = SlotRows(self._arena, at + self._sort.words + self._values.words)
        self._values.settle(self._rows, at + self._sort.words)
        ties = self._values.ties() if self._changes else np.zeros((0, 4), dtype=np.int64)
        self._order = treap.Order(at, self._sort.marks, ties)
        self._hashes = HashTable(self._arena, self._rows, lowering.seed) if self._changes else None
        self._seeds = (lowering.seed & 0xFFFFFFFF, (lowering.seed >> 32) & 0xFFFFFFFF or 1)
        self._made = NO_WORDS
        self._turn = 0
        self._swept = 0
        self.rows_unmatched = 0

    def on_batch(self, batch: Batch, port: int = 0) -> Outputs:
        assert port == 0, "a rank has one input"
        frame = batch.frame
        if not frame.height:
            return NOTHING
        self._turn += 1
        self._sweep(batch.read_at_ms, frame.height)
        owners, _ = self._index.upsert(frame.select(self._partition))
        self._stamp(owners, batch.read_at_ms)
        if self._changes:
            touched, gone = self._take_changes(frame, owners, batch.weights())
        else:
            touched, gone = self._take_appended(frame, owners)
        out = self._tell(frame, touched, gone)
        return Outputs(out=(out,)) if out is not None and out.height else NOTHING

    # ------------------------------------------------------------------ rows

    def _take_appended(
        self, frame: pl.DataFrame, owners: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        sort = self._sort.encode(frame)
        rows = self._rows.ensure(frame.height)
        touched, refused, self._made, lost = top.add_appended(
            rows,
            self._index.rows.view,
            self._index.extra,
            (owners, np.ascontiguousarray(sort.T)),
            self._order,
            self._heap.view,
            self._wanted,
            self._turn,
        )
        if self._sort.has_text:
            self._sort.free_words(sort[:, refused])
        return touched, lost

    def _take_changes(
        self, frame: pl.DataFrame, owners: np.ndarray, weights: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        assert self._hashes is not None, "changing rows are found by their hash"
        data = frame.select(self._names)
        one, two = (
            face(data.hash_rows(seed=seed).to_numpy().view(np.int64)) for seed in self._seeds
        )
        nodes, made = self._hashes.upsert(one, two)
        if made.size:
            self._write(nodes[made], owners[made], data[made], np.vstack([one[made], two[made]]))
        each = NO_WORDS if weights is None else weights.astype(np.int64)
        rows = self._rows.view
        changed, unmatched = top.count_changes(rows, nodes, each, self._turn)
        self.rows_unmatched += unmatched
        return top.place_changes(
            rows,
            self._index.rows.view,
            self._index.extra,
            changed,
            self._order,
            self._heap.view,
            self._turn,
        )

    def _write(
        self, nodes: np.ndarray, owners: np.ndarray, data: pl.DataFrame, hashes: np.ndarray
    ) -> None:
        """Fill new rows of changing input."""
        view = self._rows.view
        scatter_words(view, treap.OWNER, nodes, owners.reshape(1, -1))
        scatter_words(view, top.ROW_WORDS, nodes, hashes)
        scatter_words(view, self._sort_at, nodes, self._sort.encode(data))
        self._values.put(nodes, data)

    # ------------------------------------------------------------------ what changed

    def _tell(
        self, frame: pl.DataFrame, touched: np.ndarray, gone: np.ndarray
    ) -> pl.DataFrame | None:
        prune = not self._changes and self._wanted.kind != top.ROW_NUMBER
        old, new, pruned = top.tell(
            self._rows.view,
            self._index.rows.view,
            self._index.extra,
            touched,
            gone,
            self._order,
            self._heap.view,
            self._wanted,
            prune,
        )
        lost = NO_WORDS
        if not self._changes:
            matrix = self._rows.matrix()
            sources = matrix[self._made, top.SOURCE]
            kept, lost = self._made[sources > 0], self._made[sources < 0]
            self._values.put(kept, frame[sources[sources > 0] - 1])
            matrix[kept, top.SOURCE] = 0
            gone = np.concatenate([gone, pruned[matrix[pruned, top.SOURCE] == 0]])
        out = self._changes_of(old.reshape(-1, 3), new.reshape(-1, 3))
        self._forget(gone, lost)
        if self._changes:
            sizes = gather_words(self._index.rows.view, self._index.extra + top.SIZE, 1, touched)[0]
            self._index.free(touched[sizes == 0])
        return out

    def _changes_of(self, old: np.ndarray, new: np.ndarray) -> pl.DataFrame | None:
        if self._upsert_out and self._paired:
            old = old[old[:, 2] == 0]
        if not (old.size or new.size):
            return None
        nodes = np.concatenate([old[:, 0], new[:, 0]])
        owners = self._rows.matrix()[nodes, treap.OWNER]
        parts = [self._index.keys(owners), self._values.get(nodes)]
        out = pl.concat([p for p in parts if p.width], how="horizontal").select(self._names)
        ops = np.concatenate(
            [
                np.where(old[:, 2] > 0, Op.UPDATE_BEFORE, Op.DELETE),
                np.where(new[:, 2] > 0, Op.UPDATE_AFTER, Op.INSERT),
            ]
        ).astype(np.int8)
        more = [pl.Series(OP, ops)]
        if self._number is not None:
            ranks = np.concatenate([old[:, 1], new[:, 1]])
            more.insert(0, pl.Series(self._number, ranks))
        return out.with_columns(more)

    def _forget(self, gone: np.ndarray, lost: np.ndarray) -> None:
        """Give rows back; of those that are ``lost`` no values were kept."""
        both = np.concatenate([gone, lost])
        if not both.size:
            return
        if self._hashes is not None:
            self._hashes.remove(*gather_words(self._rows.view, top.ROW_WORDS, HASHES, gone))
        self._values.free(gone)
        self._sort.free(self._rows, self._sort_at, both)
        self._rows.free(both)

    # ------------------------------------------------------------------ age

    def _stamp(self, owners: np.ndarray, now_ms: int) -> None:
        """Forget the partitions of this batch that are too old, and renew all."""
        if not self._ttl_ms:
            return
        at = self._index.extra + top.WRITTEN
        matrix = self._index.rows.matrix()
        mine = np.unique(owners)
        written = matrix[mine, at]
        self._expire(mine[(written > 0) & (written + self._ttl_ms <= now_ms)], free=False)
        matrix[mine, at] = max(now_ms, 1)

    def _sweep(self, now_ms: int, rows: int) -> None:
        """Look at some partitions and forget those that are too old."""
        if not self._ttl_ms or not len(self._index):
            return
        matrix = self._index.rows.matrix()
        start = self._swept if self._swept < matrix.shape[0] else 0
        self._swept = min(start + max(SWEPT_MIN, rows), matrix.shape[0])
        slots = np.arange(start, self._swept)
        written = matrix[slots, self._index.extra + top.WRITTEN]
        old = (matrix[slots, 0] > 0) & (written > 0) & (written + self._ttl_ms <= now_ms)
        self._expire(slots[old], free=True)

    def _expire(self, owners: np.ndarray, *, free: bool) -> None:
        if not owners.size:
            return
        _, nodes = treap.in_order(self._rows.view, self._index.rows.view, self._index.extra, owners)
        self._forget(nodes, NO_WORDS)
        at = self._index.extra
        self._index.rows.matrix()[owners, at : at + top.TOP_WORDS] = 0
        if free:
            self._index.free(owners)

    # ------------------------------------------------------------------ state

    def snapshot(self) -> Snapshot:
        owners = self._index.rows.live()
        where, nodes = treap.in_order(
            self._rows.view, self._index.rows.view, self._index.extra, owners
        )
        parts = [self._index.keys(owners[where]), self._values.get(nodes)]
        rows = pl.concat([p for p in parts if p.width], how="horizontal").select(self._names)
        own = gather_words(self._rows.view, top.COUNT, 3, nodes)
        names = ("$count", "$given", "$copies")
        marks = [pl.Series(name, own[i]) for i, name in enumerate(names)]
        written = self._index.rows.matrix()[:, self._index.extra + top.WRITTEN]
        marks.append(pl.Series("$written", written[owners[where]]))
        return Snapshot({"rows": rows.with_columns(marks)})

    def restore(self, snapshot: Snapshot) -> None:
        saved = snapshot.tables["rows"]
        data = saved.select(self._names)
        owners, _ = self._index.upsert(data.select(self._partition))
        counts, given, copies = (
            saved[name].to_numpy().copy() for name in ("$count", "$given", "$copies")
        )
        if self._hashes is not None:
            one, two = (
                face(data.hash_rows(seed=seed).to_numpy().view(np.int64)) for seed in self._seeds
            )
            nodes, _ = self._hashes.upsert(one, two)
            self._write(nodes, owners, data, np.vstack([one, two]))
        else:
            nodes = self._rows.take(owners.size)
            scatter_words(self._rows.view, treap.OWNER, nodes, owners.reshape(1, -1))
            scatter_words(self._rows.view, self._sort_at, nodes, self._sort.encode(data))
            self._values.put(nodes, data)
        scatter_words(self._rows.view, top.COUNT, nodes, np.vstack([counts, given, copies]))
        top.take_back(
            self._rows.view,
            self._index.rows.view,
            self._index.extra,
            nodes,
            self._order,
            self._heap.view,
            self._wanted,
        )
        matrix = self._index.rows.matrix()
        matrix[owners, self._index.extra + top.WRITTEN] = saved["$written"].to_numpy()

    @property
    def state_bytes(self) -> int:
        return self._arena.bytes_used

    @property
    def state_rows(self) -> int:
        return len(self._rows)


@lowers(Rank)
def _(node: Rank, lowering: Lowering) -> Operator:
    if node.gives_once(lowering.facts_in[0]):
        return FirstInTime(node, lowering)
    if node.last == 1 and node.kind is RankKind.ROW_NUMBER and not lowering.changes_in[0]:
        return BestPerKey(node, lowering)
    return TopRows(node, lowering)
