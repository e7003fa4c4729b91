"""The law of SEMANTICS §1 for the simple operators: a cut, a crash and a restore change nothing."""

from __future__ import annotations

import math
from collections import Counter
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millstream.columns.physical import polars_schema
from millstream.engine.batch import FINAL_MARK_MS, MARK, OP, Batch, Op
from millstream.engine.functions import Context
from millstream.engine.operator import Lowering, Operator, Outputs
from millstream.engine.operators import limit, map_batches, normalize, sort, window_table
from millstream.errors import DataError
from millstream.plan import nodes as n
from millstream.plan.windows import Cumulate, Hop, Tumble, Window
from tests.unit.plan import build as b

if TYPE_CHECKING:
    from collections.abc import Callable

    from millstream.types import Schema

KEYED = b.schema("k STRING, v INT, x DOUBLE, note STRING")
SEED = 7


def lowering(*, changes: bool = False, upsert_out: bool = False, zone: str = "UTC") -> Lowering:
    return Lowering(
        ctx=Context(zone), changes_in=(changes,), upsert_out=upsert_out, seed=SEED, bounded=True
    )


def source(schema: Schema) -> n.Scan:
    """A node with any schema, to stand below the operator."""
    from millstream.plan.table import Physical, Table

    return n.Scan(table=Table("t", tuple(Physical(f.name, f.type) for f in schema), "memory"))


def frame(
    schema: Schema, rows: list[tuple[Any, ...]], ops: list[int] | None = None
) -> pl.DataFrame:
    made = pl.DataFrame(rows, schema=polars_schema(schema), orient="row")
    return made if ops is None else made.with_columns(pl.Series(OP, ops, dtype=pl.Int8))


def run(
    make: Callable[[], Operator], rows: pl.DataFrame, cuts: list[int], *, crash: bool = False
) -> Outputs:
    """Feed rows cut at places, restarting between the parts, then end the input."""
    operator, given = make(), [Outputs()]
    edges = [0, *sorted(cuts), rows.height]
    for start, end in pairwise(edges):
        given.append(operator.on_batch(Batch(rows[start:end])))
        if crash:
            saved = operator.snapshot()
            operator = make()
            operator.restore(saved)
    given.append(operator.on_mark(FINAL_MARK_MS))
    return Outputs(
        tuple(f for o in given for f in o.out),
        tuple(f for o in given for f in o.late),
        tuple(f for o in given for f in o.rejected),
    )


def listed(frames: tuple[pl.DataFrame, ...]) -> list[tuple[Any, ...]]:
    return [row for f in frames for row in f.rows()]


def folded(frames: tuple[pl.DataFrame, ...]) -> Counter[tuple[Any, ...]]:
    """The table a changelog stands for; repr makes NaN equal to itself."""
    table: Counter[tuple[Any, ...]] = Counter()
    for f in frames:
        ops = f[OP] if OP in f.columns else [0] * f.height
        for op, row in zip(ops, f.drop(OP, strict=False).rows(), strict=True):
            table[tuple(map(repr, row))] += -1 if op in (Op.UPDATE_BEFORE, Op.DELETE) else 1
    assert all(count >= 0 for count in table.values()), "a row was taken back before it was given"
    return +table


cuts_of_forty = st.lists(st.integers(0, 40), max_size=8)
keyed_rows = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c", None]),
        st.one_of(st.none(), st.integers(-3, 3)),
        st.sampled_from([None, 0.0, -0.0, 1.5, float("nan")]),
        st.sampled_from([None, "", "short", "a longer text, beyond one small block of the heap"]),
    ),
    max_size=40,
)


# ------------------------------------------------------------------------------ Limit


@given(st.integers(0, 45), st.integers(0, 20), cuts_of_forty, st.booleans())
def test_limit_counts_over_cuts(offset: int, count: int, cuts: list[int], crash: bool) -> None:
    """The n-th row is the n-th row wherever its batch began."""
    schema = b.schema("v INT")
    rows = frame(schema, [(i,) for i in range(40)])
    node = n.Limit(input=source(schema), count=count, offset=offset)
    out = run(lambda: limit.FirstRows(node), rows, cuts, crash=crash)
    assert listed(out.out) == [(i,) for i in range(40)][offset : offset + count]


