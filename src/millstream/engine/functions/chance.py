"""RAND, RAND_INTEGER and UUID from the seeded bits of the row.

The bits of a row are given (``DRAW``), so that a replay draws the same; two calls on one row differ
by a salt taken from their place in the program.
"""

from __future__ import annotations

import zlib

import numpy as np
import polars as pl

from millstream.engine.functions import DRAW, Context, Fail, Lowered
from millstream.engine.functions.series import on_series
from millstream.expr.tree import Call


def _salt(call: Call) -> int:
    place = call.place
    at = "" if place is None else f"{place.line}:{place.column}"
    return zlib.crc32(f"{call.function}@{at}".encode())


def mixed(bits: np.ndarray, salt: int) -> np.ndarray:
    """Return other random bits (the finaliser of splitmix64, Steele et al., OOPSLA 2014)."""
    with np.errstate(over="ignore"):
        z = bits + np.uint64(salt & (2**64 - 1)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def _unit(bits: np.ndarray) -> np.ndarray:
    """Return floats from 0 to below 1 of the upper 53 bits."""
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53


def rand(call: Call, _ctx: Context, seed: pl.Expr | None = None) -> pl.Expr:
    """Return a float from 0 to below 1."""

    def draw(bits: pl.Series, seeds: pl.Series) -> pl.Series:
        return pl.Series(_unit(_seeded(bits, seeds)))

    return on_series(draw, [pl.col(DRAW), _seed(call, seed)], pl.Float64())


def rand_integer(call: Call, _ctx: Context, *args: pl.Expr) -> Lowered:
    """Return an integer from 0 to below the bound (the last argument)."""
    bound = args[-1]
    seed = args[0] if len(args) == 2 else None

    def draw(bits: pl.Series, seeds: pl.Series, bounds: pl.Series) -> pl.Series:
        real = pl.Series(_unit(_seeded(bits, seeds)))
        return (real * bounds.cast(pl.Float64)).floor().cast(pl.Int32, strict=False)

    value = on_series(draw, [pl.col(DRAW), _seed(call, seed), bound], pl.Int32())
    return Lowered(value, (Fail(bound <= 0, "the bound of RAND_INTEGER is not positive"),))


def _seed(call: Call, seed: pl.Expr | None) -> pl.Expr:
    return pl.lit(_salt(call), dtype=pl.Int64) if seed is None else seed.cast(pl.Int64)


def _seeded(bits: pl.Series, seeds: pl.Series) -> np.ndarray:
    salts = seeds.fill_null(0).to_numpy().astype(np.int64).view(np.uint64)
    return mixed(mixed(bits.to_numpy().astype(np.uint64), 0) ^ mixed(salts, 1), 2)


def uuid(call: Call, _ctx: Context) -> pl.Expr:
    """Return a UUID of version 4."""
    salt = _salt(call)

    def draw(bits: pl.Series) -> pl.Series:
        raw = bits.to_numpy().astype(np.uint64)
        high, low = mixed(raw, salt), mixed(raw, salt + 1)
        # Version 4 and variant 1 of RFC 4122.
        high = (high & np.uint64(0xFFFFFFFFFFFF0FFF)) | np.uint64(0x4000)
        low = (low & np.uint64(0x3FFFFFFFFFFFFFFF)) | np.uint64(0x8000000000000000)
        halves = np.stack([high, low], axis=1).astype(">u8").tobytes()
        hexed = [halves[i : i + 16].hex() for i in range(0, len(halves), 16)]
        text = (
            pl.Series(hexed, dtype=pl.String)
            .to_frame("h")
            .select(pl.col("h").str.replace(r"^(.{8})(.{4})(.{4})(.{4})(.{12})$", "$1-$2-$3-$4-$5"))
        )
        return text["h"]

    return on_series(draw, [pl.col(DRAW)], pl.String())
