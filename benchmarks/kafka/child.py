"""One measured run: starts a peer's program, watches its output topic, checks its answer.

in      the broker as loaded (a file of :mod:`benchmarks.kafka.broker`), peer, case, events
out     as the harness wants it, one JSON object as the last line; ``notes`` say what was expected,
        whether the answer is right, how long starting took and what the broker used meanwhile
clock   from the broker's first answer with documents to the last result row being visible
end     as soon as all rows are there the peer is told to end (SIGTERM, then SIGKILL); a peer that
        ended by itself too early, or gives out nothing for QUIET_S, is judged by what is there
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from benchmarks.kafka import broker, peers, visible

START_S = 300.0
QUIET_S = 60.0
STILL_S = 0.3
STOP_S = 5.0
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Ran:
    """What the watcher saw."""

    started_at: float
    first_at: float
    read: visible.Read
    broker_s: float
    """Processor time of the broker between the first read and the end."""


def run(loaded: broker.Loaded, peer: str, job: peers.Job) -> Ran:
    """Start the peer's processes, watch, and end them."""
    broker.make_topic(loaded.address, job.output)
    expected = loaded.expected[job.input][job.case]
    ends = visible.Ends(loaded.address, job.output)
    ends.ask_until_there()
    commands = peers.commands(peer, job)  # makes its files; not part of any clock
    first = visible.FirstRead(loaded.pid)
    with (job.folder / "log").open("wb") as log:
        started_at = time.monotonic()
        running = [_spawn(command, job, log) for command in commands]
        try:
            while not first.look():
                _judge(time.monotonic() - started_at < START_S, running, "it read nothing")
                time.sleep(visible.FIRST_STEP_S)
            assert first.at is not None, "look() said so"
            broker_s = cpu_s(loaded.pid)
            read = _until_complete(ends, job.case, expected, running)
            broker_s = cpu_s(loaded.pid) - broker_s
        except BaseException:
            sys.stderr.write((job.folder / "log").read_text(errors="replace")[-3000:])
            raise
        finally:
            _stop(running)
    if read.answer.rows == 0:
        sys.stderr.write((job.folder / "log").read_text(errors="replace")[-3000:])
        raise SystemExit("it gave out no rows")
    return Ran(started_at, first.at, read, broker_s)


def _until_complete(
    ends: visible.Ends,
    case: str,
    expected: tuple[int, str],
    running: list[subprocess.Popen[bytes]],
) -> visible.Read:
    """Ask for the ends until all rows are there, or no more come."""
    read_at, begun = -1, time.monotonic()
    while True:
        total = ends.ask()
        over = all(process.poll() is not None for process in running)
        if over:
            ends.ask()  # what became visible between the last question and the end of the peer
        still_s = ends.still_s
        if over or min(still_s, time.monotonic() - begun) > QUIET_S:
            return visible.read(ends, case)
        if total >= expected[0] and still_s > STILL_S and total != read_at:
            # Control records take offsets too, and counts may change: this may be too early.
            read, read_at = visible.read(ends, case), total
            if (read.answer.rows, read.answer.checksum) == expected:
                return read
        time.sleep(visible.STEP_S)


def _judge(fine: bool, running: list[subprocess.Popen[bytes]], what: str) -> None:
    codes = [process.poll() for process in running]
    if not fine or all(code is not None for code in codes):
        raise SystemExit(f"{what}; exit codes {codes}")


def _spawn(command: peers.Command, job: peers.Job, log: IO[bytes]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command.argv,
        cwd=job.folder,
        env={**os.environ, **command.env},
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def _stop(running: list[subprocess.Popen[bytes]]) -> None:
    """End the processes this run started, by the groups it made for them."""
    until = time.monotonic() + STOP_S
    for process in running:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
    for process in running:
        try:
            process.wait(max(0.1, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def cpu_s(pid: int) -> float:
    """Return the processor time a process has used."""
    text = Path(f"/proc/{pid}/stat").read_text()
    fields = text[text.rindex(")") + 2 :].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def main() -> int:
    """Run once and say what came out."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--run", type=Path, required=True)
    asked.add_argument("--peer", required=True)
    asked.add_argument("--case", required=True)
    asked.add_argument("--events", type=int, required=True)
    given = asked.parse_args()
    loaded = broker.Loaded.read(given.run)
    name = f"{given.case}-{given.peer}-{os.getpid()}"
    folder = broker.FOLDER / name
    folder.mkdir(parents=True)
    job = peers.Job(
        case=given.case,
        address=loaded.address,
        input=broker.topic(given.events),
        output=f"out-{name}",
        folder=folder,
    )
    try:
        ran = run(loaded, given.peer, job)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        broker.drop_topics(loaded.address, keep=set(loaded.expected))
    rows, checksum = loaded.expected[job.input][job.case]
    answer = ran.read.answer
    seconds = ran.read.last_at - ran.first_at
    notes = {
        "right": (answer.rows, answer.checksum) == (rows, checksum),
        "rows_expected": rows,
        "checksum_expected": checksum,
        "start_s": round(ran.first_at - ran.started_at, 3),
        "broker_cpu_s": round(ran.broker_s, 2),
        "rows_beside": ran.read.others,
    }
    said = {
        "seconds": max(seconds, visible.STEP_S),
        "events": given.events,
        "rows": answer.rows,
        "checksum": answer.checksum,
        "notes": notes,
    }
    print(json.dumps(said))
    return 0


if __name__ == "__main__":
    sys.exit(main())
