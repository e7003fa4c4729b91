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


def test_nobody_waits_in_the_source_while_a_split_gathers() -> None:
    """Its rows arrive without a poll of their own: they would lie there until others come."""
    source = Both(waits_for_any=True)
    reading = reading_of(source)
    reading.step(0.1)
    reading.step(0.1)  # "b" has a small chunk now, which waits
    source.polls.clear()
    reading.step(0.1)
    assert source.polls == [("a", False)]
    reading.is_computing = True
    assert reading.take(reading.splits["b"]) is not None
    reading.step(0.1)
    assert source.polls[1:] == [("a", False)]
    reading.is_computing = False
    reading.step(0.1)
    assert source.polls[2:] == [("a", False), ("b", False), ("a", True)]


class Together(Reader):
    """Gives a row at each poll behind the first that waits: one connection brought all of them."""

    def __init__(self, source: Bundle, split: str) -> None:
        self._source, self._split = source, split

    def poll(self, *, max_rows: int, timeout_s: float) -> Chunk | None:
        source = self._source
        source.there |= timeout_s > 0
        source.told.append(source.inbox.news)
        frame = pl.DataFrame({"n": range(source.rows)})
        return Chunk(frame=frame, resume=1) if source.there else None


class News(Inbox):
    """Counts how often it is told of something."""

    news = 0

    def notify(self) -> None:
        self.news += 1
        super().notify()


class Bundle(Source):
    """Splits whose rows come all at once."""

    waits_for_any = True

    def __init__(self, splits: int, rows: int) -> None:
        self.inbox = News(RealWorld())
        self.rows = rows
        self.there = False
        self.told: list[int] = []
        self._names = [str(n) for n in range(splits)]

    def splits(self) -> Sequence[str]:
        return self._names

    def open(self, split: str, *, resume: Any | None) -> Reader:
        return Together(self, split)


def told_of(splits: int, rows: int) -> tuple[list[int], int]:
    """Return how often a reading had told of chunks at each poll of a round, and behind it."""
    source = Bundle(splits, rows)
    reading = Reading(
        source, {}, source.inbox, bytes_max=1 << 20, quantum_rows=10, discovery_interval_s=60.0,
        name="bundle",
    )  # fmt: skip
    reading.discover()
    reading.step(0.1)
    return source.told[splits:], source.inbox.news


def test_small_chunks_that_came_together_are_told_of_together() -> None:
    """A thread woken by the first one would compute it alone, at the price of all."""
    assert told_of(2, rows=1) == ([0, 0], 1)
    assert told_of(6, rows=1) == ([0, 0, 0, 0, 1, 1], 2), "but not of any number of them"


def test_large_chunks_are_told_of_at_once() -> None:
    """They are computed while the next one is read."""
    assert told_of(3, rows=10_000) == ([0, 1, 2], 3)


class Greedy(Reader):
    """Gives as many rows as are asked for."""

    def __init__(self, asked: list[tuple[str, int]], split: str) -> None:
        self._asked, self._split = asked, split

    def poll(self, *, max_rows: int, timeout_s: float) -> Chunk | None:
        self._asked.append((self._split, max_rows))
        return Chunk(frame=pl.DataFrame({"n": range(max_rows)}), resume=1)


class Many(Source):
    """Any number of splits that never run dry."""

    def __init__(self, count: int, *, bounded: bool) -> None:
        self.bounded = bounded
        self.asked: list[tuple[str, int]] = []
        self._count = count

    def splits(self) -> Sequence[str]:
        return [str(n) for n in range(self._count)]

    def open(self, split: str, *, resume: Any | None) -> Reader:
        return Greedy(self.asked, split)


def many_of(source: Source, *, bytes_max: int) -> Reading:
    reading = Reading(
        source, {}, Inbox(RealWorld()), bytes_max=bytes_max, quantum_rows=1024,
        discovery_interval_s=60.0, name="many",
    )  # fmt: skip
    reading.discover()
    return reading


def test_the_order_of_a_bounded_run_gets_a_chunk_of_every_split_whatever_the_budget() -> None:
    """It waits for each split's next chunk: a budget spent on the others would stop it for good."""
    source = Many(3, bounded=True)
    reading = many_of(source, bytes_max=1)
    for _ in range(3):
        reading.step(0.0)
    assert [len(s.queue) for s in reading.splits.values()] == [1, 1, 1], "one, and no more"
    reading.take(reading.splits["1"])
    reading.step(0.0)
    assert [split for split, _ in source.asked] == ["0", "1", "2", "1"]


def test_a_live_run_keeps_to_the_budget() -> None:
    """Nobody waits for a certain split there, so that no split is worth the memory."""
    source = Many(3, bounded=False)
    reading = many_of(source, bytes_max=1)
    for _ in range(3):
        reading.step(0.0)
    reading.take(reading.splits["1"])
    reading.step(0.0)
    assert [split for split, _ in source.asked] == ["0", "1", "2"]


def test_chunks_of_many_splits_are_small_and_no_function_of_speed() -> None:
    """All splits of a bounded run have a chunk in memory, the same one on every machine."""
    for count, expected in ((2, 1024), (16, 1024), (64, 256)):
        source = Many(count, bounded=True)
        reading = many_of(source, bytes_max=1 << 30)
        reading.rows_wanted = reading.rows_fit = 10
        reading.step(0.0)
        assert {rows for _, rows in source.asked} == {expected}


def test_a_live_run_with_several_splits_asks_for_no_more_than_a_batch() -> None:
    """A slow query has small batches; chunks of a whole quantum would make them large again."""
    source = Many(2, bounded=False)
    reading = many_of(source, bytes_max=1 << 30)
    for rows_wanted, expected in ((100, 100), (5000, 1024)):
        source.asked.clear()
        reading.rows_wanted = rows_wanted
        reading.step(0.0)
        assert {rows for _, rows in source.asked} == {expected}
        for split in reading.splits.values():
            reading.take(split)  # behind a small chunk nothing would be read
