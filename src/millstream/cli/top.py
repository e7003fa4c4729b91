"""``millstream top``: what the jobs of a running server do, as a table that follows them.

in      the address of a server; how often it is asked
out     on a terminal the whole screen, until ``q`` or Ctrl-C; with ``once`` or in a pipe one table
keys    q quit, p stand still, arrows or j and k choose the job whose steps are shown
bad     nothing answers at first: an error; later: the last picture stays, and says for how long.
        An answer of another version is one that says nothing
"""

from __future__ import annotations

import os
import select
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

import typer

from millstream.cli.failure import Exit, leave, told

if TYPE_CHECKING:
    from rich.console import Console

    from millstream.cli.asking_server import Server
    from millstream.cli.top_screen import Seen

REDRAW_EVERY_S = 0.25
PIPE_COLUMNS = 160
"""The width of a table that goes to a file or a pipe."""
_ARROWS = {"\x1b[A": "up", "\x1b[B": "down", "\x1bOA": "up", "\x1bOB": "down"}
_LETTERS = {"q": "quit", "Q": "quit", "p": "still", " ": "still", "k": "up", "j": "down"}


def top(
    address: Annotated[
        str | None, typer.Argument(metavar="[HOST:PORT]", help="A server; 127.0.0.1:8042 without.")
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Print one table and end.")] = False,
    every_s: Annotated[
        float, typer.Option("--every", metavar="SECONDS", min=0.2, help="How often it is asked.")
    ] = 1.0,
) -> None:
    """Watch the jobs of a running server: rates, lag, state, checkpoints, alerts."""
    with told():
        leave(watch(address, every_s, once=once))


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command()(top)


def watch(address: str | None, every_s: float, *, once: bool) -> Exit:
    """Draw what a server tells, again and again or once."""
    from rich.console import Console

    from millstream.cli.asking_server import Server
    from millstream.cli.top_screen import Size, screen

    asked = Asked(Server.at(address))
    console = Console()
    if once or not console.is_terminal:
        seen = asked.look()
        if not console.is_terminal:
            console = Console(width=PIPE_COLUMNS)
        console.print(screen(seen, 0, Size(console.width), keys=False))
        return Exit.OK
    asked.look()
    _follow(asked, every_s, console)
    return Exit.OK


class Asked:
    """The newest look at a server; a server that falls silent leaves the last one standing."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._answered_s: float | None = None
        self.seen = _nothing(server.address)

    def look(self) -> Seen:
        """Ask; raises ConnectorError where the server has never answered."""
        from millstream.errors import ConnectorError

        try:
            self.seen = _asked(self._server)
            self._answered_s = time.monotonic()
        except ConnectorError:
            if self._answered_s is None:
                raise
            self.seen = replace(self.seen, silent_s=time.monotonic() - self._answered_s)
        return self.seen


@dataclass(slots=True)
class _Standing:
    """What the keys have changed."""

    chosen: int = 0
    still: bool = False


def _follow(asked: Asked, every_s: float, console: Console) -> None:
    from rich.live import Live

    from millstream.cli.top_screen import Size, screen

    standing, next_s = _Standing(), time.monotonic() + every_s
    with _keyboard() as pressed, Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            size = Size(console.width, console.height)
            live.update(screen(asked.seen, standing.chosen, size), refresh=True)
            for key in pressed(min(REDRAW_EVERY_S, every_s)):
                if key == "quit":
                    return
                _moved(standing, key, len(asked.seen.jobs))
            if time.monotonic() >= next_s and not standing.still:
                asked.look()
                next_s = time.monotonic() + every_s


def _moved(standing: _Standing, key: str, jobs: int) -> None:
    if key == "still":
        standing.still = not standing.still
    elif jobs:
        standing.chosen = (standing.chosen + (1 if key == "down" else -1)) % jobs


def _asked(server: Server) -> Seen:
    from millstream.errors import ConnectorError, Domain

    try:
        return _read(server)
    except (ValueError, LookupError, TypeError) as error:
        raise ConnectorError(
            f"{server.address} answers, but not as this version of Millstream does.",
            hint="Use the version that serves there; `millstream --version` tells this one's.",
            domain=Domain.DATA,
        ) from error


def _read(server: Server) -> Seen:
    from millstream.cli.top_screen import SPARK_POINTS, Seen
    from millstream.serve.models import AlertInfo, HistoryPage, JobInfo, PlanGraph

    at_ms = time.time_ns() // 1_000_000
    jobs = tuple(JobInfo.model_validate(j) for j in server.get("v1", "jobs")["items"])
    graphs, rates = {}, {}
    for job in jobs:
        graphs[job.name] = PlanGraph.model_validate(server.get("v1", "jobs", job.name, "plan"))
        page = HistoryPage.model_validate(
            server.get("v1", "jobs", job.name, "history", series="rows_in_per_s",
                       since_ms=at_ms - 1000 * (SPARK_POINTS + 1))
        )  # fmt: skip
        rates[job.name] = tuple(page.series.get("rows_in_per_s", ()))
    alerts = tuple(AlertInfo.model_validate(a) for a in server.get("v1", "alerts")["items"])
    return Seen(server.address, at_ms, jobs, graphs, rates, alerts)


def _nothing(address: str) -> Seen:
    from millstream.cli.top_screen import Seen

    return Seen(address, time.time_ns() // 1_000_000, ())


@contextmanager
def _keyboard() -> Iterator[Callable[[float], list[str]]]:
    """Read single keys while this lasts; where there is no terminal to read, there are none."""
    try:
        import termios
        import tty
    except ImportError:
        yield _no_keys
        return
    try:
        place = sys.stdin.fileno()
        before = termios.tcgetattr(place)
    except (OSError, ValueError, termios.error):
        yield _no_keys
        return
    try:
        tty.setcbreak(place)
        yield lambda wait_s: _keys_of(place, wait_s)
    finally:
        termios.tcsetattr(place, termios.TCSADRAIN, before)


def _no_keys(wait_s: float) -> list[str]:
    time.sleep(wait_s)
    return []


def _keys_of(place: int, wait_s: float) -> list[str]:
    ready, _, _ = select.select([place], [], [], wait_s)
    if not ready:
        return []
    said = os.read(place, 64).decode(errors="replace")
    if not said:  # the terminal has gone
        return ["quit"]
    return keys_in(said)


def keys_in(said: str) -> list[str]:
    r"""Return the keys in what a terminal sent: an arrow is three characters.

    >>> keys_in("j\x1b[Aq")
    ['down', 'up', 'quit']
    """
    found = []
    at = 0
    while at < len(said):
        if (arrow := _ARROWS.get(said[at : at + 3])) is not None:
            found.append(arrow)
            at += 3
            continue
        if (letter := _LETTERS.get(said[at])) is not None:
            found.append(letter)
        at += 1
    return found
