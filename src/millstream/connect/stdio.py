"""Standard input as a table of payload lines, standard output as a place for them.

delivery   source at most once (a pipe cannot be read again); sink at least once
split      one, ``stdin``; it ends with the input
bad row    the line's bytes go to ``rejected`` with its number (from 0) and the reason
"""

from __future__ import annotations

import os
import select
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from millstream.columns.changes import OP
from millstream.connect.lines import READ_BYTES, LineCutter, LineReader, no_way_back
from millstream.connect.live import LiveSink
from millstream.errors import ConnectorError
from millstream.ports.connector import (
    Changes,
    Connector,
    Delivered,
    Delivery,
    Reader,
    SinkSpec,
    Source,
    SourceSpec,
)
from millstream.ports.registry import decoder_for, encoder_for

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from millstream.ports.format import Decoder, Encoder

SPLIT = "stdin"


@dataclass(frozen=True, slots=True, kw_only=True)
class StdioConfig:
    """There is nothing to set but the format."""


class StdinSource(Source):
    """Reads standard input once."""

    bounded = True
    delivery = Delivery.AT_MOST_ONCE

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder

    def splits(self) -> Sequence[str]:
        """There is one."""
        return (SPLIT,)

    def open(self, split: str, *, resume: Any | None) -> Reader:
        """Read what has not been read yet."""
        assert split == SPLIT, f"standard input has no split '{split}'"
        no_way_back(resume)
        return _StdinReader(self._decoder, sys.stdin.fileno())


class _StdinReader(LineReader):
    def __init__(self, decoder: Decoder, fd: int) -> None:
        super().__init__(decoder, LineCutter())
        self._fd = fd

    def read(self, timeout_s: float) -> bytes | None:
        ready, _, _ = select.select([self._fd], [], [], timeout_s)
        return os.read(self._fd, READ_BYTES) if ready else None


class StdoutSink(LiveSink):
    """Writes one payload a line."""

    def __init__(self, where: str, encoder: Encoder) -> None:
        self._where = where
        self._encoder = encoder

    def write(self, frame: pl.DataFrame) -> Delivered:
        """Write the rows; a delete has no line of its own and is refused when planned."""
        payloads = self._encoder.encode(frame.drop(OP, strict=False)).to_list()
        data = b"".join(payload + b"\n" for payload in payloads)
        try:
            sys.stdout.flush()
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
        except (OSError, ValueError) as error:  # ValueError: the stream was closed
            raise ConnectorError(
                f"The rows cannot be written to standard output: {error}.", where=self._where
            ) from None
        return Delivered(len(payloads))


def _source(spec: SourceSpec) -> Source:
    owner = f"table '{spec.table.name}'"
    return StdinSource(decoder_for(spec.physical, spec.formats, owner=owner))


def _sink(spec: SinkSpec) -> StdoutSink:
    owner = f"table '{spec.table.name}'"
    return StdoutSink(owner, encoder_for(spec.writable, spec.formats, owner=owner))


CONNECTOR = Connector(
    name="stdio",
    doc="Standard input, one document a line, and standard output.",
    config=StdioConfig,
    source=_source,
    sink=_sink,
    takes=Changes.APPEND,
    bounded=lambda _: True,
    payload=True,
    guarantee="at most once: a pipe cannot be read again",
)
