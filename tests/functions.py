"""Python functions that cases name in CREATE FUNCTION."""

from __future__ import annotations

import asyncio
import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar

import polars as pl

import millstream as ms

if TYPE_CHECKING:
    from collections.abc import Iterator


def doubled(value: int) -> int:
    return 2 * value


@ms.udtf(result="ROW<word STRING, letters INT>")
def words(text: str) -> Iterator[tuple[str, int]]:
    for word in text.split():
        if word == "stop":
            raise ValueError("no more")
        yield word, len(word)


@ms.udtf(result="ROW<n INT>", args=["INT"], vectorised=True)
def up_to(column: pl.Series) -> pl.DataFrame:
    frame = pl.DataFrame({"n": column}).with_row_index("row")
    many = frame.with_columns(pl.int_ranges(1, pl.col("n") + 1).alias("n"))
    return many.explode("n").drop_nulls("n")


@ms.udaf(args=["INT"], result="INT")
class Middle:
    """The middle one of the values, the lower of two."""

    def create(self) -> list[int]:
        return []

    def accumulate(self, acc: list[int], value: int | None) -> None:
        if value is None:
            return
        if value < 0:
            raise ValueError(f"{value} is below zero")
        acc.append(value)

    def retract(self, acc: list[int], value: int | None) -> None:
        if value is not None:
            acc.remove(value)

    def merge(self, acc: list[int], other: list[int]) -> None:
        acc.extend(other)

    def result(self, acc: list[int]) -> int | None:
        return sorted(acc)[(len(acc) - 1) // 2] if acc else None


@ms.udaf(args=["INT", "INT"], result="BIGINT")
class Weighed:
    """The sum of values by their weights; only new rows, no overlapping windows."""

    def create(self) -> int:
        return 0

    def accumulate_batch(self, acc: int, values: pl.Series, weights: pl.Series) -> int:
        return acc + int((values * weights).sum())

    def result(self, acc: int) -> int:
        return acc


@ms.udf(tries=2, retry_after="1ms", timeout="5s")
async def looked_up(key: str) -> str:
    await asyncio.sleep(0)
    if key == "nobody":
        raise LookupError("not found")
    return key.upper()


@ms.udf(deterministic=False)
def any_number(_: str) -> int:
    return 4


def not_a_function(*_: Any) -> Any:
    return None


@ms.process_function(gives="ROW<event STRING, n INT>")
class Visits:
    """Counts a key's rows until it is quiet for a while; a value below zero is refused."""

    def __init__(self, gap: dt.timedelta = dt.timedelta(seconds=10)) -> None:
        self._gap = gap

    def on_row(self, row: dict[str, Any], state: dict[str, Any], ctx: Any) -> Iterator[Any]:
        if row["v"] < 0:
            state["n"] = 1000
            raise ValueError(f"{row['v']} is below zero")
        if ctx.is_late:
            ctx.late()
            return
        state["n"] = state.get("n", 0) + 1
        if "until" in state:
            ctx.cancel(state["until"])
        state["until"] = ctx.time + self._gap
        ctx.timer(state["until"])
        yield "row", state["n"]

    def on_timer(self, _: dt.datetime, state: dict[str, Any], ctx: Any) -> Iterator[Any]:
        yield {"event": "quiet", "n": state["n"]}
        ctx.clear()


class Numbered:
    """Numbers the rows of a key; the state holds values of several types."""

    gives: ClassVar = {"nth": "INT", "seen": "STRING"}

    def on_row(self, row: dict[str, Any], state: dict[str, Any], _: Any) -> tuple[int, str]:
        state["nth"] = state.get("nth", 0) + 1
        state.setdefault("seen", []).append((row["v"], Decimal(row["v"]) / 4))
        return state["nth"], " ".join(str(part) for _, part in state["seen"])


@ms.process_function(gives="INT")
class TickTock:
    """Sets timers for ever, and at the end of the input too if it is told so."""

    def __init__(self, endless: bool = False) -> None:
        self._endless = endless

    def on_row(self, _: dict[str, Any], __: dict[str, Any], ctx: Any) -> None:
        ctx.timer(dt.timedelta(seconds=10))

    def on_timer(self, t: dt.datetime, _: dict[str, Any], ctx: Any) -> int:
        if self._endless or not ctx.is_ended:
            ctx.timer(dt.timedelta(seconds=10))
        return t.second
