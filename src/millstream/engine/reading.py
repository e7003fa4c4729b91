"""Reads the splits of one source ahead, beside the compute thread, within a byte budget.

in      a source, and for each split the place to go on from
out     per split a queue of chunks, taken by the compute thread; what was read but not taken is
        not part of any checkpoint, so nothing is lost with it
limits  ``buffer_bytes_max`` per source; a full queue pauses the split (back-pressure)
bad     an error of the source is kept and raised in the compute thread
"""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from millstream.engine.world import Actor, Inbox, end_of
from millstream.ports.connector import Chunk, End, Reader, Source

POLL_ALONE_S = 0.1
POLL_ROUND_S = 0.005
CHUNKS_AHEAD_MAX = 4
SMALL_BYTES = 1 << 16
"""Behind a chunk below this a live source reads nothing until it is computed: what comes meanwhile
is one chunk then. Decoded beside the computing, small ones make both wait for Python's lock."""
CHUNKS_UNTOLD_MAX = 4
"""So many small chunks are read before the compute thread is woken, at most the round's: it would
take the first one alone, and a batch costs as much for it as for all of them."""
SPLITS_WHOLE_MAX = 16
"""So many splits give whole quanta; of more splits the chunks are smaller, as all of them are in
memory at once where the order of a bounded run asks for the next one of each."""
END_S = 10.0
"""So long the end of a run waits for a reader that is busy in its system."""


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
    bytes_last: int = 1 << 62
    """Of the last chunk."""
    read_at_s: deque[float] = field(default_factory=deque)
    """When each chunk of the queue was read, by the machine's clock that only goes forward."""
    taken_read_at_s: float = 0.0
    """The same of the chunk that was taken last."""
    read_at_ms: int | None = None
    """Clock time at which the newest row came."""
    documents: int = 0
    """Rows and rejected ones that the compute thread has taken."""
    bytes: int = 0
    """Payload bytes of these, as read."""

    @property
    def done(self) -> bool:
        """Whether the last row was taken."""
        return self.ended and not self.queue


