"""Your own functions: row by row, over whole columns, and over whole batches.

Run it:  python examples/own_functions.py
"""

from __future__ import annotations

import polars as pl

import millstream as ms
from millstream import col

readings = ms.read_memory(
    [
        {"sensor": "a-1", "celsius": 20.0},
        {"sensor": "a-2", "celsius": 100.0},
        {"sensor": "b-1", "celsius": -40.0},
    ]
)


@ms.udf  # called once per row; the annotations give the SQL types
def site(sensor: str) -> str:
    """Return the site a sensor stands at."""
    return sensor.split("-", maxsplit=1)[0].upper()


@ms.udf(args=["DOUBLE"], result="DOUBLE", vectorised=True)  # called once per batch: much faster
def fahrenheit(celsius: pl.Series) -> pl.Series:
    """Convert a whole column."""
    return celsius * 1.8 + 32


def hot(frame: pl.DataFrame) -> pl.DataFrame:
    """Polars frame in, Polars frame out; each row for itself."""
    return frame.with_columns(hot=pl.col("fahrenheit") > 100)


measured = readings.select(
    "sensor", site=site(col("sensor")), fahrenheit=fahrenheit(col("celsius"))
)
flagged = measured.map_batches(
    hot,
    schema={"sensor": "STRING", "site": "STRING", "fahrenheit": "DOUBLE", "hot": "BOOLEAN"},
)
print(flagged.collect())
