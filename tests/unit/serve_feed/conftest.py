"""A server of its own for the feed's routes: real sockets, so that slow readers are slow."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import polars as pl
import pytest
import uvicorn
from fastapi import FastAPI

from millstream.columns.changes import OP, Op
from millstream.connect.live_view import LiveView
from millstream.serve.connection import Connection
from millstream.serve.feed import Feed, FeedLimits
from millstream.serve.feed_routes import router
from millstream.serve.permit import Rights
from millstream.serve.problems import handled
from millstream.types import Schema

SCHEMA = Schema.of({"k": "STRING", "n": "BIGINT"})
WAIT_S = 120.0


@dataclass
class Views:
    """What the feed asks the hub for: views by name."""

    by_name: dict[str, LiveView] = field(default_factory=dict)

    def views(self) -> dict[str, tuple[str, LiveView]]:
        return {name: ("job", view) for name, view in self.by_name.items()}

    def view(self, name: str) -> tuple[str, LiveView]:
        from millstream.errors import UnknownName

        if name not in self.by_name:
            raise UnknownName("view", name, available=self.by_name)
        return "job", self.by_name[name]


@dataclass
class Served:
    """A server that runs."""

    hub: Views
    feed: Feed
    port: int
    server: uvicorn.Server

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def a_view(name: str = "v", **more: object) -> LiveView:
    return LiveView(name, SCHEMA, **({"key": ("k",)} | more))


def put(view: LiveView, values: dict[int, int | None]) -> None:
    """Set the value of some rows; None: the row goes."""
    numbers = list(values)
    gone = [int(Op.DELETE if v is None else Op.UPDATE_AFTER) for v in values.values()]
    frame = pl.DataFrame({"$row": np.array(numbers, np.int64)}).with_columns(
        k=("k" + pl.col("$row").cast(pl.String)),
        n=pl.Series([v or 0 for v in values.values()], dtype=pl.Int64),
    )
    view.put(frame.with_columns(pl.Series(OP, gone, dtype=pl.Int8)))


def fill(view: LiveView, rows: int, value: int = 0) -> None:
    """Set all of the first rows to a value."""
    numbers = pl.int_range(rows, eager=True, dtype=pl.Int64)
    view.put(
        pl.DataFrame({"$row": numbers}).with_columns(
            k="k" + pl.col("$row").cast(pl.String), n=pl.lit(value, dtype=pl.Int64)
        )
    )


def until(holds: Callable[[], bool], why: str = "it never came") -> None:
    """Wait until something holds."""
    end = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < end, why
        time.sleep(0.005)


@contextmanager
def running(limits: FeedLimits | None = None, hub: Views | None = None) -> Iterator[Served]:
    hub = hub or Views()
    feed = Feed(hub, limits)  # type: ignore[arg-type]
    app = FastAPI()
    app.state.rights = Rights()
    handled(app)
    app.include_router(router(hub, feed))  # type: ignore[arg-type]
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    config = uvicorn.Config(
        app, http=Connection, log_level="error", ws_per_message_deflate=False,
        timeout_graceful_shutdown=10,
    )  # fmt: skip
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    until(lambda: server.started)
    try:
        yield Served(hub, feed, listening.getsockname()[1], server)
    finally:
        server.should_exit = True
        thread.join(WAIT_S)
        assert not thread.is_alive(), "the server ends although it has readers"
        listening.close()


@pytest.fixture
def served() -> Iterator[Served]:
    with running() as found:
        yield found


class Events:
    """A reader of server-sent events that keeps what the frames say."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self.rows: dict[int, list] = {}
        self.frames: list[dict] = []
        self.last_id = ""
        self.comments = 0

    def next(self) -> dict:
        """Read the next frame, and do what it says."""
        end = time.monotonic() + WAIT_S
        for line in self._lines:
            assert time.monotonic() < end, "no frame came"
            if line.startswith("id: "):
                self.last_id = line[4:]
            elif line.startswith(":"):
                self.comments += 1
            elif line.startswith("data: "):
                frame = json.loads(line[6:])
                self.frames.append(frame)
                if frame["type"] in ("snapshot", "changes"):
                    self.rows = applied(self.rows, frame)
                return frame
        raise EOFError("the stream has ended")

    def until(self, holds: Callable[[], bool]) -> None:
        end = time.monotonic() + WAIT_S
        while not holds():
            assert time.monotonic() < end, "it never came"
            self.next()


def applied(rows: dict[int, list], frame: dict) -> dict[int, list]:
    """Do with a frame what its reader must."""
    rows = {} if frame["type"] == "snapshot" else dict(rows)
    for number in frame.get("gone", ()):
        rows.pop(number, None)
    rows.update(zip(frame["ids"], frame["rows"], strict=True))
    return rows
