"""Python functions that cases name in CREATE FUNCTION."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

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
