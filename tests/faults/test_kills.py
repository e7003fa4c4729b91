"""kill -9 at random times under load, and again while the pipeline comes back (F2, F3)."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable

import pytest

from tests.faults import tracing
from tests.faults.feed import Feed
from tests.faults.readers import Readers
from tests.faults.scene import START_LIMIT_S, Scene

pytestmark = [pytest.mark.faults, pytest.mark.kafka, pytest.mark.postgres, pytest.mark.slow]
LONG = os.environ.get("MILLSTREAM_FAULTS") == "long"
RUNS, KILLS = (20, 10) if LONG else (1, 6)
WAIT_S_MAX = 1.5


@pytest.mark.parametrize("seed", range(RUNS))
def test_f02_random_kills_under_load(
    seed: int, scene: Scene, feed: Callable[..., Feed], readers: Readers,
    note: Callable[..., None],
) -> None:  # fmt: skip
    """A process that dies at any time leaves every row once, and the next one gets further."""
    chance = random.Random(seed)
    load = feed(seed=seed).start()
    restarts_s: list[float] = []
    for _ in range(KILLS):
        run = scene.start()
        run.until_epochs(1)
        restarts_s.append(time.monotonic() - run.started_s)
        until_s = time.monotonic() + chance.uniform(0, WAIT_S_MAX)
        run.until(lambda until_s=until_s: time.monotonic() > until_s)
        run.kill()
        readers.check()
    load.stop()
    scene.finish()
    readers.end(load.answer())
    assert scene.stop_marks() == []
    note(kills=KILLS, rows=readers.rows(), restart_to_first_epoch_s_worst=max(restarts_s))


STEPS = "fsync,fdatasync,rename,renameat,renameat2,link,linkat,unlink,flock,sendto,connect"
POINTS = range(1, 60) if LONG else (2, 7)


def test_f03_kills_during_recovery(
    scene: Scene, feed: Callable[..., Feed], readers: Readers, note: Callable[..., None]
) -> None:
    """What a start does to come back may be cut anywhere, twice in a row, and is done again."""
    tracing.need_strace()
    load = feed().start()
    run = scene.start()
    run.until_epochs(2)
    run.kill()
    killed = 0
    for k in POINTS:
        died = [dies_at(scene, k) for _ in range(2 if not LONG else 1)]
        killed += sum(died)
        readers.check()
        if not any(died):
            break
    run = scene.start()
    run.until_epochs(1)
    run.kill()
    load.stop()
    scene.finish()
    readers.end(load.answer())
    assert scene.stop_marks() == []
    assert killed >= 2, "a recovery has more steps than that"
    note(points=killed, rows=readers.rows())


def dies_at(scene: Scene, k: int) -> bool:
    """Start under strace, kill at the k-th step of any thread; False if it recovered before.

    A run whose kill point lies after its first own epoch has recovered: it is killed there.
    """
    calls = f"inject={STEPS}:signal=SIGKILL:when={k}"
    run = scene.start(
        before=["strace", "-D", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={STEPS}", "-e", calls]
    )
    end = time.monotonic() + START_LIMIT_S
    while run.process.poll() is None and run.epoch() == run.epoch_at_start:
        assert time.monotonic() < end, run.text()
        time.sleep(0.005)
    died = run.process.poll() is not None
    run.kill()
    assert run.process.returncode == -signal.SIGKILL, run.text()
    return died
