"""How the splits of one source are polled: where the reader waits, and for whom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from millstream.engine.reading import Reading
from millstream.engine.world import Inbox, RealWorld
from millstream.ports.connector import Chunk, Reader, Source


class Polled(Reader):
    """Gives the row that a poll of another split has brought."""

    def __init__(self, source: Both, split: str) -> None:
        self._source, self._split = source, split

    def poll(self, *, max_rows: int, timeout_s: float) -> Chunk | None:
        source = self._source
        source.polls.append((self._split, timeout_s > 0))
        if self._split in source.arrived:
            source.arrived.remove(self._split)
            return Chunk(frame=pl.DataFrame({"n": [1]}), resume=1)
        if timeout_s > 0:
            source.arrived.append("b")
        return None


class Both(Source):
    """Two splits over one connection, quiet until somebody waits for it."""

    def __init__(self, *, waits_for_any: bool) -> None:
        self.waits_for_any = waits_for_any
        self.polls: list[tuple[str, bool]] = []
        self.arrived: list[str] = []

    def splits(self) -> Sequence[str]:
        return ("a", "b")

    def open(self, split: str, *, resume: Any | None) -> Reader:
        return Polled(self, split)


def reading_of(source: Source) -> Reading:
    reading = Reading(
        source, {}, Inbox(RealWorld()), bytes_max=1 << 20, quantum_rows=10,
        discovery_interval_s=60.0, name="both",
    )  # fmt: skip
    reading.discover()
    return reading


def test_one_connection_is_waited_for_whatever_split_it_brings() -> None:
    """A nap between rounds would add its length to the way of every row."""
    source = Both(waits_for_any=True)
    reading = reading_of(source)
    reading.step(0.1)
    assert source.polls == [("a", False), ("b", False), ("a", True)]
    reading.step(0.1)
    assert source.polls[3:] == [("a", False), ("b", False)], "somebody had rows: nobody waits"
    assert reading.take(reading.splits["b"]) is not None


def test_splits_of_their_own_never_wait_for_one_another() -> None:
    """A poll that waits for one split would keep the rows of the others waiting."""
    source = Both(waits_for_any=False)
    reading = reading_of(source)
    reading.step(0.01)
    assert source.polls == [("a", False), ("b", False)]
