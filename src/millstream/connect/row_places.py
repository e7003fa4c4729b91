"""The place in a table that is read by one query: how many of its rows were read.

in      rows read, and the conditions the query was told
out     a JSON value for the checkpoint: the number, with the conditions where there are any
bad     a place that was counted under other conditions is a ConnectorError: the count would skip
        other rows
"""

from __future__ import annotations

from typing import Any

from millstream.errors import ConnectorError, Domain


def resume_of(rows: int, asked: str) -> Any:
    """Return the place behind so many rows."""
    return {"rows": rows, "where": asked} if asked else rows


def rows_read(resume: Any | None, asked: str, where: str) -> int:
    """Return how many rows to skip."""
    if resume is None:
        return 0
    counted = resume["where"] if isinstance(resume, dict) else ""
    if counted != asked:
        raise ConnectorError(
            f"The checkpoint counted rows where {counted or 'TRUE'}, the query now reads "
            f"those where {asked or 'TRUE'}.",
            where=where,
            hint="Start in a new checkpoint folder, or put the query's conditions back.",
            domain=Domain.CONFIG,
        )
    return int(resume["rows"] if isinstance(resume, dict) else resume)
