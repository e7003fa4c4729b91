"""Prints each row as Flink's print connector does: ``+I[1, abc, null]``.

delivery   at least once: after a restart the rows since the last checkpoint are printed again
bad row    none: every value has a text (see ``columns.text``)
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

from millstream.columns.text import print_lines
from millstream.connect.live import LiveSink
from millstream.connect.os_errors import kind_of
from millstream.errors import ConnectorError
from millstream.ports.connector import Changes, Connector, Delivered, Delivery, SinkSpec
from millstream.settings import option

if TYPE_CHECKING:
    import polars as pl

    from millstream.types import Schema


@dataclass(frozen=True, slots=True, kw_only=True)
class PrintConfig:
    """Where the lines go and what stands before them."""

    identifier: str | None = option(
        "print-identifier", "Text before each line, followed by '> '.", default=None
    )
    standard_error: bool = option(
        "standard-error", "Print to standard error.", default=False, kind="bool"
    )


class PrintSink(LiveSink):
    """Writes whole batches of lines to a stream of this process."""

    def __init__(self, table: str, schema: Schema, config: PrintConfig) -> None:
        self._where = f"table '{table}'"
        self._schema = schema
        self._prefix = f"{config.identifier}> " if config.identifier else ""
        self._standard_error = config.standard_error

    def write(self, frame: pl.DataFrame) -> Delivered:
        """Print the rows."""
        if not frame.height:
            return Delivered(0)
        lines = print_lines(frame, self._schema, prefix=self._prefix)
        try:
            self._stream().write("\n".join(lines) + "\n")
            self._stream().flush()
        except (OSError, ValueError) as error:  # ValueError: the stream was closed
            raise ConnectorError(
                f"The rows cannot be printed: {error}.",
                where=self._where,
                **kind_of(error),
            ) from None
        return Delivered(frame.height)

    def _stream(self) -> TextIO:
        # Asked each time, because whoever runs us may redirect it in between.
        return sys.stderr if self._standard_error else sys.stdout


def _sink(spec: SinkSpec) -> PrintSink:
    return PrintSink(spec.table.name, spec.writable, spec.config)


CONNECTOR = Connector(
    name="print",
    doc="Prints each row with its change kind.",
    config=PrintConfig,
    sink=_sink,
    takes=Changes.RETRACT,
    writes=Delivery.AT_LEAST_ONCE,
    guarantee="at least once: a restart prints the rows since the last checkpoint again",
    aliases=("console",),
)
