"""Runs one contender as a child process and says what it gave and what it took.

in      a :class:`~benchmarks.harness.contract.Contender`
out     a :class:`~benchmarks.harness.contract.Measured`, or a :class:`Failed` with the reason
state   none; the child has a session of its own, and what is left of its tree is killed at the end
method  CPU: what wait4 says of the child and all it waited for, or the sum of the last samples of
        each process of the tree, whichever is more (a JVM that is only killed is not waited for).
        Memory: every SAMPLE_S the pages of the tree are added up; of one process the resident set
        (with the kernel's own high-water mark), of several the proportional set, which counts
        shared pages once but costs the kernel a walk, so it is taken every PROPORTIONAL_S only
source  proc(5), getrusage(2)
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from benchmarks.harness.contract import CHECKOUT, Contender, Measured

SAMPLE_S = 0.05
PROPORTIONAL_S = 0.5
KILL_S = 10.0
"""Longest wait for what was killed to be gone."""
STDERR_LINES = 12
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Failed:
    """Why a child gave no figure."""

    reason: str


@dataclass(frozen=True, slots=True)
class _Process:
    """One process of a tree, as /proc tells of it."""

    parent: int
    session: int
    cpu_s: float
    born: int
    """Together with the number it tells a process from a later one with the same number."""


@dataclass(slots=True)
class Tree:
    """A child and what it started: what it has used so far."""

    root: int
    cpu_s: dict[tuple[int, int], float] = field(default_factory=dict)
    bytes_peak: int = 0
    _proportional_at: float = 0.0

    def sample(self) -> None:
        """Look at every process that is in the tree now."""
        now = self._members()
        for pid, process in now.items():
            self.cpu_s[pid, process.born] = process.cpu_s
        if len(now) == 1:
            self._peak(sum(map(_resident, now)))
        elif time.monotonic() - self._proportional_at >= PROPORTIONAL_S:
            self._proportional_at = time.monotonic()
            self._peak(sum(map(_proportional, now)))

    def kill(self) -> None:
        """Kill what of the tree is still alive, also what left the session or lost its parent.

        Returns when it is gone: nothing may run beside the next contender.
        """
        until = time.monotonic() + KILL_S
        while True:
            self.sample()
            alive = _processes()
            left = [pid for pid, born in self.cpu_s if pid in alive and alive[pid].born == born]
            if not left or time.monotonic() >= until:
                return
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(SAMPLE_S)

    def _peak(self, size: int) -> None:
        self.bytes_peak = max(self.bytes_peak, size)

    def _members(self) -> dict[int, _Process]:
        """Descendants by parent, session members, and those that were members before."""
        alive = _processes()
        found = {
            pid
            for pid, p in alive.items()
            if self.root in (pid, p.session) or (pid, p.born) in self.cpu_s
        }
        grown = True
        while grown:
            more = {pid for pid, p in alive.items() if p.parent in found} - found
            found |= more
            grown = bool(more)
        return {pid: alive[pid] for pid in found}


def measure(contender: Contender) -> Measured | Failed:
    """Run a contender once."""
    if contender.missing:
        return Failed(contender.missing)
    load = os.getloadavg()[0]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        started = time.monotonic()
        try:
            with _pinned(contender.cores):
                child = subprocess.Popen(
                    contender.argv,
                    cwd=CHECKOUT,
                    env={**os.environ, **contender.env},
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=err,
                    start_new_session=True,
                )
        except OSError as error:
            return Failed(f"could not be started: {error}")
        tree = Tree(child.pid)
        try:
            status, usage = _watch(child.pid, tree, started + contender.limit_s)
        finally:
            tree.kill()
        wall_s = time.monotonic() - started
        if status is None:
            child.returncode = os.waitstatus_to_exitcode(os.wait4(child.pid, 0)[1])
            return Failed(f"killed at the limit of {contender.limit_s:g} s{_last_lines(err)}")
        child.returncode = os.waitstatus_to_exitcode(status)  # so that Popen does not wait again
        if child.returncode:
            return Failed(f"exit code {child.returncode}{_last_lines(err)}")
        said = _answer(out)
        if isinstance(said, Failed):
            return Failed(said.reason + _last_lines(err))
        assert usage is not None, "a child that ended has been waited for"
        waited_s = usage.ru_utime + usage.ru_stime
        alone = len(tree.cpu_s) <= 1
        unit = 1 if sys.platform == "darwin" else 1024
        return Measured(
            seconds=float(said["seconds"]),
            events=int(said["events"]),
            rows=int(said["rows"]),
            checksum=said["checksum"],
            notes=said["notes"],
            wall_s=wall_s,
            cpu_s=max(waited_s, sum(tree.cpu_s.values())),
            memory_bytes_peak=max(tree.bytes_peak, usage.ru_maxrss * unit if alone else 0),
            load=load,
        )


def _watch(pid: int, tree: Tree, until: float) -> tuple[int | None, Any]:
    """Sample a child until it ends; no status if it has not by then."""
    while True:
        ended, status, usage = os.wait4(pid, os.WNOHANG)
        if ended:
            return status, usage
        if time.monotonic() >= until:
            return None, None
        tree.sample()
        time.sleep(SAMPLE_S)


@contextmanager
def _pinned(cores: tuple[int, ...]) -> Iterator[None]:
    """Start children on these cores only: they inherit what this thread is bound to."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, (set(cores) & before) or before)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _answer(out: IO[bytes]) -> dict[str, Any] | Failed:
    out.seek(0)
    lines = out.read().decode(errors="replace").strip().splitlines()
    if not lines:
        return Failed("it ended well but said nothing")
    try:
        said = json.loads(lines[-1])
        given = {
            "seconds": float(said["seconds"]),
            "events": int(said["events"]),
            "rows": int(said["rows"]),
            "checksum": said.get("checksum"),
            "notes": said.get("notes", {}),
        }
    except (ValueError, TypeError, KeyError) as error:
        return Failed(f"its last line is no answer ({error!r}): {lines[-1][:200]}")
    if given["seconds"] <= 0 or given["events"] <= 0:
        return Failed(f"it says {given['events']} events in {given['seconds']} s")
    return given


