"""Draws what ``show`` asked for while a job runs: live in a terminal, at the end elsewhere.

in      a job and its sinks, of which some are shown
out     on a terminal: tables that follow the results; else: each table once, when the job ends
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live

from millstream.frame.conduct import Conducted, conduct
from millstream.frame.screen import progress_text, view_table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from millstream.engine.progress import Progress, Summary
    from millstream.frame.sink import Sink
    from millstream.job import Job, Running

CHROME_LINES = 7
"""Lines of a table that are not rows: title, header, rules, caption, progress."""


def run_shown(
    job: Job,
    sinks: Sequence[Sink],
    on_progress: Callable[[Progress], None] | None = None,
) -> Summary:
    """Run a job, drawing its shown sinks."""
    return conduct_shown(job, sinks, on_progress).summary


def conduct_shown(
    job: Job,
    sinks: Sequence[Sink],
    on_progress: Callable[[Progress], None] | None = None,
    console: Console | None = None,
    *,
    transient: bool = False,
    started: Callable[[Running], object] | None = None,
) -> Conducted:
    """Run a job, drawing its shown sinks; tells the signal that ended it too.

    ``transient``: what was drawn is wiped at the end, because the caller prints the whole result.
    """
    screen = console or Console()
    shown = [(s.name, s.view) for s in sinks if s.shown and s.view is not None]
    if not screen.is_terminal:
        done = conduct(job, on_progress, started=started)
        for name, view in shown:
            screen.print(view_table(view, name, rows_max=1_000))
        return done
    each = max(3, (screen.height - 2) // max(1, len(shown)) - CHROME_LINES)

    def drawn(progress: Progress) -> Group:
        tables = [view_table(view, name, rows_max=each) for name, view in shown]
        return Group(*tables, progress_text(progress))

    with Live(console=screen, auto_refresh=False, transient=transient) as live:
        return conduct(
            job, lambda progress: live.update(drawn(progress), refresh=True), started=started
        )
