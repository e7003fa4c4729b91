"""kill -9 at random times under load, and again while the pipeline comes back (F2, F3)."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable

import pytest

from tests.faults.feed import Feed
from tests.faults.readers import Readers
from tests.faults.scene import Scene

pytestmark = [pytest.mark.faults, pytest.mark.kafka, pytest.mark.postgres, pytest.mark.slow]
LONG = os.environ.get("MILLSTREAM_FAULTS") == "long"
RUNS, KILLS = (20, 10) if LONG else (1, 6)
WAIT_S_MAX = 1.5
RESTART_LIMIT_S = 5.0
"""Read, but not asserted, by a machine that is busy: the figure is in RESULTS.md."""


@pytest.mark.parametrize("seed", range(RUNS))
def test_f02_random_kills_under_load(
    seed: int, scene: Scene, feed: Callable[..., Feed], readers: Readers
) -> None:
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
