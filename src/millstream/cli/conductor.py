"""Runs jobs for the command line: progress on standard error, results on standard output.

in      a job and its sinks
out     its summary on standard error; tables of ``show`` on standard output
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from millstream.cli import collecting
from millstream.cli.failure import Exit, exit_of_run, exit_of_signal
from millstream.cli.logs import wiped_by

if TYPE_CHECKING:
    from millstream.cli.serving import Server
    from millstream.engine.progress import Progress, Summary
    from millstream.frame.conduct import Conducted
    from millstream.job import Job

REDRAW_S = 0.25


class ProgressLine:
    """One line on standard error: redrawn on a terminal, repeated at an interval elsewhere."""

    def __init__(self, *, quiet: bool, interval_s: float) -> None:
        self._quiet = quiet
        self._live = sys.stderr.isatty()
        self._interval_s = interval_s
        self._told_at_s = time.monotonic()
        self._drawn = False

    def __call__(self, progress: Progress) -> None:
        """Show how things stand."""
        if self._quiet:
            return
        from millstream.frame.figures import progress_line

        now_s = time.monotonic()
        if self._live:
            self._draw(progress_line(progress))
        elif now_s - self._told_at_s >= self._interval_s:
            self._told_at_s = now_s
            print(progress_line(progress), file=sys.stderr, flush=True)

    def wipe(self) -> None:
        """Remove the line, so that something else can be printed."""
        if self._drawn:
            sys.stderr.write("\r\x1b[2K")
            sys.stderr.flush()
            self._drawn = False

    def _draw(self, line: str) -> None:
        import shutil

        width = shutil.get_terminal_size().columns - 1
        sys.stderr.write("\r\x1b[2K" + line[:width])
        sys.stderr.flush()
        self._drawn = True


class Conductor:
    """Runs each job of a program and remembers how it went.

    ``only_trouble`` leaves out the summary of a run that ended by itself and lost no row.
    ``server`` shows each job while it runs.
    """

    def __init__(
        self, *, quiet: bool, only_trouble: bool = False, server: Server | None = None
    ) -> None:
        self.quiet = quiet
        self._server = server
        self._only_trouble = only_trouble
        self.exit = Exit.OK
        self.runs = 0
        self._line: ProgressLine | None = None

    def __call__(self, job: Job, sinks: Sequence[Any]) -> Summary:
        """Run a job; a signal ends the whole program after it."""
        conducted = self.conduct(job, sinks)
        if conducted.signal is not None:
            raise SystemExit(int(exit_of_signal(conducted.signal)))
        return conducted.summary

    def conduct(self, job: Job, sinks: Sequence[Any] = (), *, transient: bool = False) -> Conducted:
        """Run a job, with its shown results and a progress line, and tell how it ended."""
        from millstream.frame.conduct import conduct

        self.runs += 1
        line = ProgressLine(quiet=self.quiet, interval_s=job.settings.progress_interval_ms / 1000)
        self._line = line
        wiped_by(line.wipe)
        if not self.quiet:
            _tell_of_compiling()
        server = self._server
        started = None if server is None else lambda running: server.hub.add(job, running)
        try:
            if any(s.shown for s in sinks):
                from millstream.frame.display import conduct_shown

                # On a terminal the progress stands below the tables; a line of its own would fight.
                told = None if sys.stdout.isatty() else line
                collecting.running()  # nothing else looks at a run on a terminal
                done = conduct_shown(job, sinks, told, transient=transient, started=started)
            else:
                done = conduct(job, _looked(line), interval_s=REDRAW_S, started=started)
        finally:
            line.wipe()
        if not self.quiet and not (self._only_trouble and _went_well(done.summary)):
            from millstream.frame.figures import summary_lines

            print("\n".join(summary_lines(done.summary)), file=sys.stderr, flush=True)
        code = exit_of_run(done.signal, done.summary.rows_lost_sight_of)
        # Rows rejected in one run of a program are not forgotten by the next one.
        self.exit = self.exit if code is Exit.OK else code
        return done

    def wipe(self) -> None:
        """Remove the progress line, before rows are printed."""
        if self._line is not None:
            self._line.wipe()


def _looked(line: ProgressLine) -> Callable[[Progress], None]:
    """Return what looks at a run; at the first look everything it needs is loaded."""

    def look(progress: Progress) -> None:
        collecting.running()
        line(progress)

    return look


def _tell_of_compiling() -> None:
    from millstream.columns.jit import is_cold

    if is_cold():
        print("compiling kernels (once) …", file=sys.stderr, flush=True)


def _went_well(summary: Summary) -> bool:
    """Tell whether there is nothing a reader of the rows alone would miss."""
    p = summary.progress
    fell = p.rows_late or p.rows_rejected or any(s.rows_refused for s in p.sinks)
    return summary.ended == "completed" and not fell
