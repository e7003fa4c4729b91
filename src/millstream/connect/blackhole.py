"""A sink that takes everything and keeps nothing, for measuring.

delivery   at least once: nothing is kept, so nothing can be missed or seen twice
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from millstream.connect.live import LiveSink
from millstream.ports.connector import Changes, Connector, Delivered, Delivery, SinkSpec

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, slots=True, kw_only=True)
class BlackholeConfig:
    """No options."""


class BlackholeSink(LiveSink):
    """Counts the rows it forgets."""

    def write(self, frame: pl.DataFrame) -> Delivered:
        """Forget the rows."""
        return Delivered(frame.height)


def _sink(_: SinkSpec) -> BlackholeSink:
    return BlackholeSink()


CONNECTOR = Connector(
    name="blackhole",
    doc="Takes every row and keeps none.",
    config=BlackholeConfig,
    sink=_sink,
    takes=Changes.RETRACT,
    writes=Delivery.AT_LEAST_ONCE,
    guarantee="at least once: nothing is kept",
)
