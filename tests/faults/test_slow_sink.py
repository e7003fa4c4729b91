"""A sink that takes nothing for a while (F13)."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.faults.feed import Feed
from tests.faults.measures import rss_bytes
from tests.faults.readers import Readers
from tests.faults.scene import Scene

if TYPE_CHECKING:
    from tests.servers.kafka import KafkaServer

pytestmark = [pytest.mark.faults, pytest.mark.kafka, pytest.mark.postgres, pytest.mark.slow]
LONG = os.environ.get("MILLSTREAM_FAULTS") == "long"
HANGS_S = 120.0 if LONG else 6.0
EPOCHS_AHEAD_MAX = 4
"""Two may wait for delivery; one is being written and one was on its way at the lock."""
GROWTH_MAX = 200 << 20


def test_f13_a_sink_that_hangs(
    scene: Scene, feed: Callable[..., Feed], readers: Readers, kafka: KafkaServer, database: str,
    tmp_path: Path, note: Callable[..., None],
) -> None:  # fmt: skip
    """Nothing is thrown away and nothing piles up: the source waits, others run on."""
    load = feed(rate=3_000).start()
    other_folder = tmp_path / "other"
    other_folder.mkdir()
    other = Scene(kafka.plain, database, other_folder, sinks=("k", "f"))
    other_load = Feed(kafka.plain, other.source, other_folder).start()
    try:
        run, fine = scene.start(), other.start()
        run.until_epochs(2)
        fine.until_epochs(2)
        with psycopg.connect(database) as connection:
            connection.execute("LOCK TABLE out IN ACCESS EXCLUSIVE MODE")
            held_at, fine_at, rss = run.epoch(), fine.epoch(), rss_bytes(run.pid)
            end_s = time.monotonic() + HANGS_S
            most = rss
            while time.monotonic() < end_s:
                assert run.process.poll() is None, run.text()
                most = max(most, rss_bytes(run.pid))
                time.sleep(0.1)
            assert run.epoch() <= held_at + EPOCHS_AHEAD_MAX, "the source was not paused"
            assert fine.epoch() > fine_at + 5, "another pipeline stood still"
            assert most - rss < GROWTH_MAX, f"memory grew by {most - rss} bytes"
        now = run.epoch()
        run.until(lambda: run.epoch() >= now + 2)
        run.kill()
        load.stop()
        scene.finish()
        readers.end(load.answer())
        assert scene.stop_marks() == []
        note(hung_s=HANGS_S, memory_growth_mib=(most - rss) / 2**20, rows=readers.rows())
    finally:
        other_load.stop_quietly()
        other.kill()
