"""The function of one's own that q14 calls.

in      a text and a letter, as whole columns
out     how often the letter is in the text; 0 where the text is NULL
"""

from __future__ import annotations

import polars as pl

import millstream as ms


@ms.udf(args=["STRING", "STRING"], result="BIGINT", vectorised=True)
def count_char(text: pl.Series, letter: pl.Series) -> pl.Series:
    """Count the letter, a column at a time."""
    rows = pl.DataFrame([text.alias("text"), letter.alias("letter")])
    letters = rows["letter"].unique()
    # One letter for all rows, as in q14, is found much faster than one per row.
    wanted = pl.lit(letters[0]) if len(letters) == 1 else pl.col("letter")
    counted = pl.col("text").str.count_matches(wanted, literal=True)
    return rows.select(counted.cast(pl.Int64).fill_null(0)).to_series()
