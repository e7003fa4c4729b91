"""Each rewrite rule: a plan before, the plan after, and where it must keep its hands off."""

from __future__ import annotations

from dataclasses import replace

import pytest

from millstream.expr.tree import Cast, Expr, Literal, Named, Udf, UdfCall
from millstream.plan import nodes as n
from millstream.plan import ranks
from millstream.plan.derive import complete
from millstream.plan.explain import explain
from millstream.plan.ids import assign
from millstream.plan.joins import Join, JoinKind
from millstream.plan.table import Physical, Table
from millstream.plan.windows import Tumble
from millstream.rewrite import (
    RULES,
    fold_constants,
    merge_filters,
    merge_projects,
    prune_columns,
    prune_fields,
    push_filters,
    rewrite,
    share_subplans,
)
from millstream.rewrite.fold_constants import fold
from millstream.rewrite.reading import never_fails
from millstream.types import STRING, BigInt, Boolean, Double, Int, TinyInt, parse_type
from tests.unit.plan import build as b


def steps(plan: n.Plan) -> list[str]:
    """The first sink's chain, from the top, without the sink."""
    node, lines = plan.sinks[0].input, []
    while True:
        lines.append(node.label())
        if not node.inputs:
            return lines
        node = node.inputs[0]


def failing(node: n.Node, name: str) -> Expr:
    return Cast(b.col(node, name), Int(), type=Int())


def dice() -> Expr:
    return UdfCall(Udf("dice", int, (), Int(), deterministic=False), type=Int())


# ------------------------------------------------------------------------------ merge_filters


def test_filters_merge_lower_first() -> None:
    """AND looks at its right side only where the left one lets it, as the two filters did."""
    plan = b.plan(b.above(b.above(b.scan(), "v", 1), "w", 2))
    assert steps(merge_filters(plan)) == ["Filter ((v > 1) AND (w > 2))", "Scan orders [kafka]"]


def test_a_filter_that_can_fail_keeps_its_guard() -> None:
    """A row whose lower predicate is NULL would reach the upper one inside an AND."""
    lower = b.above(b.scan(), "v", 1)
    upper = n.Filter(input=lower, predicate=b.call(">", failing(lower, "s"), b.number(1)))
    plan = b.plan(upper)
    assert merge_filters(plan).walk() == plan.walk()


def test_a_shared_filter_stays() -> None:
    """Merging it into one reader would compute it twice."""
    lower = b.above(b.scan(), "v", 1)
    plan = b.plan(b.above(lower, "w", 2), lower)
    assert merge_filters(plan).walk() == plan.walk()


def test_what_cannot_fail() -> None:
    """Not known means that it may."""
    scan = b.scan()
    assert never_fails(b.call("AND", b.call("=", b.col(scan, "v"), b.number(1)), Literal(True)))
    assert never_fails(b.call("+", b.col(scan, "v"), b.number(1), gives=Int()))
    assert not never_fails(b.call("/", b.col(scan, "v"), b.number(0), gives=Int()))
    assert not never_fails(failing(scan, "s"))
    assert not never_fails(b.call("<", failing(scan, "s"), b.number(0)))
    assert never_fails(Cast(b.col(scan, "s"), Int(), safe=True, type=Int()))
    assert not never_fails(dice())
    assert never_fails(Cast(b.col(scan, "v"), Double(), type=Double()))
    assert never_fails(Cast(b.col(scan, "v"), BigInt(), type=BigInt()))
    assert not never_fails(Cast(b.col(scan, "v"), TinyInt(), type=TinyInt()))


# ------------------------------------------------------------------------------ merge_projects


def test_projects_merge_where_nothing_is_computed_twice() -> None:
    """One pass over the columns instead of two."""
    scan = b.scan()
    lower = b.project(scan, "k", x=b.call("*", b.col(scan, "v"), b.number(2), gives=Int()))
    upper = b.project(lower, y=b.call("+", b.col(lower, "x"), b.number(1), gives=Int()))
    merged = merge_projects(b.plan(upper))
    assert steps(merged) == ["Project ((v * 2) + 1) AS y", "Scan orders [kafka]"]


