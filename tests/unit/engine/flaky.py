"""A source and a sink that fail as a test says: how often, with what, after how many rows."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from millstream.connect.memory import Collected
from millstream.ports.connector import (
    Chunk,
    Connector,
    Delivered,
    Delivery,
    End,
    Reader,
    Sink,
    SinkSpec,
    Source,
    SourceSpec,
)
from millstream.settings import option


@dataclass
class Flaky:
    """What goes wrong: each entry of ``failures`` once, in order, at the place given."""

    rows: pl.DataFrame | None = None
    failures: list[tuple[int, BaseException]] = field(default_factory=list)
    """As a source: when so many rows were read. As a sink: at the delivery with this number."""
    chunk_rows: int = 10
    opened: int = 0
    deliveries: int = 0
    taken: Collected = field(default_factory=Collected)
    on_open: Callable[[], None] | None = None
    last_epoch: int | None = None
    until: Callable[[], bool] | None = None
    """As a source: half of the rows come only when this is true."""

    def fail(self, at: int) -> None:
        """Raise what is due."""
        if self.failures and at >= self.failures[0][0]:
            raise self.failures.pop(0)[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class FlakyConfig:
    """The plan of failures itself."""

    flaky: Any = option("flaky", "A Flaky.", kind="any")


class _Source(Source):
    bounded = True

    def __init__(self, flaky: Flaky) -> None:
        self.flaky = flaky

    def splits(self) -> Sequence[str]:
        return ("0",)

    def open(self, split: str, *, resume: Any | None) -> Reader:
        self.flaky.opened += 1
        if self.flaky.on_open is not None:
            self.flaky.on_open()
        return _Reader(self.flaky, resume or 0)


class _Reader(Reader):
    def __init__(self, flaky: Flaky, at: int) -> None:
        self.flaky, self.at = flaky, at

    def poll(self, *, max_rows: int, timeout_s: float) -> Chunk | None:
        self.flaky.fail(self.at)
        rows, until = self.flaky.rows, self.flaky.until
        assert rows is not None, "a source has rows"
        if until is not None and self.at >= rows.height // 2 and not until():
            threading.Event().wait(min(timeout_s, 0.01))
            return None
        frame = rows.slice(self.at, min(max_rows, self.flaky.chunk_rows))
        if not frame.height:
            raise End
        offsets = pl.Series(range(self.at, self.at + frame.height), dtype=pl.Int64)
        self.at += frame.height
        return Chunk(frame=frame, resume=self.at, offsets=offsets)


class _Sink(Sink):
    delivery = Delivery.EXACTLY_ONCE

    def __init__(self, flaky: Flaky) -> None:
        self.flaky = flaky

    def open(self, pipeline: str, incarnation: int) -> int | None:
        return self.flaky.last_epoch

    def deliver(self, epoch: int, frames: Sequence[pl.DataFrame]) -> Delivered:
        self.flaky.deliveries += 1
        self.flaky.fail(self.flaky.deliveries)
        if self.flaky.last_epoch is not None and epoch <= self.flaky.last_epoch:
            return Delivered(0)
        self.flaky.taken.add(list(frames))
        self.flaky.last_epoch = epoch
        return Delivered(sum(f.height for f in frames))

    def write(self, frame: pl.DataFrame) -> Delivered:
        self.flaky.deliveries += 1
        self.flaky.fail(self.flaky.deliveries)
        self.flaky.taken.add([frame])
        return Delivered(frame.height)


def _source(spec: SourceSpec) -> Source:
    return _Source(spec.config.flaky)


def _sink(spec: SinkSpec) -> Sink:
    return _Sink(spec.config.flaky)


CONNECTOR = Connector(
    name="flaky",
    doc="Fails as a test says.",
    config=FlakyConfig,
    source=_source,
    sink=_sink,
    bounded=lambda _: True,
    guarantee="exactly once",
)
