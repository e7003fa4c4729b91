"""Whether a step's cost per batch stays the same as its state grows.

in      rows made from their numbers, so that any of them can be taken back without being kept
out     per step and size of state: ms of processor time per batch (median and spread), how many
        rows came out, bytes of state; and the ratio of the dearest size to the cheapest
run     python benchmarks/growth.py [--only join] [--sizes 10000,1000000] [--rows 10000]
method  real operators, called as the driver calls them. The state is filled to the wanted size,
        then batches are measured. Steps over changing rows take as many rows back as they add, so
        that the state stays as it is; others grow by what is measured
add     a line in STEPS: what makes the operator, and what its rows are
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from millstream import types as t
from millstream.columns.physical import polars_schema
from millstream.engine.batch import OP, Batch, Op
from millstream.engine.functions import Context
from millstream.engine.lower import OPERATOR_MODULES
from millstream.engine.operator import Lowering, Operator, operator_for
from millstream.expr import aggregates
from millstream.expr.tree import AggCall, Named
from millstream.plan.facts import Facts
from millstream.plan.joins import Join, JoinKind, TemporalJoin
from millstream.plan.node import Node
from millstream.plan.nodes import Aggregate, Normalize, Values
from millstream.plan.ranks import SetKind, SetOperation

SIZES = (10_000, 100_000, 1_000_000, 3_000_000)
FILL_ROWS = 100_000
MEASURED = 21
SEED = 0x5EED_5EED_5EED_5EED
SIDES = (
    t.Schema.of({"k": "BIGINT", "v": "BIGINT", "ts": "TIMESTAMP(3)"}),
    t.Schema.of({"k2": "BIGINT", "w": "BIGINT", "ts2": "TIMESTAMP(3)"}),
)
TEXTS = (
    t.Schema.of({"k": "STRING", "v": "BIGINT", "ts": "TIMESTAMP(3)"}),
    t.Schema.of({"k2": "STRING", "w": "BIGINT", "ts2": "TIMESTAMP(3)"}),
)

Feed = tuple[int, Batch]
"""A port and what comes there."""


@dataclass(frozen=True)
class Rows:
    """The rows of a step: ``ports`` inputs, ``changing`` ones lose their oldest rows."""

    schemas: tuple[t.Schema, ...]
    changing: bool = False
    upsert: bool = False
    alike: bool = False
    """All inputs get the same rows."""

    def frame(self, port: int, numbers: np.ndarray, keys: int) -> pl.DataFrame:
        """Return rows by their numbers."""
        schema = polars_schema(self.schemas[port])
        columns = [mixed(numbers, 0 if self.alike else port) % keys, numbers % 1000, numbers]
        return pl.DataFrame(
            [
                pl.Series(name, values).cast(dtype)
                for (name, dtype), values in zip(schema.items(), columns, strict=True)
            ]
        )

    def fill(self, size: int, keys: int) -> Iterator[Feed]:
        """Give the first ``size`` rows of every input."""
        for start in range(0, size, FILL_ROWS):
            numbers = np.arange(start, min(size, start + FILL_ROWS))
            for port in range(len(self.schemas)):
                ops = np.zeros(numbers.size, dtype=np.int8)
                yield port, self._batch(self.frame(port, numbers, keys), ops, numbers)

    def batches(self, size: int, rows: int, keys: int) -> Iterator[Feed]:
        """Give batches of ``rows`` rows, to each input in turn."""
        at = [size] * len(self.schemas)
        for turn in range(MEASURED * len(self.schemas)):
            port = turn % len(self.schemas)
            added = rows // 2 if self.changing else rows
            new = np.arange(at[port], at[port] + added)
            ops = np.zeros(rows, dtype=np.int8)
            numbers = new
            if self.changing:
                numbers = np.stack([new - size, new], axis=1).ravel()
                ops[0::2] = Op.DELETE
            at[port] += added
            yield port, self._batch(self.frame(port, numbers, keys), ops, new)

    def _batch(self, frame: pl.DataFrame, ops: np.ndarray, numbers: np.ndarray) -> Batch:
        if self.changing:
            frame = frame.with_columns(pl.Series(OP, ops))
        elif self.upsert:
            frame = frame.with_columns(pl.lit(int(Op.UPDATE_AFTER), dtype=pl.Int8).alias(OP))
        return Batch(frame, int(numbers[-1]) - 1)


@dataclass(frozen=True)
class Step:
    """One line of the table."""

    node: Callable[[tuple[Node, ...]], Node]
    rows: Rows
    facts: Facts = Facts(bounded=False)  # noqa: RUF009 - frozen

    def operator(self) -> Operator:
        """Return a fresh operator."""
        node = self.node(tuple(Values(columns=s, rows=()) for s in self.rows.schemas))
        __import__(f"millstream.engine.operators.{OPERATOR_MODULES[type(node)]}")
        ports = len(self.rows.schemas)
        changes = (self.rows.changing or self.rows.upsert,) * ports
        if isinstance(node, TemporalJoin):
            changes = (False, True)
        lowering = Lowering(
            Context(), changes, upsert_out=False, seed=SEED, bounded=False,
            facts_in=(self.facts,) * ports,
        )  # fmt: skip
        return operator_for(node, lowering)


def mixed(numbers: np.ndarray, port: int) -> np.ndarray:
    """Return a number's random bits (splitmix64): keys are met in no order that memory likes."""
    z = (numbers.astype(np.uint64) * 2 + port + 1) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((z ^ (z >> np.uint64(31))) >> np.uint64(2)).astype(np.int64)


