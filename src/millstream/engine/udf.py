"""Python functions of the user, called from an expression.

scalar       called once per row with Python values; an exception rejects that row alone
vectorised   called with whole Polars Series; must give a Series of the same length. Where it raises
             or gives another length, halves are tried until the rows that fail are found
calls        once per row and batch, though value and failure are two Polars expressions
NULL         ``nulls_call=False``: a row with a NULL argument gives NULL without a call
out          the value, and the rows that failed; the reason names the function
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

from millstream.columns.physical import polars_type
from millstream.engine.calls import Call
from millstream.engine.functions import Context, Fail, Lowered, Turn
from millstream.engine.functions.series import equally_long, is_constant
from millstream.errors import PlanError
from millstream.expr.tree import Udf, UdfCall

if TYPE_CHECKING:
    import pyarrow as pa

REASON_CHARS_MAX = 200


def lower_udf(call: UdfCall, args: tuple[Lowered, ...], ctx: Context) -> Lowered:
    """Return the call as a Polars expression with the rows it fails on."""
    udf, dtype = call.udf, polars_type(call.udf.result)
    if udf.waits is not None:
        raise PlanError(
            f"{udf.name} is async, and cannot stand here.",
            where=call.place,
            hint="Async functions stand in SELECT and WHERE, not in the columns of a table.",
        )
    below = tuple(f for a in args for f in a.fails)
    # A row that already failed below must not reach the user's function with a made-up value.
    given = [a.value for a in args]
    bad_below = [f.when.fill_null(False) for f in below]
    skip = pl.any_horizontal(bad_below) if bad_below else pl.lit(False)
    shape = pl.Struct({"value": dtype, "failed": pl.String()})

    memo = _Memo(ctx.turn, deterministic=udf.deterministic)

    def run(columns: Sequence[pl.Series]) -> pl.Series:
        given = equally_long(columns)
        return memo.of(given, lambda: Calls(udf, dtype).over(given[1:], given[0]).to_struct("udf"))

    constant = all(is_constant(e) for e in [*given, skip])
    both = pl.map_batches([skip, *given], run, return_dtype=shape)
    if constant:
        both = both.first()
    failed = both.struct.field("failed")
    return Lowered(
        both.struct.field("value"),
        (*below, Fail(failed.is_not_null(), f"the function {udf.name} failed", failed)),
    )


class _Memo:
    """The last answer: the value and the failure of one batch are asked for apart.

    Polars computes the call again for each of them, and its arguments too. A deterministic function
    is not called again for equal columns; another one not for equal columns in the same turn, or
    where nobody counts turns, for the very same ones.
    """

    def __init__(self, turn: Turn, *, deterministic: bool):
        self._turn = turn
        self._deterministic = deterministic
        self._lock = threading.Lock()
        self._last: tuple[int, list[pl.Series], pl.Series] | None = None

    def of(self, given: list[pl.Series], compute: Callable[[], pl.Series]) -> pl.Series:
        """Return the answer for ``given``."""
        with self._lock:  # the expressions of one select run side by side
            last, now = self._last, self._turn.number
            if last is None or not all(map(self._same(last[0]), last[1], given)):
                last = self._last = (now, given, compute())
            return last[2]

    def _same(self, turn: int) -> Callable[[pl.Series, pl.Series], bool]:
        in_turn = turn == self._turn.number != 0
        return _equal if self._deterministic or in_turn else _identical


def _equal(a: pl.Series, b: pl.Series) -> bool:
    return a.equals(b, check_dtypes=True)


def _identical(a: pl.Series, b: pl.Series) -> bool:
    if len(a) != len(b):
        return False
    x, y = a.to_arrow(), b.to_arrow()
    return x.offset == y.offset and [_address(v) for v in x.buffers()] == [
        _address(v) for v in y.buffers()
    ]


def _address(buffer: pa.Buffer | None) -> int:
    return 0 if buffer is None else buffer.address


class Calls:
    """One call of a user's function over columns."""

    def __init__(self, udf: Udf, dtype: pl.DataType):
        self.udf, self.dtype = udf, dtype

    def over(self, columns: list[pl.Series], skipped: pl.Series) -> pl.DataFrame:
        """Return the columns ``value`` and ``failed`` (the reason, or NULL)."""
        rows = len(skipped)
        calls = ~skipped
        if not self.udf.nulls_call:
            for column in columns:
                calls = calls & column.is_not_null()
        if calls.all():
            return self._called(columns, rows)
        where = calls.arg_true()
        done = self._called([c.gather(where) for c in columns], len(where))
        at = pl.DataFrame({"at": pl.Series(range(rows), dtype=where.dtype)})
        return at.join(
            done.with_columns(at=where), on="at", how="left", maintain_order="left"
        ).drop("at")

    def _called(self, columns: list[pl.Series], rows: int) -> pl.DataFrame:
        if rows == 0:
            return self._frame([], [])
        if self.udf.vectorised:
            return self._halves(columns, rows)
        values: list[Any] = []
        failed: list[str | None] = []
        # Row by row because the user's function takes one row; `vectorised` avoids it.
        lists = [c.to_list() for c in columns]
        for row in zip(*lists, strict=True) if lists else ((),) * rows:
            try:
                with Call(self.udf.fn):
                    value, reason = self.udf.fn(*row), None
            except Exception as error:  # noqa: BLE001 (whatever the user's code raises)
                value, reason = None, _reason(error)
            values.append(value)
            failed.append(reason)
        return self._frame(values, failed)

    def _frame(self, values: list[Any], failed: list[str | None]) -> pl.DataFrame:
        try:
            column = pl.Series("value", values, dtype=self.dtype, strict=True)
        except (TypeError, OverflowError, ValueError, pl.exceptions.PolarsError):
            column = self._one_by_one(values, failed)
        return pl.DataFrame([column, pl.Series("failed", failed, dtype=pl.String)])

    def _one_by_one(self, values: list[Any], failed: list[str | None]) -> pl.Series:
        """Return the values that have the promised type; the others fail with the reason."""
        kept: list[pl.Series] = []
        for i, value in enumerate(values):  # only where some value has another type
            try:
                kept.append(pl.Series("value", [value], dtype=self.dtype, strict=True))
            except (TypeError, OverflowError, ValueError, pl.exceptions.PolarsError):
                kept.append(pl.Series("value", [None], dtype=self.dtype))
                failed[i] = f"gave {value!r}, not {self.udf.result}"[:REASON_CHARS_MAX]
        return pl.concat(kept)

    def _halves(self, columns: list[pl.Series], rows: int) -> pl.DataFrame:
        try:
            result = self._whole(columns, rows)
        except Exception as error:  # noqa: BLE001 (whatever the user's code raises)
            if rows == 1:
                return self._frame([None], [_reason(error)])
            half = rows // 2
            return pl.concat(
                [
                    self._halves([c.slice(0, half) for c in columns], half),
                    self._halves([c.slice(half) for c in columns], rows - half),
                ]
            )
        nothing = pl.Series("failed", [None], dtype=pl.String).new_from_index(0, rows)
        return pl.DataFrame([result.alias("value"), nothing])

    def _whole(self, columns: list[pl.Series], rows: int) -> pl.Series:
        with Call(self.udf.fn):
            result = self.udf.fn(*columns)
        if not isinstance(result, pl.Series):
            result = pl.Series("value", result, dtype=self.dtype)
        if len(result) != rows:
            raise ValueError(f"gave {len(result)} values for {rows} rows")
        return result if result.dtype == self.dtype else result.cast(self.dtype, strict=True)


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:REASON_CHARS_MAX]
