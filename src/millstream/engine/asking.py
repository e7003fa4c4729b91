"""Puts the asks of a running plan before their resolvers, and takes the answers back in order.

in      the asks of the graph's steps
state   which asks are under way; none of it is kept, for open asks are part of the steps' state
out     replies, of each step in the order of its asks, or as they come where that is allowed
limits  ``async_asks_max`` asks under way together; the driver pauses the sources beyond
bad     what a resolver raises, and an answer that does not come in time, stops the pipeline
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

import polars as pl

from millstream.engine.graph import Graph
from millstream.engine.operator import Ask, Asking, Resolver
from millstream.engine.world import Actor, Inbox
from millstream.errors import ConnectorError, Domain, Retry
from millstream.settings import OutputMode, Settings


@dataclass(slots=True)
class _Asked:
    """One ask: not yet given to a thread, under way, or answered."""

    ask: Ask
    since_s: float | None = None
    """When it was given out; None = not yet, or it was not necessary."""
    answer: pl.DataFrame | None = None
    failure: BaseException | None = None

    @property
    def done(self) -> bool:
        return self.answer is not None or self.failure is not None

    @property
    def under_way(self) -> bool:
        return self.since_s is not None and not self.done


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


@dataclass(frozen=True, slots=True)
class _Errand:
    """An ask on its way to whoever answers next."""

    asked: _Asked
    resolver: Resolver
    now_ms: int

    def do(self) -> None:
        try:
            self.asked.answer = self.resolver.answer(self.asked.ask.payload, self.now_ms)
        except BaseException as error:  # noqa: BLE001 (raised again when its turn comes)
            self.asked.failure = error


class _Answerer(Actor):
    """Does errands, one at a time."""

    def __init__(self, number: int, errands: deque[_Errand], inbox: Inbox) -> None:
        super().__init__(f"ask {number}")
        self.is_busy = False
        self.closing = False
        self._errands = errands
        self._inbox = inbox

    def step(self, wait_s: float) -> bool:
        self._inbox.world.wait(lambda: self._errands or self.closing, wait_s)
        if self.closing:
            return False
        self.is_busy = True  # before the errand is taken: who counts idle ones must not count us
        errand = self._next()
        if errand is not None:
            errand.do()
            self._inbox.notify()
        self.is_busy = False
        return True

    def _next(self) -> _Errand | None:
        try:
            return self._errands.popleft()
        except IndexError:  # another one was quicker
            return None


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
        self._errands: deque[_Errand] = deque()
        self._answerers: list[_Answerer] = []

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
        self._errands.clear()
        for answerer in self._answerers:
            answerer.closing = True
        self._inbox.world.notify()

    def _take_up(self) -> None:
        for index, ask in self._graph.asks():
            self._lines[index].asked.append(_Asked(ask))

    def _next(self, now_ms: int) -> Reply | None:
        for index, line in self._lines.items():
            self._start(line, now_ms)
            for at, asked in enumerate(line.asked):
                if asked.failure is not None:
                    self._inbox.fail(asked.failure)
                    return None
                if asked.answer is not None:
                    del line.asked[at]
                    return Reply(index, asked.ask.number, asked.answer)
                if not line.resolver.waits_itself:
                    self._check_time(asked)
                if self._ordered:
                    break
        return None

    def _start(self, line: _Line, now_ms: int) -> None:
        """Give asks to threads, as many as may be under way; those known are answered here."""
        limit = min(line.resolver.asks_max or self._asks_max, self._asks_max)
        under_way = sum(1 for a in line.asked if a.under_way)
        for asked in line.asked:
            if asked.done or asked.under_way:
                continue
            if under_way >= limit:
                return
            asked.answer = line.resolver.at_once(asked.ask.payload, now_ms)
            if asked.answer is None:
                under_way += 1
                self._give(_Errand(asked, line.resolver, now_ms))

    def _give(self, errand: _Errand) -> None:
        """Queue an errand, for a new answerer where all are busy."""
        errand.asked.since_s = self._inbox.world.monotonic_s()
        self._errands.append(errand)
        idle = sum(1 for a in self._answerers if not a.is_busy)
        if idle < len(self._errands) and len(self._answerers) < self._asks_max:
            self._answerers.append(_Answerer(len(self._answerers), self._errands, self._inbox))
            self._inbox.start(self._answerers[-1])
        self._inbox.world.notify()

    def _check_time(self, asked: _Asked) -> None:
        since_s = asked.since_s
        if since_s is None or self._inbox.world.monotonic_s() - since_s <= self._timeout_s:
            return
        raise ConnectorError(
            f"An answer has not come for {self._timeout_s:g} s.",
            hint="See whether the system that is asked works, or raise "
            "'table.exec.async-lookup.timeout'.",
            retry=Retry.LATER,
            domain=Domain.NETWORK,
        )

    def _open(self) -> int:
        return sum(len(line.asked) for line in self._lines.values())
