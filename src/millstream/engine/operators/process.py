"""A user's process function: per key, row by row, with state and timers.

in      append-only batches; rows come to the function in the order they arrive, late ones too
state   per key a dict of plain values (MessagePack in checkpoints, never a pickle) and its timers
out     the key's columns, what the function gives, perhaps the time of the row or timer
timers  by event time a timer at T fires when the mark comes to T: before the row that arrived
        under that mark, whatever the cuts. By the clock it fires before the rows read after T.
        At the end of the input all that is set fires
late    what the function gives to ``ctx.late()``
reject  a row for which the function raises: what that call gave, its timers and what it put
        into the state itself are undone; lists and dicts inside the state are as they were left.
        For a timer that fails the key and the time stand there instead of a row. A row for which
        a value of another type was given is rejected too; the state is as the function left it
ttl     the state and timers of a key without rows or timers for so long are forgotten
cost    a Python call per row: this is the user's code
"""

from __future__ import annotations

import datetime as dt
from heapq import heapify, heappop, heappush
from math import isnan
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from millstream import types as t
from millstream.columns.physical import polars_schema, polars_type
from millstream.engine.batch import FINAL_MARK_MS, MARK, Batch
from millstream.engine.calls import Call
from millstream.engine.marks import LOWEST_MS
from millstream.engine.operator import NOTHING, Lowering, Operator, Outputs, Snapshot, lowers
from millstream.engine.process_context import Context, Entry
from millstream.engine.rejects import rejected_rows
from millstream.engine.rows_of_python import Shape, reason_of
from millstream.engine.state.plain import packed, unpacked
from millstream.errors import DataError
from millstream.plan.process import Process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

TIMERS_AT_END_MAX = 100_000
"""More timers in a row of one key at the end of the input are taken for an endless chain."""
_NAN = float("nan")


Made = tuple[tuple[Any, ...], tuple[Any, ...], int, int, int]
"""A row given: key, values, time, mark, and the row of the batch it was made of or -1."""


