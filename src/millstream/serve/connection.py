"""One connection of the server, as those who stream to it must know it.

in      connections that uvicorn accepts: ``uvicorn.Config(app, http=Connection)``
out     ``scope["state"]["link"]`` of every request and WebSocket: a :class:`Link`
limits  connections at a time: a part of the files this process may open, as the jobs need some
        too. Who is connected sends the whole head of a request within ``HEAD_S``
why     a reader that takes nothing must be seen before it is sent more (bytes in the buffer), and
        let go with what it has not taken: an ordinary close waits for it for ever. A stream that
        has no end must end when the server does
"""

from __future__ import annotations

import asyncio
import logging
import resource
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, ClassVar, cast

from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    import h11
    from uvicorn.protocols.http.h11_impl import RequestResponseCycle

LOG = logging.getLogger("millstream")
CONNECTIONS_MAX = 2_000
FILES_SHARE = 2
"""One of so many files that this process may open are connections at most."""
HEAD_S = 20.0
"""So long after it connected, or had its last answer, a client has to send a request's head."""
TELL_EVERY_S = 60.0
UNSENT_BYTES_MAX = 131_072
"""What the system keeps for a reader beyond what is on its way: more would only grow old."""


class Link:
    """What is between us and one reader."""

    def __init__(self, transport: asyncio.Transport | None = None) -> None:
        self._transport = transport
        self.on_shutdown: Callable[[], None] | None = None

    @property
    def bytes_waiting(self) -> int:
        """Bytes that the system has not taken yet; 0 where that is not known."""
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    def cut(self) -> None:
        """End the connection now, and forget what the reader has not taken."""
        if self._transport is None:
            return
        found = self._transport.get_extra_info("socket")
        if found is not None:
            with suppress(OSError):  # the system keeps nothing of it either: it is reset
                found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()


_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\n"
    b"Content-Length: 0\r\n\r\n"
)


class Connection(H11Protocol):
    """A connection that tells its requests of itself."""

    _told_at_s: ClassVar[float] = -TELL_EVERY_S
    _link: Link | None = None
    _head_due: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Make the link; a WebSocket takes it over with the rest."""
        if len(self.connections) >= connections_max():
            self._refuse(transport)
            return
        found = transport.get_extra_info("socket")
        if found is not None:
            with suppress(OSError):  # a socket of another family has no such thing
                # A listener without a protocol number leaves it to us: asyncio looks for that.
                found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if hasattr(socket, "TCP_NOTSENT_LOWAT"):
                    found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES_MAX)
        self._link = Link(transport)
        self.app_state = {**self.app_state, "link": self._link}
        super().connection_made(transport)
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        """Take what comes, but not behind the end."""
        if not self.transport.is_closing():
            super().data_received(data)

    def on_response_complete(self) -> None:
        """Wait for the next request; told by uvicorn after each answer."""
        self._expect_head()
        super().on_response_complete()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Leave the connection to a WebSocket."""
        self._expect_nothing()
        super().handle_websocket_upgrade(event)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget what was expected."""
        self._expect_nothing()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """Told by uvicorn when the server ends."""
        super().shutdown()
        if self._link is not None and self._link.on_shutdown is not None:
            self._link.on_shutdown()

    def _refuse(self, transport: asyncio.Transport) -> None:
        self.transport = transport  # it is told of the end as all others are
        now_s = self.loop.time()
        if now_s >= Connection._told_at_s + TELL_EVERY_S:
            Connection._told_at_s = now_s
            LOG.warning("connections are refused: there are %d", len(self.connections))
        transport.write(_FULL)
        transport.close()

    def _expect_head(self) -> None:
        self._expect_nothing()
        self._head_due = self.loop.call_later(HEAD_S, self._end_if_idle)

    def _expect_nothing(self) -> None:
        if self._head_due is not None:
            self._head_due.cancel()
            self._head_due = None

    def _end_if_idle(self) -> None:
        """End the connection where no request is under way; one that is has limits of its own."""
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is None or cycle.response_complete:
            self.transport.abort()


def connections_max() -> int:
    """Return how many connections there may be at a time."""
    files_max, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files_max == resource.RLIM_INFINITY:
        return CONNECTIONS_MAX
    return min(CONNECTIONS_MAX, files_max // FILES_SHARE)


def link_of(scope: object) -> Link:
    """Return the link of a request; one that knows nothing where another server runs."""
    state = cast("dict[str, object]", scope).get("state")
    found = state.get("link") if isinstance(state, dict) else None
    return found if isinstance(found, Link) else Link()