class Reading(Actor):
    """Reads one source."""

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
        uid: str | None = None,
    ) -> None:
        super().__init__(f"read {name}")
        self._uid = uid
        """The step it reads for."""
        self.source = source
        self.splits: dict[str, Split] = {}
        self.rows_wanted = quantum_rows
        self.rows_fit = 1 << 31
        """So many rows, as large as the last ones were, make the most bytes of a batch."""
        self.is_computing = False
        """What was taken last is on its way through the graph."""
        self.is_short = False
        """Memory is short: no more than one chunk of a split is read ahead."""
        self.bytes_read = 0
        self.busy_s = 0.0
        """Time of the polls that gave rows: reading and decoding, and where the source is live
        the wait for the first row."""
        self.busy_cpu_s = 0.0
        """The processor's part of it, in the reading thread."""
        self._positions = positions
        self._inbox = inbox
        self._world = inbox.world
        self._bytes_max = bytes_max
        self._bytes_queued = 0
        self._quantum_rows = quantum_rows
        self._discovery_interval_s = discovery_interval_s
        self._discovered_s = self._world.monotonic_s()
        self._closing = False
        self._untold = 0
        """Chunks the compute thread was not woken for yet."""
        self._lock = threading.Lock()

    def discover(self) -> None:
        """Open splits that are new; called before the start and now and then while it reads."""
        for name in self.source.splits():
            if name not in self.splits:
                reader = self.source.open(name, resume=self._positions.get(name))
                with self._lock:
                    self.splits[name] = Split(name, reader)
        self._discovered_s = self._world.monotonic_s()

    def take(self, split: Split) -> Chunk | None:
        """Take the next chunk of a split, or None."""
        with self._lock:
            if not split.queue:
                return None
            chunk = split.queue.popleft()
            split.taken_read_at_s = split.read_at_s.popleft()
            self._bytes_queued -= _bytes_of(chunk)
        self._world.notify()
        return chunk

    @property
    def bytes_queued(self) -> int:
        """Bytes read and not taken yet."""
        return self._bytes_queued

    def step(self, wait_s: float) -> bool:
        if self._closing:
            return False
        for split in list(self.splits.values()):
            self._commit(split)
        since_s = self._world.monotonic_s() - self._discovered_s
        if not self.source.bounded and since_s >= self._discovery_interval_s:
            self.discover()
        if not self._round(wait_s):
            self._world.wait(self._is_wanted, wait_s)
        return True

    def close(self) -> None:
        for split in list(self.splits.values()):
            self._commit(split)
            split.reader.close()
        self.source.close()

    def commit(self, positions: dict[str, Any]) -> None:
        """Pass on that these places are safe; done where the splits are read."""
        with self._lock:
            for name, resume in positions.items():
                if name in self.splits:
                    self.splits[name].commit.append(resume)
        self._world.notify()

    def stop(self) -> None:
        """End the reading and free the source; waits for it."""
        self._closing = True
        self._world.notify()
        end_of(self, self._world, END_S)

    def _is_wanted(self) -> bool:
        """Tell whether there is something to do without the source's help."""
        splits = list(self.splits.values())
        return self._closing or any(s.commit for s in splits) or bool(self._ready())

    def _ready(self) -> list[Split]:
        """Return the splits to read from now."""
        ahead = 1 if self.is_short else CHUNKS_AHEAD_MAX
        if self._bytes_queued >= self._bytes_max:
            # A bounded run waits for the next chunk of every split (decision 0002), whatever the
            # others have.
            ahead = 1 if self.source.bounded else 0
        return [
            split
            for split in list(self.splits.values())
            if not split.ended and len(split.queue) < ahead and not self._gathers(split)
        ]

    def _gathers(self, split: Split) -> bool:
        """Tell whether the next chunk, a small one, may as well grow for a while."""
        if self.source.bounded or split.ended or split.bytes_last >= SMALL_BYTES:
            return False
        return self.is_computing or bool(split.queue)

    def _round(self, wait_s: float) -> bool:
        """Poll every split that has room once; False where none has."""
        ready = self._ready()
        alone = len(self.splits) == 1
        found = False
        for split in ready:
            found = self._poll(split, min(wait_s, POLL_ALONE_S) if alone else 0.0) or found
            if self._closing:
                break
        if ready and not found and not alone:
            gathering = [s for s in list(self.splits.values()) if self._gathers(s)]
            if self.source.waits_for_any and not gathering:
                if self._poll(ready[0], min(wait_s, POLL_ALONE_S)):
                    for split in ready[1:]:  # for what came with it
                        self._poll(split, 0.0)
                self._tell(1)
                return True
            # What comes for a split that gathers would not end the source's wait for the others.
            self._world.wait(
                lambda: self._closing or not all(map(self._gathers, gathering)),
                min(wait_s, POLL_ROUND_S),
            )
        self._tell(1)
        return bool(ready)

    def _tell(self, untold: int) -> None:
        """Wake the compute thread if it was not told of so many chunks."""
        if self._untold >= untold:
            self._untold = 0
            self._inbox.notify()

    def _poll(self, split: Split, timeout_s: float) -> bool:
        self.place = (self._uid, split.name)
        began_s, cpu_s = time.perf_counter(), time.thread_time()
        try:
            chunk = split.reader.poll(max_rows=self._rows_of_poll(), timeout_s=timeout_s)
        except End:
            split.ended = True
            self._untold += 1
            self._tell(1)
            return True
        if chunk is None:
            return False
        # Figures go by the machine's clocks: they are no part of what is simulated.
        read_at_s = time.perf_counter()
        self.busy_s += read_at_s - began_s
        self.busy_cpu_s += time.thread_time() - cpu_s
        if chunk.frame.height or chunk.rejected is not None:
            split.read_at_ms = time.time_ns() // 1_000_000
        with self._lock:
            split.read_at_s.append(read_at_s)
            split.queue.append(chunk)
            split.pending = chunk.pending
            split.bytes_last = _bytes_of(chunk)
            self._bytes_queued += split.bytes_last
            self.bytes_read += chunk.bytes
        self._untold += 1
        is_small = not self.source.bounded and split.bytes_last < SMALL_BYTES
        self._tell(CHUNKS_UNTOLD_MAX if is_small else 1)
        return True

    def _rows_of_poll(self) -> int:
        """Return how many rows of a split are asked for at once."""
        splits = len(self.splits)
        if splits == 1:
            return min(self.rows_wanted, self.rows_fit)
        quantum = max(1, self._quantum_rows * SPLITS_WHOLE_MAX // max(SPLITS_WHOLE_MAX, splits))
        if self.source.bounded:
            return quantum  # part of the order (decision 0002): a function of the data alone
        return min(quantum, self.rows_wanted, self.rows_fit)

    def _commit(self, split: Split) -> None:
        with self._lock:
            resumes, split.commit = split.commit, []
        if resumes:
            split.reader.commit(resumes[-1])


def _bytes_of(chunk: Chunk) -> int:
    return max(chunk.bytes, int(chunk.frame.estimated_size()))
