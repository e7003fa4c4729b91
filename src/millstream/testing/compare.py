"""Results as plain rows: every change as it came, and the table that the changes stand for.

in      the frames a sink was given, its columns, its key if it has one
out     rows as tuples of values that can be compared and counted
bad     AssertionError where a row is taken back more often than it was given
source  SEMANTICS §1: appended results are multisets, updating ones the table they fold to
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from millstream.columns.changes import OP, Op
from millstream.testing.cells import comparable, show_cell

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import polars as pl

    from millstream.types import Schema

Row = tuple[Any, ...]


def listed(
    frames: Iterable[pl.DataFrame], schema: Schema, *, exact: bool = False
) -> list[tuple[str, Row]]:
    """Return every row as it came, with its change kind; ``exact`` keeps all digits of floats."""
    out: list[tuple[str, Row]] = []
    for frame in frames:
        ops = frame[OP].to_list() if OP in frame.columns else [Op.INSERT] * frame.height
        for op, row in zip(ops, frame.select(schema.names).rows(), strict=True):
            values = (
                repr(v) if exact else comparable(v, f.type)
                for v, f in zip(row, schema, strict=True)
            )
            out.append((Op(op).short, tuple(values)))
    return out


def folded(
    frames: Iterable[pl.DataFrame], schema: Schema, key: Sequence[str] = (), *, exact: bool = False
) -> Counter[Row]:
    """Return the table that the changes stand for: the newest row per key, where there is one."""
    changes = listed(frames, schema, exact=exact)
    if key:
        at = [schema.names.index(name) for name in key]
        newest: dict[Row, Row] = {}
        for op, row in changes:
            if op in ("-U", "-D"):
                newest.pop(tuple(row[i] for i in at), None)
            else:
                newest[tuple(row[i] for i in at)] = row
        return Counter(newest.values())
    table: Counter[Row] = Counter()
    for op, row in changes:
        table[row] += -1 if op in ("-U", "-D") else 1
    gone = [row for row, count in table.items() if count < 0]
    assert not gone, f"taken back more often than given: {gone}"
    return +table


def same(wanted: Counter[Row], found: Counter[Row], schema: Schema, what: str) -> None:
    """Raise AssertionError with both tables where they differ."""
    if wanted == found:
        return
    left, right = (sorted(table.elements(), key=repr) for table in (wanted, found))
    raise AssertionError(difference(what, left, right, schema))


def difference(what: str, wanted: Iterable[Row], found: Iterable[Row], schema: Schema) -> str:
    """Return what was expected and what came, as text."""
    expected = "\n".join(f"  {shown(row, schema)}" for row in wanted)
    came = "\n".join(f"  {shown(row, schema)}" for row in found)
    return f"{what}: expected\n{expected or '  none'}\ncame\n{came or '  none'}"


def shown(row: Row, schema: Schema) -> str:
    """Return a row as a case file would write it."""
    # Nested values were made hashable for comparing; they are shown as they are.
    return ",".join(
        str(value) if isinstance(value, tuple | frozenset) else show_cell(value, f.type)
        for value, f in zip(row, schema, strict=True)
    )
