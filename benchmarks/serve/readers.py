"""Browsers' worth of readers, in a process of their own: ``python -m benchmarks.serve.readers``.

in      the server's address; ``stop`` on stdin
do      each browser follows all tiles over WebSockets and asks for the job's history once a
        second; one more may ask for all of the widest view and read nothing
out     ``ready`` when each has a first frame; at the end one JSON object with what they saw
method  frames are not parsed beyond their head, which has version and time: fifty browsers would
        be fifty other machines. The processor time of this process is told all the same
stale   what a reader shows is as old as its version when the next one comes: the longest of these
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import select
import socket
import sys
import time
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

from benchmarks.serve.pipeline import TILES, Tile
from websockets.asyncio.client import connect

HEAD_BYTES = 600
_AT = re.compile(rb'"at_ms":(\d+)')
_SERIES = "rows_in_per_s,rows_out_per_s,busy,lag_ms,latency_p99_ms,memory_bytes"


@dataclass
class Seen:
    """What one reader has seen since the clock began."""

    tile: str
    moves: bool
    frames: int = 0
    bytes: int = 0
    stale_ms: list[float] = field(default_factory=list)
    shown_ms: int | None = None
    has_first: bool = False

    def take(self, message: bytes) -> None:
        """Count a frame, and how old what was shown until now has become."""
        head = message[:HEAD_BYTES]
        self.frames += 1
        self.bytes += len(message)
        if b'"more":true' in head:
            return
        self.has_first = True
        found = _AT.search(head)
        assert found is not None, "a frame says of what time it is"
        if self.moves and self.shown_ms is not None:
            self.stale_ms.append(time.time() * 1000 - self.shown_ms)
        self.shown_ms = int(found[1])

    def begin(self) -> None:
        """Forget what was before the clock."""
        self.frames, self.bytes, self.stale_ms = 0, 0, []


async def follow(base: str, tile: Tile, seen: Seen) -> None:
    """Follow one tile for ever."""
    asked = {"limit": tile.limit} | ({"order": tile.order} if tile.order else {})
    url = f"ws://{base}/v1/views/{tile.view}/feed?{urlencode(asked)}"
    async with connect(url, compression=None, max_size=None, ping_interval=None) as found:
        while True:
            seen.take(await found.recv(decode=False))


async def ask(base: str, took_ms: list[float], offset_s: float) -> None:
    """Ask for what is new of the history, once a second, over one connection."""
    host, port = base.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    since_ms = 0
    await asyncio.sleep(offset_s)
    while True:
        began_s = time.perf_counter()
        path = f"/v1/jobs/watched/history?series={_SERIES}&since_ms={since_ms}"
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {base}\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        assert b" 200 " in head[:20], head
        length = re.search(rb"content-length: (\d+)", head.lower())
        assert length is not None, "an answer of known length"
        times = json.loads(await reader.readexactly(int(length[1])))["at_ms"]
        since_ms = times[-1] if times else since_ms
        took_ms.append(1000 * (time.perf_counter() - began_s))
        await asyncio.sleep(max(0.0, 1 - (time.perf_counter() - began_s)))


class Stalled:
    """A reader that asks for everything and takes nothing."""

    def __init__(self, base: str) -> None:
        host, port = base.split(":")
        self._socket = socket.create_connection((host, int(port)))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        asked = f"GET /v1/views/wide/events HTTP/1.1\r\nHost: {base}\r\n\r\n"
        self._socket.sendall(asked.encode())
        self._began_s = time.monotonic()
        self._poll = select.poll()
        self._poll.register(self._socket, 0)  # errors and the end are told unasked

    async def let_go_s(self) -> float:
        """Wait until the server has ended the connection; return after how long."""
        while not self._poll.poll(0):
            await asyncio.sleep(0.1)
        return time.monotonic() - self._began_s


async def run(base: str, browsers: int, *, stall: bool) -> dict[str, object]:
    """Read until told to stop."""
    seen = [Seen(tile.name, tile.moves) for _ in range(browsers) for tile in TILES]
    took_ms: list[float] = []
    tasks = [
        asyncio.create_task(follow(base, TILES[i % len(TILES)], one)) for i, one in enumerate(seen)
    ]
    tasks += [asyncio.create_task(ask(base, took_ms, i / browsers)) for i in range(browsers)]
    let_go = asyncio.create_task(Stalled(base).let_go_s()) if stall else None
    while not all(one.has_first or not one.moves for one in seen):
        _raise_failures(tasks)
        await asyncio.sleep(0.05)
    loop = asyncio.get_running_loop()
    print("ready", flush=True)
    await loop.run_in_executor(None, sys.stdin.readline)  # "begin"
    for one in seen:
        one.begin()
    took_ms.clear()
    began_s, cpu_s = time.monotonic(), time.process_time()
    await loop.run_in_executor(None, sys.stdin.readline)  # "stop"
    passed_s, used_s = time.monotonic() - began_s, time.process_time() - cpu_s
    _raise_failures(tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    found = _told(seen, took_ms, passed_s, used_s)
    if let_go is not None:
        found["stalled_let_go_s"] = let_go.result() if let_go.done() else None
        let_go.cancel()
    return found


def _raise_failures(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        if task.done():
            task.result()
            raise RuntimeError("a reader's stream has ended")


def _told(
    seen: list[Seen], took_ms: list[float], passed_s: float, used_s: float
) -> dict[str, object]:
    tiles = {}
    for tile in TILES:
        those = [one for one in seen if one.tile == tile.name]
        stale = sorted(ms for one in those for ms in one.stale_ms)
        tiles[tile.name] = {
            "frames_per_s": sum(one.frames for one in those) / passed_s / len(those),
            "bytes_per_s": sum(one.bytes for one in those) / passed_s / len(those),
            "stale_ms_p50": stale[len(stale) // 2] if stale else None,
            "stale_ms_worst": stale[-1] if stale else None,
        }
    asked = sorted(took_ms)
    return {
        "seconds": passed_s,
        "cpu_share": used_s / passed_s,
        "readers": len(seen),
        "tiles": tiles,
        "history_asked": len(asked),
        "history_ms_p50": asked[len(asked) // 2] if asked else None,
        "history_ms_p99": asked[int(0.99 * len(asked))] if asked else None,
        "bytes_per_s": sum(one.bytes for one in seen) / passed_s,
    }


def main() -> None:
    """Read, and tell what was seen."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("url")
    asked.add_argument("--browsers", type=int, default=50)
    asked.add_argument("--stall", action="store_true")
    given = asked.parse_args()
    found = asyncio.run(run(urlsplit(given.url).netloc, given.browsers, stall=given.stall))
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
