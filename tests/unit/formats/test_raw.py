"""Raw: the payload is the value."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from millstream.columns.physical import polars_schema
from millstream.errors import OptionError, TypeMismatch
from millstream.ports.registry import decoder_for, encoder_for
from millstream.types import Schema


def formats(options: dict[str, str]) -> dict[str, str]:
    return {"format": "raw", **{f"raw.{k}": v for k, v in options.items()}}


@pytest.mark.parametrize(
    ("dtype", "payload", "value", "options"),
    [
        ("STRING", "é\n".encode(), "é\n", {}),
        ("STRING", b"\xe9", "é", {"charset": "ISO-8859-1"}),
        ("BYTES", b"\x00\xff", b"\x00\xff", {}),
        ("BOOLEAN", b"\x01", True, {}),
        ("TINYINT", b"\xff", -1, {}),
        ("SMALLINT", b"\x01\x00", 256, {}),
        ("INT", b"\x00\x00\x00\x07", 7, {}),
        ("BIGINT", b"\x07" + b"\x00" * 7, 7, {"endianness": "little-endian"}),
        ("DOUBLE", b"\x3f\xf8" + b"\x00" * 6, 1.5, {}),
    ],
)
def test_there_and_back(dtype: str, payload: bytes, value: Any, options: dict[str, str]) -> None:
    """Each type is exactly its bytes."""
    schema = Schema.of({"a": dtype})
    decoder = decoder_for(schema, formats(options), owner="test")
    got = decoder.decode(pl.Series([payload, payload]))
    assert got.frame["a"].to_list() == [value, value]
    frame = pl.DataFrame({"a": [value, None]}, schema=polars_schema(schema))
    written = encoder_for(schema, formats(options), owner="test").encode(frame)
    assert written.to_list() == [payload, b""]


def test_bad_payloads_are_rejected_alone() -> None:
    """The wrong length for a number, the wrong bytes for a text, and no payload at all."""
    ints = decoder_for(Schema.of({"a": "INT"}), formats({}), owner="test")
    payloads = pl.Series([b"\0\0\0\1", b"", None, b"\0\0\0\2", b"\0" * 8])
    got = ints.decode(payloads)
    assert got.frame["a"].to_list() == [1, 2]
    assert got.bad.tolist() == [1, 2, 4]
    texts = decoder_for(Schema.of({"a": "STRING"}), formats({}), owner="test")
    got = texts.decode(pl.Series([b"a", b"\xff", None, b"b"]))
    assert got.frame["a"].to_list() == ["a", "b"]
    assert got.bad.tolist() == [1, 2]


def test_what_cannot_be_raw_is_refused() -> None:
    """Two columns, a type without fixed bytes, a charset that does not exist."""
    with pytest.raises(TypeMismatch, match="one column"):
        decoder_for(Schema.of({"a": "INT", "b": "INT"}), formats({}), owner="test")
    with pytest.raises(TypeMismatch, match="DECIMAL"):
        decoder_for(Schema.of({"a": "DECIMAL(5, 2)"}), formats({}), owner="test")
    with pytest.raises(OptionError, match="klingon"):
        decoder_for(Schema.of({"a": "STRING"}), formats({"charset": "klingon"}), owner="test")
