"""Finds the rows a database refuses, by halves, so that the others are written.

in      rows, and ``put``: it writes a part whole, or nothing of it and returns the reason
out     the rows refused, each with the reason it was refused with alone (``$reason``)
order   parts are put in the order of the rows: of two that exclude each other the first stays
cost    one call where nothing is refused; about ``log2(rows)`` more per refused row
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from millstream.ports.connector import REASON

if TYPE_CHECKING:
    from collections.abc import Callable


def refused_rows(
    rows: pl.DataFrame, put: Callable[[pl.DataFrame], str | None]
) -> pl.DataFrame | None:
    """Put all rows but those refused, which are returned; None = every row was taken."""
    waiting = [rows] if rows.height else []
    refused: list[pl.DataFrame] = []
    while waiting:
        part = waiting.pop()
        reason = put(part)
        if reason is None:
            continue
        if part.height > 1:
            half = part.height // 2
            waiting += [part[half:], part[:half]]
        else:
            refused.append(part.with_columns(pl.Series(REASON, [reason], dtype=pl.String())))
    return pl.concat(refused) if refused else None
