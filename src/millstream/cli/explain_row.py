"""``millstream replay FILE --checkpoint DIR --explain-row KEY``: the input rows of an output row.

in      the program, its checkpoint folder, values of some columns of the row: ``a=1,b='x, y'``
out     a table per input table, with split and place of each row, or JSON lines
exit    0 rows were found, 1 none
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from millstream.cli.failure import Exit
from millstream.cli.plan import job_of
from millstream.errors import PlanError

if TYPE_CHECKING:
    from millstream.engine.explain_row import Explained

_PAIR = re.compile(r"\s*([^=,\s]+)\s*=\s*(?:'((?:[^']|'')*)'|([^,]*))\s*(?:,|$)")


def explain_row_of(
    file: Path,
    place: str,
    epoch: int | None,
    key: str,
    sink: str | None,
    shape: str,
    pairs: list[str],
) -> Exit:
    """Explain an output row; returns the exit code."""
    from millstream.engine.explain_row import asked_of, explain
    from millstream.engine.replay import fresh_graph, opened, scans_of

    job = job_of(file, place, pairs)
    folder = opened(place, job.settings)
    found = folder.read(folder.epochs()[-1] if epoch is None else epoch)
    graph = fresh_graph(job.derived, job.settings, found)
    write, values = asked_of(job.completed, sink, values_of(key))
    scans = {scan.uid: scan for scan in scans_of(graph)}
    explained = explain(write, values, scans, found, job.settings)
    _print(explained, shape)
    return Exit.OK if any(t.frame.height for t in explained.tables) else Exit.FAILED


def values_of(text: str) -> dict[str, str]:
    """Read ``column=value,…``; a value with a comma stands in quotes."""
    found: dict[str, str] = {}
    at = 0
    while at < len(text):
        pair = _PAIR.match(text, at)
        if pair is None:
            raise PlanError(
                f"'{text[at:]}' is not COLUMN=VALUE.",
                hint='For instance --explain-row "window_start=2026-01-01 00:00:00,country=DE"',
            )
        quoted, plain = pair[2], pair[3]
        found[pair[1]] = plain.strip() if quoted is None else quoted.replace("''", "'")
        at = pair.end()
    return found


def _print(explained: Explained, shape: str) -> None:
    if shape == "json":
        for table in explained.tables:
            for row in table.frame.iter_rows(named=True):
                told: dict[str, Any] = {"table": table.table, **_place(row)}
                told["row"] = {k: v for k, v in row.items() if not k.startswith("$")}
                print(json.dumps(told, default=str, ensure_ascii=False))
        if explained.at_most:
            print(json.dumps({"at_most": list(explained.at_most)}, ensure_ascii=False))
        return
    from millstream.frame.screen import cell_text, print_rows

    for table in explained.tables:
        late = table.frame["$late"].sum()
        names = [c for c in table.frame.columns if not c.startswith("$")]
        print(
            f"{table.table}: {table.frame.height - late} rows" + (f", {late} late" if late else "")
        )
        rows = [
            (*_cells(row), *(cell_text(row[name]) for name in names))
            for row in table.frame.iter_rows(named=True)
        ]
        print_rows(("split", "offset", "", *names), rows)
    if explained.at_most:
        print("At most these rows; not exact because of:")
        for why in explained.at_most:
            print(f"  {why}")


def _cells(row: dict[str, Any]) -> tuple[str, str, str]:
    offset = "" if row["$offset"] is None else str(row["$offset"])
    return str(row["$split"]), offset, "late" if row["$late"] else ""


def _place(row: dict[str, Any]) -> dict[str, Any]:
    return {"split": row["$split"], "offset": row["$offset"], "late": row["$late"]}
