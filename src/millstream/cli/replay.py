"""``millstream replay FILE --checkpoint DIR``: epochs run again, or an output row explained.

in      the program and the checkpoint folder it ran with
out     a line per epoch: its rows, and whether they are those it gave then; with ``output`` the
        rows as a file per sink; with ``show`` on standard output
exit    0 identical, 1 different, or the epoch cannot be run again
law     no sink is opened, the folder is read only
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from millstream.cli.failure import Exit
from millstream.cli.plan import job_of
from millstream.errors import PlanError

if TYPE_CHECKING:
    from millstream.engine.replay import Replayed


def replay_file(
    file: Path,
    place: str,
    epoch: int | None,
    until: int | None,
    output: Path | None,
    pairs: list[str],
    *,
    show: bool,
) -> Exit:
    """Run epochs again; returns the exit code."""
    from millstream.engine.replay import opened, replay, write_rows
    from millstream.frame.screen import print_rows

    job = job_of(file, place, pairs)
    folder = opened(place, job.settings)
    first = folder.epochs()[-1] if epoch is None else epoch
    last = first if until is None else until
    if last < first:
        raise PlanError(f"--until {last} is before --epoch {first}.", hint="Give a later one.")
    same = True
    kept: list[Replayed] = []
    for done in replay(job.derived, job.settings, folder, first, last):
        for line in lines_of(done):
            print(line, file=sys.stderr if show else sys.stdout, flush=True)
        same = same and done.same
        if output is not None:
            kept.append(done)
        for name, rows in done.sinks.items() if show else ():
            if rows.rows:
                print(f"-- {name}")
                print_rows(tuple(rows.frame.columns), rows.texts())
    if output is not None:
        write_rows(kept, output)
    return Exit.OK if same else Exit.FAILED


def lines_of(done: Replayed) -> list[str]:
    """Return what is said of one epoch."""
    lines: list[str] = []
    for name, rows in done.sinks.items():
        told = "identical" if rows.same else f"DIFFERENT: {rows.difference}"
        if rows.same is None:
            told = "not comparable: another version of Polars hashed it"
        said = f"{rows.rows:,}".replace(",", " ")
        many = "row" if rows.rows == 1 else "rows"
        lines.append(f"epoch {done.epoch}, {name}: {said} {many}, {told}")
    return lines
