"""Stable ids: state must find its step again after the program around it has changed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream.errors import PlanError
from millstream.plan import nodes as n
from millstream.plan.derive import complete
from millstream.plan.ids import assign
from tests.unit.plan import build as b


def stateful(plan: n.Plan) -> set[str]:
    keep = n.Aggregate | n.WindowAggregate | n.Scan | n.Write | n.Normalize
    return {node.uid for node in assign(plan).walk() if isinstance(node, keep)}


def revenue() -> n.Write:
    return b.sink(b.group(b.above(b.scan(), "v", 0), "k"), "revenue")


def test_what_an_id_looks_like() -> None:
    """People read ids in metrics, checkpoints and messages."""
    names = [node.uid for node in assign(n.Plan((revenue(),))).walk()]
    assert names == [
        "revenue/scan[orders]",
        "revenue/filter",
        "revenue/aggregate[k]",
        "revenue",
    ]
    window = assign(b.plan(b.tumble(b.scan(), "k")))
    assert window.sinks[0].input.uid == "out0/window-aggregate[k]"


def test_a_stateless_step_moves_no_id() -> None:
    """Adding a filter to a running pipeline must not throw its state away."""
    scan = b.scan()
    below = b.sink(b.group(b.above(b.above(scan, "w", 1), "v", 0), "k"), "revenue")
    over = b.sink(b.above(b.group(b.above(scan, "v", 0), "k"), "n", 3), "revenue")
    before = stateful(n.Plan((revenue(),)))
    assert stateful(n.Plan((below,))) == before
    assert stateful(n.Plan((over,))) == before


def test_an_unrelated_sink_moves_no_id() -> None:
    """Wherever in the script it is written."""
    other = b.sink(b.group(b.scan(b.table("clicks")), "k"), "clicks_by_k")
    before = stateful(n.Plan((revenue(),)))
    assert stateful(n.Plan((other, revenue()))) >= before
    assert stateful(n.Plan((revenue(), other))) >= before


def test_a_later_sink_on_a_shared_step_moves_no_id() -> None:
    """A shared step belongs to the sink written first."""
    first = revenue()
    more = b.sink(first.input, "also")
    assert stateful(n.Plan((first, more))) == stateful(n.Plan((first,))) | {"also"}


def test_a_name_is_the_id_and_owns_what_is_below() -> None:
    """A named view keeps its state when the sinks above it change their names."""
    view = replace(b.group(b.above(b.scan(), "v", 0), "k"), name="per_k")
    plan = assign(n.Plan((b.sink(b.above(view, "n", 1), "a"),)))
    names = {node.uid for node in plan.walk()}
    assert {"per_k", "per_k/scan[orders]", "per_k/filter", "a/filter", "a"} == names


def test_two_steps_of_one_name_are_refused() -> None:
    """Their states would overwrite each other."""
    scan = b.scan()
    one, two = (replace(b.group(scan, key), name="same") for key in ("k", "v"))
    with pytest.raises(PlanError, match="'same'"):
        assign(b.plan(one, two))


def test_a_sink_written_twice_has_two_ids() -> None:
    """Two INSERT INTO the same table are two writers."""
    plan = assign(n.Plan((revenue(), revenue())))
    assert [s.uid for s in plan.sinks] == ["revenue", "revenue#2"]


def test_sharing_is_kept_and_ids_are_idempotent() -> None:
    """A step computed once must stay computed once, and naming twice names nothing anew."""
    counted = b.group(b.scan(), "k")
    plan = assign(n.Plan((b.sink(counted, "a"), b.sink(counted, "b"))))
    assert plan.sinks[0].input is plan.sinks[1].input
    assert [x.uid for x in assign(plan).walk()] == [x.uid for x in plan.walk()]


def test_normalize_is_named_after_its_source() -> None:
    """It is put in after ids are given."""
    done = complete(assign(b.plan(b.group(b.upserts(), "v"))), b.tables())
    assert "out0/scan[prices]/normalize" in {node.uid for node in done.walk()}


@st.composite
def plans(draw: st.DrawFn) -> n.Plan:
    """Random DAGs of steps that fit any input with the usual columns."""
    pool: list[n.Node] = [b.scan(), b.scan(b.table("clicks"))]
    for _ in range(draw(st.integers(1, 8))):
        below = draw(st.sampled_from(pool))
        kind = draw(st.sampled_from(["filter", "limit", "union", "group"]))
        if kind == "filter":
            pool.append(b.above(below, "v", 1))
        elif kind == "limit":
            pool.append(n.Limit(input=below, count=3))
        elif kind == "union":
            pool.append(n.Union(parts=(below, draw(st.sampled_from(pool)))))
        else:
            pool.append(b.group(below, *below.schema.names, aggs=()))
    tops = draw(st.lists(st.sampled_from(pool), min_size=1, max_size=3))
    return n.Plan(tuple(b.sink(t, draw(st.sampled_from(["x", "y"]))) for t in tops))


@given(plans())
def test_two_steps_never_share_an_id(plan: n.Plan) -> None:
    """An id that names two steps would restore one's state into the other."""
    named = assign(plan).walk()
    assert all(node.uid for node in named)
    assert len({node.uid for node in named}) == len(named) == len(plan.walk())


VIEWS = """
CREATE TABLE orders (id BIGINT, country STRING, ts TIMESTAMP(3))
WITH ('connector' = 'datagen', 'number-of-rows' = '1');
CREATE TABLE {first} (country STRING, n BIGINT) WITH ('connector' = 'blackhole');
CREATE TABLE second (country STRING, n BIGINT) WITH ('connector' = 'blackhole');
CREATE VIEW v AS SELECT country, COUNT(*) AS n FROM orders GROUP BY country;
{inserts}
"""


def ids_of(text: str) -> set[str]:
    from millstream.frame.sqls import script_of

    sinks, _ = script_of(text, None, {})
    return {node.uid for node in assign(n.Plan(tuple(s.node for s in sinks))).walk()}


def test_a_view_owns_the_steps_inside_it() -> None:
    """Renaming a sink, or reading a view once more, must not move the state of the view."""
    one = ids_of(VIEWS.format(first="first", inserts="INSERT INTO first SELECT * FROM v;"))
    assert {"v/aggregate[country]", "v/scan[orders]", "first"} <= one
    renamed = ids_of(VIEWS.format(first="other", inserts="INSERT INTO other SELECT * FROM v;"))
    assert {i for i in one if i.startswith("v/")} == {i for i in renamed if i.startswith("v/")}
    more = "INSERT INTO second SELECT * FROM v WHERE n > 1; INSERT INTO first SELECT * FROM v;"
    both = ids_of(VIEWS.format(first="first", inserts=more))
    assert {i for i in one if i.startswith("v/")} <= both
