"""One Nexmark query through Polars, lazily and as one batch over the same columns.

run     python -m benchmarks.engine.in_polars --query 5 --events 10000000
method  the streaming engine of Polars, which takes what it cannot stream to the one in memory; the
        result goes into the checksum part by part, as its chunks lie
"""

from __future__ import annotations

import polars as pl
import pyarrow as pa
from benchmarks.engine import batch
from benchmarks.engine.fold import Fold
from benchmarks.engine.polars_queries import QUERIES, Tables

KINDS = ("person", "auction", "bid")


def prepare(query: int, table: pa.Table) -> batch.Ready:
    """Make the lazy frames; nothing is computed."""
    frame = pl.from_arrow(table, rechunk=False)
    assert isinstance(frame, pl.DataFrame), "a table becomes a frame"
    events = frame.lazy()
    person, auction, bid = (
        events.filter(pl.col("event_type") == number).select(kind, "seq").unnest(kind)
        for number, kind in enumerate(KINDS)
    )
    wanted = QUERIES[query](Tables(person, auction, bid, batch.side_input().lazy()))

    def run(fold: Fold) -> None:
        for part in wanted.collect(engine="streaming").iter_slices(100_000):
            fold.add(part)

    return run


if __name__ == "__main__":
    batch.main(prepare, __doc__.splitlines()[0])
