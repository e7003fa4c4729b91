"""A live view as a place to write to: its numbered rows, for queries and screens of this process.

delivery   at once, and no row twice: a row has its number, and at the start of each run the
           step below gives all rows out again, before any other, as one frame
bad row    none
made by    ``stream.view`` and ``CREATE MATERIALIZED VIEW``; a table cannot be declared on it
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from millstream.connect.live import LiveSink
from millstream.connect.live_view import LiveView
from millstream.errors import OptionError
from millstream.ports.connector import (
    Changes,
    Connector,
    Delivered,
    Delivery,
    SinkSpec,
)
from millstream.settings import option

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewConfig:
    """Where the rows go."""

    target: Any = option("target", "The LiveView to fill.", default=None, kind="any")


class ViewSink(LiveSink):
    """Fills a :class:`LiveView`: uncommitted rows are seen as soon as a turn gives them.

    What was written before a ``flush`` is an epoch; readers who ask for it see it when it is
    committed.
    """

    def __init__(self, target: LiveView) -> None:
        self._target = target
        self._is_new = True

    @property
    def bytes_kept(self) -> int:
        return self._target.bytes_kept

    def open(self, pipeline: str, incarnation: int) -> int | None:
        """Return None: the view gets its rows from the step below, those of a checkpoint first."""
        self._target.begin(pipeline if incarnation else None)
        return None

    def write(self, frame: pl.DataFrame) -> Delivered:
        """Take numbered rows in; the first ones of a run replace all that stood before."""
        if self._is_new:
            self._is_new = False
            self._target.replace(frame)
            return Delivered(0)  # they were counted when they came
        self._target.put(frame)
        return Delivered(frame.height)

    def flush(self) -> Delivered:
        """Note where an epoch ends."""
        self._target.cut()
        return Delivered(0)

    def committed(self, epoch: int) -> None:
        self._target.commit(epoch)


def _sink(spec: SinkSpec) -> ViewSink:
    target = spec.config.target
    if not isinstance(target, LiveView):
        raise OptionError(
            "A table cannot be declared on the connector 'view'.",
            where=f"table '{spec.table.name}'",
            hint=f"Write CREATE MATERIALIZED VIEW {spec.table.name} AS SELECT …, or in Python "
            f'stream.view("{spec.table.name}").',
        )
    return ViewSink(target)


CONNECTOR = Connector(
    name="view",
    doc="A live view of this process, made by CREATE MATERIALIZED VIEW or stream.view.",
    config=ViewConfig,
    sink=_sink,
    takes=Changes.UPSERT,
    writes=Delivery.AT_LEAST_ONCE,
    restored=True,
    guarantee="each batch at once; after a restart as the checkpoint knows it, no row twice",
)
