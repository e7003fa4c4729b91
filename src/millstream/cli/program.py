"""Loads a program, SQL or Python, and gives what it would run, or runs it.

in      a file ending in .sql or .py
out     a Python program is executed as ``python FILE`` would, inside surroundings that say how its
        runs are conducted; a SQL script is read into one plan
bad     PlanError for a file that is not there or of another kind; an exception of the user's own
        program becomes a PlanError that marks its line
"""

from __future__ import annotations

import linecache
import runpy
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from millstream.errors import MillstreamError, OptionError, Place, PlanError
from millstream.frame import context

_OURS = str(Path(__file__).parent.parent)


def kind_of(file: Path) -> str:
    """Return ``sql`` or ``py``; raises PlanError for anything else, or where there is no file."""
    if not file.is_file():
        near = sorted(p.name for p in file.parent.glob("*") if p.suffix in (".sql", ".py"))[:8]
        hint = f"There: {', '.join(near)}." if near else "Check the path."
        raise PlanError(f"There is no file '{file}'.", hint=hint)
    if file.suffix not in (".sql", ".py"):
        raise PlanError(
            f"'{file}' is neither a .sql nor a .py file.", hint="Give it one of these endings."
        )
    return file.suffix[1:]


def text_of(file: Path) -> str:
    """Return a script's text; raises PlanError where it cannot be read."""
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PlanError(f"'{file}' cannot be read: {error}.") from None


def settings_of(pairs: list[str]) -> dict[str, str]:
    """Return ``KEY=VALUE`` texts as options; their names are checked where they are used."""
    found: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.strip():
            raise OptionError(
                f"'--set {pair}' is not KEY=VALUE.",
                hint="For instance --set table.local-time-zone=Europe/Berlin",
            )
        found[name.strip()] = value.strip()
    return found


def execute(file: Path, around: context.Surroundings) -> tuple[Any, ...]:
    """Execute a Python program; return the sinks it declared and did not run."""
    with context.surrounded(around), _as_script(file):
        try:
            runpy.run_path(str(file), run_name="__main__")
        except context.ProgramEnd:
            return ()
        except MillstreamError:
            raise
        except SystemExit as left:
            if left.code not in (None, 0):
                raise
        except Exception as error:
            raise _of_program(file, error) from error
        return context.take_declared()


@contextmanager
def _as_script(file: Path) -> Iterator[None]:
    argv, path = sys.argv, list(sys.path)
    sys.argv = [str(file)]
    sys.path.insert(0, str(file.resolve().parent))
    linecache.checkcache(str(file))
    try:
        yield
    finally:
        sys.argv = argv
        sys.path[:] = path


def _of_program(file: Path, error: Exception) -> PlanError:
    """Return an exception of the user's program as an error that marks its line."""
    where: Place | None = None
    if isinstance(error, SyntaxError) and error.filename == str(file):
        where = _place(file, error.lineno or 1, error.offset or 1, 1)
        return PlanError(f"This is not Python: {error.msg}.", where=where)
    for step in traceback.extract_tb(error.__traceback__):
        if step.filename == str(file) and step.lineno is not None:
            start, end = step.colno or 0, step.end_colno or 0
            same_line = step.end_lineno in (None, step.lineno)
            where = _place(file, step.lineno, start + 1, end - start if same_line else 10_000)
    fact = str(error).strip().splitlines()
    said = f"{type(error).__name__}: {fact[0]}" if fact else type(error).__name__
    return PlanError(
        f"The program raised {said}", where=where, hint="MILLSTREAM_DEBUG=1 shows the traceback."
    )


def _place(file: Path, line: int, column: int, length: int) -> Place:
    text = "".join(linecache.getlines(str(file)))
    return Place(text, line, column, max(1, length), file=str(file))
