"""Those who follow something: what each has, and whether it can take more.

in      frames that are given to who is idle; the clock, once a second
state   of a reader: the version it has, the sheaf it is reading and how far; nothing is queued
out     to its connection the frame it was given, comments that keep it alive, the end
bad     who takes nothing for ``STALL_S``, or is on one frame for ``BUSY_S``, is let go with
        what it has not taken
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from millstream.serve.feed_frames import HEARTBEAT, Frame, Sheaf

if TYPE_CHECKING:
    from collections.abc import Callable

    from millstream.serve.connection import Link

STALL_S, BUSY_S = 20.0, 120.0
HEARTBEAT_S = 15.0
POLL_S = 0.1
"""So often it is looked whether slow readers have taken what they were given."""
BYTE_S = 1e-9
"""What the system does with a byte behind our back."""
_COMMENT = Frame(HEARTBEAT, "", is_last=False)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long readers may take."""

    stall_s: float = STALL_S
    busy_s: float = BUSY_S
    heartbeat_s: float = HEARTBEAT_S


class Reader:
    """One connection that follows something; used in one event loop."""

    def __init__(
        self,
        link: Link,
        *,
        wake: Callable[[], None],
        version: int | None = None,
        comments: bool = False,
    ) -> None:
        self.version = version
        """The version it has; None: it knows nothing."""
        self.sheaf: Sheaf | None = None
        self.at = 0
        """Frames it has of the sheaf it reads."""
        self.frames = 0
        self.bytes = 0
        self.is_over = False
        self._link = link
        self._wake = wake
        self._comments = comments
        self._is_new = True
        self._loop = asyncio.get_running_loop()
        self._waiting: asyncio.Future[Frame | None] | None = None
        self._given_at_s = self._moved_at_s = self._free_at_s = self._loop.time()
        self._seen = (-1, -1)

    @property
    def is_idle(self) -> bool:
        """Whether it has taken all it was given."""
        return self._waiting is not None and not self._link.bytes_waiting

    async def next(self) -> Frame | None:
        """Wait for what is to be sent now; None: there will be nothing more."""
        if self.is_over:
            return None
        waiting: asyncio.Future[Frame | None] = self._loop.create_future()
        self._waiting = waiting
        if self.sheaf is not None or self.version is None or self._is_new:
            self._is_new = False
            self._wake()
        try:
            return await waiting
        finally:
            self._waiting = None

    def give(self, frame: Frame) -> None:
        """Send a frame; only to who is idle."""
        assert self._waiting is not None, "one frame is on its way at most"
        self._waiting.set_result(frame)
        self._waiting = None
        self._given_at_s = self._loop.time()
        self.frames += 1
        self.bytes += len(frame.event)

    def give_next(self) -> int:
        """Give the next frame of its sheaf; return its bytes."""
        assert self.sheaf is not None, "it reads one"
        sheaf, frame = self.sheaf, self.sheaf.made[self.at]
        self.at += 1
        if frame.is_last:
            self.version = max(sheaf.version, self.version or 0)
            self.sheaf = None
        self.give(frame)
        return len(frame.event)

    def close(self) -> None:
        """Let it end: its next frame is none."""
        self.is_over = True
        if self._waiting is not None:
            self._waiting.set_result(None)
            self._waiting = None

    def cut(self) -> None:
        """Let it go at once."""
        self._link.cut()
        self.close()

    def look(self, now_s: float, patience: Patience) -> None:
        """Let it go if it takes nothing; keep its connection alive if there is nothing."""
        if self.is_over:
            return
        if self.is_idle:
            self._moved_at_s = self._free_at_s = now_s
            if self._comments and now_s - self._given_at_s >= patience.heartbeat_s:
                self.give(_COMMENT)
            return
        seen = (self.frames, self._link.bytes_waiting)
        if seen != self._seen:
            if seen[0] != self._seen[0]:
                self._free_at_s = now_s
            self._seen, self._moved_at_s = seen, now_s
        elif (
            now_s - self._moved_at_s >= patience.stall_s
            or now_s - self._free_at_s >= patience.busy_s
        ):
            self.cut()


class Crowd:
    """All who follow one thing."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self.readers: set[Reader] = set()
        self.left_at_s = asyncio.get_running_loop().time()
        self._wake_turns = wake
        self._is_wanted = False
        self._looked_at_s = 0.0

    def enter(self, link: Link, *, version: int | None = None, comments: bool = False) -> Reader:
        """Let somebody in."""
        reader = Reader(link, wake=self.wake, version=version, comments=comments)
        self.readers.add(reader)
        return reader

    def leave(self, reader: Reader) -> None:
        """Forget somebody."""
        reader.close()
        self.readers.discard(reader)
        self.left_at_s = asyncio.get_running_loop().time()

    def wake(self) -> None:
        """Somebody may be given something."""
        self._is_wanted = True
        self._wake_turns()

    def wanted_in_s(self, now_s: float, *, some_wait: bool) -> float | None:
        """Return when readers are to be looked at; ``some_wait``: somebody is behind."""
        if self._is_wanted:
            return 0.0
        return max(0.0, self._looked_at_s + POLL_S - now_s) if some_wait else None

    def begin(self) -> None:
        """Who wakes from now on is for the next step."""
        self._is_wanted = False
        self._looked_at_s = asyncio.get_running_loop().time()

    @property
    def idle(self) -> list[Reader]:
        """Those who can take something."""
        return [reader for reader in self.readers if reader.is_idle]

    def look(self, now_s: float, patience: Patience) -> None:
        """Look after each of them; done once a second."""
        for reader in list(self.readers):
            if reader.is_over:  # it was let go a second ago, or its request came to nothing
                self.readers.discard(reader)
            reader.look(now_s, patience)


async def given(readers: Iterable[Reader], frame: Frame | None = None) -> float:
    """Give each its next frame, or this one; return the seconds of a core that sending took."""
    began_s, sent = time.thread_time(), 0
    for reader in readers:
        if frame is None:
            sent += reader.give_next()
        else:
            reader.give(frame)
            sent += len(frame.event)
    await asyncio.sleep(0)  # behind those who send now, in this thread
    return time.thread_time() - began_s + sent * BYTE_S
