"""Hashes on Polars columns.

Polars' own hashes are not cryptographic; hashlib takes one value at a time and runs at the speed
of its C code.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import polars as pl

from millstream.engine.functions import Context, Fail, Lowered, lowers
from millstream.engine.functions.rows import on_rows
from millstream.expr.catalogue.hash import SHA2_BITS
from millstream.expr.tree import Call

_STRING = pl.String()


def _hex_of(algorithm: str) -> Callable[[bytes], str]:
    def digits(data: bytes) -> str:
        return hashlib.new(algorithm, data, usedforsecurity=False).hexdigest()

    return digits


_BY_NAME = {
    name: _hex_of(name.lower()) for name in ("MD5", "SHA1", "SHA224", "SHA256", "SHA384", "SHA512")
}
_BY_BITS = {bits: _hex_of(f"sha{bits}") for bits in SHA2_BITS}


@lowers(*_BY_NAME)
def _hash(call: Call, ctx: Context, x: pl.Expr) -> pl.Expr:
    return on_rows(_BY_NAME[call.function], [x.cast(pl.Binary)], _STRING)


@lowers("SHA2")
def _sha2(call: Call, ctx: Context, x: pl.Expr, bits: pl.Expr) -> Lowered:
    value = on_rows(_sha2_of, [x.cast(pl.Binary), bits], _STRING)
    wrong = bits.is_not_null() & ~bits.is_in(list(SHA2_BITS))
    return Lowered(
        value, (Fail(wrong, "SHA2 has 224, 256, 384 or 512 bits, not", bits.cast(pl.String)),)
    )


def _sha2_of(data: bytes, bits: int) -> str | None:
    digits = _BY_BITS.get(bits)
    return None if digits is None else digits(data)
