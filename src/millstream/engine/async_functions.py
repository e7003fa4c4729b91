"""Calls the user's async functions for many rows at a time, in an event loop of its own.

in      a frame with the arguments of each row
out     per call a column of answers and one of reasons why there is none
tries   a call that raises, or gives nothing in its time, is tried again after a pause that doubles
limits  so many calls at a time, over all asks, as each function says
bad     nothing a function raises stops the pipeline: its row is rejected
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

from millstream.engine.operator import Resolver
from millstream.engine.rows_of_python import WRONG_TYPE, one_by_one, reason_of

if TYPE_CHECKING:
    from millstream.expr.tree import UdfCall

VALUE, FAILED = "value", "failed"
"""Before the number of a call in the answer."""

Answer = tuple[Any, str | None]


class AsyncResolver(Resolver):
    """Answers the asks of one step; calls run in one thread, side by side."""

    waits_itself = True

    def __init__(self, calls: Sequence[UdfCall], dtypes: Sequence[pl.DataType]) -> None:
        self._calls = tuple(calls)
        self._dtypes = tuple(dtypes)
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._limits: dict[int, asyncio.Semaphore] = {}

    def answer(self, payload: pl.DataFrame, now_ms: int) -> pl.DataFrame:
        loop = self._running()
        return asyncio.run_coroutine_threadsafe(self._answered(payload), loop).result()

    def close(self) -> None:
        with self._lock:
            loop, self._loop = self._loop, None
        if loop is not None:
            asyncio.run_coroutine_threadsafe(_cancel_all(), loop).add_done_callback(
                lambda _: loop.call_soon_threadsafe(loop.stop)
            )

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._limits = {
                    i: asyncio.Semaphore(call.udf.waits.calls_max)
                    for i, call in enumerate(self._calls)
                    if call.udf.waits is not None
                }
                threading.Thread(
                    target=_run, args=(self._loop,), name="async functions", daemon=True
                ).start()
            return self._loop

    async def _answered(self, payload: pl.DataFrame) -> pl.DataFrame:
        columns: list[pl.Series] = []
        at = 1  # the first column counts the rows
        for number, (call, dtype) in enumerate(zip(self._calls, self._dtypes, strict=True)):
            given = payload.get_columns()[at : at + len(call.args)]
            at += len(call.args)
            rows = zip(*(c.to_list() for c in given), strict=True) if given else None
            args = [()] * payload.height if rows is None else list(rows)
            found = await asyncio.gather(*(self._one(number, call, row) for row in args))
            columns += _columns(number, call, dtype, found)
        return pl.DataFrame(columns)

    async def _one(self, number: int, call: UdfCall, args: tuple[Any, ...]) -> Answer:
        """Return the answer for one row, or why there is none."""
        udf, how = call.udf, call.udf.waits
        assert how is not None, "only async functions are asked"
        if not udf.nulls_call and any(arg is None for arg in args):
            return None, None
        why = ""
        for turn in range(how.tries_max):
            if turn:
                await asyncio.sleep(how.retry_ms / 1000 * 2 ** (turn - 1))
            async with self._limits[number]:
                try:
                    made: Coroutine[Any, Any, Any] = udf.fn(*args)
                    return await asyncio.wait_for(made, how.timeout_ms / 1000), None
                except TimeoutError:
                    why = f"no answer in {how.timeout_ms / 1000:g} s"
                except Exception as error:  # noqa: BLE001 (whatever the user's code raises)
                    why = reason_of(error)
        return None, f"{udf.name}: {why}"


def _columns(
    number: int, call: UdfCall, dtype: pl.DataType, found: Sequence[Answer]
) -> list[pl.Series]:
    values, reasons = [v for v, _ in found], [why for _, why in found]
    try:
        column = pl.Series(values, dtype=dtype, strict=True)
    except WRONG_TYPE:
        column, bad = one_by_one(values, dtype)
        for at in bad:
            reasons[at] = f"{call.udf.name}: gave {values[at]!r}, not {call.udf.result}"
    return [
        column.alias(f"{VALUE}{number}"), pl.Series(f"{FAILED}{number}", reasons, dtype=pl.String)
    ]  # fmt: skip


def _run(loop: asyncio.AbstractEventLoop) -> None:
    loop.run_forever()
    loop.close()


async def _cancel_all() -> None:
    own = asyncio.current_task()
    tasks = [task for task in asyncio.all_tasks() if task is not own]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