def test_a_dear_column_read_twice_stays_below() -> None:
    """Substituting it into both places would compute it twice."""
    scan = b.scan()
    lower = b.project(scan, x=b.call("*", b.col(scan, "v"), b.number(2), gives=Int()))
    x = b.col(lower, "x")
    plan = b.plan(b.project(lower, y=b.call("+", x, x, gives=Int())))
    assert merge_projects(plan).walk() == plan.walk()


def test_chance_stays_where_it_was_drawn() -> None:
    """A random value must not be drawn anew for another step."""
    lower = n.Project(input=b.scan(), columns=(Named("d", dice()),))
    plan = b.plan(b.project(lower, e=b.col(lower, "d")))
    assert merge_projects(plan).walk() == plan.walk()


def test_a_projection_that_changes_nothing_goes() -> None:
    """SELECT * of a sub-query costs nothing; another order of columns is a change."""
    scan = b.scan()
    same = b.project(scan, *scan.schema.names)
    assert steps(merge_projects(b.plan(same))) == ["Scan orders [kafka]"]
    turned = b.plan(b.project(scan, *reversed(scan.schema.names)))
    assert merge_projects(turned).walk() == turned.walk()


# ------------------------------------------------------------------------------ push_filters


def test_a_filter_sinks_below_projections_and_windows() -> None:
    """Rows go before anything is computed for them or copied into windows."""
    scan = b.scan()
    window = n.WindowTable(input=scan, window=Tumble(b.MINUTE_MS), time="ts")
    shown = b.project(window, "window_end", a=b.col(window, "v"), s=failing(window, "s"))
    plan = push_filters(b.plan(b.above(shown, "a", 1)))
    assert steps(plan) == [
        "Project window_end, v AS a, CAST(s AS INT) AS s",
        "WindowTable TUMBLE(1m) on ts",
        "Filter (v > 1)",
        "Scan orders [kafka]",
    ]


def test_a_filter_on_computed_or_window_columns_stays() -> None:
    """Below it would have to compute them itself."""
    scan = b.scan()
    made = b.project(scan, x=b.call("*", b.col(scan, "v"), b.number(2), gives=Int()))
    window = n.WindowTable(input=scan, window=Tumble(b.MINUTE_MS), time="ts")
    on_window = b.call(">", b.col(window, "window_end"), b.col(window, "ts"))
    chance = n.Project(input=scan, columns=(Named("v", b.col(scan, "v")), Named("d", dice())))
    for plan in (
        b.plan(b.above(made, "x", 1)),
        b.plan(n.Filter(input=window, predicate=on_window)),
        b.plan(b.above(chance, "v", 1)),
        b.plan(b.above(b.scan(), "v", 1)),
    ):
        assert push_filters(plan) is plan


def test_a_filter_does_not_sink_below_a_shared_step() -> None:
    """The other reader wants all rows."""
    shared = b.project(b.scan(), "k", "v")
    plan = b.plan(b.above(shared, "v", 1), shared)
    assert push_filters(plan) is plan


# ------------------------------------------------------------------------------ prune_columns


def wanted(plan: n.Plan) -> list[tuple[str, ...] | None]:
    return [node.wanted for node in prune_columns(plan).walk() if isinstance(node, n.Scan)]


def test_a_scan_decodes_what_is_read() -> None:
    """The watermark's column and what computed columns read stay, s and w and part go."""
    assert wanted(b.plan(b.project(b.scan(), "k"))) == [("k", "v", "ts")]
    assert wanted(b.plan(b.above(b.project(b.scan(), "k", "w"), "w", 1))) == [("k", "v", "w", "ts")]
    assert wanted(b.plan(b.scan())) == [None]
    pruned = prune_columns(b.plan(b.project(b.scan(), "k"))).walk()[0]
    assert pruned.schema.names == ("k", "v", "ts", "twice")


def test_a_count_still_reads_one_column() -> None:
    """Rows without columns cannot be counted."""
    table = replace(b.table(watermark=None), columns=b.table().columns[:5])
    assert wanted(b.plan(b.group(b.scan(table)))) == [("k",)]


def test_an_upsert_source_keeps_its_key() -> None:
    """A tombstone says nothing but the key."""
    source = replace(b.upserts().table, columns=b.table().columns[:5])
    plan = complete(b.plan(b.group(b.scan(source), "v")), b.tables())
    assert wanted(plan) == [("k", "v")]