# ------------------------------------------------------------------------------ Sort


def twin_sorted(rows: list[tuple[Any, ...]], descending: bool) -> list[tuple[Any, ...]]:
    """NULLs lowest, NaN highest, stable."""

    def rank(row: tuple[Any, ...]) -> tuple[int, float]:
        x = row[2]
        if x is None:
            return (0, 0.0)
        return (2, 0.0) if math.isnan(x) else (1, x)

    # reverse=True keeps equal rows in order too.
    return sorted(rows, key=rank, reverse=descending)


@given(keyed_rows, st.booleans(), st.integers(0, 5), st.integers(0, 12), cuts_of_forty)
def test_sort_is_a_stable_sort(
    rows: list[tuple[Any, ...]], descending: bool, offset: int, count: int, cuts: list[int]
) -> None:
    """ORDER BY … LIMIT is the head of the sorted whole, even when most rows were forgotten."""
    node = n.Sort(input=source(KEYED), by=(n.SortKey("x", descending),), limit=count, offset=offset)

    def make() -> Operator:
        return sort.SortAll(node, changes=False)

    cuts = [c for c in cuts if c <= len(rows)]
    out = run(make, frame(KEYED, rows), cuts, crash=True)
    wanted = twin_sorted(rows, descending)[offset : offset + count]
    assert list(map(repr, listed(out.out))) == list(map(repr, wanted))


def test_sort_keeps_no_more_than_it_can_give(monkeypatch: pytest.MonkeyPatch) -> None:
    """ORDER BY … LIMIT 3 over a billion rows must not hold a billion rows."""
    monkeypatch.setattr(sort, "COMPACT_ROWS_MIN", 10)
    schema = b.schema("v INT")
    node = n.Sort(input=source(schema), by=(n.SortKey("v"),), limit=3)
    operator = sort.SortAll(node, changes=False)
    for start in range(0, 200, 5):
        operator.on_batch(Batch(frame(schema, [(1000 - start - i,) for i in range(5)])))
        assert operator.state_rows <= 18
    assert listed(operator.on_mark(FINAL_MARK_MS).out) == [(801,), (802,), (803,)]
    assert operator.on_mark(FINAL_MARK_MS).out == ()


def test_nulls_where_the_user_says() -> None:
    """NULLS FIRST and LAST beat Flink's default."""
    schema = b.schema("v INT")
    rows = frame(schema, [(1,), (None,), (2,)])

    def order(**said: Any) -> list[Any]:
        node = n.Sort(input=source(schema), by=(n.SortKey("v", **said),))
        return [v for (v,) in listed(run(lambda: sort.SortAll(node, changes=False), rows, []).out)]

    assert order() == [None, 1, 2]
    assert order(descending=True) == [2, 1, None]
    assert order(nulls_first=False) == [1, 2, None]
    assert order(descending=True, nulls_first=True) == [None, 2, 1]


@given(keyed_rows, st.data(), cuts_of_forty)
def test_sort_nets_what_was_taken_back(
    rows: list[tuple[Any, ...]], data: st.DataObject, cuts: list[int]
) -> None:
    """A row that came and went is not in the answer, and ties do not depend on the changes."""
    ops: list[int] = []
    standing: list[tuple[Any, ...]] = []
    fed: list[tuple[Any, ...]] = []
    for row in rows:
        if standing and data.draw(st.booleans()):
            gone = standing.pop(data.draw(st.integers(0, len(standing) - 1)))
            fed.append(gone)
            ops.append(data.draw(st.sampled_from([Op.DELETE, Op.UPDATE_BEFORE])))
        fed.append(row)
        ops.append(Op.INSERT)
        standing.append(row)
    node = n.Sort(input=source(KEYED), by=(n.SortKey("v"),), limit=5)
    cuts = [c for c in cuts if c <= len(fed)]
    whole = frame(KEYED, fed, ops)

    def make() -> Operator:
        return sort.SortAll(node, changes=True)

    cut, once = run(make, whole, cuts, crash=True), run(make, whole, [])
    assert list(map(repr, listed(cut.out))) == list(map(repr, listed(once.out)))
    lowest = sorted(r[1] if r[1] is not None else -99 for r in standing)[:5]
    assert [r[1] if r[1] is not None else -99 for r in listed(once.out)] == lowest


