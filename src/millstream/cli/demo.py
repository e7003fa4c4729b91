"""``millstream demo``: a year of real departures, played as a live stream.

The pipeline itself is :mod:`millstream.cli.demo_flights`; this is the stage around it: how fast it
runs, what is drawn meanwhile, what is said at the end.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from millstream.cli.failure import Exit, exit_of_signal
from millstream.cli.serving import ADDRESS, Wanted, serving
from millstream.errors import OptionError

if TYPE_CHECKING:
    from rich.console import Console

    from millstream.cli.demo_flights import Flights
    from millstream.engine.progress import Progress
    from millstream.frame.conduct import Conducted
    from millstream.job import Job, Running

    Started = Callable[[Running], object] | None

SECONDS_DEFAULT = 60.0
LINE_EVERY_S = 1.0
REDRAW_S = 0.15


def play(
    seconds: float | None,
    speed: float | None,
    database: Path,
    *,
    plain: bool,
    server: Wanted | None = None,
) -> Exit:
    """Run the demo, with a server beside it where one is wanted; returns the exit code.

    On a terminal the dashboard stays when the year is over, until Ctrl-C.
    """
    from rich.console import Console

    from millstream.cli.demo_flights import flights
    from millstream.job import Job
    from millstream.plan.nodes import Plan
    from millstream.settings import Settings

    if seconds is not None and speed is not None:
        raise OptionError("Both --seconds and --speed are given.", hint="Give one of them.")
    if seconds is None and speed is None:
        seconds = SECONDS_DEFAULT
    console = Console()
    program = flights(database, seconds=seconds, speed=speed, charts=server is not None)
    job = Job(Plan(tuple(sink.node for sink in program.sinks)), Settings(pipeline_name="flights"))
    job.check()
    console.print(f"Playing 336 776 departures {_pace(seconds, speed)} …", style="dim")
    drawn = console.is_terminal and not plain and os.environ.get("TERM") != "dumb"
    with serving(_free(server), quiet=drawn) as beside:
        started = None if beside is None else lambda running: beside.hub.add(job, running)
        if drawn:
            pace = _pace(seconds, speed) + ("" if beside is None else f" · {beside.url}")
            done = _on_screen(job, program, console, pace, started)
        else:
            done = _in_lines(job, program, started)
        _say_end(done, program, database, console)
        if beside is not None and drawn and done.signal is None:
            console.print(f"The dashboard stays at {beside.url} until Ctrl-C.")
            _until_interrupted()
    return exit_of_signal(done.signal)


def _free(server: Wanted | None) -> Wanted | None:
    """Take another port where the usual one is in use: a second demo must not fail for it."""
    if server is None or server.address != ADDRESS:
        return server
    host, _, port = ADDRESS.rpartition(":")
    with socket.socket() as found:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            found.bind((host, int(port)))
        except OSError:
            return replace(server, address=f"{host}:0")
    return server


def _until_interrupted() -> None:
    with contextlib.suppress(KeyboardInterrupt):
        threading.Event().wait()


def _pace(seconds: float | None, speed: float | None) -> str:
    if speed:
        return f"{speed:g} times faster than they happened"
    return f"in {seconds:g} seconds" if seconds else "as fast as this machine can"


def _on_screen(
    job: Job, program: Flights, console: Console, pace: str, started: Started
) -> Conducted:
    from rich.live import Live

    from millstream.cli.demo_screen import Screen
    from millstream.frame.conduct import conduct

    screen = Screen(program, pace)
    with Live(console=console, screen=True, auto_refresh=False) as live:

        def look(progress: Progress) -> None:
            live.update(screen.draw(progress, console.width, console.height), refresh=True)

        return conduct(job, look, interval_s=REDRAW_S, started=started)


def _in_lines(job: Job, program: Flights, started: Started) -> Conducted:
    from millstream.frame.conduct import conduct
    from millstream.frame.figures import instant_text, progress_line

    told_at_s = time.monotonic()
    told_alerts = 0

    def look(progress: Progress) -> None:
        nonlocal told_at_s, told_alerts
        now_s = time.monotonic()
        if now_s - told_at_s < LINE_EVERY_S:
            return
        told_at_s = now_s
        print(f"{instant_text(progress.watermark_ms)}  {progress_line(progress)}", flush=True)
        view = program.alerts.view
        assert view is not None, "the demo's alerts are kept in memory"
        if view.rows_total > told_alerts:
            newest = view.frame().tail(1).to_dicts()[0]
            print(
                f"  {view.rows_total - told_alerts} unusual delays, the last: {newest['carrier']} "
                f"{newest['flight']} {newest['origin']} → {newest['dest']}, "
                f"{newest['dep_delay']} minutes",
                flush=True,
            )
            told_alerts = view.rows_total

    return conduct(job, look, started=started)


def _say_end(done: Conducted, program: Flights, database: Path, console: Console) -> None:
    from millstream.frame.figures import summary_lines
    from millstream.frame.screen import rows_table

    routes = program.routes.frame()
    if routes.height:
        worst = routes.sort("mean_delay", descending=True).head(5)
        console.print(
            rows_table(
                worst.columns, worst.rows(), title="The five worst routes of what was played"
            )
        )
    stored = {sink.name for sink in program.stored}
    progress = done.summary.progress
    kept = tuple(sink for sink in progress.sinks if sink.name in stored)
    shown = replace(done.summary, progress=replace(progress, sinks=kept))
    print("\n".join(summary_lines(shown)))
    if done.signal is not None:
        print("Stopped by you; what was stored so far is whole.")
    tables = ", ".join(sink.name for sink in program.stored)
    print(f"Kept in {database}: tables {tables}. For instance:")
    query = "SELECT * FROM routes ORDER BY mean_delay DESC LIMIT 10"
    print(f'  {_python()} -c "import duckdb; '
          f"print(duckdb.connect('{database}').sql('{query}'))\"")  # fmt: skip


def _python() -> str:
    """Return this interpreter as one would type it here."""
    path = Path(sys.executable)
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