def test_aggregates_nobody_reads_are_not_kept() -> None:
    """State is memory; a view may compute more than this query wants."""
    aggs = (b.count(), b.count("m"))
    grouped = b.group(b.scan(), "k", aggs=aggs)
    plan = prune_columns(b.plan(b.project(grouped, "k", "m")))
    assert steps(plan)[1] == "Aggregate by [k]: COUNT(*) AS m"
    windowed = b.tumble(b.scan(), "k", aggs=aggs, window_time="wt")
    found = prune_columns(b.plan(b.project(windowed, "k", "n"))).sinks[0].input.inputs[0]
    assert isinstance(found, n.WindowAggregate)
    assert found.schema.names == ("k", "n")


def test_shared_steps_keep_what_any_reader_wants() -> None:
    """A shared step is computed once for all its readers."""
    scan = b.scan()
    plan = b.plan(b.project(scan, "k"), b.project(scan, "w"))
    assert wanted(plan) == [("k", "v", "w", "ts")]


def test_a_union_keeps_its_parts_alike() -> None:
    """Columns fit by position, so both parts must lose the same ones."""
    left = b.scan()
    right = b.scan(b.table("other", watermark=None))
    plan = prune_columns(assign(b.plan(b.project(n.Union(parts=(left, right)), "w"))))
    (union,) = (node for node in plan.walk() if isinstance(node, n.Union))
    assert [p.schema.names for p in union.parts] == [("w",), ("w",)]
    assert [p.uid for p in union.parts] == ["out0/union/part[0]", "out0/union/part[1]"]


def test_rows_that_are_looked_at_keep_all_columns() -> None:
    """A late or rejected row without its columns cannot be mended and sent again."""
    windowed = b.tumble(b.scan(), "k")
    assert wanted(b.plan(windowed)) == [("k", "v", "ts")]
    assert wanted(b.plan(windowed, n.LateRows(input=windowed))) == [None]
    assert wanted(b.plan(windowed, n.RejectedRows(input=windowed))) == [None]


def test_pruning_twice_changes_nothing() -> None:
    """Rules may run again."""
    once = prune_columns(b.plan(b.project(b.scan(), "k")))
    assert prune_columns(once).walk() == once.walk()


# ------------------------------------------------------------------------------ all rules


def example() -> n.Plan:
    scan = b.scan()
    shown = b.project(scan, "k", "v", "ts", t=b.call("UPPER", b.col(scan, "s"), gives=STRING))
    kept = b.above(b.above(shown, "v", 0), "v", 1)
    windowed = b.tumble(kept, "k")
    grouped = b.group(kept, "k", aggs=(b.count(), b.count("m", b.col(kept, "t"))))
    return assign(b.plan(windowed, b.project(grouped, "k", "m")))


@pytest.mark.parametrize("rule", RULES)
def test_rules_keep_ids_sharing_and_columns(rule: object) -> None:
    """State must find its step, and sinks must get what they were promised."""
    before = example()
    assert callable(rule)
    after = rule(before)
    keep = n.Aggregate | n.WindowAggregate | n.Scan | n.Write

    def ids(plan: n.Plan) -> list[str]:
        return sorted(node.uid for node in plan.walk() if isinstance(node, keep))

    assert ids(after) == ids(before)
    assert [s.input.schema for s in after.sinks] == [s.input.schema for s in before.sinks]
    assert len(after.walk()) <= len(before.walk())


def test_the_whole_rewriting() -> None:
    """What EXPLAIN shows as it runs."""
    assert explain(rewrite(example())) == (
        "Write out0 [print]\n"
        "│  · columns k STRING, n BIGINT NOT NULL, window_start TIMESTAMP(3) NOT NULL, window_end "
        "TIMESTAMP(3) NOT NULL\n"
        "└─ WindowAggregate TUMBLE(1m) on ts by [k]: COUNT(*) AS n\n"
        "   └─ Project k, ts, UPPER(s) AS t [1]\n"
        "      └─ Filter ((v > 0) AND (v > 1))\n"
        "         └─ Scan orders [kafka]\n"
        "               · columns k STRING, v INT, s STRING, ts TIMESTAMP(3), twice INT\n"
        "\n"
        "Write out1 [print]\n"
        "│  · columns k STRING, m BIGINT NOT NULL\n"
        "└─ Aggregate by [k]: COUNT(t) AS m\n"
        "   └─ Project (see [1])"
    )