class ProcessRows(Operator):
    """One running process function."""

    def __init__(self, node: Process, lowering: Lowering) -> None:
        given = node.input.schema
        self.uid = node.uid
        self._node = node
        self._name = node.udf.name
        self._by_clock = lowering.by_clock
        self._shape = Shape(node.udf.gives)
        self._key_schema = polars_schema(given.select(node.key))
        self._floats = [d.is_float() for d in self._key_schema.values()]
        kind = None if node.time is None else given.type_of(node.time)
        self._zone = dt.UTC if kind is None or isinstance(kind, t.TimestampLtz) else None
        self._time_type = pl.Datetime("ms", "UTC") if kind is None else polars_type(kind)
        self._entries: dict[tuple[Any, ...], Entry] = {}
        self._heap: list[tuple[int, int, tuple[Any, ...]]] = []
        self._mark_ms = LOWEST_MS
        self._now_ms = 0
        self._set = 0
        self._made: list[Made] = []
        self._rejected: list[pl.DataFrame] = []
        self._own = self._run("is made", node.udf.make, **dict(node.args))
        self._ctx = Context(self._zone, by_clock=self._by_clock)
        if "open" in node.udf.methods:
            self._run("opens", self._own.open, self._ctx)

    # ------------------------------------------------------------------ rows

    def on_batch(self, batch: Batch, port: int = 0) -> Outputs:
        assert port == 0, "a process function has one input"
        frame = batch.data()
        self._now_ms = max(self._now_ms, batch.read_at_ms)
        self._forget()
        times = self._times(frame)
        marks = None if self._by_clock else batch.marks()
        failed: dict[int, str] = {}
        told_late: list[int] = []
        ctx = self._ctx
        # Row by row, for the user's function takes one row and may change what the next one sees.
        rows = zip(self._keys_of(frame), frame.iter_rows(named=True), strict=True)
        for at, (key, row) in enumerate(rows):
            if marks is not None and marks[at] > self._mark_ms:
                self._fire(int(marks[at]))
            entry = self._entry(key)
            ctx.begin(key, entry, times[at], self._mark_ms)
            why = self._call(entry, (self._mark_ms, at), self._own.on_row, row)
            if why is not None:
                failed[at] = why
            elif ctx.is_told_late:
                told_late.append(at)
        out = self._given(failed)
        rejected, self._rejected = self._rejected, []
        if failed:
            bad = sorted(failed)
            reasons = pl.Series([failed[i] for i in bad])
            failing = batch.frame[np.array(bad)]
            rejected.append(rejected_rows(failing, reasons, self.uid, port=0))
        late = (batch.frame[np.array(told_late)],) if told_late else ()
        return Outputs(out=out, late=late, rejected=tuple(rejected))

    def on_mark(self, mark_ms: int) -> Outputs:
        # A timer set in the past waits for the mark to move, however the rows were cut.
        if mark_ms > self._mark_ms:
            self._fire(mark_ms)
        if not self._made and not self._rejected:
            return NOTHING
        out = self._given({})
        rejected, self._rejected = self._rejected, []
        return Outputs(out=out, rejected=tuple(rejected))

    def _fire(self, mark_ms: int) -> None:
        """Fire the timers up to a mark, also those set meanwhile, in the order of their times."""
        before, fired, fired_max = self._mark_ms, 0, len(self._heap) + TIMERS_AT_END_MAX
        self._mark_ms = max(self._mark_ms, mark_ms)
        is_ended = mark_ms == FINAL_MARK_MS
        while self._heap and self._heap[0][0] <= mark_ms:
            time_ms, number, key = heappop(self._heap)
            known = self._entries.get(key)
            if known is None or known.timers.get(time_ms) != number:
                continue  # taken back, set anew, or its key forgotten
            fired += 1
            if is_ended and fired > fired_max:
                raise DataError(
                    f"{self._name} sets one timer after the other at the end of the input.",
                    hint="Set none where ctx.is_ended.",
                )
            entry = self._entry(key)
            del entry.timers[time_ms]
            self._ctx.begin(key, entry, time_ms, mark_ms, is_ended=is_ended)
            # Under the mark before: what a timer gives is ahead of the mark that fires it.
            at = self._ctx.instant(time_ms)
            why = self._call(entry, (before, -1), self._own.on_timer, at)
            if why is not None:
                self._reject_key(key, time_ms, why)

    def _call(
        self, entry: Entry, of: tuple[int, int], method: Callable[..., Any], first: Any
    ) -> str | None:
        """Call the user's method; returns why it failed, with everything as before.

        ``of``: the mark of the rows it gives, and the row of the batch they are made of or -1.
        """
        ctx, before, rows = self._ctx, dict(entry.state), len(self._made)
        why: str | None = None
        try:
            with Call(method):  # with what it yields
                for value in _several(method(first, entry.state, ctx)):
                    self._made.append((ctx.key_values, self._shape.row(value), ctx.time_ms, *of))
        except Exception as error:  # noqa: BLE001 (whatever the user's code raises)
            why = f"{self._name}: {reason_of(error)}"
            del self._made[rows:]
            entry.state.clear()
            entry.state.update(before)
        else:
            for time_ms in ctx.taken_back:
                entry.timers.pop(time_ms, None)
            for time_ms in ctx.wanted:
                self._set_timer(entry, time_ms)
        if not entry.state and not entry.timers:
            self._entries.pop(ctx.key_values, None)
        return why

    def _set_timer(self, entry: Entry, time_ms: int) -> None:
        if time_ms in entry.timers or "on_timer" not in self._node.udf.methods:
            return
        self._set += 1
        entry.timers[time_ms] = self._set
        heappush(self._heap, (time_ms, self._set, self._ctx.key_values))

    # ------------------------------------------------------------------ keys

    def _keys_of(self, frame: pl.DataFrame) -> list[tuple[Any, ...]]:
        if not self._node.key:
            return [()] * frame.height
        lists = [frame[name].to_list() for name in self._node.key]
        for place, is_float in enumerate(self._floats):
            if is_float:  # one NaN, which as a key equals itself
                lists[place] = [_NAN if v is not None and isnan(v) else v for v in lists[place]]
        return list(zip(*lists, strict=True))

    def _times(self, frame: pl.DataFrame) -> list[int | None]:
        if self._node.time is None or self._by_clock:
            return [self._now_ms] * frame.height
        return frame[self._node.time].dt.epoch("ms").to_list()

    def _entry(self, key: tuple[Any, ...]) -> Entry:
        entry = self._entries.get(key)
        if entry is None:
            entry = self._entries[key] = Entry()
        elif self._node.ttl_ms:
            # The order of the dict is that of the last writes: the oldest are looked at first.
            del self._entries[key]
            self._entries[key] = entry
        entry.saved = None  # the user's function may change it
        entry.written_ms = self._now_ms
        return entry

    def _forget(self) -> None:
        if not self._node.ttl_ms:
            return
        cutoff = self._now_ms - self._node.ttl_ms
        old: list[tuple[Any, ...]] = []
        for key, entry in self._entries.items():
            if entry.written_ms > cutoff:
                break
            old.append(key)
        for key in old:
            del self._entries[key]

    # ------------------------------------------------------------------ output

    def _given(self, failed: dict[int, str]) -> tuple[pl.DataFrame, ...]:
        """Return the rows given as a frame; those of other types are rejected."""
        made, self._made = self._made, []
        if not made:
            return ()
        columns, wrong = self._shape.columns([row[1] for row in made])
        if wrong:
            for place, why in wrong.items():
                key, _, time_ms, _, at = made[place]
                if at >= 0:
                    failed.setdefault(at, f"{self._name}: {why}")
                else:
                    self._reject_key(key, time_ms, f"{self._name}: {why}")
            keep = [i for i, row in enumerate(made) if i not in wrong and row[4] not in failed]
            made = [made[i] for i in keep]
            columns = [c.gather(keep) for c in columns]
        columns = [*self._key_columns([row[0] for row in made]), *columns]
        if self._node.time_name is not None:
            zone = None if self._zone is None else "UTC"
            times = pl.Series(self._node.time_name, [row[2] for row in made], dtype=pl.Int64)
            columns.append(times.cast(pl.Datetime("ms", zone)).cast(self._time_type))
        if not self._by_clock and self._node.time is not None:
            columns.append(pl.Series(MARK, [row[3] for row in made], dtype=pl.Int64))
        return (pl.DataFrame(columns),) if made else ()

    def _reject_key(self, key: tuple[Any, ...], time_ms: int, why: str) -> None:
        timer = pl.Series("timer", [time_ms]).cast(pl.Datetime("ms"))
        told = pl.DataFrame([*self._key_columns([key]), timer])
        self._rejected.append(rejected_rows(told, why, self.uid))

    def _key_columns(self, keys: list[tuple[Any, ...]]) -> list[pl.Series]:
        lists = zip(*keys, strict=True) if keys else ([] for _ in self._key_schema)
        pairs = zip(self._key_schema.items(), lists, strict=True)
        return [pl.Series(name, values, dtype=dtype) for (name, dtype), values in pairs]

    # ------------------------------------------------------------------ state

    def snapshot(self) -> Snapshot:
        owner = f"The state of {self._name}"
        entries = list(self._entries.items())
        for _, entry in entries:
            if entry.saved is None:
                entry.saved = packed(entry.state, owner)
        states = pl.Series("$state", [e.saved for _, e in entries], dtype=pl.Binary)
        written = pl.Series("$written", [e.written_ms for _, e in entries], dtype=pl.Int64)
        keys = pl.DataFrame([*self._key_columns([key for key, _ in entries]), states, written])
        timers = [
            (place, time_ms, number)
            for place, (_, entry) in enumerate(entries)
            for time_ms, number in entry.timers.items()
        ]
        whose = {"place": pl.Int64, "time": pl.Int64, "number": pl.Int64}
        tables = {"keys": keys, "timers": pl.DataFrame(timers, schema=whose, orient="row")}
        return Snapshot(tables, {"set": self._set, "mark": self._mark_ms, "now": self._now_ms})

    def restore(self, snapshot: Snapshot) -> None:
        saved = snapshot.tables["keys"]
        keys = self._keys_of(saved)
        lists = (keys, saved["$state"].to_list(), saved["$written"].to_list())
        self._entries = {
            key: Entry(unpacked(state), written, state)
            for key, state, written in zip(*lists, strict=True)
        }
        self._heap = []
        for place, time_ms, number in snapshot.tables["timers"].iter_rows():
            self._entries[keys[place]].timers[time_ms] = number
            self._heap.append((time_ms, number, keys[place]))
        heapify(self._heap)
        self._set = int(snapshot.facts["set"])
        self._mark_ms = int(snapshot.facts["mark"])
        self._now_ms = int(snapshot.facts["now"])

    @property
    def state_rows(self) -> int:
        return len(self._entries)

    def _run(self, when: str, call: Callable[..., Any], *args: Any, **named: Any) -> Any:
        try:
            with Call(call):
                return call(*args, **named)
        except Exception as error:
            raise DataError(f"{self._name} fails when it {when}: {reason_of(error)}.") from error


@lowers(Process)
def _(node: Process, lowering: Lowering) -> Operator:
    return ProcessRows(node, lowering)


def _several(given: Any) -> Iterable[Any]:
    """Return what a call gave as rows: an iterable of them, a single one, or none."""
    if given is None:
        return ()
    if isinstance(given, dict | tuple | str | bytes) or not hasattr(given, "__iter__"):
        return (given,)
    rows: Iterable[Any] = given
    return rows