# ------------------------------------------------------------------------------ Normalize


def twin_normalized(rows: list[tuple[Any, ...]], ops: list[int]) -> tuple[Counter[Any], int]:
    table: dict[Any, tuple[Any, ...]] = {}
    unmatched = 0
    for row, op in zip(rows, ops, strict=True):
        if op in (Op.DELETE, Op.UPDATE_BEFORE):
            unmatched += row[0] not in table
            table.pop(row[0], None)
        elif table.get(row[0]) != row:  # -0.0 is 0.0, as for Flink: nothing has changed
            table[row[0]] = row
    return Counter(tuple(map(repr, row)) for row in table.values()), unmatched


@settings(deadline=None)
@given(keyed_rows, st.data(), cuts_of_forty, st.booleans())
def test_normalize_is_the_newest_row_per_key(
    rows: list[tuple[Any, ...]], data: st.DataObject, cuts: list[int], crash: bool
) -> None:
    """Whatever the cuts, the changes given add up to the table the upserts stand for."""
    ops = [data.draw(st.sampled_from([*Op, Op.INSERT, Op.UPDATE_AFTER])) for _ in rows]
    node = n.Normalize(input=source(KEYED), key=("k",))
    made: list[normalize.NewestPerKey] = []

    def make() -> Operator:
        made.append(normalize.NewestPerKey(node, lowering(changes=True)))
        return made[-1]

    cuts = [c for c in cuts if c <= len(rows)]
    out = run(make, frame(KEYED, rows, [int(o) for o in ops]), cuts, crash=crash)
    wanted, unmatched = twin_normalized(rows, ops)
    assert folded(out.out) == wanted
    assert sum(o.rows_unmatched for o in made) == unmatched


def normal(rows: list[tuple[Any, ...]], ops: list[int], **how: bool) -> list[tuple[str, Any]]:
    schema = b.schema("k STRING, v INT")
    node = n.Normalize(input=source(schema), key=("k",))
    operator = normalize.NewestPerKey(node, lowering(changes=True, **how))
    out = [
        operator.on_batch(Batch(frame(schema, [r], [o]))) for r, o in zip(rows, ops, strict=True)
    ]
    return [(Op(row[2]).short, row[1]) for row in listed(tuple(f for o in out for f in o.out))]


def test_normalize_gives_old_and_new() -> None:
    """The old row comes from the state: an upsert source never sends it. Equal rows say nothing."""
    rows = [("a", 1), ("a", 1), ("a", 2), ("a", None), ("a", 3)]
    ops = [Op.INSERT, Op.UPDATE_AFTER, Op.UPDATE_AFTER, Op.DELETE, Op.INSERT]
    assert normal(rows, ops) == [("+I", 1), ("-U", 1), ("+U", 2), ("-D", 2), ("+I", 3)]
    assert normal(rows, ops, upsert_out=True) == [("+I", 1), ("+U", 2), ("-D", 2), ("+I", 3)]


def test_normalize_merges_within_a_batch_in_first_touch_order() -> None:
    """At most one old and one new row per key and batch."""
    schema = b.schema("k STRING, v INT")
    node = n.Normalize(input=source(schema), key=("k",))
    operator = normalize.NewestPerKey(node, lowering(changes=True))
    operator.on_batch(Batch(frame(schema, [("a", 1), ("b", 1)])))
    rows = frame(schema, [("b", 2), ("a", 2), ("b", 3), ("c", 1), ("c", 1)], [2, 2, 2, 0, 3])
    out = operator.on_batch(Batch(rows)).out
    assert listed(out) == [("b", 1, 1), ("b", 3, 2), ("a", 1, 1), ("a", 2, 2)]
    assert operator.state_rows == 2


