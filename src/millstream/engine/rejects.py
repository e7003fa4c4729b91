"""Rows that could not be used, as one shape: why, where, and the bytes or the columns.

in      the rows as they came to a step, with their hidden columns; or documents of a reader
out     a frame of ROWS_ASIDE columns and ``row``: the columns as they were, in one struct, so that
        nothing is turned into text on the way; ``shown`` makes the text for those who read it

``port`` is the input at which the rows can be put through the step again; null where they are not
rows of an input (a pair of a join, the arguments of an aggregate that others have counted).
"""

from __future__ import annotations

import polars as pl

from millstream.engine.batch import HIDDEN, MARK, OFFSET, OP, SPLIT

ROW = "row"
PORT = "port"
DECODE = -1
"""The port of documents that could not be decoded: they are put through the reader's decoder."""
ROWS_ASIDE: dict[str, pl.DataType] = {
    "reason": pl.String(),
    "operator": pl.String(),
    PORT: pl.Int8(),
    "split": pl.String(),
    "offset": pl.Int64(),
    "op": pl.Int8(),
    "mark": pl.Int64(),
    "raw": pl.Binary(),
}
_HIDDEN_AS = {"split": SPLIT, "offset": OFFSET, "op": OP, "mark": MARK}


def rejected_rows(
    frame: pl.DataFrame, reasons: pl.Series | str, operator: str, *, port: int | None = None
) -> pl.DataFrame:
    """Return rows that failed in ``operator``; ``port``: they are rows of this input."""
    data = [c for c in frame.columns if c not in HIDDEN and not c.startswith("$")]
    given: dict[str, pl.Expr] = {
        "reason": pl.lit(reasons),
        "operator": pl.lit(operator),
        PORT: pl.lit(port),
        "raw": pl.lit(None),
    }
    for name, hidden in _HIDDEN_AS.items():
        given[name] = pl.col(hidden) if hidden in frame.columns else pl.lit(None)
    row = pl.struct(data) if data else pl.lit(None)
    return (
        frame.with_row_index("$n")
        .select(
            *(given[name].cast(dtype).alias(name) for name, dtype in ROWS_ASIDE.items()),
            row.alias(ROW),
            "$n",  # a selection of constants alone would have one row
        )
        .drop("$n")
    )


def undecodable(rejected: pl.DataFrame, operator: str, split: str) -> pl.DataFrame:
    """Return documents a reader could not decode, from a chunk's ``rejected`` frame."""
    given: dict[str, pl.Expr] = {
        "reason": pl.col("reason"),
        "operator": pl.lit(operator),
        PORT: pl.lit(DECODE),
        "split": pl.lit(split),
        "offset": pl.col("offset"),
        "raw": pl.col("raw"),
    }
    return rejected.select(
        *(
            given.get(name, pl.lit(None)).cast(dtype).alias(name)
            for name, dtype in ROWS_ASIDE.items()
        ),
        pl.lit(None).alias(ROW),
    )


def shown(aside: pl.DataFrame) -> pl.DataFrame:
    """Return rows aside as REJECTED_SCHEMA: the columns as a JSON object, for a reader."""
    return aside.select("reason", "operator", "split", "offset", "raw", as_json(aside))


def as_json(aside: pl.DataFrame) -> pl.Expr:
    """Return the column ``row`` as JSON; null where there are no columns but bytes."""
    dtype = aside.schema[ROW]
    if not isinstance(dtype, pl.Struct):
        nothing = pl.lit(None, dtype=pl.String)
        return pl.when(pl.col("raw").is_null()).then(pl.lit("{}")).otherwise(nothing).alias(ROW)
    # Polars writes no bytes as JSON; they are shown as base64, as our JSON format does.
    fields = [
        pl.col(ROW).struct.field(f.name).bin.encode("base64")
        if f.dtype == pl.Binary
        else pl.col(ROW).struct.field(f.name)
        for f in dtype.fields
    ]
    return pl.struct(fields).struct.json_encode().alias(ROW)
