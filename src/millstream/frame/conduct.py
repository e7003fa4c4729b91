"""Runs a job in the background while the caller's thread looks at it and listens for signals.

in      a job, a function to call every so often
out     its Summary, and the signal that asked for the end, if one did
bad     what the job raised; a second Ctrl-C raises KeyboardInterrupt at once
"""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from millstream.engine.progress import Progress, Summary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from millstream.job import Job

_STOPPED_WAIT_S = 600.0


@dataclass(frozen=True, slots=True)
class Conducted:
    """How a job ended; ``signal`` is that of the user's wish to end it, if there was one."""

    summary: Summary
    signal: int | None = None


def conduct(
    job: Job, look: Callable[[Progress], None] | None = None, *, interval_s: float = 0.25
) -> Conducted:
    """Run a job to its end, calling ``look`` with its progress meanwhile."""
    with _signals() as asked:
        running = job.start()
        summary = None
        while summary is None:
            summary = running.wait(interval_s)
            if summary is None and look is not None:
                look(running.progress())
            if summary is None and asked:
                summary = running.stop(timeout_s=_STOPPED_WAIT_S)
        if look is not None:
            look(summary.progress)
    return Conducted(summary, asked[0] if asked else None)


@contextmanager
def _signals() -> Iterator[list[int]]:
    """SIGINT and SIGTERM are remembered; the second of a kind is Python's own again."""
    asked: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def note(number: int, _: Any) -> None:
        asked.append(number)
        signal.signal(number, before[signal.Signals(number)])

    for number in before:
        signal.signal(number, note)
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
