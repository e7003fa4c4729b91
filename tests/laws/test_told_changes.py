"""TO_CHANGELOG against a naive twin: every change is told, in order, under any cut and crash."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from millstream.testing.cases import parse_case
from millstream.testing.run_case import check_case

Row = tuple[str | None, int | None]
ROWS = st.lists(
    st.tuples(st.sampled_from(["a", "b", "c", None]), st.none() | st.integers(-2, 2)),
    min_size=1,
    max_size=12,
)
CASE = """-- why     drawn
-- input   t: k STRING, v INT
{rows}
-- ordered op,k,total
{told}
CREATE VIEW sums AS SELECT k, SUM(v) AS total FROM t GROUP BY k;
SELECT * FROM TO_CHANGELOG(TABLE sums)
"""


def told(rows: list[Row]) -> list[tuple[str, str | None, int | None]]:
    """What Flink tells: after each row the old result of its key and the new one, if different."""
    sums: dict[str | None, int | None] = {}
    out: list[tuple[str, str | None, int | None]] = []
    for k, v in rows:
        known, old = k in sums, sums.get(k)
        new = old if v is None else (old or 0) + v
        sums[k] = new
        if not known:
            out.append(("INSERT", k, new))
        elif new != old:
            out += [("UPDATE_BEFORE", k, old), ("UPDATE_AFTER", k, new)]
    return out


def cells(rows: list[tuple[object, ...]]) -> str:
    return "\n".join(
        "--         " + ",".join("NULL" if c is None else str(c) for c in row) for row in rows
    )


@given(rows=ROWS)
@settings(max_examples=25)
def test_every_change_of_a_result_is_told(rows):
    """An operator merges the changes of a batch; a table of told changes must never show it."""
    text = CASE.format(rows=cells(list(rows)), told=cells(list(told(rows))))
    check_case(parse_case(text, "told"))
