"""A TCP proxy in a thread that does to a connection what networks do.

in      the port of the real server; `weather` may be changed at any time, from any thread
out     ``port``: connect there. Kafka's clients go where the broker *says* it is, so its listener
        has to be advertised with this port (tests/servers/kafka.py, ``advertised``)
faults  delay and jitter, a limit of bytes per second, a direction that swallows everything, new
        connections refused or left hanging, reset of all, an end after so many bytes, and
        the reply lost that belongs to a matched request (``lose_reply``)
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

READ_BYTES = 64 << 10
KAFKA_PRODUCE, KAFKA_INIT_PRODUCER, KAFKA_END_TXN = 0, 22, 26


class Way(Enum):
    """A direction."""

    UP = auto()
    """From the client to the server."""
    DOWN = auto()


@dataclass(frozen=True, slots=True)
class Weather:
    """What the network is like now; the default is fair."""

    delay_s: float = 0.0
    jitter_s: float = 0.0
    bytes_per_s: float | None = None
    swallows: frozenset[Way] = frozenset()
    """Directions in which bytes are read and thrown away; reset what lived through it when it is
    over, as a peer does that has forgotten the connection: TCP never goes on behind a gap."""
    holds: frozenset[Way] = frozenset()
    """Directions in which nothing moves, and nothing is lost: both together are half-open ends."""
    refuses: bool = False
    cut_after_bytes: int | None = None


FAIR = Weather()
Match = Callable[[bytes], bytes | None]
"""Looks at what goes up; returns a token of the request that is meant, else None."""


def kafka_request(api_key: int) -> Match:
    """Match the first request of this kind; the token is its correlation id."""
    return _Frames(api_key)


def postgres_commit(data: bytes) -> bytes | None:
    """Match a message that commits."""
    return b"" if b"COMMIT" in data else None


class _Frames:
    """Cuts what goes up into Kafka's requests; one for each connection (see ``fresh``)."""

    def __init__(self, api_key: int) -> None:
        self.api_key = api_key
        self._rest = b""

    def fresh(self) -> _Frames:
        return _Frames(self.api_key)

    def __call__(self, data: bytes) -> bytes | None:
        self._rest += data
        found: bytes | None = None
        while len(self._rest) >= 12:
            (size,) = struct.unpack(">i", self._rest[:4])
            api_key, _version = struct.unpack(">hh", self._rest[4:8])
            if api_key == self.api_key and found is None:
                found = self._rest[8:12]
            if len(self._rest) < 4 + size:
                break
            self._rest = self._rest[4 + size :]
        return found


class _Link:
    """One connection through the proxy."""

    def __init__(self, match: Match | None) -> None:
        self.match: Match | None = match.fresh() if isinstance(match, _Frames) else match
        self.lost: bytes | None = None
        """The token of the request whose reply must not come back."""
        self.bytes = 0
        self.writers: list[asyncio.StreamWriter] = []

    def reset(self) -> None:
        for writer in self.writers:
            sock = writer.get_extra_info("socket")
            if sock is not None:  # linger 0: the end is an RST and not a FIN
                with contextlib.suppress(OSError):  # this end is closed already; the other is not
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()


class Proxy:
    """One server, seen through a network that can be broken."""

    def __init__(self, target_port: int, *, port: int = 0) -> None:
        self.weather = FAIR
        self.replies_lost = threading.Semaphore(0)
        self.bytes_passed = 0
        self._target_port = target_port
        self._match: Match | None = None
        self._links: set[_Link] = set()
        self._chance = random.Random(1)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._thread.start()
        self._server = self._call(asyncio.start_server(self._accept, "127.0.0.1", port))
        self.port: int = self._server.sockets[0].getsockname()[1]

    def reset_all(self) -> None:
        """Every connection ends with an RST."""
        self._loop.call_soon_threadsafe(lambda: [link.reset() for link in list(self._links)])

    def lose_reply(self, match: Match) -> None:
        """Pass the next request that matches, lose its reply and reset the connection; once."""
        self._match = match
        for link in list(self._links):
            link.match = match.fresh() if isinstance(match, _Frames) else match

    def close(self) -> None:
        """Nothing listens any more."""

        async def end() -> None:
            self._server.close()
            for link in list(self._links):
                link.reset()
            others = [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        self._call(end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _call(self, work: object) -> object | asyncio.Server:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = _Link(self._match)
        link.writers.append(writer)
        if self.weather.refuses:
            link.reset()
            return
        try:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        except OSError:
            link.reset()
            return
        link.writers.append(up_writer)
        self._links.add(link)
        try:
            await asyncio.gather(
                self._pump(link, Way.UP, reader, up_writer),
                self._pump(link, Way.DOWN, up_reader, writer),
            )
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._links.discard(link)
            link.reset()

    async def _pump(
        self, link: _Link, way: Way, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while data := await reader.read(READ_BYTES):
            await self._hold(way, len(data))
            weather = self.weather
            if way in weather.swallows:
                continue
            if way is Way.DOWN and link.lost is not None and link.lost in data:
                self.replies_lost.release()
                raise ConnectionResetError
            if way is Way.UP and link.match is not None:
                token = link.match(data)
                if token is not None and self._match is not None:
                    self._match, link.lost = None, token
            link.bytes += len(data)
            self.bytes_passed += len(data)
            writer.write(data)
            await writer.drain()
            if weather.cut_after_bytes is not None and link.bytes >= weather.cut_after_bytes:
                raise ConnectionResetError
        if writer.can_write_eof():
            writer.write_eof()

    async def _hold(self, way: Way, count: int) -> None:
        weather = self.weather
        if weather.delay_s or weather.jitter_s:
            jitter_s = self._chance.uniform(-weather.jitter_s, weather.jitter_s)
            await asyncio.sleep(max(0.0, weather.delay_s + jitter_s))
        if weather.bytes_per_s is not None:
            left = count / weather.bytes_per_s
            while left > 0 and self.weather.bytes_per_s is not None:
                await asyncio.sleep(min(left, 0.1))
                left -= 0.1
        while way in self.weather.holds:
            await asyncio.sleep(0.02)
