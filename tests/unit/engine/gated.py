"""A sink that takes rows only while a test lets it; at least once, or by epoch."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from millstream.ports.connector import Connector, Delivered, Delivery, Sink, SinkSpec
from millstream.settings import option


@dataclass
class Gated:
    """What a gated table does; the gate is open at first."""

    by_epoch: bool = False
    gate: threading.Event = field(default_factory=threading.Event)
    rows: int = 0
    waits: int = 0
    """So many calls have found the gate closed."""
    failures: list[BaseException] = field(default_factory=list)
    """Each once, by the calls that come next."""

    def __post_init__(self) -> None:
        self.gate.set()

    def take(self, frames: Sequence[pl.DataFrame]) -> Delivered:
        """Wait for the gate, then count."""
        if not self.gate.is_set():
            self.waits += 1
            self.gate.wait()
        if self.failures:
            raise self.failures.pop()
        rows = sum(frame.height for frame in frames)
        self.rows += rows
        return Delivered(rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class GatedConfig:
    """The gate itself."""

    gated: Any = option("gated", "A Gated.", kind="any")


class _Sink(Sink):
    def __init__(self, gated: Gated) -> None:
        self.gated = gated
        self.delivery = Delivery.EXACTLY_ONCE if gated.by_epoch else Delivery.AT_LEAST_ONCE
        self.epoch: int | None = None

    def open(self, pipeline: str, incarnation: int) -> int | None:
        return self.epoch

    def deliver(self, epoch: int, frames: Sequence[pl.DataFrame]) -> Delivered:
        self.epoch = epoch
        return self.gated.take(frames)

    def write(self, frame: pl.DataFrame) -> Delivered:
        return self.gated.take([frame])


def _sink(spec: SinkSpec) -> Sink:
    return _Sink(spec.config.gated)


CONNECTOR = Connector(
    name="gated",
    doc="Takes rows while a test lets it.",
    config=GatedConfig,
    sink=_sink,
    guarantee="as the test says",
)
