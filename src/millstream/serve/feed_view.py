"""One window of a view, followed by any number of readers.

in      a view, which rows of it; readers
state   the window; the sheaf that leads to its version, a recent one with everything
out     changes to who has the version before, the same bytes to all; everything to who is new or
        too far behind; who is slow gets nothing until it has taken what it was given, and then
        all that has changed since in one piece
threads the event loop gives; a thread of the pool reads the view and encodes. The writer of the
        view looks at a flag, and wakes the loop when somebody waits for a change
limit   frames a second (``INTERVAL_S`` and the turns); large sheaves that slow readers hold on to
"""

from __future__ import annotations

import asyncio
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from millstream.connect.live_window import LiveWindow
from millstream.serve.feed_frames import ROW_BYTES_FIRST, Sheaf
from millstream.serve.feed_readers import Crowd, Reader, given

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

    from millstream.connect.live_rows import LiveRows
    from millstream.connect.live_window import Shown
    from millstream.serve.feed_turns import Turns

INTERVAL_S = 1 / 15
JOIN_S = 1.0
"""So long a sheaf with everything of a whole view is good enough for who comes."""
SHEAVES_MAX = 4
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Made:
    """What a thread of the pool made in one go; ``is_same``: nothing that is shown has changed."""

    is_same: bool
    moved: Sheaf | None
    whole: Sheaf | None
    late: Sheaf | None
    cost_s: float


