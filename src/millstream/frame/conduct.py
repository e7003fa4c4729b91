"""Runs a job in the background while the caller's thread looks at it and listens for signals.

in      a job, a function to call every so often
out     its Summary, and the signal that asked for the end, if one did
bad     what the job raised; a second Ctrl-C raises KeyboardInterrupt at once, a second SIGTERM ends
        the job at once
"""

from __future__ import annotations

import signal
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from millstream.engine.progress import Progress, Summary
from millstream.job import end_soon

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from millstream.job import Job, Running

_STOPPED_WAIT_S = 600.0
_SIGNAL_LOOK_S = 0.1


@dataclass(frozen=True, slots=True)
class Conducted:
    """How a job ended; ``signal`` is that of the user's wish to end it, if there was one."""

    summary: Summary
    signal: int | None = None


def conduct(
    job: Job,
    look: Callable[[Progress], None] | None = None,
    *,
    interval_s: float = 0.25,
    started: Callable[[Running], object] | None = None,
) -> Conducted:
    """Run a job to its end, calling ``look`` with its progress meanwhile.

    ``started`` is given the job as soon as everything is open.
    """
    with _signals() as asked:
        running = job.start()
        if started is not None:
            started(running)
        summary = None
        while summary is None:
            summary = running.wait(interval_s)
            if summary is None and look is not None:
                look(running.progress())
            if summary is None and asked:
                summary = _ended(running, asked)
        if look is not None:
            look(summary.progress)
    return Conducted(summary, asked[0] if asked else None)


def _ended(running: Running, asked: list[int]) -> Summary | None:
    """Ask for the end and wait for it; a second SIGTERM meanwhile asks for it at once."""
    running.ask_to_stop()
    deadline_s = time.monotonic() + _STOPPED_WAIT_S
    while time.monotonic() < deadline_s:
        summary = running.wait(_SIGNAL_LOOK_S)
        if summary is not None:
            return summary
        if asked.count(signal.SIGTERM) > 1:
            end_soon(signal.SIGTERM)
            return running.abort()
    return None


@contextmanager
def _signals() -> Iterator[list[int]]:
    """SIGINT and SIGTERM are remembered; a second SIGINT is Python's own again."""
    asked: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def note(number: int, _: Any) -> None:
        asked.append(number)
        if number == signal.SIGINT:
            signal.signal(number, before[signal.Signals(number)])

    for number in before:
        signal.signal(number, note)
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
