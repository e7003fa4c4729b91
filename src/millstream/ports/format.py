"""The contract of a format: payload bytes to typed columns, and back.

A payload is one document (one Kafka message, one line). Decoding takes a whole chunk at a time and
never loses the alignment: documents in = rows out + rejected (SEMANTICS §5).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from millstream.types import Schema

if TYPE_CHECKING:
    import numpy as np
    import polars as pl


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """One chunk decoded.

    frame     one row per good document, the columns asked for (plus ``$op`` for changelog formats)
    good      for each row of ``frame`` the index of its document (int64, ascending); None = all
              documents are good, in order. A changelog document may give two rows.
    bad       index of each rejected document (int64), with ``reasons`` beside it
    skipped   documents that say of themselves that they hold no row (changelog formats)
    """

    frame: pl.DataFrame
    good: np.ndarray | None
    bad: np.ndarray
    reasons: list[str] = field(default_factory=list)
    skipped: int = 0


class Decoder(ABC):
    """Turns payloads into rows of one schema. Stateless; safe to call from one thread at a time.

    ``several_threads`` says that it may also be called from several threads at once, and that a
    document's rows do not depend on its neighbours.
    """

    several_threads: bool = False

    @abstractmethod
    def decode(self, payloads: pl.Series) -> Decoded:
        """Decode a Binary series; a null payload is an error of its document."""

    def decode_in(self, data: np.ndarray, begins: np.ndarray, stops: np.ndarray) -> Decoded | None:
        """Decode payloads where they lie in a buffer of bytes, each from its begin to its stop.

        They come in order, with nothing but line ends and lines without a meaning between them.
        None: this decoder takes a series (always, not only for these payloads).
        """
        del data, begins, stops
        return None


class Encoder(ABC):
    """Turns rows of one schema into payloads."""

    @abstractmethod
    def encode(self, frame: pl.DataFrame) -> pl.Series:
        """Return one Binary payload per row, in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """One format: its typed options (named ``<format>.<option>`` in SQL) and its two directions.

    ``decoder(schema, config)`` and ``encoder(schema, config)``; None = not offered. ``positional``
    tells that fields are found by place, so that a decoder needs every column that is stored.
    ``narrows`` tells that the decoder can leave out fields of a ROW column.
    ``changelog`` tells that documents are changes: a decoder gives ``$op`` with old and new rows,
    an encoder takes it, and a table with this format gives and takes any changes.
    """

    name: str
    doc: str
    config: type
    decoder: Callable[[Schema, Any], Decoder] | None = None
    encoder: Callable[[Schema, Any], Encoder] | None = None
    extra: str | None = None
    positional: bool = False
    changelog: bool = False
    narrows: bool = False


class PartDecoder(Decoder):
    """Gives some of the columns that another decoder reads."""

    def __init__(self, inner: Decoder, columns: tuple[str, ...]) -> None:
        self._inner = inner
        self._columns = columns
        self.several_threads = inner.several_threads

    def decode(self, payloads: pl.Series) -> Decoded:
        """Decode a Binary series and keep the columns asked for."""
        return self._kept(self._inner.decode(payloads))

    def decode_in(self, data: np.ndarray, begins: np.ndarray, stops: np.ndarray) -> Decoded | None:
        """Decode payloads where they lie, and keep the columns asked for."""
        decoded = self._inner.decode_in(data, begins, stops)
        return None if decoded is None else self._kept(decoded)

    def _kept(self, decoded: Decoded) -> Decoded:
        hidden = [name for name in decoded.frame.columns if name.startswith("$")]
        kept = [*self._columns, *hidden]
        # A selection of nothing would forget how many rows there are; drop does not.
        frame = decoded.frame.select(kept) if kept else decoded.frame.drop(decoded.frame.columns)
        return replace(decoded, frame=frame)