# ------------------------------------------------------------------------------ below joins


def joined(kind: JoinKind) -> Join:
    left = b.project(b.scan(b.table("one")), "k", "v")
    right = b.project(b.scan(b.table("two")), k2=b.col(b.scan(), "k"), w=b.col(b.scan(), "w"))
    return Join(left=left, right=right, kind=kind, keys=(("k", "k2"),))


def sides(node: n.Node) -> tuple[bool, bool]:
    """Whether a filter now stands somewhere below each side of the join."""
    while not isinstance(node, Join):
        (node,) = node.inputs
    plans = [n.Plan((b.sink(side),)).walk() for side in node.inputs]
    left, right = (any(isinstance(x, n.Filter) for x in steps) for steps in plans)
    return left, right


@pytest.mark.parametrize(
    ("kind", "left", "right"),
    [
        (JoinKind.INNER, True, True),
        (JoinKind.LEFT, True, False),
        (JoinKind.RIGHT, False, True),
        (JoinKind.FULL, False, False),
    ],
)
def test_a_filter_goes_below_the_sides_that_are_always_there(
    kind: JoinKind, left: bool, right: bool
) -> None:
    """Below a side that is filled with NULLs the filter would make partners vanish instead."""
    top = merge_filters(b.plan(b.above(b.above(joined(kind), "v", 1), "w", 2))).sinks[0].input
    assert sides(push_filters(b.plan(top)).sinks[0].input) == (left, right)


def test_what_reads_both_sides_becomes_the_condition_of_an_inner_join() -> None:
    """Pairs that the filter drops are then never made."""
    join = joined(JoinKind.INNER)
    top = n.Filter(input=join, predicate=b.call(">", b.col(join, "v"), b.col(join, "w")))
    assert steps(push_filters(b.plan(top)))[0] == "Join INNER on k = k2 AND (v > w)"
    outer = joined(JoinKind.LEFT)
    kept = n.Filter(input=outer, predicate=b.call(">", b.col(outer, "v"), b.col(outer, "w")))
    assert steps(push_filters(b.plan(kept)))[0] == "Filter (v > w)"


def test_a_filter_on_the_key_goes_below_the_group() -> None:
    """Groups that nobody sees need no state; a filter on a result stays above it."""
    on_key = b.above(b.group(b.scan(), "v"), "v", 0)
    assert steps(push_filters(b.plan(on_key)))[1] == "Filter (v > 0)"
    on_count = b.above(b.group(b.scan(), "v"), "n", 0)
    assert steps(push_filters(b.plan(on_count)))[0] == "Filter (n > 0)"


def test_a_filter_on_the_order_of_a_rank_stays() -> None:
    """Without the rows it drops, others would be the first."""
    rank = ranks.Rank(
        input=b.scan(),
        kind=ranks.RankKind.ROW_NUMBER,
        partition=("w",),
        by=(n.SortKey("v"),),
        first=1,
        last=1,
    )
    assert steps(push_filters(b.plan(b.above(rank, "v", 0))))[0] == "Filter (v > 0)"
    assert steps(push_filters(b.plan(b.above(rank, "w", 0))))[1] == "Filter (w > 0)"


# ------------------------------------------------------------------------------ share_subplans


def test_equal_steps_are_shared() -> None:
    """Two INSERTs of the same group keep one state, under the id of the first."""
    scan = b.scan()
    plan = assign(b.plan(b.group(scan, "k"), b.group(scan, "k")))
    shared = share_subplans(plan)
    first, second = (sink.input for sink in shared.sinks)
    assert first is second
    assert first.uid == "out0/aggregate[k]"


def test_steps_that_say_something_else_are_not_shared() -> None:
    """One that draws random values would give both readers the same ones."""
    scan = b.scan()
    other = b.plan(b.group(scan, "k"), b.group(scan, "v"))
    assert len(share_subplans(other).walk()) == len(other.walk())
    random = b.plan(b.project(scan, d=dice()), b.project(scan, d=dice()))
    assert len(share_subplans(random).walk()) == len(random.walk())
    zero, minus = (Literal(value=x, type=Double()) for x in (0.0, -0.0))
    signs = b.plan(b.project(scan, z=zero), b.project(scan, z=minus))
    assert len(share_subplans(signs).walk()) == len(signs.walk())


