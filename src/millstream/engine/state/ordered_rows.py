"""Rows of partitions in order: appended ones (perhaps only the first), or changing ones.

in      frames; of changing rows each with a weight
state   per partition a treap of its rows; of changing rows equal ones once, with their number
out     which partitions were touched and which rows are gone, to be told before they are forgotten
ties    appended rows that are equal in the order: the older first. Changing rows: by their other
        columns (NULLs lowest), because when a row came depends on how changes were merged
bad     a row taken back that never came is counted in ``rows_unmatched``
"""

from __future__ import annotations

import numpy as np
import polars as pl

from millstream.columns.frames import gathered, picked
from millstream.engine.state import top, treap
from millstream.engine.state.arena import Arena
from millstream.engine.state.codec import NO_WORDS
from millstream.engine.state.hash_table import HashTable
from millstream.engine.state.heap import ByteHeap
from millstream.engine.state.kept_rows import KeptRows, scatter_words
from millstream.engine.state.key_hashes import key_hashes
from millstream.engine.state.key_index import KeyIndex, keys_of
from millstream.engine.state.order import SortWords
from millstream.engine.state.slots import SlotRows, gather_words
from millstream.plan.nodes import SortKey

HASHES = 2
COUNT, GIVEN, COPIES, WRITTEN = "$count", "$given", "$copies", "$written"


