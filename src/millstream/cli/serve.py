"""``millstream serve FILE…``: several pipelines in one process, under one dashboard.

in      programs; every job of each is started at once
out     a server that stays until Ctrl-C or SIGTERM; a job that was stopped from the dashboard can
        be resumed there, and goes on from its checkpoint
bad     what is wrong with a program is told before anything runs; a job that fails stays visible,
        the others go on; the exit code tells it. A second Ctrl-C or SIGTERM ends it at once
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from millstream.cli.failure import Exit, exit_of_signal
from millstream.cli.inspect import jobs_of
from millstream.cli.logs import logged
from millstream.cli.run import letters_folder
from millstream.cli.serving import Wanted, serving
from millstream.errors import MillstreamError, OptionError
from millstream.job import end_soon, once_more
from millstream.stores.open import is_same_place

if TYPE_CHECKING:
    from millstream.job import Job, Running
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
    _check(jobs)
    signals: list[int] = []
    over = threading.Event()

    def end(number: int, _: Any) -> None:
        signals.append(number)
        over.set()
        if number == signal.SIGINT:
            signal.signal(number, once_more(before[signal.SIGINT]))
        elif signals.count(signal.SIGTERM) > 1:  # also while a job is being started
            end_soon(number)

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, end)
    try:
        with serving(asked, quiet=quiet, jobs_due=len(jobs)) as server:
            assert server is not None, "an address is asked for"
            try:
                for job in jobs:
                    if not signals:
                        server.hub.add(job, job.start(), again=job.start)
                while not over.wait(LOOK_S):
                    pass
            finally:
                failed = _end(server.hub, signals)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return Exit.FAILED if failed else exit_of_signal(signals[0] if signals else None)


def _jobs(file: Path, checkpoint: str | None, pairs: list[str], *, alone: bool) -> list[Job]:
    """Return the jobs of a file, which lends them its name and a checkpoint folder of their own."""
    own = [f"pipeline.name={file.stem}", *pairs]
    if checkpoint is not None:
        place = checkpoint if alone else f"{checkpoint.rstrip('/')}/{file.stem}"
        own.append(f"execution.checkpointing.dir={place}")
    found = jobs_of(file, own)
    for job in found:
        if job.settings.dead_letters_fallback_dir is None:
            kept = letters_folder(job.settings.pipeline_name)
            job.settings = replace(job.settings, dead_letters_fallback_dir=kept)
    return found


def _check(jobs: Sequence[Job]) -> None:
    """Refuse two jobs that would be in each other's way, before one of them runs."""
    names: set[str] = set()
    places: dict[str, str] = {}
    for job in jobs:
        name, place = job.settings.pipeline_name, job.settings.checkpoint_dir
        if name in names:
            raise OptionError(
                f"Two jobs are called '{name}'.",
                hint="Give each its own: SET 'pipeline.name' = '…', or rename a file.",
            )
        names.add(name)
        for other, theirs in places.items():
            if place is not None and is_same_place(place, theirs):
                raise OptionError(
                    f"The jobs '{other}' and '{name}' keep their checkpoints in one folder.",
                    where=place,
                    hint="Give each its own: SET 'execution.checkpointing.dir' = '…'.",
                )
        if place is not None:
            places[name] = place


def _end(hub: Hub, signals: Sequence[int]) -> bool:
    """Ask all jobs to end and wait for them; tell whether one has failed."""
    hub.offer_no_more()
    for held in hub.jobs.values():
        if not held.running.done:
            held.running.ask_to_stop()
    failed = False
    for held in hub.jobs.values():
        try:
            _wait(held.running, signals)
        except MillstreamError as error:
            failed = True
            if not logged(f"{held.name}: {error}"):
                print(f"{held.name}: {error}", file=sys.stderr)
    return failed


def _wait(running: Running, signals: Sequence[int]) -> None:
    """Wait for the end of a job; a second SIGTERM asks for it at once."""
    while running.wait(LOOK_S) is None:
        if signals.count(signal.SIGTERM) > 1:
            running.abort()
            return
