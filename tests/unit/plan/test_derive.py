"""Derived properties: time, keys, modes, bounds, and Normalize where it is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from millstream.expr.tree import Named
from millstream.plan import nodes as n
from millstream.plan.derive import (
    Append,
    Retract,
    StateBound,
    Upsert,
    Upwards,
    complete,
    derive,
    late_node,
)
from millstream.plan.windows import Tumble
from tests.unit.plan import build as b

if TYPE_CHECKING:
    from millstream.plan.derive import Facts, Mode


def facts(node: n.Node, *, bounded: bool = False) -> Facts:
    return Upwards(b.tables(bounded=bounded)).of(node)


def mode_below(top: n.Write) -> Mode:
    return derive(n.Plan((top,)), b.tables()).mode(top.input)


def test_the_time_attribute_survives_renaming_and_not_recomputing() -> None:
    """Windows may only follow the column the watermark speaks about."""
    scan = b.scan()
    assert facts(scan).time == "ts"
    renamed = b.project(scan, "k", at=b.col(scan, "ts"))
    assert facts(renamed).times == ("at",)
    made = b.project(scan, "k", ts=b.call("+", b.col(scan, "ts"), gives=scan.schema.type_of("ts")))
    assert facts(made).times == ()
    assert facts(made).marks, "the watermark still flows, only the column is lost"


def test_a_window_hands_on_its_own_time() -> None:
    """Cascaded windows use window_time; the input's time column is an ordinary one then."""
    table = n.WindowTable(input=b.scan(), window=Tumble(b.MINUTE_MS), time="ts")
    assert facts(table).times == ("window_time",)
    assert facts(table).bounds == ("window_start", "window_end")
    plain = b.tumble(b.scan(), "k")
    assert facts(plain).times == ()
    assert facts(b.tumble(b.scan(), "k", window_time="wt")).time == "wt"
    moved = b.project(plain, a=b.col(plain, "window_start"), z=b.col(plain, "window_end"))
    assert facts(moved).bounds == ("a", "z")
    assert facts(b.project(plain, "k", "window_end")).bounds is None


def test_a_union_keeps_time_only_where_all_parts_have_it() -> None:
    """A part without event time in that place would bring rows the watermark knows nothing of."""
    left = b.project(b.scan(), "k", "ts")
    right_scan = b.scan(b.table("other"))
    right = b.project(right_scan, "k", at=b.col(right_scan, "ts"))
    assert facts(n.Union(parts=(left, right))).times == ("ts",)
    bare_scan = b.scan(b.table("bare", watermark=None))
    bare = b.project(bare_scan, "k", "ts")
    assert facts(n.Union(parts=(left, bare))).times == ()


def test_bounded_only_if_everything_read_is() -> None:
    """One endless part makes the whole endless."""
    assert not facts(b.scan()).bounded
    assert facts(b.scan(), bounded=True).bounded
    two = n.Values(columns=b.schema("a INT"), rows=((b.number(1),), (b.number(2),)))
    assert facts(two).bounded
    part = b.project(b.scan(), "v")
    assert not facts(n.Union(parts=(part, two))).bounded


def test_upsert_keys_follow_projections() -> None:
    """A key is a key under its new names, and none where a column of it is dropped."""
    counted = b.group(b.scan(), "k", "v")
    assert facts(counted).keys == (("k", "v"),)
    renamed = b.project(counted, "v", "n", key=b.col(counted, "k"))
    assert facts(renamed).keys == (("key", "v"),)
    twice = b.project(counted, "k", "v", also=b.col(counted, "k"))
    assert set(facts(twice).keys) == {("k", "v"), ("also", "v")}
    assert facts(b.project(counted, "k", "n")).keys == ()
    assert facts(b.group(b.scan())).keys == ((),)


def test_distinct_over_appends_only_appends() -> None:
    """A key seen once is never changed, so DISTINCT can be written to a log."""
    distinct = b.group(b.scan(), "k", aggs=())
    assert not facts(distinct).updates
    counted = b.group(b.scan(), "k", "v")
    assert facts(b.group(counted, "n", aggs=())).updates


def test_a_keyed_sink_on_the_upsert_key_takes_no_old_rows() -> None:
    """-U rows nobody reads cost state reads and bytes."""
    counted = b.group(b.scan(), "k")
    assert mode_below(b.sink(counted, key=("k",), connector="postgres")) == Upsert(("k",))
    assert mode_below(b.sink(counted, connector="print")) == Retract()
    assert mode_below(b.sink(b.tumble(b.scan(), "k"), connector="files")) == Append()


def test_a_wider_sink_key_needs_the_old_row_to_delete() -> None:
    """The old (k, n) would stay forever if only the new one came."""
    counted = b.group(b.scan(), "k")
    assert mode_below(b.sink(counted, key=("k", "n"), connector="postgres")) == Retract()


