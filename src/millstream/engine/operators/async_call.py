"""Async functions of the user: rows wait for what they answer.

in      append-only batches
state   the rows that wait, by ask: one ask per batch
out     the rows with the answers beside them, in their order
late    never: rows keep the mark they came under, and marks wait behind them
reject  a row whose argument cannot be computed; one for which the last try fails, comes too late
        or gives another type
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from millstream.columns.physical import polars_type
from millstream.engine.async_functions import FAILED, VALUE, AsyncResolver
from millstream.engine.batch import MARK, Batch
from millstream.engine.marks import LOWEST_MS
from millstream.engine.operator import (
    Ask,
    Asking,
    Lowering,
    Operator,
    Outputs,
    Resolver,
    Snapshot,
    lowers,
)
from millstream.engine.program import Program
from millstream.engine.rejects import rejected_rows
from millstream.engine.stages import Compute
from millstream.expr.tree import Column, Named, UdfCall
from millstream.plan.async_call import AsyncCall

if TYPE_CHECKING:
    from collections.abc import Collection

GIVEN, NUMBER = "$given", "$number"
"""Before the numbers of a call and its argument; the ask a saved row belongs to."""


class AsyncRows(Asking):
    """The running calls of one step."""

    def __init__(self, node: AsyncCall, lowering: Lowering) -> None:
        self.uid = node.uid
        self._columns = node.columns
        self._calls = [c.expr for c in node.columns if isinstance(c.expr, UdfCall)]
        self._dtypes = [polars_type(call.udf.result) for call in self._calls]
        args = [
            Named(f"{GIVEN}{i}_{j}", arg)
            for i, call in enumerate(self._calls)
            for j, arg in enumerate(call.args)
        ]
        self._given = [arg.name for arg in args]
        kept = (Named(f.name, Column(f.name, type=f.type)) for f in node.input.schema)
        stage = Compute((*kept, *args))
        self._program = Program((stage,), lowering.ctx, seed=lowering.seed, uid=node.uid, port=0)
        self._open: dict[int, pl.DataFrame] = {}
        self._new: list[int] = []
        self._made = 0

    def on_batch(self, batch: Batch, port: int = 0) -> Outputs:
        assert port == 0, "an async call has one input"
        done = self._program.on_batch(batch)
        for frame in done.out:
            self._wait(frame)
        return Outputs(rejected=done.rejected)

    def resolver(self) -> Resolver:
        return AsyncResolver(self._calls, self._dtypes)

    def asks(self) -> list[Ask]:
        made, self._new = self._new, []
        # A frame of no columns has no rows: a call without arguments counts by the row itself.
        return [Ask(n, self._open[n].select(pl.row_index(NUMBER), *self._given)) for n in made]

    def on_reply(self, number: int, reply: pl.DataFrame, read_at_ms: int) -> Outputs:
        rows = self._open.pop(number).drop(self._given)
        names = [c.name for c in self._columns]
        answers = [reply[f"{VALUE}{i}"].alias(name) for i, name in enumerate(names)]
        failed = pl.coalesce(pl.col(f"{FAILED}{i}") for i in range(len(names)))
        reasons = reply.select(failed.alias("why")).to_series()
        out = rows.with_columns(answers)
        if reasons.null_count() == rows.height:
            return Outputs(out=(out,))
        bad = reasons.is_not_null()
        rejected = rejected_rows(rows.filter(bad), reasons.filter(bad), self.uid, port=0)
        out = out.filter(~bad)
        return Outputs(out=(out,) if out.height else (), rejected=(rejected,))

    @property
    def asks_made(self) -> int:
        return self._made

    @property
    def asks_open(self) -> Collection[int]:
        return self._open.keys()

    def snapshot(self) -> Snapshot:
        below = self._program.snapshot()
        if not self._open:
            return below
        saved = [rows.with_columns(pl.lit(n).alias(NUMBER)) for n, rows in self._open.items()]
        return Snapshot({"waiting": pl.concat(saved, how="diagonal")}, below.facts)

    def restore(self, snapshot: Snapshot) -> None:
        self._program.restore(Snapshot(facts=snapshot.facts))
        if "waiting" not in snapshot.tables:
            return
        saved = snapshot.tables["waiting"]
        if MARK in saved.columns:  # some asks had rows behind their mark, others had not
            saved = saved.with_columns(pl.col(MARK).fill_null(LOWEST_MS))
        for rows in saved.partition_by(NUMBER, maintain_order=True, include_key=False):
            self._wait(rows)

    @property
    def state_bytes(self) -> int:
        return sum(int(rows.estimated_size()) for rows in self._open.values())

    @property
    def state_rows(self) -> int:
        return sum(rows.height for rows in self._open.values())

    def _wait(self, rows: pl.DataFrame) -> None:
        self._made += 1
        self._open[self._made] = rows
        self._new.append(self._made)


@lowers(AsyncCall)
def _(node: AsyncCall, lowering: Lowering) -> Operator:
    return AsyncRows(node, lowering)
