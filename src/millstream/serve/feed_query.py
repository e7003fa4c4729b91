"""One question over the live views, answered again whenever one of them has changed.

in      SQL, the views of the hub; readers who ask the same
state   the newest answer, and the versions of the views it saw
out     the answer as a frame, made once for all readers; who is slow gets the newest one next
limit   never two runs at once; a run begins ``INTERVAL_S`` after the one before at the soonest, and
        the turns keep all runs together in their share of a core, by the time they take
bad     a question that cannot be answered: its readers are told and end
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

from millstream.errors import JobError, MillstreamError
from millstream.serve.feed_frames import RETRY_MS, Frame
from millstream.serve.feed_readers import Crowd, given
from millstream.serve.feed_turns import FAILED_S
from millstream.serve.problems import status_of
from millstream.serve.rows import columns, json_rows

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from millstream.connect.live_rows import LiveRows
    from millstream.connect.live_view import At, LiveView
    from millstream.job.querying import Answered
    from millstream.serve.feed_turns import Turns
    from millstream.serve.hub import Hub

INTERVAL_S = 1 / 3
TIMEOUT_S = 10.0


class QueryChannel:
    """Those who follow one question; a worker of the turns."""

    def __init__(
        self, hub: Hub, sql: str, limit: int, at: At, *, turns: Turns, pool: Executor
    ) -> None:
        self.crowd = Crowd(self._wake)
        self.failed: MillstreamError | None = None
        self._hub, self._sql, self._limit, self._at = hub, sql, limit, at
        self._turns, self._pool = turns, pool
        self._loop = asyncio.get_running_loop()
        self.is_closed = False
        self._listening = ExitStack()
        self._armed = False
        self._read: dict[str, LiveView] = {}
        self._rows: dict[str, LiveRows] = {}
        """What of them is looked at."""
        self._versions: Mapping[str, int] = {}
        self._frame: Frame | None = None
        self._number = 0
        self._ran_at_s = float("-inf")
        self._answered = asyncio.Event()

    async def first(self) -> None:
        """Wait for an answer; raises what is wrong with the question."""
        self.crowd.wake()
        await self._answered.wait()
        if self.failed is not None:
            raise self.failed

    def close(self) -> None:
        """Follow nothing; readers end."""
        self.is_closed = True
        self._listening.close()
        for reader in list(self.crowd.readers):
            reader.close()

    def tidy(self, now_s: float) -> None:
        """Follow views that others have taken the place of; done once a second."""
        found = self._hub.views() if self._read else {}
        if any(name in found and found[name][1] is not v for name, v in self._read.items()):
            self._versions = {}
            self.crowd.wake()

    def due_in_s(self, now_s: float) -> float | None:
        if not self.crowd.readers or self.failed is not None:
            return None
        wait_s = max(0.0, self._ran_at_s + INTERVAL_S - now_s)
        if self._frame is None:
            return wait_s
        some_wait = any(r.version != self._number for r in self.crowd.readers)
        wanted_s = self.crowd.wanted_in_s(now_s, some_wait=some_wait)
        self._armed = True  # before looking: a change behind the look is heard
        if not self._is_old:
            return wanted_s
        self._armed = False
        return wait_s if wanted_s is None else min(wait_s, wanted_s)

    async def step(self) -> float:
        """Ask again if the answer is old; give it to who has not got it."""
        self.crowd.begin()
        cost_s = 0.0
        now_s = self._loop.time()
        if self._frame is None or (self._is_old and now_s - self._ran_at_s >= INTERVAL_S):
            self._ran_at_s = now_s
            try:
                found = await self._loop.run_in_executor(self._pool, self._run)
            except MillstreamError as error:
                self._fail(error)
                return FAILED_S
            except Exception:
                self._fail(
                    JobError("The question could not be answered; the server's log says more.")
                )
                raise
            self._frame, cost_s = found
            self._number += 1
            if self._number == 1:  # kernels were compiled for it, which happens once
                cost_s = 0.0
            self._answered.set()
        readers = [r for r in self.crowd.idle if r.version != self._number]
        for reader in readers:
            reader.version = self._number
        return cost_s + await given(readers, self._frame) if readers else cost_s

    def _wake(self) -> None:
        """Somebody may be given something: an answer that is there needs no turn."""
        if self._frame is not None:
            for reader in self.crowd.idle:
                if reader.version is None:
                    reader.version = self._number
                    reader.give(self._frame)
        self._turns.wake()

    @property
    def _is_old(self) -> bool:
        return any(self._versions.get(n) != rows.version for n, rows in self._rows.items())

    def _run(self) -> tuple[Frame, float]:
        """Ask, and say what it cost; in a thread of the pool, one at a time."""
        from millstream.job.querying import query, reads

        began_s = time.thread_time()
        views = {name: view for name, (_, view) in self._hub.views().items()}
        named = reads(self._sql, views)
        read = {name: views[name] for name in named}
        if read != self._read:
            rows = {name: view.at(self._at) for name, view in read.items()}
            self._listening.close()
            for one in rows.values():
                self._listening.enter_context(one.heard(self._heard))
            self._read, self._rows = read, rows
        found = query(views, self._sql, limit=self._limit, timeout_s=TIMEOUT_S, at=self._at)
        self._versions = dict(found.versions)
        frame = _frame_of(found, self._number + 1)
        return frame, time.thread_time() - began_s

    def _fail(self, error: MillstreamError) -> None:
        self.failed = error
        self._answered.set()
        said = {"type": "problem", "status": status_of(error), "detail": str(error)}
        frame = _framed(json.dumps(said, ensure_ascii=False).encode())
        for reader in list(self.crowd.readers):
            if reader.is_idle and self._number:
                reader.give(frame)
            reader.is_over = True
        self.close()

    def _heard(self) -> None:
        if self._armed:
            self._armed = False
            with suppress(RuntimeError):  # the server's loop has just ended
                self._loop.call_soon_threadsafe(self._turns.wake)


def _frame_of(found: Answered, number: int) -> Frame:
    head = {
        "type": "answer",
        "columns": [column.model_dump() for column in columns(found.schema)],
        "truncated": found.truncated,
        "took_ms": found.took_ms,
        "versions": dict(found.versions),
    }
    said = json.dumps(head, ensure_ascii=False, separators=(",", ":")).encode()
    body = said[:-1] + b',"rows":' + json_rows(found.frame, found.schema) + b"}"
    return _framed(body, number)


def _framed(body: bytes, number: int | None = None) -> Frame:
    head = b"" if number is None else f"retry: {RETRY_MS}\nid: {number}\n".encode()
    return Frame(head + b"data: " + body + b"\n\n", body.decode(), is_last=True)
