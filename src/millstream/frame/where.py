"""Finds the place in the user's program that an expression or a call was written at.

in      the running thread's frames; the first one outside of this package is the user's
out     a Place with file, line and column, so that an error marks the very expression
bad     no source text (a REPL, a frozen program): None, and errors name no place
source  PEP 657: every instruction knows its columns
"""

from __future__ import annotations

import linecache
import sys
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from millstream.errors import Place

if TYPE_CHECKING:
    from types import FrameType

_OURS = str(Path(__file__).parent.parent)


def here() -> Place | None:
    """Return the place of the call that entered this package."""
    frame: FrameType | None = sys._getframe(1)  # the documented way to a caller
    while frame is not None and frame.f_code.co_filename.startswith(_OURS):
        frame = frame.f_back
    if frame is None:
        return None
    return _place(frame.f_code.co_filename, *_columns(frame))


def _columns(frame: FrameType) -> tuple[int, int, int]:
    """Return line, column and length of the instruction a frame stands at, counting from 1."""
    found = next(islice(frame.f_code.co_positions(), frame.f_lasti // 2, None), None)
    if found is None or None in found:
        return frame.f_lineno, 1, 1
    line, line_end, start, end = (part or 0 for part in found)
    length = end - start if line == line_end else 10_000
    return line, start + 1, max(1, length)


def _place(file: str, line: int, column: int, length: int) -> Place | None:
    text = _text(file)
    if not text:
        return None
    return Place(text, line, column, length, file=_shown(file))


@lru_cache(maxsize=64)
def _text(file: str) -> str:
    return "".join(linecache.getlines(file))


def _shown(file: str) -> str:
    """Return a path relative to the working folder where that is shorter."""
    try:
        return str(Path(file).relative_to(Path.cwd()))
    except (ValueError, OSError):
        return file