class ViewChannel:
    """The readers of one window; a worker of the turns."""

    def __init__(
        self,
        view: LiveRows,
        order: str | None,
        limit: int | None,
        *,
        turns: Turns,
        pool: Executor,
        generation: str,
    ) -> None:
        self.crowd = Crowd(turns.wake)
        self.order, self.limit = order, limit
        self.frames = 0
        self._turns, self._pool = turns, pool
        self._loop = asyncio.get_running_loop()
        self.is_closed = False
        self._listening = ExitStack()
        self._armed = False
        self.bind(view, generation)

    def bind(self, view: LiveRows, generation: str) -> None:
        """Follow this view from now on; readers get all of it."""
        self._listening.close()
        self.view, self.generation = view, generation
        self._window = LiveWindow(view, order=self.order, limit=self.limit)
        self._moved_at_s = float("-inf")
        self._has_moved = False
        self._total = -1
        self._row_bytes = ROW_BYTES_FIRST
        self._whole: Sheaf | None = None
        self._whole_at_s = float("-inf")
        self._large: list[Sheaf] = []
        for reader in self.crowd.readers:
            reader.version, reader.sheaf = None, None
        self._listening.enter_context(view.heard(self._heard))
        self.crowd.wake()

    def close(self) -> None:
        """Follow nothing; readers end."""
        self.is_closed = True
        self._listening.close()
        for reader in list(self.crowd.readers):
            reader.close()

    def known(self, version: int | None) -> int | None:
        """Return a version somebody comes back with, if it is of use: changes lead on from it."""
        if version is None or version > self.view.version:
            return None
        return version if self.limit is None or version == self._window.version else None

    def due_in_s(self, now_s: float) -> float | None:
        if not self.crowd.readers:
            return None
        window = self._window
        some_wait = any(
            r.sheaf is not None or r.version is None or r.version < window.version
            for r in self.crowd.readers
        )
        wanted_s = self.crowd.wanted_in_s(now_s, some_wait=some_wait)
        self._armed = True  # before looking: a change behind the look is heard
        if self.view.version == window.version and self._has_moved:
            return wanted_s
        self._armed = False
        moves_s = max(0.0, self._moved_at_s + INTERVAL_S - now_s)
        return moves_s if wanted_s is None else min(moves_s, wanted_s)

    async def step(self) -> float:
        """Give out frames that are there; else make the next of a sheaf, or new ones."""
        self.crowd.begin()
        idle = self.crowd.idle
        reading = [r for r in idle if r.sheaf is not None]
        at_hand = [r for r in reading if r.sheaf is not None and r.at < len(r.sheaf.made)]
        if at_hand:
            return await given(at_hand)
        if reading:
            sheaf = reading[0].sheaf
            assert sheaf is not None, "it reads one"
            cost_s = await self._in_pool(_make_next, sheaf)
            return cost_s + await self._give(sheaf)
        return await self._new(idle)

    async def _new(self, idle: list[Reader]) -> float:
        now_s = self._loop.time()
        if not idle:  # a difference that nobody takes would have to be sent anew
            self._moved_at_s = now_s
            return 0.0
        may_move = now_s - self._moved_at_s >= INTERVAL_S or not self._has_moved
        moves = may_move and (self.view.version != self._window.version or not self._has_moved)
        at = self._window.version  # who has this gets what the window does now
        new = [r for r in idle if r.version is None]
        late = [r for r in idle if r.version is not None and r.version < at]
        since = min((r.version for r in late if r.version is not None), default=None)
        if self.limit is not None:
            new, late, since = new + late, [], None
        if not (moves or new or late):
            return 0.0
        whole = self._recent_whole(now_s, moves=moves)
        chained = moves and any(r.version is not None and r.version >= at for r in idle)
        wants_whole = bool(new) and whole is None
        made = await self._in_pool(self._make, moves, chained, wants_whole, since)
        cost_s = made.cost_s
        if moves:
            self._moved_at_s, self._has_moved = now_s, True
        if made.is_same:
            for reader in self.crowd.readers:
                if reader.version is not None and reader.version >= at and reader.sheaf is None:
                    reader.version = max(reader.version, self._window.version)
        if made.whole is not None:
            whole, self._whole, self._whole_at_s = made.whole, made.whole, now_s
        for readers, sheaf in ((new, whole), (late, made.late)):
            for reader in readers:
                if sheaf is not None:
                    reader.sheaf, reader.at = sheaf, 0
        if made.moved is not None:
            self._chain(made.moved)
        for sheaf in (made.moved, made.late, whole):
            if sheaf is not None:
                self._hold(sheaf)
                cost_s += await self._give(sheaf)
        return cost_s

    def _chain(self, moved: Sheaf) -> None:
        """Have all read these changes who have the version they begin with, or a newer one."""
        assert moved.since is not None, "they are changes"
        for reader in self.crowd.readers:
            if reader.sheaf is not None or reader.version is None:
                continue
            if reader.version >= moved.since and reader.is_idle:
                reader.sheaf, reader.at = moved, 0

    def _make(
        self,
        moves: bool,
        chained: bool,
        wants_whole: bool,
        since: int | None,
    ) -> _Made:
        """Read the view and encode; in a thread of the pool, one at a time."""
        began_s = time.thread_time()
        moved, late, whole, is_same = None, None, None, False
        if moves and (chained or self.limit is not None):
            shown = self._window.move()
            is_same = not (len(shown.rows) or len(shown.gone) or shown.total != self._total)
            if chained and not is_same:
                moved = self._sheaf(shown)
            self._total = shown.total
        elif moves:
            self._window.skip()
        if wants_whole:
            whole = self._sheaf(self._window.everything())
        if since is not None:
            late = self._sheaf(self._window.since(since))
        for sheaf in (moved, whole, late):
            if sheaf is not None:
                sheaf.make()
                self._row_bytes = sheaf.row_bytes
        return _Made(is_same, moved, whole, late, time.thread_time() - began_s)

    def _sheaf(self, shown: Shown) -> Sheaf:
        return Sheaf(shown, self.view.schema, self.generation, row_bytes=self._row_bytes)

    async def _give(self, sheaf: Sheaf) -> float:
        readers = [r for r in self.crowd.idle if r.sheaf is sheaf and r.at < len(sheaf.made)]
        if not readers:
            return 0.0
        self.frames += 1
        return await given(readers)

    def _recent_whole(self, now_s: float, *, moves: bool) -> Sheaf | None:
        whole = self._whole
        if whole is None:
            return None
        if self.limit is None:
            fits = now_s - self._whole_at_s < JOIN_S
        else:
            fits = whole.version == self._window.version and not moves
        return whole if fits else None

    def _hold(self, sheaf: Sheaf) -> None:
        """Keep count of large sheaves; those who hold up too many of them are let go."""
        if not sheaf.is_large or sheaf in self._large:
            return
        held = {r.sheaf for r in self.crowd.readers}
        self._large = [one for one in self._large if one in held]
        self._large.append(sheaf)
        if len(self._large) > SHEAVES_MAX:
            oldest = self._large.pop(0)
            for reader in [r for r in self.crowd.readers if r.sheaf is oldest]:
                reader.cut()

    def tidy(self, now_s: float) -> None:
        """Forget what nobody needs; done once a second."""
        if self._whole is not None and now_s - self._whole_at_s >= JOIN_S:
            self._whole = None

    async def _in_pool(self, work: Callable[..., T], *arguments: object) -> T:
        return await self._loop.run_in_executor(self._pool, work, *arguments)

    def _heard(self) -> None:
        """Called in the writer's thread after every change: nearly always one look at a flag."""
        if self._armed:
            self._armed = False
            with suppress(RuntimeError):  # the server's loop has just ended
                self._loop.call_soon_threadsafe(self._turns.wake)


def _make_next(sheaf: Sheaf) -> float:
    began_s = time.thread_time()
    sheaf.make()
    return time.thread_time() - began_s
