"""What a key costs in memory: COUNT and SUM by a BIGINT key.

out     bytes a key: of the operator's own account, and of the process (resident memory after by
        before); less the eight bytes of the key itself
method  keys come in an order that memory does not like, 100 000 a batch, as a job would push them.
        Every result is dropped at once; resident memory is read when the last batch is through
"""

from __future__ import annotations

import gc
import os
from pathlib import Path

from benchmarks.growth.steps import Running, Step

KEY_BYTES = 8
COUNT_AND_SUM = Step("Aggregate", "SELECT k, COUNT(*), SUM(v) FROM a GROUP BY k")


def per_key(keys: int) -> dict[str, float]:
    """Fill a group-by with so many keys and return what one of them takes."""
    warm = Running(COUNT_AND_SUM, 200_000, Path(os.devnull))
    for port, batch in warm.rows.fill():
        warm.take(batch, port)
    warm.close()
    running = Running(COUNT_AND_SUM, keys, Path(os.devnull))
    gc.collect()
    before = resident_bytes()
    for port, batch in running.rows.fill():
        running.take(batch, port)
    gc.collect()
    grown = resident_bytes() - before
    rows = running.operator.state_rows
    return {
        "keys": rows,
        "of_process": grown / rows - KEY_BYTES,
        "of_operator": running.operator.state_bytes / rows - KEY_BYTES,
    }


def resident_bytes() -> int:
    """Return the resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
