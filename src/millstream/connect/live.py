"""A sink that shows rows at once and remembers no epoch: print, stdout, blackhole.

delivery   at least once: after a restart the rows since the last checkpoint come again
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from millstream.ports.connector import Delivered, Delivery, Sink

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl


class LiveSink(Sink):
    """Its only work is ``write``."""

    delivery = Delivery.AT_LEAST_ONCE

    def open(self, pipeline: str, incarnation: int) -> int | None:
        """Return None: no epoch is remembered."""
        return None

    def deliver(self, epoch: int, frames: Sequence[pl.DataFrame]) -> Delivered:
        """Write the epoch's rows; a repeated epoch is written again."""
        return Delivered(sum(self.write(frame).accepted for frame in frames))

    @abstractmethod
    def write(self, frame: pl.DataFrame) -> Delivered:
        """Show rows."""
