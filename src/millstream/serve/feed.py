"""The live feed: views and answers that people follow while they change.

in      who wants to follow what; the views of the hub
state   one channel for each (view, order, limit, at) and each question that somebody follows
out     readers, which wait for frames; all bytes are made once and shared
limit   readers and channels in number; the work of all channels together in a share of one core
        (:mod:`millstream.serve.feed_turns`), questions in another
threads its own event loop's; views are read and frames encoded in a thread beside it
"""

from __future__ import annotations

import asyncio
import logging
import math
import secrets
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from millstream.connect.live_window import ordered_by
from millstream.errors import CheckpointError, PlanError
from millstream.serve.feed_frames import Frame, version_of
from millstream.serve.feed_query import QueryChannel
from millstream.serve.feed_readers import Patience, Reader
from millstream.serve.feed_turns import SHARE, Turns
from millstream.serve.feed_view import ViewChannel
from millstream.serve.problems import ProblemError

if TYPE_CHECKING:
    from millstream.connect.live_rows import LiveRows
    from millstream.connect.live_view import At
    from millstream.serve.connection import Link
    from millstream.serve.hub import Hub

LOG = logging.getLogger("millstream")
LINGER_S = 10.0
"""So long a channel stays when its last reader has left: pages are loaded anew."""
LOOK_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class FeedLimits:
    """What the feed takes and uses.

    share, query_share  of one core, for frames of views and for answers
    """

    share: float = SHARE
    query_share: float = SHARE
    readers_max: int = 1_000
    channels_max: int = 200
    patience: Patience = field(default_factory=Patience)


@dataclass(frozen=True, slots=True)
class FeedFacts:
    """How the feed stands."""

    readers: int
    channels: int
    used_s: float
    """Seconds of a core that it has used, by its own account."""


class Feed:
    """Everything that is followed on one server."""

    def __init__(self, hub: Hub, limits: FeedLimits | None = None) -> None:
        self.hub = hub
        self.limits = limits or FeedLimits()
        self._pools = tuple(ThreadPoolExecutor(1, f"millstream-{n}") for n in ("feed", "answers"))
        self._generations: weakref.WeakKeyDictionary[LiveRows, str] = weakref.WeakKeyDictionary()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._views: dict[tuple[str, str | None, int | None, At], ViewChannel] = {}
        self._queries: dict[tuple[str, int, At], QueryChannel] = {}
        self._turns: tuple[Turns, Turns] = (Turns(), Turns())
        self._looking: asyncio.Task[None] | None = None

    @property
    def facts(self) -> FeedFacts:
        """How it stands."""
        return FeedFacts(self._readers, len(self._channels), sum(t.used_s for t in self._turns))

    @contextmanager
    def follow(
        self,
        name: str,
        order: str | None,
        limit: int | None,
        at: At = "newest",
        *,
        link: Link,
        last_event_id: str | None = None,
        comments: bool = False,
    ) -> Iterator[Reader]:
        """Follow rows of a view; raises what is wrong with the question."""
        self._begin()
        view = self.hub.view(name)[1].at(at)
        ordered_by(view.schema, order)
        key = (name, order or None if limit is not None else None, limit, at)
        channel = self._views.get(key)
        if channel is None or channel.is_closed:
            self._admit()
            turns, pool = self._turns[0], self._pools[0]
            channel = ViewChannel(
                view, *key[1:3], turns=turns, pool=pool, generation=self._generation(view)
            )
            self._views[key] = channel
            turns.add(channel)
        self._admit_reader()
        known = channel.known(version_of(last_event_id, channel.generation))
        reader = channel.crowd.enter(link, version=known, comments=comments)
        try:
            yield reader
        finally:
            channel.crowd.leave(reader)

    @contextmanager
    def follow_query(
        self, sql: str, limit: int, at: At = "newest", *, link: Link, comments: bool = False
    ) -> Iterator[tuple[QueryChannel, Reader]]:
        """Follow the answer to a question; its first answer is waited for with the channel."""
        self._begin()
        channel = self._queries.get((sql, limit, at))
        if channel is not None and channel.is_closed:  # its readers are about to be told
            self._turns[1].remove(channel)
        if channel is None or channel.is_closed:
            self._admit()
            turns, pool = self._turns[1], self._pools[1]
            channel = QueryChannel(self.hub, sql, limit, at, turns=turns, pool=pool)
            self._queries[sql, limit, at] = channel
            turns.add(channel)
        self._admit_reader()
        reader = channel.crowd.enter(link, comments=comments)
        try:
            yield channel, reader
        finally:
            channel.crowd.leave(reader)
            if channel.failed and not channel.crowd.readers:
                self._forget_those(-math.inf)

    def close(self) -> None:
        """End all readers; in the event loop."""
        for channel in self._channels:
            channel.close()
        for pool in self._pools:
            pool.shutdown(wait=False, cancel_futures=True)

    @property
    def _channels(self) -> list[ViewChannel | QueryChannel]:
        return [*self._views.values(), *self._queries.values()]

    @property
    def _readers(self) -> int:
        return sum(len(channel.crowd.readers) for channel in self._channels)

    def _begin(self) -> None:
        """Belong to the event loop that runs: that of the server, or of a test."""
        loop = asyncio.get_running_loop()
        if loop is self._loop:
            return
        self._loop = loop
        self._views, self._queries = {}, {}
        self._turns = (Turns(self.limits.share), Turns(self.limits.query_share))
        self._looking = loop.create_task(self._look())

    def _admit(self) -> None:
        if len(self._channels) >= self.limits.channels_max:
            self._forget_those(math.inf)
        if len(self._channels) >= self.limits.channels_max:
            raise ProblemError(429, "Too many different things are followed.")

    def _admit_reader(self) -> None:
        if self._readers >= self.limits.readers_max:
            raise ProblemError(429, "There are too many live streams.", hint="Close some pages.")

    def _generation(self, view: LiveRows) -> str:
        return self._generations.setdefault(view, secrets.token_hex(4))

    async def _look(self) -> None:
        """Look after readers and channels, once a second."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                self._look_once(loop.time())
            except Exception:
                LOG.exception("Looking after the readers of the feed failed.")

    def _look_once(self, now_s: float) -> None:
        for channel in self._channels:
            channel.crowd.look(now_s, self.limits.patience)
            channel.tidy(now_s)
        self._forget_those(now_s - LINGER_S)
        self._rebind()

    def _rebind(self) -> None:
        """Follow a view that another has taken the place of; nobody is told twice of one."""
        found = self.hub.views() if self._views else {}
        for (name, _, _, at), channel in list(self._views.items()):
            if name not in found:
                continue
            try:
                view = found[name][1].at(at)
                if view is channel.view:
                    continue
                ordered_by(view.schema, channel.order)
            except (PlanError, CheckpointError):  # its column is gone: who comes again is told so
                channel.close()
                self._turns[0].remove(channel)
            else:
                channel.bind(view, self._generation(view))

    def _forget_those(self, left_before_s: float) -> None:
        """Forget channels that nobody follows any more, and those that are closed."""
        for channel in self._channels:
            crowd = channel.crowd
            if not crowd.readers and (channel.is_closed or crowd.left_at_s <= left_before_s):
                channel.close()
                for turns in self._turns:
                    turns.remove(channel)
        self._views = {k: c for k, c in self._views.items() if not c.is_closed}
        self._queries = {k: c for k, c in self._queries.items() if not c.is_closed}


__all__ = ["Feed", "FeedFacts", "FeedLimits", "Frame", "Patience"]
