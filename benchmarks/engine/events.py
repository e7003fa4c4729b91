"""The events of a section as Arrow columns: made once by our own generator, then only mapped.

in      how many events, and how many in a second of event time
run     python -m benchmarks.engine.events 10000000
out     a file of Arrow record batches in ``.bench/nexmark``: the columns of the table ``nexmark``
        (``event_type``, the rows ``person``, ``auction``, ``bid``) and ``seq``, the event's number
state   the file; it is written under another name and moved when it is whole
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
from benchmarks.harness.contract import KEPT

RATE = 100_000
"""Events in a second of event time: ``first-event.rate``."""
BATCH_ROWS = 200_000
"""Of a record batch: large, so that a chunk seldom lies in two of them."""
_PAGE = 4096


def path_of(events: int, rate: int = RATE) -> Path:
    """Return where the events are, or will be."""
    return KEPT / "nexmark" / f"events-{events}-rate-{rate}.arrow"


def make(events: int, rate: int = RATE) -> Path:
    """Write the events unless they are there; returns their file."""
    from millstream.connect.nexmark_values import TYPES
    from millstream.plan.table import Physical, Table
    from millstream.ports.connector import End
    from millstream.ports.registry import source_for
    from millstream.types import Schema

    file = path_of(events, rate)
    if file.exists():
        return file
    file.parent.mkdir(parents=True, exist_ok=True)
    options = {"events.num": str(events), "first-event.rate": str(rate)}
    columns = tuple(Physical(f.name, f.type) for f in Schema.of(dict(TYPES)))
    table = Table(name="nexmark", columns=columns, connector="nexmark", options=options)
    reader = source_for(table).open("0", resume=None)
    part, writer, first = file.with_suffix(".part"), None, 0
    with pa.OSFile(str(part), "wb") as out:
        while True:
            try:
                chunk = reader.poll(max_rows=BATCH_ROWS, timeout_s=1.0)
            except End:
                break
            assert chunk is not None, "the generator always has an event"
            rows = chunk.frame.with_columns(
                pl.int_range(first, first + chunk.frame.height, dtype=pl.Int64).alias("seq")
            )
            first += rows.height
            batch = rows.to_arrow(compat_level=pl.CompatLevel.newest())
            writer = writer or pa.ipc.new_file(out, batch.schema)
            writer.write_table(batch.combine_chunks())
        assert writer is not None, "there is one event at least"
        writer.close()
    part.rename(file)
    return file


def load(file: Path, events: int | None = None) -> pa.Table:
    """Return the events, or the first ones, with every page of theirs in memory."""
    table = pa.ipc.open_file(pa.memory_map(str(file))).read_all()
    table = table if events is None else table.slice(0, events)
    _touch(table)
    return table


def frames(table: pa.Table) -> list[pl.DataFrame]:
    """Return the same columns as frames, one per record batch; nothing is copied."""
    made = [pl.from_arrow(pa.Table.from_batches([batch])) for batch in table.to_batches()]
    return [frame for frame in made if isinstance(frame, pl.DataFrame)]


def _touch(table: pa.Table) -> int:
    """Read a byte of each page, so that none is fetched while the clock runs."""
    read = 0
    for column in table.itercolumns():
        for chunk in column.chunks:
            for buffer in chunk.buffers():
                if buffer is not None and buffer.size:
                    read += int(np.frombuffer(buffer, dtype=np.uint8)[::_PAGE].sum())
    return read


if __name__ == "__main__":
    make(int(sys.argv[1]))
