"""The plain forms of ``millstream run``, understood without the library of the command line.

in      the arguments behind ``millstream``
out     what ``run`` would be called with, where they are a file and some of ``--quiet``, ``-q``,
        ``--checkpoint DIR`` and ``--set KEY=VALUE``; None for everything else, also for what is
        wrong: the library (Typer, and Pydantic below it) reads it then, and says what is wrong
why     building all commands and their options takes as long as importing Polars does; a
        pipeline that comes back after a failure should not wait for it
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_QUIET = ("--quiet", "-q")


@dataclass(frozen=True, slots=True)
class Run:
    """A call of ``run``."""

    file: Path
    checkpoint: str | None = None
    pairs: tuple[str, ...] = ()
    quiet: bool = False


def run_of(argv: Sequence[str]) -> Run | None:
    """Return the call of ``run`` that the arguments ask for, if they do so plainly."""
    if not argv or argv[0] != "run":
        return None
    files: list[str] = []
    checkpoint: str | None = None
    pairs: list[str] = []
    quiet = False
    rest = iter(argv[1:])
    for word in rest:
        if word in _QUIET:
            quiet = True
        elif word in ("--checkpoint", "--set"):
            value = next(rest, "")
            if not value or value.startswith("-"):
                return None
            if word == "--set":
                pairs.append(value)
            else:
                checkpoint = value
        elif not word or word.startswith("-"):
            return None
        else:
            files.append(word)
    return Run(Path(files[0]), checkpoint, tuple(pairs), quiet) if len(files) == 1 else None
