"""Puts the asks of a running plan before their resolvers, and takes the answers back in order.

in      the asks of the graph's steps
state   which asks are under way; none of it is kept, for open asks are part of the steps' state
out     replies, of each step in the order of its asks, or as they come where that is allowed
limits  ``async_asks_max`` asks under way together; the driver pauses the sources beyond
bad     what a resolver raises, and an answer that does not come in time, stops the pipeline
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import polars as pl

from millstream.engine.graph import Graph
from millstream.engine.operator import Ask, Asking, Resolver
from millstream.engine.reading import Inbox
from millstream.errors import ConnectorError, Retry
from millstream.settings import OutputMode, Settings


@dataclass(slots=True)
class _Asked:
    """One ask: not yet given to a thread, under way, or answered."""

    ask: Ask
    future: Future[pl.DataFrame] | None = None
    since_s: float = 0.0


@dataclass(slots=True)
class _Line:
    """The asks of one step, the oldest first."""

    resolver: Resolver
    asked: deque[_Asked] = field(default_factory=deque)


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to one ask."""

    step: int
    number: int
    frame: pl.DataFrame


class Asker:
    """The asks of one run; all calls come from the compute thread."""

    def __init__(self, graph: Graph, inbox: Inbox, settings: Settings) -> None:
        self._graph = graph
        self._inbox = inbox
        self._ordered = settings.async_output_mode is OutputMode.ORDERED
        self._asks_max = max(1, settings.async_asks_max)
        self._timeout_s = settings.async_timeout_ms / 1000
        self._lines = {
            index: _Line(step.operator.resolver())
            for index, step in enumerate(graph.steps)
            if isinstance(step.operator, Asking)
        }
        self._pool: ThreadPoolExecutor | None = None

    @property
    def is_full(self) -> bool:
        """Whether no more rows should come before some asks are answered."""
        return bool(self._lines) and self._open() >= self._asks_max

    def replies(self, now_ms: int) -> Iterator[Reply]:
        """Take new asks up, then yield what is answered; what a reply brings about included."""
        if not self._lines:
            return
        self._take_up()
        while (reply := self._next(now_ms)) is not None:
            yield reply
            self._take_up()

    def close(self) -> None:
        """Give up what is under way."""
        for line in self._lines.values():
            line.resolver.close()
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def _take_up(self) -> None:
        for index, ask in self._graph.asks():
            self._lines[index].asked.append(_Asked(ask))

    def _next(self, now_ms: int) -> Reply | None:
        for index, line in self._lines.items():
            self._start(line, now_ms)
            for at, asked in enumerate(line.asked):
                if asked.future is not None and asked.future.done():
                    failure = asked.future.exception()
                    if failure is not None:
                        self._inbox.fail(failure)
                        return None
                    del line.asked[at]
                    return Reply(index, asked.ask.number, asked.future.result())
                if not line.resolver.waits_itself:
                    self._check_time(asked)
                if self._ordered:
                    break
        return None

    def _start(self, line: _Line, now_ms: int) -> None:
        """Give asks to threads, as many as may be under way; those known are answered here."""
        limit = min(line.resolver.asks_max or self._asks_max, self._asks_max)
        under_way = sum(1 for a in line.asked if a.future is not None and not a.future.done())
        for asked in line.asked:
            if asked.future is not None:
                continue
            if under_way >= limit:
                return
            known = line.resolver.at_once(asked.ask.payload, now_ms)
            if known is not None:
                asked.future = Future()
                asked.future.set_result(known)
                continue
            under_way += 1
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self._asks_max, thread_name_prefix="ask")
            asked.since_s = time.monotonic()
            asked.future = self._pool.submit(line.resolver.answer, asked.ask.payload, now_ms)
            asked.future.add_done_callback(self._done)

    def _done(self, _: Future[pl.DataFrame]) -> None:
        """Wake the compute thread; called in the thread that answered."""
        self._inbox.notify()

    def _check_time(self, asked: _Asked) -> None:
        if asked.future is None or time.monotonic() - asked.since_s <= self._timeout_s:
            return
        raise ConnectorError(
            f"An answer has not come for {self._timeout_s:g} s.",
            hint="See whether the system that is asked works, or raise "
            "'table.exec.async-lookup.timeout'.",
            retry=Retry.LATER,
        )

    def _open(self) -> int:
        return sum(len(line.asked) for line in self._lines.values())
