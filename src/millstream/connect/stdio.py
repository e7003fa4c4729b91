"""Standard input as a table to read, standard output as a table to write.

delivery   source: at most once (a pipe gives nothing twice); sink: at least once (a restart prints
           the rows since the last checkpoint again)
split      one, ``stdin``
bad row    the line goes to ``rejected`` with the byte it begins at
"""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from millstream.connect.byte_stream import BLOCK_BYTES, ByteStreamReader
from millstream.connect.chunks import decoded_again
from millstream.connect.live import LiveSink
from millstream.connect.os_errors import kind_of
from millstream.errors import ConnectorError, Domain
from millstream.formats.lines import LineRules, joined_lines, line_rules
from millstream.ports.connector import (
    Chunk,
    Connector,
    Delivered,
    Delivery,
    Reader,
    SinkSpec,
    Source,
    SourceSpec,
)
from millstream.ports.format import Decoder, Encoder
from millstream.ports.registry import decoder_for, encoder_for
from millstream.settings import option

if TYPE_CHECKING:
    import polars as pl

SPLIT = "stdin"


@dataclass(frozen=True, slots=True, kw_only=True)
class StdioConfig:
    """Whether the input ends."""

    bounded: bool = option(
        "bounded",
        "Standard input ends (a file, a command that stops); 'false' for one that never does.",
        default=True,
        kind="bool",
    )


class StdinSource(Source):
    """The standard input of this process."""

    delivery = Delivery.AT_MOST_ONCE

    def __init__(self, table: str, config: StdioConfig, decoder: Decoder, rules: LineRules) -> None:
        self.bounded = config.bounded
        self._where = f"table '{table}', standard input"
        self._decoder = decoder
        self._rules = rules

    def splits(self) -> Sequence[str]:
        """There is one."""
        return (SPLIT,)

    def decode(self, documents: pl.DataFrame) -> Chunk:
        """Decode documents that were kept as bytes."""
        return decoded_again(self._decoder, documents, {})

    def open(self, split: str, *, resume: Any | None) -> Reader:
        """Read what comes; ``resume`` means nothing to a pipe."""
        assert split == SPLIT, f"standard input has no split '{split}'"
        del resume
        try:
            descriptor = sys.stdin.fileno()
        except (OSError, ValueError, AttributeError):
            raise ConnectorError(
                "There is no standard input.",
                where=self._where,
                hint="Pipe something in: cat events.json | millstream run job.sql",
                domain=Domain.CONFIG,
            ) from None
        return _StdinReader(descriptor, self._decoder, self._rules, self._where)


class _StdinReader(ByteStreamReader):
    def __init__(self, descriptor: int, decoder: Decoder, rules: LineRules, where: str) -> None:
        super().__init__(decoder, rules)
        self._descriptor = descriptor
        self._where = where
        self._closed = False

    def receive(self, timeout_s: float) -> bytes | None:
        """Return what the pipe holds."""
        if self._closed:
            return b""
        try:
            readable, _, _ = select.select([self._descriptor], [], [], timeout_s)
            return os.read(self._descriptor, BLOCK_BYTES) if readable else None
        except OSError as error:
            raise ConnectorError(
                f"Standard input cannot be read: {error.strerror}.",
                where=self._where,
                hint="Pipe something in: cat events.json | millstream run job.sql",
                **kind_of(error),
            ) from None

    def close(self) -> None:
        """Read no more; standard input itself belongs to the process."""
        self._closed = True


class StdoutSink(LiveSink):
    """Writes documents to the standard output of this process, one a line."""

    def __init__(self, table: str, encoder: Encoder) -> None:
        self._where = f"table '{table}', standard output"
        self._encoder = encoder

    def write(self, frame: pl.DataFrame) -> Delivered:
        """Write rows."""
        text = joined_lines(self._encoder.encode(frame))
        try:
            buffer = getattr(sys.stdout, "buffer", None)
            if buffer is None:  # a stream of texts that someone put in its place
                sys.stdout.write(text.decode("utf-8", "replace"))
            else:
                sys.stdout.flush()
                buffer.write(text)
            sys.stdout.flush()
        except (OSError, ValueError) as error:  # ValueError: the stream was closed
            raise ConnectorError(
                f"Standard output cannot be written: {error}.",
                where=self._where,
                hint="Has the reader of the pipe ended?",
                **kind_of(error),
            ) from None
        return Delivered(frame.height)


def _source(spec: SourceSpec) -> StdinSource:
    where = f"table '{spec.table.name}'"
    rules = line_rules(spec.formats, where)
    decoder = decoder_for(spec.physical, spec.formats, owner=where, whole=spec.table.physical)
    return StdinSource(spec.table.name, spec.config, decoder, rules)


def _sink(spec: SinkSpec) -> StdoutSink:
    where = f"table '{spec.table.name}'"
    return StdoutSink(spec.table.name, encoder_for(spec.writable, spec.formats, owner=where))


CONNECTOR = Connector(
    name="stdio",
    doc="Standard input and standard output, one document a line.",
    config=StdioConfig,
    source=_source,
    sink=_sink,
    bounded=lambda config: bool(config.bounded),
    payload=True,
    reads=Delivery.AT_MOST_ONCE,
    writes=Delivery.AT_LEAST_ONCE,
    guarantee="input at most once, output at least once",
)
