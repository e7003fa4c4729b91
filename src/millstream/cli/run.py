"""``millstream run FILE``: a program runs to its end, or until a signal."""

from __future__ import annotations

import sys
from pathlib import Path
from urllib.parse import quote

from millstream.cli.conductor import Conductor
from millstream.cli.failure import Exit
from millstream.cli.program import execute, kind_of, settings_of, text_of
from millstream.cli.serving import Wanted, serving
from millstream.errors import PlanError
from millstream.frame import context


def run_file(
    file: Path,
    checkpoint: str | None,
    pairs: list[str],
    *,
    quiet: bool,
    server: Wanted | None = None,
) -> Exit:
    """Run a .sql or .py file, beside a server where one is wanted; returns the exit code."""
    kind = kind_of(file)
    with serving(server, quiet=quiet) as beside:
        return _run(file, kind, checkpoint, pairs, Conductor(quiet=quiet, server=beside))


def _run(
    file: Path, kind: str, checkpoint: str | None, pairs: list[str], conductor: Conductor
) -> Exit:
    options = {"pipeline.name": file.stem, **settings_of(pairs)}
    kept = letters_folder(options["pipeline.name"])
    options.setdefault("pipeline.dead-letters.fallback-dir", kept)
    if checkpoint is not None:
        options["execution.checkpointing.dir"] = checkpoint
    around = context.Surroundings(options=options, runner=conductor)
    if kind == "sql":
        from millstream.cli.query import run_script

        return run_script(text_of(file), str(file), around, conductor)
    left = execute(file, around)
    if left:
        from millstream.frame.run import run

        with context.surrounded(around):
            run(*left)
    if conductor.runs == 0:
        raise PlanError(
            f"'{file}' declares nothing to run.",
            hint="End a stream with .write_…(…) or .show().",
        )
    sys.stdout.flush()
    return conductor.exit


def letters_folder(pipeline: str) -> str:
    """Return where rows that could not be used are kept if nothing else says it."""
    return str(Path(".millstream", quote(pipeline, safe=""), "dead-letters"))
