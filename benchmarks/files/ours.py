"""Ours: the SQL of a case from a file of JSON lines to blackhole, with the defaults a user gets.

run     python -m benchmarks.files.ours CASE FILE EVENTS SMALL_FILE
clock   the whole of ``ms.run``: making the steps, reading, computing, the last row in the sink;
        before it the small file was answered in this process, and its answer hashed
"""

from __future__ import annotations

import sys
import time

import polars as pl
from benchmarks.files import answer, texts

import millstream as ms
from millstream.columns.changes import OP, Op
from millstream.connect.memory import collected


def _verified(case: str, file: str) -> tuple[int, str]:
    """Answer into memory and fold the changes into the rows that are left."""
    text = texts.script(case, source=texts.json_file(file), sink="'connector' = 'memory'")
    name = text.rsplit("INSERT INTO ", 1)[1].split()[0]
    ms.run(*ms.script(text))
    frame = collected(name).frame()
    if OP in frame.columns:
        names = [c for c in frame.columns if c != OP]
        comes = pl.col(OP).is_in([int(Op.INSERT), int(Op.UPDATE_AFTER)])
        sign = pl.when(comes).then(1).otherwise(-1).sum()
        frame = frame.group_by(names).agg(sign.alias("$n")).filter(pl.col("$n") != 0)
        assert (frame["$n"] > 0).all(), "a row is taken back that never came"
        frame = frame.select(pl.col(names).repeat_by("$n").explode())
    return answer.digest(map(answer.line, frame.iter_rows()))


def main() -> None:
    """Verify, then measure."""
    case, file, events, small = sys.argv[1:]
    found = _verified(case, small)
    text = texts.script(case, source=texts.json_file(file), sink="'connector' = 'blackhole'")
    sinks = ms.script(text)
    before_s, cpu_s = time.perf_counter(), time.process_time()
    progress = ms.run(*sinks).progress
    seconds, cpu_s = time.perf_counter() - before_s, time.process_time() - cpu_s
    assert progress.rows_rejected == 0, f"{progress.rows_rejected} rows were rejected"
    answer.tell(
        seconds,
        int(events),
        found,
        rows_out=progress.rows_out,
        rows_late=progress.rows_late,
        cpu_s=round(cpu_s, 3),
        steps_busy_s={step.label: round(step.busy_s, 3) for step in progress.steps},
    )


if __name__ == "__main__":
    main()