def _last_lines(err: IO[bytes]) -> str:
    err.seek(0)
    text = err.read().decode(errors="replace")
    # The report is for everybody: it says nothing of where things lie on this machine.
    for place, name in ((CHECKOUT, "."), (sys.prefix, "env"), (sys.base_prefix, "python")):
        text = text.replace(str(place), name)
    lines = text.replace(str(Path.home()), "~").strip().splitlines()[-STDERR_LINES:]
    return "\n" + "\n".join(line[:300] for line in lines) if lines else ""


def _processes() -> dict[int, _Process]:
    found: dict[int, _Process] = {}
    if not _PROC.is_dir():
        return found
    for entry in os.scandir(_PROC):
        if entry.name.isdigit():
            process = _process(entry.name)
            if process is not None:
                found[int(entry.name)] = process
    return found


def _process(pid: str) -> _Process | None:
    """Read /proc/PID/stat; None for one that is gone or only waits to be waited for."""
    try:
        text = (_PROC / pid / "stat").read_text()
    except OSError:
        return None
    # The name is in brackets and may hold blanks and brackets itself.
    fields = text[text.rindex(")") + 2 :].split()
    if fields[0] in "ZX":
        return None
    return _Process(
        parent=int(fields[1]),
        session=int(fields[3]),
        cpu_s=(int(fields[11]) + int(fields[12])) / _TICKS,
        born=int(fields[19]),
    )


def _resident(pid: int) -> int:
    try:
        return int((_PROC / str(pid) / "statm").read_text().split()[1]) * _PAGE
    except OSError:
        return 0


def _proportional(pid: int) -> int:
    try:
        for line in (_PROC / str(pid) / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        return _resident(pid)
    return 0
