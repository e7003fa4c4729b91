"""The calls of one OVER window, taken apart by what they need.

in      OverCall expressions over the columns of the input
out     aggregates over argument columns, ranks, shifts (LAG, LEAD), shares (NTILE, PERCENT_RANK,
        CUME_DIST); the program that computes the arguments; the columns of the results
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from millstream.columns.frames import gathered_columns
from millstream.columns.physical import polars_schema, polars_type
from millstream.engine.aggregates.arguments import Arguments
from millstream.engine.batch import Batch
from millstream.engine.operator import Lowering
from millstream.engine.state.codec import nulls
from millstream.expr import overs
from millstream.expr.tree import AggCall, Column, Expr, Literal, Named, OverCall
from millstream.plan.ranks import Over

RANKS = ("ROW_NUMBER", "RANK", "DENSE_RANK")
_VALUE, _DEFAULT = "$value ", "$default "


@dataclass(frozen=True, slots=True)
class Shift:
    """LAG (a positive distance) or LEAD (a negative one)."""

    value: str
    distance: int
    default: str | None
    dtype: pl.DataType


@dataclass(frozen=True, slots=True)
class OverCalls:
    """What is computed per row."""

    calls: tuple[Named, ...]
    aggs: tuple[Named, ...]
    shifts: dict[str, Shift]
    arguments: Arguments
    empty: pl.DataFrame

    @classmethod
    def of(cls, node: Over, lowering: Lowering) -> OverCalls:
        """Take the calls of a plan node apart."""
        said: list[Named] = []
        for named in node.calls:
            call = _call(named)
            if call.function in overs.SHIFTS:
                # Any function of one argument brings the argument into a column.
                said.append(Named(_VALUE + named.name, _first(call.args[0])))
                if len(call.args) > 2:
                    said.append(Named(_DEFAULT + named.name, _first(call.args[2])))
            elif call.function not in overs.OVER_ONLY:
                agg = AggCall(call.function, call.args, call.distinct, call.filter, type=call.typed)
                said.append(Named(named.name, agg))
        given = node.input.schema
        arguments = Arguments.of(
            tuple(said), given.names, given, lowering.ctx, seed=lowering.seed, uid=node.uid
        )
        columns = {named.name: _arg(named) for named in arguments.aggs}
        shifts = {
            named.name: _shift(_call(named), named.name, columns)
            for named in node.calls
            if _call(named).function in overs.SHIFTS
        }
        aggs = tuple(a for a in arguments.aggs if a.name[:1] != "$")
        schema = dict(polars_schema(given))
        for named in arguments.aggs:
            assert isinstance(named.expr, AggCall), "arguments are those of aggregates"
            for part in (*named.expr.args, named.expr.filter):
                if isinstance(part, Column):
                    schema.setdefault(part.name, polars_type(part.typed))
        return cls(node.calls, aggs, shifts, arguments, pl.DataFrame(schema=schema))

    @property
    def lags_back(self) -> tuple[int, ...]:
        """The distances that are looked back."""
        return tuple(sorted({s.distance for s in self.shifts.values() if s.distance > 0}))

    @property
    def lag_schema(self) -> dict[str, pl.DataType]:
        """The columns that are looked back at."""
        names = {s.value for s in self.shifts.values() if s.distance > 0}
        return {name: self.empty.schema[name] for name in names}

    def prepare(self, batch: Batch) -> tuple[pl.DataFrame, tuple[pl.DataFrame, ...]]:
        """Return the rows with their argument columns, and those rejected."""
        return self.arguments.prepare(batch)

    def in_time(
        self,
        rows: pl.DataFrame,
        frames: dict[str, pl.Series],
        ranks: np.ndarray,
        past: dict[int, tuple[pl.DataFrame, np.ndarray]],
    ) -> list[pl.Series]:
        """Return the result columns of rows in their order."""
        out: list[pl.Series] = []
        for named in self.calls:
            call = _call(named)
            if call.function in RANKS:
                out.append(pl.Series(named.name, ranks[RANKS.index(call.function)]))
            elif call.function in overs.SHIFTS:
                shift = self.shifts[named.name]
                if shift.distance == 0:
                    out.append(rows[shift.value].alias(named.name))
                    continue
                values, has = past[shift.distance]
                places = np.cumsum(has) - 1
                found = _gathered(values[shift.value], places, has)
                out.append(_defaulted(found, has, shift, rows).alias(named.name))
            else:
                out.append(frames[named.name])
        return out

    def of_whole(
        self,
        rows: pl.DataFrame,
        frames: dict[str, pl.Series],
        places: Places,
    ) -> list[pl.Series]:
        """Return the result columns of whole partitions, one after the other, in order."""
        out: list[pl.Series] = []
        for named in self.calls:
            call = _call(named)
            if call.function in overs.SHIFTS:
                shift = self.shifts[named.name]
                source = np.arange(rows.height) - shift.distance
                has = (source >= places.start) & (source < places.start + places.size)
                found = _gathered(rows[shift.value], source, has)
                out.append(_defaulted(found, has, shift, rows).alias(named.name))
            elif call.function in overs.OVER_ONLY:
                out.append(pl.Series(named.name, _placed(call, places)))
            else:
                out.append(frames[named.name])
        return out


@dataclass(frozen=True, slots=True)
class Places:
    """Where rows stand in their partitions: arrays, one entry per row.

    ``start`` and ``size`` are those of the partition; ``number`` counts from one; ``rank``,
    ``groups`` and ``last`` (the number of the last equal row) go by equal rows.
    """

    start: np.ndarray
    size: np.ndarray
    number: np.ndarray
    rank: np.ndarray
    groups: np.ndarray
    last: np.ndarray


def _placed(call: OverCall, places: Places) -> np.ndarray:
    match call.function:
        case "ROW_NUMBER":
            return places.number
        case "RANK":
            return places.rank
        case "DENSE_RANK":
            return places.groups
        case "PERCENT_RANK":
            return (places.rank - 1) / np.maximum(places.size - 1, 1)
        case "CUME_DIST":
            return places.last / places.size
        case _:
            assert call.function == "NTILE", f"no way to compute {call.function}"
            groups = call.args[0]
            assert isinstance(groups, Literal), "the groups of NTILE are a constant"
            n = int(groups.value)
            least, more = places.size // n, places.size % n
            at = places.number - 1
            long = more * (least + 1)
            behind = more + (at - long) // np.maximum(least, 1)
            return np.where(at < long, at // (least + 1), behind) + 1


def _gathered(values: pl.Series, places: np.ndarray, has: np.ndarray) -> pl.Series:
    """Return values at places, NULL where there is none."""
    if has.all():
        return gathered_columns([values], places)[0]
    missing = nulls(values.dtype, has.size)
    if not has.any():
        return missing
    found = gathered_columns([values], np.where(has, places, 0))[0]
    return found.zip_with(pl.Series(has), missing)


def _defaulted(found: pl.Series, has: np.ndarray, shift: Shift, rows: pl.DataFrame) -> pl.Series:
    if shift.default is not None:
        found = found.zip_with(pl.Series(has), rows[shift.default])
    return found if found.dtype == shift.dtype else found.cast(shift.dtype)


def _call(named: Named) -> OverCall:
    assert isinstance(named.expr, OverCall), "only OverCall below Over"
    return named.expr


def _first(arg: Expr) -> AggCall:
    return AggCall("LAST_VALUE", (arg,), type=arg.typed)


def _arg(named: Named) -> str:
    assert isinstance(named.expr, AggCall), "arguments are those of aggregates"
    arg = named.expr.args[0] if named.expr.args else None
    return arg.name if isinstance(arg, Column) else ""


def _shift(call: OverCall, name: str, columns: dict[str, str]) -> Shift:
    rows = call.args[1]
    assert isinstance(rows, Literal), "the distance of LAG is a constant"
    distance = int(rows.value) if call.function == "LAG" else -int(rows.value)
    default = columns.get(_DEFAULT + name)
    return Shift(columns[_VALUE + name], distance, default, polars_type(call.typed))
