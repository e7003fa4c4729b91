"""Who of those that make frames may do so next, so that all together take a small part of a core.

in      things that have work now, later or not at all, and say what it cost
out     their steps, one at a time. Between two steps of one there is a time like the root of what
        it costs: for the share of a core that is used this makes the sum of these times least
limit   a share of one core: the times are such that all together stay below it. A credit of seconds
        grows with the clock and is spent by steps: as long as it is high nobody waits, so that a
        page that opens gets its rows at once; where it is overdrawn the times are longer
"""

from __future__ import annotations

import asyncio
import logging
import math
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

SHARE = 0.05
BURST_S = 0.5
STEP_S = 0.0001
"""What choosing and waking cost, beside what a step says."""
PAUSE_MAX_S = 20.0
"""What was overdrawn is forgotten beyond the credit of so many seconds."""
DEBT_S = 2.0
"""Times between steps are twice as long where the credit of so many seconds is overdrawn."""
ACTIVE_S = 2.0
FAILED_S = 0.02
"""What a step that failed is taken to have cost."""
LOG = logging.getLogger("millstream")


class Worker(Protocol):
    """Something that has work from time to time."""

    def due_in_s(self, now_s: float) -> float | None:
        """Return when there is work; None: not before it asks for a turn."""

    async def step(self) -> float:
        """Do some of it; return the seconds of a core it took."""


@dataclass(slots=True)
class _Past:
    """When a worker did its last step, and what its steps cost lately."""

    stepped_at_s: float
    cost_s: float | None = None

    @property
    def root(self) -> float:
        """Of what a step costs."""
        return math.sqrt(max(self.cost_s or 0.0, STEP_S))

    def claim(self, now_s: float) -> float:
        """Return how much it is its turn."""
        return (now_s - self.stepped_at_s) / self.root


class Turns:
    """Gives turns to workers; everything happens in one event loop."""

    def __init__(self, share: float = SHARE, burst_s: float = BURST_S) -> None:
        self.share = share
        self.used_s = 0.0
        """Seconds of a core, all steps together."""
        self._burst_s = burst_s
        self._credit_s = burst_s
        self._filled_at_s: float | None = None
        self._workers: dict[Worker, _Past] = {}
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def add(self, worker: Worker) -> None:
        """Let a worker take part."""
        loop = asyncio.get_running_loop()
        self._workers[worker] = _Past(loop.time())
        if self._task is None or self._task.done():
            self._task = loop.create_task(self._run())
        self.wake()

    def remove(self, worker: Worker) -> None:
        """Let a worker go."""
        self._workers.pop(worker, None)
        if not self._workers and self._task is not None:
            self._task.cancel()
            self._task = None

    def wake(self) -> None:
        """Look again who has work."""
        self._woken.set()

    def spend(self, cost_s: float) -> None:
        """Count what was done outside of a turn."""
        self._credit_s = max(self._credit_s - cost_s, -PAUSE_MAX_S * self.share)
        self.used_s += cost_s

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._woken.clear()
            now_s = loop.time()
            self._fill(now_s)
            due = {worker: worker.due_in_s(now_s) for worker in self._workers}
            waits = self._waits(due, now_s)
            ready = [worker for worker, wait_s in waits.items() if wait_s <= 0]
            if ready:
                await self._step(max(ready, key=lambda w: self._workers[w].claim(now_s)))
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(min(waits.values(), default=None)):
                    await self._woken.wait()

    def _waits(self, due: dict[Worker, float | None], now_s: float) -> dict[Worker, float]:
        """Return when each may do a step that has work."""
        found = {worker: due_s for worker, due_s in due.items() if due_s is not None}
        if self._credit_s > self._burst_s / 2:
            return found
        roots = sum(
            past.root
            for worker, past in self._workers.items()
            if worker in found or now_s - past.stepped_at_s < ACTIVE_S
        )
        longer = max(1.0, 1.0 - self._credit_s / (self.share * DEBT_S))
        for worker, due_s in found.items():
            past = self._workers[worker]
            pause_s = past.root * roots / self.share * longer
            found[worker] = max(due_s, past.stepped_at_s + pause_s - now_s)
        return found

    async def _step(self, worker: Worker) -> None:
        try:
            cost_s = STEP_S + await worker.step()
        except Exception:
            # One view that cannot be shown must not end the others' frames; it tries again later.
            LOG.exception("A frame of the feed could not be made.")
            cost_s = FAILED_S
        self.spend(cost_s)
        past = self._workers.get(worker)
        if past is not None:
            past.stepped_at_s = asyncio.get_running_loop().time()
            before_s = cost_s if past.cost_s is None else past.cost_s
            past.cost_s = before_s + (cost_s - before_s) / 4

    def _fill(self, now_s: float) -> None:
        passed_s = 0.0 if self._filled_at_s is None else now_s - self._filled_at_s
        self._filled_at_s = now_s
        self._credit_s = min(self._burst_s, self._credit_s + passed_s * self.share)
