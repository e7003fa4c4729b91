"""Runs the command line as it is, with threads that can be found and a place to stop at.

in      the arguments of ``millstream``; MILLSTREAM_FAULTS_STOPS = "2,3": the epochs, counted from
        the start of this process, at whose decision the process stops itself (SIGSTOP), in the
        thread that decides, just before the manifest gets its name
        MILLSTREAM_FAULTS_CLOCK = a file with the seconds by which the wall clock is wrong, now
out     every Python thread has its name in the kernel too, so that one of them can be traced
"""

from __future__ import annotations

import ctypes
import os
import re
import signal
import sys
import threading
import time
from typing import Any

CLOCK = "MILLSTREAM_FAULTS_CLOCK"
STOPS = "MILLSTREAM_FAULTS_STOPS"
PR_SET_NAME = 15
MANIFEST = re.compile(r"manifests/0*(\d+)\.json$")


def name_threads() -> None:
    """Tell the kernel the first letters of each thread's name, as Python 3.14 does by itself."""
    libc = ctypes.CDLL(None)
    inner = threading.Thread._bootstrap_inner  # type: ignore[attr-defined]

    def named(self: threading.Thread) -> None:
        libc.prctl(PR_SET_NAME, self.name.encode()[:15], 0, 0, 0)
        inner(self)

    threading.Thread._bootstrap_inner = named  # type: ignore[attr-defined]


def stop_at_epochs(wanted: list[int]) -> None:
    """Stop this process where the n-th new manifest gets its name, for each n that is wanted."""
    seen: set[str] = set()

    def heard(event: str, arguments: tuple[Any, ...]) -> None:
        if event not in ("os.rename", "os.link", "open") or len(arguments) < 2:
            return
        made = arguments[1] if event != "open" else _made(arguments)
        if not isinstance(made, str | os.PathLike):
            return
        found = MANIFEST.search(os.fspath(made))
        if found is None or found[1] in seen:
            return
        seen.add(found[1])
        if len(seen) in wanted:
            # To this thread: of a signal to the process another thread may take notice first.
            signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)

    sys.addaudithook(heard)


def _made(arguments: tuple[Any, ...]) -> object:
    path, _mode, flags = arguments
    return path if isinstance(flags, int) and flags & os.O_CREAT else None


def bend_clock(file: str) -> None:
    """Let the wall clock be wrong by what the file says at each look; the monotonic one runs on.

    In Python and not by libfaketime, which also bends the timed waits of C libraries: those of the
    Kafka client then hang or spin, which no real clock does to them.
    """
    true_ns = time.time_ns

    def wrong_ns() -> int:
        with open(file) as found:  # noqa: PTH123 (as few calls as can be: it is asked often)
            text = found.read()
        return true_ns() + int(float(text or "0") * 1e9)

    time.time_ns = wrong_ns
    time.time = lambda: wrong_ns() / 1e9


def main() -> None:
    """Be the command line."""
    name_threads()
    if stops := os.environ.get(STOPS):
        stop_at_epochs([int(word) for word in stops.split(",")])
    if file := os.environ.get(CLOCK):
        bend_clock(file)
    from millstream.cli import main as command_line

    sys.argv[0] = "millstream"
    command_line()


if __name__ == "__main__":
    sys.path.pop(0)  # the folder of this file, whose names are not for the program
    main()
