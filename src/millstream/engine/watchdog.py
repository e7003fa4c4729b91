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
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import numba
import numpy as np
import polars as pl

from millstream.engine import graph, scan, udf

LOG = logging.getLogger("millstream")
TELL_AFTER_S = 10.0
LOOK_S = 0.25
EXIT = 1
_OURS = str(Path(__file__).resolve().parents[1])
_LIBRARIES = tuple(
    str(Path(module.__file__).parent) for module in (pl, np, numba) if module.__file__
)
"""Code that is no user's: it may take long (kernels are compiled), and is not interrupted."""
_STEPS = frozenset({graph.__file__, scan.__file__})
"""Whose code runs the steps."""
_CALLS = frozenset({udf.__file__})
"""Whose code calls functions that stand in expressions."""


class NoReturn(Exception):
    """Raised inside a function that does not return; made anew with the limit in its text."""


@dataclass(frozen=True, slots=True)
class Busy:
    """A function at work, called by a step: the thread it is in, and where it stands."""

    thread: int
    frame: FrameType | None
    """The call itself, held: the number of one that is gone may be that of the next."""
    what: str
    is_users: bool = True


class Watchdog:
    """Watches from a thread of its own until ``close``."""

    def __init__(self, beats: Callable[[], int], step: Callable[[], str], limit_s: float) -> None:
        self._beats = beats
        self._step = step
        self._limit_s = limit_s
        self._thread = threading.get_ident()
        self._end = threading.Event()
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    def close(self) -> None:
        """Watch no more."""
        self._end.set()

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
            if busy is None or (before is not None and busy.frame is not before.frame):
                since_s, tries = now_s, 0
                continue
            stuck_s = now_s - since_s
            if stuck_s >= tell_s:
                LOG.warning("busy with one batch for %.0f s: %s", stuck_s, busy.what)
                tell_s *= 2
            if self._limit_s and busy.is_users and stuck_s >= self._limit_s * (tries + 1):
                tries += 1
                self._end_it(busy, tries)

    def _end_it(self, busy: Busy, tries: int) -> None:
        why = f"no return within {self._limit_s:g} s"
        if tries > 1:
            LOG.critical("%s, not even when interrupted: %s. The process ends.", why, busy.what)
            sys.stderr.flush()
            os._exit(EXIT)
        raised = type("NoReturn", (NoReturn,), {"__str__": lambda _: why})
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(busy.thread), ctypes.py_object(raised)
        )


def _busy(thread: int, step: str) -> Busy | None:
    """Return the user's function that a step of the compute thread waits for.

    By the files of frames alone: the locals of a frame that runs in another thread cannot be read
    without harm (CPython 3.11 crashes now and then).
    """
    frames = sys._current_frames()
    own = frames.get(thread)
    if own is None or not any(at.f_code.co_filename in _STEPS for at in _callers(own)):
        return None
    found = _function(own, _STEPS)
    if found is not None:
        return Busy(thread, found, _said(step, found))
    # Polars calls functions of expressions in threads of its own.
    for other, frame in frames.items():
        found = _function(frame, _CALLS) if other != thread else None
        if found is not None:
            return Busy(other, found, _said(step, found))
    return Busy(thread, None, f"step '{step}'", is_users=False)


def _function(frame: FrameType, callers: frozenset[str]) -> FrameType | None:
    """Return the frame of the user's function that one of these files has called, if any."""
    outermost: FrameType | None = None
    for at in _callers(frame):
        file = at.f_code.co_filename
        if file in callers:
            of_a_library = outermost and outermost.f_code.co_filename.startswith(_LIBRARIES)
            return None if of_a_library else outermost
        if not file.startswith(_OURS):
            outermost = at
    return None


def _callers(frame: FrameType) -> Iterator[FrameType]:
    """Yield a frame and those that called it, the innermost first."""
    at: FrameType | None = frame
    while at is not None:
        yield at
        at = at.f_back


def _said(uid: str, frame: FrameType) -> str:
    code = frame.f_code
    return f"step '{uid}', {code.co_name} ({code.co_filename}:{frame.f_lineno})"
