"""``millstream serve FILE…``: several pipelines in one process, under one dashboard.

in      programs; every job of each is started at once
out     a server that stays until Ctrl-C or SIGTERM; a job that was stopped from the dashboard can
        be resumed there, and goes on from its checkpoint
bad     what is wrong with a program is told before anything runs; a job that fails stays visible,
        the others go on; the exit code tells it
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from millstream.cli.failure import Exit, exit_of_signal
from millstream.cli.inspect import jobs_of
from millstream.cli.logs import logged
from millstream.cli.serving import Wanted, serving
from millstream.errors import MillstreamError, OptionError

if TYPE_CHECKING:
    from millstream.job import Job
    from millstream.serve.hub import Hub

LOOK_S = 0.2


def serve_files(
    files: Sequence[Path],
    checkpoint: str | None,
    pairs: list[str],
    asked: Wanted,
    *,
    quiet: bool,
) -> Exit:
    """Run programs and serve them; returns the exit code."""
    jobs = [job for file in files for job in _jobs(file, checkpoint, pairs, alone=len(files) == 1)]
    names = [job.settings.pipeline_name for job in jobs]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise OptionError(
            f"Two jobs are called '{twice[0]}'.",
            hint="Give each its own: SET 'pipeline.name' = '…', or rename a file.",
        )
    over = threading.Event()
    asked_by: list[int] = []

    def end(number: int, _: Any) -> None:
        asked_by.append(number)
        over.set()

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with serving(asked, quiet=quiet) as server:
            assert server is not None, "an address is asked for"
            try:
                for job in jobs:
                    server.hub.add(job, job.start(), again=job.start)
                while not over.wait(LOOK_S):
                    pass
            finally:
                failed = _end(server.hub)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return Exit.FAILED if failed else exit_of_signal(asked_by[0] if asked_by else None)


def _jobs(file: Path, checkpoint: str | None, pairs: list[str], *, alone: bool) -> list[Job]:
    """Return the jobs of a file, which lends them its name and a checkpoint folder of their own."""
    own = [f"pipeline.name={file.stem}", *pairs]
    if checkpoint is not None:
        place = checkpoint if alone else f"{checkpoint.rstrip('/')}/{file.stem}"
        own.append(f"execution.checkpointing.dir={place}")
    return jobs_of(file, own)


def _end(hub: Hub) -> bool:
    """Ask all jobs to end and wait for them; tell whether one has failed."""
    for held in hub.jobs.values():
        if not held.running.done:
            held.running.ask_to_stop()
    failed = False
    for held in hub.jobs.values():
        try:
            held.running.wait()
        except MillstreamError as error:
            failed = True
            if not logged(f"{held.name}: {error}"):
                print(f"{held.name}: {error}", file=sys.stderr)
    return failed
