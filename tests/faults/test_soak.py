"""A fixed rate for a long time, with a kill every 30 s (F28).

After so many restarts a process of the same age takes what the first one took, so does the
checkpoint folder, and each row is there once. A last stretch without kills shows a process growing
old. Tolerances: 10 % of growth over the whole run plus 32 MiB of memory, 4 descriptors, and 25 %
plus 1 MiB of the checkpoint folder; a leak of a batch or a file per epoch is far above all three.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.faults.feed import Feed
from tests.faults.measures import fd_count, folder_bytes, rss_bytes, slope
from tests.faults.readers import Readers
from tests.faults.scene import Run, Scene

if TYPE_CHECKING:
    from tests.servers.kafka import KafkaServer

pytestmark = [pytest.mark.faults, pytest.mark.kafka, pytest.mark.postgres, pytest.mark.slow]
SOAK_S = float(os.environ.get("MILLSTREAM_SOAK_S", "60"))
KILL_EVERY_S = 30.0 if SOAK_S >= 300 else 10.0
QUIET_S = SOAK_S / 6
"""The last stretch, without kills."""
RATE = 5_000 if SOAK_S >= 300 else 2_000
MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Sample:
    rss: int
    fds: int
    folder: int


def test_f28_soak_with_kills(
    kafka: KafkaServer, database: str, tmp_path: Path, note: Callable[..., None]
) -> None:
    """Hours of life and crashes leave nothing behind: no memory, no descriptor, no file, no row."""
    scene = Scene(kafka.plain, database, tmp_path, interval_ms=500)
    readers = Readers(scene, every_s=0.5)
    step_ms = 2_000 * 4 // RATE * 2
    load = Feed(scene.direct, scene.source, tmp_path, rate=RATE, step_ms=step_ms, bad=0.0).start()
    lives: list[Sample] = []
    restarts_s: list[float] = []
    end_s = time.monotonic() + SOAK_S
    try:
        while time.monotonic() < end_s - QUIET_S:
            run = scene.start()
            run.until_epochs(1)
            restarts_s.append(time.monotonic() - run.started_s)
            lives.append(life(run, readers, KILL_EVERY_S))
            run.kill()
        run = scene.start()
        run.until_epochs(1)
        young = life(run, readers, max(5.0, QUIET_S / 5))
        old = life(run, readers, max(1.0, end_s - time.monotonic()))
        run.kill()
        load.stop()
        scene.finish()
        readers.end(load.answer())
        assert scene.stop_marks() == []
        note(
            events=load.sent, rows=readers.rows(), kills=len(lives) + 1,
            restart_s_worst=max(restarts_s), memory_mib=max(s.rss for s in lives) / MIB,
            descriptors_most=float(max(s.fds for s in lives)),
            checkpoints_mib=max(s.folder for s in lives) / MIB,
            memory_growth_mib=slope([s.rss for s in lives]) * len(lives) / MIB,
            memory_growth_old_mib=(old.rss - young.rss) / MIB,
        )  # fmt: skip
        flat("memory", [s.rss for s in lives], 0.10, 32 * MIB)
        flat("descriptors", [s.fds for s in lives], 0.0, 4)
        flat("checkpoints", [s.folder for s in lives], 0.25, MIB)
        flat("memory of one process", [young.rss, old.rss], 0.10, 32 * MIB)
        flat("descriptors of one process", [young.fds, old.fds], 0.0, 4)
    finally:
        load.stop_quietly()
        readers.leave()
        scene.kill()


def life(run: Run, readers: Readers, seconds: float) -> Sample:
    """Let it run so long; returns the middle of what its last third showed."""
    samples: list[Sample] = []
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        assert run.process.poll() is None, run.text()
        readers.check()
        pid = run.pid
        samples.append(Sample(rss_bytes(pid), fd_count(pid), folder_bytes(run.checkpoints)))
        time.sleep(0.25)
    last = samples[-max(1, len(samples) // 3) :]
    middle = len(last) // 2
    return Sample(
        sorted(s.rss for s in last)[middle],
        sorted(s.fds for s in last)[middle],
        sorted(s.folder for s in last)[middle],
    )


def flat(what: str, values: list[int], share: float, more: int) -> None:
    """No growth over the whole run beyond a share of the first value and a constant."""
    grown = slope(values) * (len(values) - 1)
    allowed = values[0] * share + more
    assert grown <= allowed, f"{what} grew by {grown:.0f} (allowed {allowed:.0f}): {values}"
