"""Watches a compute thread: tells of a step that is busy with one batch for very long.

in      a count that moves with every turn
out     a line in the log after ``TELL_AFTER_S`` and, with a limit, an end: an exception inside the
        Python function that does not return, as if it had raised it, so that its row is rejected
limits  native code that hangs hears of no exception: after twice the limit the process ends itself
        (exit code ``EXIT``), and the next start finds the row by its note (care.py)
source  CPython's PyThreadState_SetAsyncExc, the one way to reach a loop in another thread
"""

from __future__ import annotations

import ctypes
import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from millstream.engine.calls import Call
from millstream.events import about, carried

LOG = logging.getLogger("millstream")
TELL_AFTER_S = 10.0
LOOK_S = 0.25
EXIT = 1
_COMPUTE: set[int] = set()
"""The compute threads that are watched in this process."""


class NoReturn(Exception):
    """Raised inside a function that does not return; made anew with the limit in its text."""


@dataclass(frozen=True, slots=True)
class Busy:
    """A step at work, or the function of the user that it waits for."""

    step: str
    thread: int = 0
    call: Call | None = None

    def __str__(self) -> str:
        return f"step '{self.step}'" + ("" if self.call is None else f", {self.call}")


class Watchdog:
    """Watches from a thread of its own until ``close``."""

    def __init__(self, beats: Callable[[], int], step: Callable[[], str], limit_s: float) -> None:
        self._beats = beats
        self._step = step
        self._limit_s = limit_s
        self._thread = threading.get_ident()
        _COMPUTE.add(self._thread)
        self._end = threading.Event()
        threading.Thread(target=carried(self._watch), name="watchdog", daemon=True).start()

    def close(self) -> None:
        """Watch no more."""
        self._end.set()
        _COMPUTE.discard(self._thread)

    def _watch(self) -> None:
        beat, since_s, tell_s, tries = -1, time.monotonic(), TELL_AFTER_S, 0
        busy: Busy | None = None
        while not self._end.wait(LOOK_S):
            now_s, before = time.monotonic(), busy
            if self._beats() != beat:
                beat, since_s, tell_s, tries = self._beats(), now_s, TELL_AFTER_S, 0
                busy = None
                continue
            busy = _busy(self._thread, self._step())
            if busy is None or (before is not None and busy.call is not before.call):
                since_s, tries = now_s, 0
                continue
            stuck_s = now_s - since_s
            if stuck_s >= tell_s:
                extra = about("stuck", operator=busy.step, busy_s=stuck_s)
                LOG.warning("busy with one batch for %.0f s: %s", stuck_s, busy, extra=extra)
                tell_s *= 2
            if self._limit_s and busy.call is not None and stuck_s >= self._limit_s * (tries + 1):
                tries += 1
                self._end_it(busy, tries)

    def _end_it(self, busy: Busy, tries: int) -> None:
        why = f"no return within {self._limit_s:g} s"
        if tries > 1:
            LOG.critical(
                "%s, not even when interrupted: %s. The process ends.",
                why,
                busy,
                extra=about("killed", operator=busy.step),
            )
            sys.stderr.flush()
            os._exit(EXIT)
        if Call.under_way.get(busy.thread) is not busy.call:
            return  # it has returned just now
        raised = type("NoReturn", (NoReturn,), {"__str__": lambda _: why})
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(busy.thread), ctypes.py_object(raised)
        )


def _busy(thread: int, step: str) -> Busy | None:
    """Return what a compute thread is at, if it is at anything.

    By what is told (calls.py, ``Graph.at_work``), never by the frames of a thread that runs.
    """
    if not step:
        return None
    calls = Call.under_way.copy()
    if thread in calls:
        return Busy(step, thread, calls[thread])
    # Polars calls functions of expressions in threads of its own.
    for other, call in calls.items():
        if other not in _COMPUTE:
            return Busy(step, other, call)
    return Busy(step)