# ------------------------------------------------------------------------------ fold_constants


def yes(value: bool | None) -> Literal:
    return Literal(value=value, type=Boolean())


def test_constants_are_folded() -> None:
    """What is known before the first row is not computed for each of them."""
    total = b.call("+", b.number(40), b.number(2), gives=Int())
    assert fold(total) == replace(b.number(42), type=Int())
    assert fold(b.call("=", total, b.number(42))).value is True  # type: ignore[attr-defined]
    assert fold(b.call("<", b.number(1), Literal(value=None, type=Int()))) == yes(None)


def test_an_overflow_is_left_to_the_rows() -> None:
    """INT wraps around at run time; Python's numbers do not."""
    most = b.call("+", b.number(2**31 - 1), b.number(1), gives=Int())
    assert fold(most) is most


def test_conditions_that_constants_decide() -> None:
    """TRUE AND x is x; x AND FALSE still computes x first, whose failure rejects the row."""
    v = b.call(">", b.col(b.scan(), "v"), b.number(0))
    assert fold(b.call("AND", yes(True), v)) is v
    assert fold(b.call("OR", v, yes(False))) is v
    assert fold(b.call("AND", yes(False), v)) == yes(False)
    last = b.call("AND", v, yes(False))
    assert fold(last) is last
    chosen = b.call(
        "CASE", yes(False), b.number(1), yes(True), b.number(2), b.number(3), gives=Int()
    )
    assert fold(chosen) == b.number(2)


def test_a_filter_that_passes_everything_goes() -> None:
    """WHERE 1 = 1 is how generated SQL begins."""
    top = n.Filter(input=b.scan(), predicate=b.call("=", b.number(1), b.number(1)))
    assert steps(fold_constants(b.plan(top))) == ["Scan orders [kafka]"]


# ------------------------------------------------------------------------------ prune_fields


def documents(format_: str) -> n.Scan:
    row = parse_type("ROW<a INT, b ROW<c INT, d STRING>, e STRING>")
    columns = (Physical("id", Int()), Physical("doc", row))
    return n.Scan(table=Table("docs", columns, "kafka", {"format": format_}))


def field(row: Expr, name: str, gives: str) -> Expr:
    key = Literal(value=name, type=STRING)
    return b.call("FIELD", row, key, gives=parse_type(gives))


def doc_type(plan: n.Plan) -> str:
    (scan,) = (x for x in prune_fields(plan).walk() if isinstance(x, n.Scan))
    return str(scan.schema.type_of("doc"))


def test_fields_that_nobody_reads_are_not_decoded() -> None:
    """A document of fifty fields of which a query reads two is decoded for these two."""
    scan = documents("json")
    inner = field(field(b.col(scan, "doc"), "b", "ROW<c INT, d STRING>"), "c", "INT")
    kept = n.Filter(input=scan, predicate=b.call(">", inner, b.number(0)))
    top = b.project(kept, e=field(b.col(kept, "doc"), "e", "STRING"))
    assert doc_type(b.plan(top)) == "ROW<`b` ROW<`c` INT>, `e` STRING>"


def test_a_row_that_is_passed_on_keeps_its_fields() -> None:
    """Whoever reads it later may want any of them."""
    whole = "ROW<`a` INT, `b` ROW<`c` INT, `d` STRING>, `e` STRING>"
    scan = documents("json")
    both = b.project(scan, "doc", a=field(b.col(scan, "doc"), "a", "INT"))
    assert doc_type(b.plan(both)) == whole
    alone = b.project(scan, a=field(b.col(scan, "doc"), "a", "INT"))
    assert doc_type(b.plan(alone, scan)) == whole


def test_a_format_by_place_keeps_its_fields() -> None:
    """Where fields are found by their place, none can be left out."""
    scan = documents("csv")
    top = b.project(scan, a=field(b.col(scan, "doc"), "a", "INT"))
    assert doc_type(b.plan(top)).count(" INT") == 2
