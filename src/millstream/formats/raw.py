"""The format ``raw``: the payload is the one column, byte for byte.

decode   texts in ``raw.charset``, bytes as they are, numbers as fixed-width bytes
encode   the reverse; a NULL is an empty payload
bad      a payload of the wrong length, or that is no text in its charset, is rejected alone
source   Flink's raw format
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from enum import Enum
from typing import Literal

import numpy as np
import polars as pl

from millstream import types as t
from millstream.columns.physical import polars_type
from millstream.errors import OptionError, TypeMismatch
from millstream.formats.coerce import Failures, packed
from millstream.formats.json_decode import buffer_of, decoded
from millstream.ports.format import Decoded, Decoder, Encoder, Format
from millstream.settings import option
from millstream.types.logical import BinaryString, CharacterString

_WIDTHS: dict[type[t.LogicalType], str] = {
    t.Boolean: "i1",
    t.TinyInt: "i1",
    t.SmallInt: "i2",
    t.Int: "i4",
    t.BigInt: "i8",
    t.Float: "f4",
    t.Double: "f8",
}


class Endianness(Enum):
    """The order of a number's bytes."""

    BIG = "big-endian"
    LITTLE = "little-endian"


@dataclass(frozen=True, slots=True, kw_only=True)
class RawConfig:
    """Flink's options of the raw format."""

    charset: str = option("charset", "How texts are written.", default="UTF-8")
    endianness: Endianness = option(
        "endianness",
        "'big-endian' or 'little-endian' numbers.",
        default=Endianness.BIG,
        kind="enum",
    )


@dataclass(frozen=True, slots=True)
class _Raw:
    name: str
    type: t.LogicalType
    charset: str
    order: Literal["<", ">"]

    @classmethod
    def of(cls, schema: t.Schema, config: RawConfig) -> _Raw:
        if len(schema) != 1:
            raise TypeMismatch(
                f"The format 'raw' has one column, the table has {len(schema)}.",
                hint="Keep one physical column; metadata columns may come beside it.",
            )
        (field,) = schema
        known = isinstance(field.type, CharacterString | BinaryString)
        if not known and type(field.type) not in _WIDTHS:
            raise TypeMismatch(
                f"The column '{field.name}' is {field.type}, which raw bytes cannot be.",
                hint="Use STRING, BYTES, BOOLEAN, or a number that is no DECIMAL.",
            )
        try:
            charset = codecs.lookup(config.charset).name
        except LookupError:
            raise OptionError(
                f"The option 'raw.charset' cannot be '{config.charset}'.",
                hint="Name a charset, such as 'UTF-8', 'ISO-8859-1' or 'UTF-16'.",
            ) from None
        big = config.endianness is Endianness.BIG
        return cls(field.name, field.type, charset, ">" if big else "<")


class RawDecoder(Decoder):
    """Gives payloads as one column."""

    def __init__(self, schema: t.Schema, config: RawConfig) -> None:
        self._schema = schema
        self._raw = _Raw.of(schema, config)

    def decode(self, payloads: pl.Series) -> Decoded:
        """Decode a chunk."""
        failures = Failures()
        for i in np.flatnonzero(payloads.is_null().to_numpy()) if payloads.null_count() else ():
            failures.note(int(i), "there is no payload")
        match self._raw.type:
            case CharacterString():
                column = self._texts(payloads, failures)
            case BinaryString():
                column = payloads
            case _:
                column = self._numbers(payloads, failures)
        return decoded([column], self._schema, len(payloads), failures)

    def _texts(self, payloads: pl.Series, failures: Failures) -> pl.Series:
        if self._raw.charset == "utf-8":
            try:
                return payloads.cast(pl.String)
            except pl.exceptions.ComputeError:
                pass
        # A loop over rows: only for other charsets, and for a chunk with a payload that is broken.
        found: list[str | None] = []
        for i, payload in enumerate(payloads):
            try:
                found.append(None if payload is None else payload.decode(self._raw.charset))
            except UnicodeDecodeError as error:
                found.append(None)
                failures.note(i, f"the payload is no {self._raw.charset}: {error.reason}")
        return pl.Series(found, dtype=pl.String)

    def _numbers(self, payloads: pl.Series, failures: Failures) -> pl.Series:
        width = np.dtype(_WIDTHS[type(self._raw.type)])
        sizes = payloads.bin.size().fill_null(0).to_numpy()
        good = (sizes == width.itemsize) & ~payloads.is_null().to_numpy()
        for i in np.flatnonzero(~good):
            failures.note(int(i), f"{width.itemsize} bytes are expected, there are {sizes[i]}")
        data, begins, _ = buffer_of(payloads.filter(pl.Series(good)))
        first = int(begins[0]) if len(begins) else 0
        whole = data[first : first + len(begins) * width.itemsize]
        values = np.zeros(len(payloads), width)
        values[good] = whole.view(width.newbyteorder(self._raw.order))
        if isinstance(self._raw.type, t.Boolean):
            return pl.Series(values != 0)
        return packed(values, good, polars_type(self._raw.type))


class RawEncoder(Encoder):
    """Gives one column as payloads."""

    def __init__(self, schema: t.Schema, config: RawConfig) -> None:
        self._raw = _Raw.of(schema, config)

    def encode(self, frame: pl.DataFrame) -> pl.Series:
        """Return one payload per row."""
        column = frame[self._raw.name]
        match self._raw.type:
            case BinaryString():
                return column.fill_null(b"")
            case CharacterString() if self._raw.charset == "utf-8":
                return column.fill_null("").cast(pl.Binary)
            case CharacterString():
                # A loop over rows: only for other charsets.
                charset = self._raw.charset
                written = [b"" if v is None else v.encode(charset, "replace") for v in column]
                return pl.Series(written, dtype=pl.Binary)
            case _:
                return self._numbers(column)

    def _numbers(self, column: pl.Series) -> pl.Series:
        width = np.dtype(_WIDTHS[type(self._raw.type)])
        values = column.cast(pl.Int8) if column.dtype == pl.Boolean else column
        data = values.fill_null(0).to_numpy().astype(width.newbyteorder(self._raw.order))
        size = width.itemsize
        whole = data.tobytes()
        # A loop over rows: a payload of a few bytes each is what this format is.
        parts = [whole[i : i + size] for i in range(0, len(whole), size)]
        written = pl.Series(parts, dtype=pl.Binary)
        return written.zip_with(
            column.is_not_null(), pl.Series([b""]).new_from_index(0, len(parts))
        )


FORMAT = Format(
    name="raw",
    doc="The payload is the one column, byte for byte.",
    config=RawConfig,
    decoder=RawDecoder,
    encoder=RawEncoder,
    positional=True,
)
