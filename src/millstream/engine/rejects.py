"""Rejected rows as one shape: why, where, and the bytes or the columns."""

from __future__ import annotations

import polars as pl

from millstream.columns.physical import empty_frame
from millstream.engine.batch import HIDDEN, OFFSET, SPLIT
from millstream.plan.nodes import REJECTED_SCHEMA

NONE_REJECTED = empty_frame(REJECTED_SCHEMA)


def rejected_rows(frame: pl.DataFrame, reasons: pl.Series | str, operator: str) -> pl.DataFrame:
    """Return rows that failed in ``operator``, with their columns as a JSON object."""
    have = frame.columns
    data = [c for c in have if c not in HIDDEN and not c.startswith("$")]
    # Polars writes no bytes as JSON; they are shown as base64, as our JSON format does.
    shown = [
        pl.col(c).bin.encode("base64").alias(c) if frame.schema[c] == pl.Binary else pl.col(c)
        for c in data
    ]
    row = pl.struct(shown).struct.json_encode() if data else pl.lit("{}")
    return frame.select(
        pl.lit(reasons).alias("reason"),
        pl.lit(operator).alias("operator"),
        (pl.col(SPLIT) if SPLIT in have else pl.lit(None, dtype=pl.String)).alias("split"),
        (pl.col(OFFSET) if OFFSET in have else pl.lit(None, dtype=pl.Int64)).alias("offset"),
        pl.lit(None, dtype=pl.Binary).alias("raw"),
        row.alias("row"),
    )


def undecodable(rejected: pl.DataFrame, operator: str, split: str) -> pl.DataFrame:
    """Return documents a reader could not decode, from a chunk's ``rejected`` frame."""
    return rejected.select(
        pl.col("reason").cast(pl.String),
        pl.lit(operator).alias("operator"),
        pl.lit(split).alias("split"),
        pl.col("offset").cast(pl.Int64),
        pl.col("raw").cast(pl.Binary),
        pl.lit(None, dtype=pl.String).alias("row"),
    )
