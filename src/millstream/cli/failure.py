"""How a command ends: exit codes, and errors as people read them.

in      whatever a command raised
out     one message on standard error, and an exit code; MILLSTREAM_DEBUG=1 adds the traceback
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum

from millstream.cli.logs import logged
from millstream.errors import MillstreamError, MissingExtra, PlanError


class Exit(IntEnum):
    """The exit codes of every command."""

    OK = 0
    FAILED = 1
    """The pipeline started and failed: a connector, a row, a checkpoint."""
    WRONG = 2
    """Nothing ran: the program, an option, a name or an installation is wrong."""
    REJECTED = 3
    """It ran to its end, but rows were rejected and no stream of the program reads them."""
    CHANGED = 3
    """``plan``: the program can go on, but something starts empty or would be given up."""
    BUG = 70
    """An error of Millstream itself; please report it."""
    INTERRUPTED = 130
    """Ctrl-C (SIGINT) asked for the end; what was open was closed first."""
    TERMINATED = 143
    """SIGTERM asked for the end; what was open was closed first."""


DEBUG = "MILLSTREAM_DEBUG"
ISSUES = "Please report it with the output of MILLSTREAM_DEBUG=1."


def exit_of_signal(number: int | None) -> Exit:
    """Return the exit code of a run that a signal ended, or of one that ended by itself."""
    if number is None:
        return Exit.OK
    return Exit.TERMINATED if number == signal.SIGTERM else Exit.INTERRUPTED


def exit_of_run(signal_number: int | None, rows_lost_sight_of: int) -> Exit:
    """Return the exit code of a run: a signal counts first, then rows nobody will look at."""
    code = exit_of_signal(signal_number)
    return Exit.REJECTED if code is Exit.OK and rows_lost_sight_of else code


@contextmanager
def told() -> Iterator[None]:
    """Turn what a command raises into a message and an exit code."""
    try:
        yield
    except KeyboardInterrupt:
        leave(Exit.INTERRUPTED)
    except BrokenPipeError:
        # Whoever read our output has gone (`| head`); that is no failure. Python would complain
        # again when it flushes at its end, so the descriptor is pointed at nothing.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        leave(Exit.OK)
    except MillstreamError as error:
        say_error(error)
        leave(Exit.WRONG if isinstance(error, PlanError | MissingExtra) else Exit.FAILED)
    except Exception as error:  # noqa: BLE001 (the last door: a user never sees a traceback)
        if _debug():
            traceback.print_exc()
        else:
            fact = str(error).strip().splitlines()
            what = f"{type(error).__name__}: {fact[0]}" if fact else type(error).__name__
            text = f"This is a bug of Millstream: {what}\n  → {ISSUES}"
            if not logged(text, error):
                print(f"error: {text}", file=sys.stderr)
        leave(Exit.BUG)


def leave(code: Exit) -> None:
    """End the process with a code, everything written."""
    sys.stderr.flush()
    raise SystemExit(int(code))


def say_error(error: MillstreamError) -> None:
    """Print an error on standard error: the fact, the place, the next step."""
    if _debug():
        traceback.print_exception(error)
        return
    if logged(str(error)):
        return
    text = f"error: {error}"
    if not sys.stderr.isatty() or os.environ.get("NO_COLOR"):
        print(text, file=sys.stderr)
        return
    head, _, rest = text.partition("\n")
    print(f"\x1b[1;31merror:\x1b[0m\x1b[1m{head.removeprefix('error:')}\x1b[0m", file=sys.stderr)
    for line in rest.splitlines():
        print(_coloured(line), file=sys.stderr)


def _coloured(line: str) -> str:
    marked = line.rpartition("|")[2].strip()
    if marked and set(marked) == {"^"}:
        return line.replace(marked, f"\x1b[1;31m{marked}\x1b[0m")
    return f"  \x1b[36m→\x1b[0m {line[4:]}" if line.startswith("  → ") else line


def _debug() -> bool:
    return os.environ.get(DEBUG, "").lower() in ("1", "true", "yes")
