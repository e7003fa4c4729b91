"""A wall clock that jumps, back and forth, under a running pipeline (F16).

What windows across daylight saving time give is said by the cases ``day_window_spring`` and
``day_window_autumn``; here the process itself lives in zones that have it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults import launched
from tests.faults.feed import Feed
from tests.faults.readers import Readers
from tests.faults.scene import Scene

pytestmark = [pytest.mark.faults, pytest.mark.kafka, pytest.mark.postgres, pytest.mark.slow]
DAY_S = 86_400
JUMPS_S = (0, 3 * DAY_S, -3_600, 27)
"""Right, three days ahead, an hour behind, and as far wrong as leap seconds make it."""


@pytest.mark.parametrize("zone", ["America/Sao_Paulo", "Europe/Berlin"])
def test_f16_a_clock_that_jumps(
    zone: str, scene: Scene, feed: Callable[..., Feed], readers: Readers, tmp_path: Path,
    note: Callable[..., None],
) -> None:  # fmt: skip
    """Event time is the data's, and epochs go by a clock that never jumps: nothing changes."""
    load = feed().start()
    clock = tmp_path / "clock"
    faked = {launched.CLOCK: str(clock), "TZ": zone}
    clock.write_text("0")
    run = scene.start(environment=faked)
    for jump_s in JUMPS_S:
        clock.write_text(str(jump_s))
        now = run.epoch()
        run.until(lambda now=now: run.epoch() >= now + 5)
        readers.check()
    run.kill()
    clock.write_text("-7200")  # and a restart in the past of its own checkpoint
    run = scene.start(environment=faked)
    run.until_epochs(3)
    run.kill()
    load.stop()
    scene.finish()
    readers.end(load.answer())
    assert scene.stop_marks() == []
    note(jumps=len(JUMPS_S) + 1, rows=readers.rows())
