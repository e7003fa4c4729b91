"""One connection of the server, as those who stream to it must know it.

in      connections that uvicorn accepts: ``uvicorn.Config(app, http=Connection)``
out     ``scope["state"]["link"]`` of every request and WebSocket: a :class:`Link`
why     a reader that takes nothing must be seen before it is sent more (bytes in the buffer), and
        let go with what it has not taken: an ordinary close waits for it for ever. A stream that
        has no end must end when the server does
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import cast

from uvicorn.protocols.http.h11_impl import H11Protocol

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


class Connection(H11Protocol):
    """A connection that tells its requests of itself."""

    _link: Link | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Make the link; a WebSocket takes it over with the rest."""
        found = transport.get_extra_info("socket")
        if found is not None and hasattr(socket, "TCP_NOTSENT_LOWAT"):
            with suppress(OSError):  # a socket of another family has no such thing
                found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES_MAX)
        self._link = Link(transport)
        self.app_state = {**self.app_state, "link": self._link}
        super().connection_made(transport)

    def shutdown(self) -> None:
        """Told by uvicorn when the server ends."""
        super().shutdown()
        if self._link is not None and self._link.on_shutdown is not None:
            self._link.on_shutdown()


def link_of(scope: object) -> Link:
    """Return the link of a request; one that knows nothing where another server runs."""
    state = cast("dict[str, object]", scope).get("state")
    found = state.get("link") if isinstance(state, dict) else None
    return found if isinstance(found, Link) else Link()