def test_normalize_gives_its_bytes_back() -> None:
    """State follows the keys there are, not the changes there were."""
    schema = b.schema("k INT, note STRING")
    node = n.Normalize(input=source(schema), key=("k",))
    operator = normalize.NewestPerKey(node, lowering(changes=True))
    sizes: list[int] = []
    for turn in range(30):
        rows = [(k, f"{turn:>100}") for k in range(50)]
        operator.on_batch(Batch(frame(schema, rows)))
        sizes.append(operator.state_bytes)
    assert sizes[-1] == sizes[2]


# ------------------------------------------------------------------------------ WindowTable

TIMED = b.schema("v INT, ts TIMESTAMP(3)")
EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 (a SQL TIMESTAMP has no zone)


def twin_windows(ms: int, window: Window) -> list[tuple[int, int]]:
    """Every window that holds the instant, found by trying."""
    match window:
        case Tumble(size_ms=size, offset_ms=offset):
            spans = [(s, s + size) for s in range(-1680 + offset, 600, size)]
        case Hop(size_ms=size, slide_ms=slide, offset_ms=offset):
            spans = [(s, s + size) for s in range(-1680 + offset, 600, slide)]
        case Cumulate(size_ms=size, step_ms=step, offset_ms=offset):
            starts = range(-1680 + offset, 600, size)
            spans = [(s, s + i * step) for s in starts for i in range(1, size // step + 1)]
    return [(s, e) for s, e in spans if s <= ms < e]


windows = st.one_of(
    st.builds(Tumble, st.sampled_from([1, 7, 60]), st.integers(0, 6)),
    st.builds(
        lambda s, m, o: Hop(s * m, s, o),
        st.sampled_from([5, 20]),
        st.integers(1, 4),
        st.integers(0, 4),
    ),
    st.builds(
        lambda s, m, o: Cumulate(s * m, s, o),
        st.sampled_from([5, 20]),
        st.integers(1, 4),
        st.integers(0, 4),
    ),
)


@given(
    windows, st.lists(st.integers(-300, 300), max_size=20), st.lists(st.integers(0, 20), max_size=3)
)
def test_each_row_stands_in_each_of_its_windows(
    window: Window, times: list[int], cuts: list[int]
) -> None:
    """Also before 1970, where careless rounding goes to zero instead of down."""
    node = n.WindowTable(input=source(TIMED), window=window, time="ts")
    rows = frame(TIMED, [(i, EPOCH + timedelta(milliseconds=t)) for i, t in enumerate(times)])
    out = run(
        lambda: window_table.WindowRows(node, "UTC"), rows, [c for c in cuts if c <= len(times)]
    )
    found: list[Any] = []
    for f in out.out:
        ms = f.select(pl.exclude("v").to_physical(), "v")
        assert (ms["window_time"] == ms["window_end"] - 1).all()
        found += ms.select("v", "window_start", "window_end").rows()
    wanted = [(i, s, e) for i, t in enumerate(times) for s, e in twin_windows(t, window)]
    assert found == wanted


def test_windows_of_instants_follow_the_wall_clock() -> None:
    """On 29 March 2026 a Berlin day has 23 hours; its window ends when the local day does."""
    schema = b.schema("v INT, ts TIMESTAMP_LTZ(3)")
    node = n.WindowTable(input=source(schema), window=Tumble(86_400_000), time="ts")
    rows = pl.DataFrame(
        {"v": [1, 2, 3], "ts": ["2026-03-28T22:59", "2026-03-28T23:00", "2026-03-29T21:59"]}
    ).with_columns(
        pl.col("ts").str.to_datetime("%Y-%m-%dT%H:%M", time_unit="ms", time_zone="UTC"),
        pl.col("v").cast(pl.Int32),
    )
    (out,) = run(lambda: window_table.WindowRows(node, "Europe/Berlin"), rows, []).out
    days = out["window_start"].dt.day().to_list()
    assert days == [28, 29, 29]
    assert out.schema["window_time"] == pl.Datetime("ms", "UTC")
    length = out["window_time"][2] - out["window_time"][0]
    assert length == timedelta(hours=23)


def test_hidden_columns_follow_their_row_and_null_times_are_rejected() -> None:
    """A mark that stayed with another row would make the wrong row late."""
    node = n.WindowTable(input=source(TIMED), window=Hop(20, 10), time="ts")
    rows = frame(TIMED, [(1, EPOCH), (2, None), (3, EPOCH)])
    rows = rows.with_columns(pl.Series(MARK, [10, 20, 30]))
    out = run(lambda: window_table.WindowRows(node, "UTC"), rows, [])
    (given,) = out.out
    assert given.select("v", MARK).rows() == [(1, 10), (1, 10), (3, 30), (3, 30)]
    (bad,) = out.rejected
    assert bad["row"].to_list() == [{"v": 2, "ts": None}]
    assert "'ts' is NULL" in bad["reason"][0]


# ------------------------------------------------------------------------------ MapBatches


def doubled(rows: pl.DataFrame) -> pl.DataFrame:
    if (rows["v"] == 13).any():
        raise ValueError("thirteen")
    return rows.select(pl.col("v") * 2)


def mapper(fn: Callable[[Any], Any], gives: str = "v INT") -> Callable[[], Operator]:
    node = n.MapBatches(input=source(b.schema("v INT")), fn=fn, gives=b.schema(gives))
    return lambda: map_batches.CallOnFrames(node)


@given(st.lists(st.integers(10, 16), max_size=40), cuts_of_forty)
def test_a_failing_row_is_rejected_alone(values: list[int], cuts: list[int]) -> None:
    """One bad row in a batch of thousands must not take the others with it."""
    rows = frame(b.schema("v INT"), [(v,) for v in values])
    out = run(mapper(doubled), rows, [c for c in cuts if c <= len(values)])
    assert [v for (v,) in listed(out.out)] == [v * 2 for v in values if v != 13]
    reasons = [r for f in out.rejected for r in f["reason"].to_list()]
    assert reasons == ["doubled: ValueError: thirteen"] * values.count(13)


def test_hidden_columns_stay_beside_their_rows() -> None:
    """The function never sees them, and they come out at the same rows."""
    rows = frame(b.schema("v INT"), [(1,), (13,), (3,)], [0, 0, 2])
    rows = rows.with_columns(pl.Series(MARK, [5, 6, 7]))
    out = run(mapper(doubled), rows, [])
    assert [r for f in out.out for r in f.select("v", OP, MARK).rows()] == [(2, 0, 5), (6, 2, 7)]


@pytest.mark.parametrize(
    ("fn", "says"),
    [
        (lambda rows: rows.to_dict(), "gave a dict"),
        (lambda rows: rows.rename({"v": "w"}), "gave the columns (w), declared are (v)"),
        (lambda rows: rows.cast(pl.String), "gave 'v' as String, declared is Int32"),
        (lambda rows: rows.select(pl.lit(2**40).alias("v")), "out of range"),
    ],
)
def test_another_shape_than_declared_stops_the_job(fn: Callable[[Any], Any], says: str) -> None:
    """The program is wrong, not the row: rejecting every row would hide it."""
    with pytest.raises(DataError) as caught:
        run(mapper(fn), frame(b.schema("v INT"), [(1,)]), [])
    assert says in caught.value.fact


def test_dropping_rows_is_allowed_only_without_hidden_columns() -> None:
    """A change kind without its row cannot be placed."""
    rows = frame(b.schema("v INT"), [(1,), (2,)])
    out = run(mapper(lambda f: f.filter(pl.col("v") > 1)), rows, [])
    assert listed(out.out) == [(2,)]
    with pytest.raises(DataError, match="gave 1 rows for 2"):
        run(mapper(lambda f: f.head(1)), rows.with_columns(pl.lit(0).alias(MARK)), [])


def test_small_differences_of_type_are_mended() -> None:
    """Polars literals are Int32 or Int64 as they like; a user should not have to care."""
    rows = frame(b.schema("v INT"), [(1,)])
    out = run(mapper(lambda f: f.cast(pl.Int64)), rows, [])
    assert out.out[0].schema["v"] == pl.Int32
    out = run(mapper(lambda f: f.select(pl.lit(None).alias("v"))), rows, [])
    assert listed(out.out) == [(None,)]
