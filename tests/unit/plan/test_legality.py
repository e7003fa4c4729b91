"""What a plan may not do: each refusal names the step and what to write instead."""

from __future__ import annotations

import pytest

from millstream.errors import Place, PlanError
from millstream.expr.tree import Named, Udf, UdfCall
from millstream.plan import nodes as n
from millstream.plan.derive import complete
from millstream.plan.windows import Attached, Tumble
from millstream.types import Int
from tests.unit.plan import build as b


def refused(*tops: n.Node, bounded: bool = False) -> PlanError:
    with pytest.raises(PlanError) as caught:
        complete(b.plan(*tops), b.tables(bounded=bounded))
    assert caught.value.hint, "a refusal says what to do instead"
    return caught.value


def accepted(*tops: n.Node, bounded: bool = False) -> None:
    complete(b.plan(*tops), b.tables(bounded=bounded))


def over(window: Tumble | Attached, node: n.Node, time: str) -> n.WindowAggregate:
    return b.tumble(node, "k", time=time, window=window)


def test_a_window_wants_the_time_attribute() -> None:
    """Another column would be held against a watermark that says nothing about it."""
    scan = b.scan()
    two = b.project(scan, "k", "ts", other=b.call("f", gives=scan.schema.type_of("ts")))
    error = refused(b.tumble(two, "k", time="other"))
    assert "over 'other'" in error.fact
    assert "'ts'" in error.fact
    accepted(b.tumble(two, "k", time="ts"))


def test_a_window_over_a_lost_time_says_so() -> None:
    """The commonest cause is a CAST or a function around the column in a sub-query."""
    scan = b.scan()
    lost = b.project(scan, "k", ts=b.call("f", gives=scan.schema.type_of("ts")))
    assert "no longer is the event time" in refused(b.tumble(lost, "k")).fact


def test_a_window_on_endless_input_needs_a_watermark() -> None:
    """It would never close; on input that ends it closes at the end."""
    bare = b.scan(b.table(watermark=None))
    assert "WATERMARK FOR ts AS" in str(refused(b.tumble(bare, "k")))
    accepted(b.tumble(bare, "k"), bounded=True)


def test_attached_windows_need_the_bounds_of_a_window() -> None:
    """Grouping by columns that merely look like bounds is no window."""
    table = n.WindowTable(input=b.scan(), window=Tumble(b.MINUTE_MS), time="ts")
    accepted(over(Attached("window_start", "window_end"), table, "window_time"))
    accepted(over(Attached("window_start", "window_end"), b.tumble(b.scan(), "k"), "window_end"))
    assert refused(over(Attached("ts", "ts"), b.project(table, "k", "ts"), "ts")).fact


def test_windows_refuse_changing_rows_and_name_where_they_begin() -> None:
    """A closed window cannot take a row back."""
    counted = b.group(b.scan(), "k", "ts")
    error = refused(b.tumble(counted, "k"))
    assert "Aggregate by [k, ts]" in error.fact


def test_sort_needs_an_end() -> None:
    """Nothing could ever be given out of an endless sort."""
    sort = n.Sort(input=b.scan(), by=(n.SortKey("v", descending=True),))
    assert "v DESC" in refused(sort).fact
    accepted(sort, bounded=True)


def test_limit_refuses_changing_rows() -> None:
    """'The first five' of rows that come and go has no meaning without an order."""
    refused(n.Limit(input=b.group(b.scan(), "k"), count=5))
    accepted(n.Limit(input=b.scan(), count=5))


def test_a_batch_function_over_changes_must_be_declared_safe() -> None:
    """It sees frames without change kinds, so -1 and +1 look alike to it."""
    counted = b.group(b.scan(), "k")
    fn = n.MapBatches(input=counted, fn=len, gives=counted.schema)
    assert "accepts_changes=True" in str(refused(fn))
    accepted(n.MapBatches(input=counted, fn=len, gives=counted.schema, accepts_changes=True))


def test_chance_over_changes_is_refused() -> None:
    """What is taken back must equal what was given, RAND() never does."""
    dice = UdfCall(Udf("dice", int, (), Int(), deterministic=False), type=Int())
    counted = b.group(b.scan(), "k")
    thrown = n.Project(input=counted, columns=(Named("k", b.col(counted, "k")), Named("d", dice)))
    assert "dice()" in refused(thrown).fact
    accepted(n.Project(input=b.scan(), columns=(Named("d", dice),)))


def test_late_rows_of_what_is_never_late() -> None:
    """An empty stream would look like good news."""
    assert "never drops" in refused(n.LateRows(input=b.group(b.scan(), "k"))).fact
    accepted(n.LateRows(input=b.tumble(b.scan(), "k")), n.RejectedRows(input=b.scan()))


def test_an_append_only_sink_names_the_step_that_changes_rows() -> None:
    """The user must learn which part of a long query is to blame, with its place in the text."""
    place = Place("SELECT k, COUNT(*) FROM t GROUP BY k", 1, 11, 8)
    counted = b.group(b.scan(), "k")
    call = counted.aggs[0].expr
    assert call.place is None
    from dataclasses import replace

    placed = replace(counted, aggs=(Named("n", replace(call, place=place)),))
    error = refused(b.sink(b.above(placed, "n", 1), "log", connector="files"))
    assert "'log'" in error.fact
    assert "Aggregate by [k]" in error.fact
    assert error.where is place
    assert "window" in str(error.hint)


def test_an_upsert_sink_without_a_key_is_told_which() -> None:
    """The key is known from the query; the message writes the line to add."""
    error = refused(b.sink(b.group(b.scan(), "k", "v"), "log", connector="postgres"))
    assert "PRIMARY KEY (k, v) NOT ENFORCED" in str(error.hint)


def test_a_keyed_sink_on_another_key_is_refused() -> None:
    """Several results would fight for one row of the sink, and the last change would win."""
    counted = b.group(b.scan(), "k", "v")
    error = refused(b.sink(counted, "log", key=("k",), connector="postgres"))
    assert "(k, v)" in error.fact
    part = b.project(b.scan(), "k", "v")
    both = n.Union(parts=(b.project(b.group(part, "k"), "k", "n"), b.group(part, "k")))
    assert "nothing says" in refused(b.sink(both, key=("k",), connector="postgres")).fact
    accepted(b.sink(b.scan(), "log", key=("k",), connector="postgres"))
