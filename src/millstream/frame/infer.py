"""The columns of a file, looked up in the file itself.

in      a path, directory or glob, and a format
out     the schema of its first file; Parquet says it, CSV and JSON are sampled
bad     FileNotFoundError without a file; PlanError where the sample has no table in it
"""

from __future__ import annotations

import glob
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from millstream.columns.physical import logical_schema
from millstream.errors import PlanError
from millstream.frame.rows import millisecond_time

if TYPE_CHECKING:
    from millstream.types import Schema

SAMPLE_ROWS = 10_000


def schema_of_file(
    path: str | Path, chosen: str, event_time: str | None, *, header: bool
) -> Schema:
    """Return the schema of the first file that the path names."""
    first = _first(str(path))
    try:
        if chosen == "parquet":
            found = pl.read_parquet_schema(first)
        elif chosen == "json":
            found = pl.read_ndjson(first, n_rows=SAMPLE_ROWS).schema
        elif chosen == "csv":
            found = pl.read_csv(
                first, n_rows=SAMPLE_ROWS, has_header=header, try_parse_dates=True
            ).schema
        else:
            raise PlanError(
                f"The format '{chosen}' does not tell its columns.",
                hint="Give them: schema={'line': 'STRING'}.",
            )
    except pl.exceptions.PolarsError as error:
        raise PlanError(
            f"The columns of '{first}' cannot be told: {str(error).splitlines()[0]}",
            hint="Give them: schema={'id': 'BIGINT', …}.",
        ) from None
    return millisecond_time(logical_schema(pl.Schema(found)), event_time)


def _first(path: str) -> str:
    if any(sign in path for sign in "*?["):
        found = sorted(glob.glob(path, recursive=True))  # noqa: PTH207 (a pattern, maybe absolute)
    elif Path(path).is_dir():
        found = sorted(str(p) for p in Path(path).iterdir() if p.is_file())
    else:
        found = [path] if Path(path).exists() else []
    if not found:
        raise FileNotFoundError(2, "there is no such file", path)
    return found[0]