def joined(kind: JoinKind) -> Callable[[tuple[Node, ...]], Node]:
    return lambda inputs: Join(left=inputs[0], right=inputs[1], kind=kind, keys=(("k", "k2"),))


def as_of(inputs: tuple[Node, ...]) -> Node:
    return TemporalJoin(
        left=inputs[0], right=inputs[1], kind=JoinKind.INNER, keys=(("k", "k2"),),
        left_time="ts", right_time="ts2",
    )  # fmt: skip


def intersect(inputs: tuple[Node, ...]) -> Node:
    return SetOperation(left=inputs[0], right=inputs[1], kind=SetKind.INTERSECT, every=False)


def count(inputs: tuple[Node, ...]) -> Node:
    rows = Named("n", aggregates.resolve(AggCall("COUNT", ())))
    return Aggregate(input=inputs[0], keys=("k",), aggs=(rows,))


STEPS: dict[str, Step] = {
    "join inner": Step(joined(JoinKind.INNER), Rows(SIDES)),
    "join inner, text key": Step(joined(JoinKind.INNER), Rows(TEXTS)),
    "join inner, changing": Step(joined(JoinKind.INNER), Rows(SIDES, changing=True)),
    "join full, changing": Step(joined(JoinKind.FULL), Rows(SIDES, changing=True)),
    "join anti, changing": Step(joined(JoinKind.ANTI), Rows(SIDES, changing=True)),
    "intersect, changing": Step(intersect, Rows(SIDES, changing=True, alike=True)),
    "join as of": Step(as_of, Rows(SIDES), Facts(bounded=False, keys=(("k2",),))),
    "count, changing": Step(count, Rows(SIDES[:1], changing=True)),
    "normalize": Step(
        lambda inputs: Normalize(input=inputs[0], key=("k",)), Rows(SIDES[:1], upsert=True)
    ),
}


def measure(step: Step, size: int, rows: int) -> tuple[list[float], int, Operator]:
    """Return the ms of each batch, and the rows that came out of all."""
    operator = step.operator()
    # Without changes the state grows while it is measured; keys are for its size at the end.
    keys = size if step.rows.changing else size + MEASURED * rows
    for port, batch in step.rows.fill(size, keys):
        operator.on_batch(batch, port)
        operator.on_mark(batch.mark_ms or 0)
    spent: list[float] = []
    rows_out = 0
    for port, batch in step.rows.batches(size, rows, keys):
        began = time.process_time()
        given = operator.on_batch(batch, port)
        fired = operator.on_mark(batch.mark_ms or 0)
        spent.append((time.process_time() - began) * 1e3)
        rows_out += sum(f.height for f in (*given.out, *fired.out))
    # The first batches of a size pay for what is done once.
    ports = len(step.rows.schemas)
    return spent[ports:], rows_out, operator


def main() -> int:
    parser = argparse.ArgumentParser(description="Cost per batch as state grows.")
    parser.add_argument("--only", help="steps whose name holds this")
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)), help="rows of state")
    parser.add_argument("--rows", type=int, default=10_000, help="rows of a batch")
    options = parser.parse_args()
    sizes = [int(size) for size in options.sizes.split(",")]
    print(f"{options.rows:,} rows a batch; ms of processor time, median (quartiles)\n")
    print(f"{'step':<22} {'state':>10} {'ms/batch':>9} {'':>15} {'out/batch':>10} {'MB':>7}")
    for name, step in STEPS.items():
        if options.only and options.only not in name:
            continue
        measure(step, 1000, options.rows)  # compiles the kernels
        medians: list[float] = []
        for size in sizes:
            spent, rows_out, operator = measure(step, size, options.rows)
            low, middle, high = statistics.quantiles(spent, n=4)
            medians.append(middle)
            out = rows_out // (len(spent) + len(step.rows.schemas))
            print(
                f"{name:<22} {size:>10,} {middle:>9.2f} {f'({low:.2f} - {high:.2f})':>15}"
                f" {out:>10,} {operator.state_bytes / 1e6:>7.0f}",
                flush=True,
            )
        print(f"{name:<22} {'ratio':>10} {max(medians) / min(medians):>9.2f}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