class OrderedRows:
    """The rows of all partitions of one operator."""

    def __init__(
        self,
        schema: dict[str, pl.DataType],
        partition: tuple[str, ...],
        by: tuple[SortKey, ...],
        *,
        changes: bool,
        seed: int,
    ) -> None:
        self.names = tuple(schema)
        self.partition = partition
        self.arena = Arena()
        self.heap = ByteHeap(self.arena)
        self.index = KeyIndex(
            {name: schema[name] for name in partition},
            seed,
            arena=self.arena,
            heap=self.heap,
            extra_words=top.TOP_WORDS,
        )
        self._sort = SortWords(by, schema, self.heap)
        rest = {name: schema[name] for name in schema if name not in partition}
        self._values = KeptRows(rest, self.heap)
        at = self._sort_at = top.ROW_WORDS + (HASHES if changes else 0)
        self.rows = SlotRows(self.arena, at + self._sort.words + self._values.words)
        self._values.settle(self.rows, at + self._sort.words)
        ties = self._values.ties() if changes else np.zeros((0, 4), dtype=np.int64)
        self.order = treap.Order(at, self._sort.marks, ties)
        self._hashes = HashTable(self.arena, self.rows, seed) if changes else None
        self._seed = seed
        self._made = NO_WORDS
        self._turn = 0
        self.rows_unmatched = 0

    @property
    def at(self) -> int:
        """Where the words of a partition begin."""
        return self.index.extra

    def append(
        self, frame: pl.DataFrame, owners: np.ndarray, wanted: top.Wanted
    ) -> tuple[np.ndarray, np.ndarray]:
        """Take rows in; returns the touched partitions and the older rows that lost their place.

        :meth:`keep` must follow once the changes are told.
        """
        self._turn += 1
        sort = self._sort.encode(frame)
        touched, refused, self._made, lost = top.add_appended(
            self.rows.ensure(frame.height),
            self.index.rows.view,
            self.at,
            (owners, np.ascontiguousarray(sort.T)),
            self.order,
            self.heap.view,
            wanted,
            self._turn,
        )
        if self._sort.has_text:
            self._sort.free_words(sort[:, refused])
        return touched, lost

    def keep(self, frame: pl.DataFrame) -> np.ndarray:
        """Keep the values of appended rows; returns those that came and went in one batch."""
        matrix = self.rows.matrix()
        sources = matrix[self._made, top.SOURCE]
        kept, lost = self._made[sources > 0], self._made[sources < 0]
        if kept.size:
            self._values.put(kept, gathered(frame, sources[sources > 0] - 1))
        matrix[kept, top.SOURCE] = 0
        self._made = NO_WORDS
        return lost

    def change(
        self, frame: pl.DataFrame, owners: np.ndarray, weights: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Take changes in; returns the touched partitions and the rows that are gone."""
        self._turn += 1
        data = picked(frame, self.names)
        nodes, made, hashes = self._found(data)
        if made.size:
            self._write(nodes[made], owners[made], gathered(data, made), hashes[:, made])
        each = NO_WORDS if weights is None else weights.astype(np.int64)
        changed, unmatched = top.count_changes(self.rows.view, nodes, each, self._turn)
        self.rows_unmatched += unmatched
        return top.place_changes(
            self.rows.view,
            self.index.rows.view,
            self.at,
            changed,
            self.order,
            self.heap.view,
            self._turn,
        )

    def _found(self, data: pl.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the row of each row of ``data``, which are new, and the hashes."""
        assert self._hashes is not None, "changing rows are found by their hash"
        one, two = key_hashes(data.get_columns(), self._seed)
        nodes, made = self._hashes.upsert(one, two)
        return nodes, made, np.vstack([one, two])

    def _write(
        self, nodes: np.ndarray, owners: np.ndarray, data: pl.DataFrame, hashes: np.ndarray | None
    ) -> None:
        """Fill new rows."""
        view = self.rows.view
        scatter_words(view, treap.OWNER, nodes, owners.reshape(1, -1))
        if hashes is not None:
            scatter_words(view, top.ROW_WORDS, nodes, hashes)
        scatter_words(view, self._sort_at, nodes, self._sort.encode(data))
        self._values.put(nodes, data)

    def values(self, nodes: np.ndarray) -> pl.DataFrame:
        """Return rows with all their columns."""
        owners = self.rows.matrix()[nodes, treap.OWNER] if nodes.size else nodes
        columns = [*self.index.columns(owners), *self._values.columns(nodes)]
        return picked(pl.DataFrame(columns), self.names)

    def in_order(self, owners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (place in ``owners``, row), partition by partition, in order."""
        return treap.in_order(self.rows.view, self.index.rows.view, self.at, owners)

    def forget(self, gone: np.ndarray, lost: np.ndarray = NO_WORDS) -> None:
        """Give rows back that are in no order any more; of ``lost`` ones no values were kept."""
        both = np.concatenate([gone, lost])
        if not both.size:
            return
        if self._hashes is not None and gone.size:
            self._hashes.remove(*gather_words(self.rows.view, top.ROW_WORDS, HASHES, gone))
        self._values.free(gone)
        self._sort.free(self.rows, self._sort_at, both)
        self.rows.free(both)

    def free_empty(self, owners: np.ndarray) -> None:
        """Forget those partitions that have no rows."""
        sizes = gather_words(self.index.rows.view, self.at + top.SIZE, 1, owners)[0]
        self.index.free(owners[sizes == 0])

    def drop(self, owners: np.ndarray, *, free: bool) -> None:
        """Forget partitions with their rows; without ``free`` their keys stay."""
        if not owners.size:
            return
        self.forget(self.in_order(owners)[1])
        self.index.rows.matrix()[owners, self.at : self.at + top.TOP_WORDS] = 0
        if free:
            self.index.free(owners)

    def save(self) -> pl.DataFrame:
        """Return all rows, partition by partition, in order."""
        owners = self.index.rows.live()
        where, nodes = self.in_order(owners)
        own = gather_words(self.rows.view, top.COUNT, 3, nodes)
        marks = [pl.Series(name, own[i]) for i, name in enumerate((COUNT, GIVEN, COPIES))]
        written = self.index.rows.matrix()[:, self.at + top.WRITTEN]
        marks.append(pl.Series(WRITTEN, written[owners[where]]))
        return self.values(nodes).with_columns(marks)

    def load(self, saved: pl.DataFrame, wanted: top.Wanted) -> None:
        """Take saved rows back."""
        data = saved.select(self.names)
        owners, _ = self.index.upsert(keys_of(data, self.partition))
        if self._hashes is not None:
            nodes, _, hashes = self._found(data)
            self._write(nodes, owners, data, hashes)
        else:
            nodes = self.rows.take(owners.size)
            self._write(nodes, owners, data, None)
        own = [saved[name].to_numpy() for name in (COUNT, GIVEN, COPIES)]
        scatter_words(self.rows.view, top.COUNT, nodes, np.vstack(own))
        top.take_back(
            self.rows.view,
            self.index.rows.view,
            self.at,
            nodes,
            self.order,
            self.heap.view,
            wanted,
        )
        matrix = self.index.rows.matrix()
        matrix[owners, self.at + top.WRITTEN] = saved[WRITTEN].to_numpy()