def test_the_sink_key_is_matched_by_position() -> None:
    """INSERT INTO fits columns by position; names may differ."""
    counted = b.group(b.scan(), "k")
    table = b.sink(b.project(counted, country=b.col(counted, "k"), n=b.col(counted, "n")))
    keyed = b.sink(table.input, key=("country",), connector="postgres").table
    assert mode_below(n.Write(input=counted, table=keyed)) == Upsert(("k",))


def test_one_reader_that_needs_old_rows_decides() -> None:
    """A shared step gives one stream: the richer one."""
    counted = b.group(b.scan(), "k")
    keyed = b.sink(counted, "kept", key=("k",), connector="postgres")
    derived = derive(n.Plan((keyed, b.sink(counted, "shown"))), b.tables())
    assert derived.mode(counted) == Retract()


def test_a_filter_on_a_value_needs_old_rows_and_on_the_key_does_not() -> None:
    """HAVING n > 1 must take back a row whose n fell to 1; a key never changes sides."""
    counted = b.group(b.scan(), "v")
    having = b.sink(b.above(counted, "n", 1), key=("v",), connector="postgres")
    assert derive(n.Plan((having,)), b.tables()).mode(counted) == Retract()
    by_key = b.sink(b.above(counted, "v", 1), key=("v",), connector="postgres")
    assert derive(n.Plan((by_key,)), b.tables()).mode(counted) == Upsert(("v",))


def test_normalize_stands_where_old_rows_are_missing() -> None:
    """An upsert source has no old rows; an aggregate over it needs them."""
    source = b.upserts()
    done = complete(b.plan(b.group(source, "v")), b.tables())
    kinds = [type(node).__name__ for node in done.walk()]
    assert kinds == ["Scan", "Normalize", "Aggregate", "Write"]
    assert derive(done, b.tables()).mode(done.walk()[0]) == Upsert(("k",))


def test_normalize_is_shared_and_left_out_where_nobody_needs_it() -> None:
    """Upsert in, upsert out by the same key needs no state at all."""
    source = b.upserts()
    through = b.sink(source, key=("k",), connector="upsert-kafka")
    assert complete(n.Plan((through,)), b.tables()).walk() == [source, through]
    two = complete(n.Plan((through, b.sink(b.group(source, "v"), "other"))), b.tables())
    normals = [node for node in two.walk() if isinstance(node, n.Normalize)]
    assert len(normals) == 1
    assert two.sinks[0].input is normals[0]


@pytest.mark.parametrize(
    ("node", "bound"),
    [
        (b.above(b.scan(), "v", 1), StateBound.STATELESS),
        (b.tumble(b.scan(), "k"), StateBound.TIME),
        (b.group(b.scan(), "k"), StateBound.KEYS),
        (b.group(b.scan(), "k", aggs=(b.count(function="LISTAGG"),)), StateBound.ROWS),
        (b.group(b.scan(), "k", aggs=(b.count(function="MAX"),)), StateBound.KEYS),
        (
            b.group(b.group(b.scan(), "k"), "n", aggs=(b.count("m", function="MAX"),)),
            StateBound.ROWS,
        ),
        (n.Sort(input=b.scan(), by=(n.SortKey("v"),), limit=3), StateBound.COUNT),
        (n.Sort(input=b.scan(), by=(n.SortKey("v"),)), StateBound.ROWS),
    ],
)
def test_state_bounds(node: n.Node, bound: StateBound) -> None:
    """EXPLAIN must say what grows before it has grown."""
    assert derive(b.plan(node), b.tables(bounded=True)).state(node) is bound


def test_late_rows_are_those_of_the_aggregate_below() -> None:
    """A user asks the result they hold, which is often a projection of the aggregate."""
    aggregate = b.tumble(b.scan(), "k")
    shown = b.above(b.project(aggregate, "k", "n"), "n", 0)
    assert late_node(shown) is aggregate
    assert n.LateRows(input=late_node(shown)).schema == b.scan().schema
    lonely = b.above(b.scan(), "v", 0)
    assert late_node(lonely) is lonely


def test_what_a_user_function_keeps() -> None:
    """A row-wise function that leaves the time column alone leaves windows possible."""
    scan = b.scan()
    kept = n.MapBatches(input=scan, fn=lambda f: f, gives=b.schema("k STRING, ts TIMESTAMP(3)"))
    assert facts(kept).times == ("ts",)
    lost = n.MapBatches(input=scan, fn=lambda f: f, gives=b.schema("k STRING, ts STRING"))
    assert facts(lost).times == ()


def test_names_of_modes_read_well() -> None:
    """They stand in EXPLAIN and in messages."""
    assert [str(m) for m in (Append(), Retract(), Upsert(("a", "b")))] == [
        "append",
        "retract",
        "upsert by (a, b)",
    ]
    assert str(Named("n", b.number(1))) == "1 AS n"
