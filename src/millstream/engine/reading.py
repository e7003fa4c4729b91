"""Reads the splits of one source ahead, in a thread of its own, within a byte budget.

in      a source, and for each split the place to go on from
out     per split a queue of chunks, taken by the compute thread; what was read but not taken is
        not part of any checkpoint, so nothing is lost with it
limits  ``buffer_bytes_max`` per source; a full queue pauses the split (back-pressure)
bad     an error of the source is kept and raised in the compute thread
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from millstream.ports.connector import Chunk, End, Reader, Source

POLL_ALONE_S = 0.1
POLL_ROUND_S = 0.005
CHUNKS_AHEAD_MAX = 4


class Inbox:
    """Wakes the compute thread whenever something happened in another one."""

    def __init__(self) -> None:
        self.condition = threading.Condition()
        self.failure: BaseException | None = None
        self._news = False

    def notify(self) -> None:
        """Wake whoever waits, or will wait next: news before a wait are not slept through."""
        with self.condition:
            self._news = True
            self.condition.notify_all()

    def fail(self, error: BaseException) -> None:
        """Keep the first failure of any thread."""
        with self.condition:
            self.failure = self.failure or error
            self.notify()

    def wait(self, timeout_s: float) -> None:
        """Sleep until something happens, at most so long."""
        with self.condition:
            if not self._news:
                self.condition.wait(timeout_s)
            self._news = False


@dataclass
class Split:
    """One split as the compute thread sees it."""

    name: str
    reader: Reader
    queue: deque[Chunk] = field(default_factory=deque)
    ended: bool = False
    pending: int | None = None
    arrived_at_ms: int = 0
    commit: list[Any] = field(default_factory=list)

    @property
    def done(self) -> bool:
        """Whether the last row was taken."""
        return self.ended and not self.queue


class Reading(threading.Thread):
    """The reader thread of one source."""

    def __init__(
        self,
        source: Source,
        positions: dict[str, Any],
        inbox: Inbox,
        *,
        bytes_max: int,
        quantum_rows: int,
        discovery_interval_s: float,
        name: str,
    ) -> None:
        super().__init__(name=f"read {name}", daemon=True)
        self.source = source
        self.splits: dict[str, Split] = {}
        self.rows_wanted = quantum_rows
        self.bytes_read = 0
        self._positions = positions
        self._inbox = inbox
        self._bytes_max = bytes_max
        self._bytes_queued = 0
        self._quantum_rows = quantum_rows
        self._discovery_interval_s = discovery_interval_s
        self._closing = threading.Event()
        self._room = threading.Event()

    def discover(self) -> None:
        """Open splits that are new; called before the thread starts and now and then by it."""
        for name in self.source.splits():
            if name not in self.splits:
                reader = self.source.open(name, resume=self._positions.get(name))
                with self._inbox.condition:
                    self.splits[name] = Split(name, reader)

    def take(self, split: Split) -> Chunk | None:
        """Take the next chunk of a split, or None."""
        with self._inbox.condition:
            if not split.queue:
                return None
            chunk = split.queue.popleft()
            self._bytes_queued -= _bytes_of(chunk)
        self._room.set()
        return chunk

    def run(self) -> None:
        try:
            since_discovery_s = 0.0
            while not self._closing.is_set():
                for split in list(self.splits.values()):
                    self._commit(split)
                waited_s = self._round()
                since_discovery_s += waited_s
                if not self.source.bounded and since_discovery_s >= self._discovery_interval_s:
                    since_discovery_s = 0.0
                    self.discover()
        except BaseException as error:  # noqa: BLE001 (raised again in the compute thread)
            self._inbox.fail(error)
        finally:
            self._close_all()

    def commit(self, positions: dict[str, Any]) -> None:
        """Pass on that these places are safe; done by the reader thread."""
        with self._inbox.condition:
            for name, resume in positions.items():
                if name in self.splits:
                    self.splits[name].commit.append(resume)
        self._room.set()

    def stop(self) -> None:
        """End the thread and free the source; waits for it."""
        self._closing.set()
        self._room.set()
        if self.is_alive():
            self.join(timeout=10)
        else:
            self._close_all()

    def _round(self) -> float:
        """Poll every split that has room once; returns about how long that waited."""
        live = [s for s in list(self.splits.values()) if not s.ended]
        ready = [s for s in live if len(s.queue) < CHUNKS_AHEAD_MAX]
        if not ready or self._bytes_queued >= self._bytes_max:
            self._room.wait(POLL_ALONE_S)
            self._room.clear()
            return POLL_ALONE_S
        alone = len(self.splits) == 1
        found = False
        for split in ready:
            found = self._poll(split, alone) or found
            if self._closing.is_set():
                break
        if found:
            return 0.0
        if not alone:
            self._closing.wait(POLL_ROUND_S)
        return POLL_ALONE_S if alone else POLL_ROUND_S

    def _poll(self, split: Split, alone: bool) -> bool:
        rows = self.rows_wanted if alone else self._quantum_rows
        try:
            chunk = split.reader.poll(max_rows=rows, timeout_s=POLL_ALONE_S if alone else 0.0)
        except End:
            with self._inbox.condition:
                split.ended = True
                self._inbox.notify()
            return True
        if chunk is None:
            return False
        with self._inbox.condition:
            split.queue.append(chunk)
            split.pending = chunk.pending
            self._bytes_queued += _bytes_of(chunk)
            self.bytes_read += chunk.bytes
            self._inbox.notify()
        return True

    def _commit(self, split: Split) -> None:
        with self._inbox.condition:
            resumes, split.commit = split.commit, []
        if resumes:
            split.reader.commit(resumes[-1])

    def _close_all(self) -> None:
        for split in list(self.splits.values()):
            self._commit(split)
            split.reader.close()
        self.source.close()


def _bytes_of(chunk: Chunk) -> int:
    return max(chunk.bytes, int(chunk.frame.estimated_size()))
