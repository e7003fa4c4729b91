"""What producers do: out of order, too late, twice, or nothing at all on a partition (F17)."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from tests.faults.feed import START_MS, Feed
from tests.faults.readers import Readers
from tests.faults.scene import Scene

pytestmark = [pytest.mark.faults, pytest.mark.kafka, pytest.mark.postgres, pytest.mark.slow]
EVENTS, TWICE, LATE = 3_000, 40, 7


def test_f17_disorder_late_rows_duplicates_and_an_idle_partition(
    scene: Scene, feed: Callable[..., Feed], readers: Readers
) -> None:
    """Late rows are counted and change nothing; a document that a producer sends twice is two rows.

    One partition stays empty. The late rows come when every other partition is minutes past them.
    """
    # Partitions take turns often, so that both are at the end when the late rows come.
    scene.settings["engine.split-quantum-rows"] = "50"
    load = feed(partitions=2, bad=0.01)
    load.send(EVENTS)
    load.send_again(TWICE)
    answer = load.answer()
    load.send_late(LATE, START_MS)
    load.stop()
    run = scene.finish()
    readers.end(answer)
    assert scene.stop_marks() == []
    summary = run.text()
    assert re.search(rf"\b{LATE}\b[^\n]*late|late[^\n]*\b{LATE}\b", summary), summary
