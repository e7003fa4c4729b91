"""A user's aggregate function.

in      rows with all their arguments, NULLs included unless the user says no
state   per slot one plain Python value, the accumulator; a word of the slot's row says which. It
        is saved as MessagePack, never as a pickle
merge   by the user's ``merge``, into the accumulator that is there or a new one; what is given
        stays as it is
reject  a row for which accumulate or retract raises: it is left out of this aggregate. A batch
        for which accumulate_batch raises is taken again in halves, from a copy of the accumulator
bad     DataError, which stops the pipeline: what create, merge or result raise, a result of
        another type, an accumulator that is no plain value
"""

from __future__ import annotations

from copy import deepcopy
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from millstream.columns.physical import polars_type
from millstream.engine.aggregates.base import Accumulator, Fold
from millstream.engine.calls import Call
from millstream.engine.rows_of_python import one_by_one, reason_of
from millstream.engine.state.plain import packed, unpacked
from millstream.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from millstream.expr.tree import AggUdf


class UserFold(Accumulator):
    """Folds rows by the methods of the user's object.

    ``failed`` are rows that could not be folded: (arrival number, reason). ``strict``: rows come
    from values kept before, so one that fails cannot be rejected any more.
    """

    words = 1
    invertible = False
    plain = False
    keeps_nulls = True

    def __init__(self, udf: AggUdf, arguments: int, *, strict: bool = False) -> None:
        self._udf = udf
        self._arguments = arguments
        self._strict = strict
        self._own: Any = self._run("is made", udf.make)
        self._kept: dict[int, Any] = {}
        self._made = 0
        self._dtype = polars_type(udf.result)
        self.failed: list[tuple[int, str]] = []
        packed(self._create(), f"create of {udf.name}")

    # ------------------------------------------------------------------ rows

    def fold(self, batch: Fold) -> None:
        if not batch.slots.size:
            return
        columns = self._columns(batch)
        if columns and not self._udf.nulls_call:
            able = np.ones(batch.slots.size, dtype=np.bool_)
            for column in columns:
                able &= column.is_not_null().to_numpy()
            if not able.all():
                self.fold(batch.where(able))
                return
        handles = self._handles(batch.slots)
        if "accumulate_batch" in self._udf.methods:
            self._fold_batches(batch, columns, handles)
        else:
            self._fold_rows(batch, columns, handles)

    def _fold_rows(self, batch: Fold, columns: list[pl.Series], handles: np.ndarray) -> None:
        weights = batch.weights.tolist() if batch.weights.size else None
        own = self._own
        # Row by row because the user's methods take one row; accumulate_batch avoids it.
        for at, (handle, args) in enumerate(
            zip(handles.tolist(), _rows(columns, handles.size), strict=True)
        ):
            weight = 1 if weights is None else weights[at]
            step: Callable[..., Any] = own.accumulate if weight > 0 else own.retract
            try:
                for _ in range(abs(weight)):
                    with Call(step):
                        made = step(self._kept[handle], *args)
                    if made is not None:
                        self._kept[handle] = made
            except Exception as error:  # noqa: BLE001 (whatever the user's code raises)
                self._refuse(batch, at, error)

    def _fold_batches(self, batch: Fold, columns: list[pl.Series], handles: np.ndarray) -> None:
        """Call accumulate_batch once per slot and run of rows that are added."""
        order = np.argsort(handles, kind="stable")
        sorted_handles = handles[order]
        added = (batch.weights[order] > 0) if batch.weights.size else None
        cut = sorted_handles[1:] != sorted_handles[:-1]
        if added is not None:
            cut |= ~added[1:] | ~added[:-1]
        edges = [0, *(np.flatnonzero(cut) + 1).tolist(), handles.size]
        for start, stop in pairwise(edges):
            rows = order[start:stop]
            if added is None or added[start]:
                self._fold_run(batch, columns, handles[rows[0]].item(), rows)
            else:
                self._fold_rows(
                    batch.where(np.isin(np.arange(handles.size), rows)),
                    [c.gather(rows) for c in columns],
                    handles[rows],
                )

    def _fold_run(
        self, batch: Fold, columns: list[pl.Series], handle: int, rows: np.ndarray
    ) -> None:
        todo = [rows]
        while todo:
            rows = todo.pop()
            before = deepcopy(self._kept[handle])
            times = int(batch.weights[rows[0]]) if batch.weights.size and rows.size == 1 else 1
            try:
                for _ in range(times):
                    given = [c.gather(rows) for c in columns]
                    with Call(self._own.accumulate_batch):
                        made = self._own.accumulate_batch(self._kept[handle], *given)
                    if made is not None:
                        self._kept[handle] = made
            except Exception as error:  # noqa: BLE001 (whatever the user's code raises)
                self._kept[handle] = before
                if rows.size == 1:
                    self._refuse(batch, int(rows[0]), error)
                else:
                    half = rows.size // 2
                    todo += [rows[half:], rows[:half]]

    def _columns(self, batch: Fold) -> list[pl.Series]:
        if batch.values is None:
            return []
        if self._arguments == 1:
            return [batch.values]
        return batch.values.struct.unnest().get_columns()

    # ------------------------------------------------------------------ accumulators

    def merge(self, into: np.ndarray, given: np.ndarray, sign: int = 1) -> None:
        assert sign == 1, "what a user's function merged is not taken out again"
        sources = self.cells(given)[:, 0]
        there = np.flatnonzero(sources)
        # Pair by pair: the user's method takes two accumulators.
        for handle, source in zip(
            self._handles(into[there]).tolist(), sources[there].tolist(), strict=True
        ):
            other = deepcopy(self._kept[source])  # what merge keeps of it must not be shared
            mine = self._kept[handle]
            made = self._run("merges", self._own.merge, mine, other)
            if made is not None:
                self._kept[handle] = made

    def result(self, slots: np.ndarray) -> pl.Series:
        values: list[Any] = []
        for handle in self.cells(slots)[:, 0].tolist():
            acc = self._kept[handle] if handle else self._create()
            values.append(self._run("gives its result", self._own.result, acc))
        try:
            return pl.Series(values, dtype=self._dtype, strict=True)
        except (TypeError, OverflowError, ValueError, pl.exceptions.PolarsError):
            column, bad = one_by_one(values, self._dtype)
            if bad:
                raise DataError(
                    f"{self._udf.name} gave {values[bad[0]]!r}, not {self._udf.result}.",
                    hint="Give a value of the type its result is declared with, or None.",
                ) from None
            return column

    def release(self, slots: np.ndarray) -> None:
        for handle in self.cells(slots)[:, 0].tolist():
            self._kept.pop(handle, None)
        super().release(slots)

    def save(self, slots: np.ndarray) -> pl.DataFrame:
        owner = f"The accumulator of {self._udf.name}"
        states = [
            packed(self._kept[handle], owner) if handle else None
            for handle in self.cells(slots)[:, 0].tolist()
        ]
        return pl.DataFrame([pl.Series("state", states, dtype=pl.Binary)])

    def load(self, slots: np.ndarray, saved: pl.DataFrame) -> None:
        states = saved["state"].to_list()
        there = np.array([i for i, state in enumerate(states) if state is not None], dtype=np.int64)
        for at, handle in zip(there.tolist(), self._handles(slots[there]).tolist(), strict=True):
            self._kept[handle] = unpacked(states[at])

    def _handles(self, slots: np.ndarray) -> np.ndarray:
        """Return which accumulator each slot has; a slot without one gets a new one."""
        handles = self.cells(slots)[:, 0]
        none = handles == 0
        if not none.any():
            return handles
        matrix = self.home.rows.matrix()
        new = np.unique(slots[none])
        for slot in new.tolist():
            self._made += 1
            self._kept[self._made] = self._create()
            matrix[slot, self.home.at] = self._made
        return self.cells(slots)[:, 0]

    def _create(self) -> Any:
        return self._run("creates an accumulator", self._own.create)

    def _run(self, when: str, call: Callable[..., Any], *args: Any) -> Any:
        try:
            with Call(call):
                return call(*args)
        except Exception as error:
            raise DataError(
                f"{self._udf.name} fails when it {when}: {reason_of(error)}.",
                hint="Only accumulate and retract may refuse a row.",
            ) from error

    def _refuse(self, batch: Fold, at: int, error: Exception) -> None:
        why = f"{self._udf.name}: {reason_of(error)}"
        if self._strict:
            raise DataError(
                f"{why}, for a value of DISTINCT that was taken in before.",
                hint="Let accumulate take every value, or leave DISTINCT out.",
            ) from error
        self.failed.append((int(batch.arrived[at]), why))


def _rows(columns: list[pl.Series], height: int) -> Iterator[tuple[Any, ...]]:
    if not columns:
        return iter([()] * height)
    return zip(*(c.to_list() for c in columns), strict=True)
