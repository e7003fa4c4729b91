"""What a changed plan keeps: right for each kind of change, and said in words people can act on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from millstream.expr.tree import AggCall, Cast, Named
from millstream.plan import nodes as n
from millstream.plan.compare import (
    Before,
    Comparison,
    Fate,
    StepFacts,
    compare,
    facts_of,
    from_hash,
    from_json,
)
from millstream.plan.derive import complete, derive
from millstream.plan.ids import assign
from millstream.plan.windows import Hop, Tumble
from millstream.types import BigInt
from tests.unit.plan import build as b


def said(*sinks: n.Write) -> dict[str, StepFacts]:
    tables = b.tables()
    return facts_of(derive(complete(assign(n.Plan(sinks)), tables), tables))


def before(*sinks: n.Write, rows: int = 5, old_format: bool = False) -> Before:
    """Return what a checkpoint of these sinks knows, through its JSON form."""
    steps = said(*sinks)
    if old_format:
        kept = {u: from_hash(u, s.hashed) for u, s in steps.items() if s.kind != "scan"}
    else:
        kept = {u: from_json(u, s.to_json()) for u, s in steps.items()}
    return Before(
        kept,
        {u: rows for u, s in steps.items() if s.stateful},
        {u: 2 for u, s in steps.items() if s.kind == "scan"},
        tuple(sink.table.name for sink in sinks),
        12,
    )


def compared(old: Before, *sinks: n.Write) -> Comparison:
    return compare(old, said(*sinks), tuple(sink.table.name for sink in sinks))


def total(name: str = "total", column: str = "v", node: n.Node | None = None) -> Named:
    return b.count(name, b.col(node or b.scan(), column), function="SUM")


def grouped(*keys: str, aggs: tuple[Named, ...] = (), name: str = "out") -> n.Write:
    return b.sink(b.group(b.scan(), *(keys or ("k",)), aggs=aggs or (b.count(),)), name)


def test_the_same_program_keeps_everything() -> None:
    """A plain restart must never be refused."""
    found = compared(before(grouped()), grouped())
    assert found.all_kept
    assert found.pairs["out/aggregate[k]"] == "out/aggregate[k]"
    assert not found.gone


@pytest.mark.parametrize("old_format", [False, True])
def test_a_renamed_sink_moves_state_and_positions(old_format: bool) -> None:
    """The id of a step begins with its sink; what it computes does not."""
    found = compared(before(grouped(), old_format=old_format), grouped(name="revenue"))
    assert found.pairs == {
        "revenue/aggregate[k]": "out/aggregate[k]",
        "revenue/scan[orders]": "out/scan[orders]",
    }
    assert [f.fate for f in found.sinks] == [Fate.EMPTY, Fate.LOST]
    (step,) = found.steps
    assert "under its old id 'out/aggregate[k]'" in step.why


@pytest.mark.parametrize(
    ("new", "why"),
    [
        (grouped(aggs=(b.count(), total())), "aggregates added SUM(v)"),
        (grouped("k", "s"), "key columns changed: k → k | s"),
        (grouped(aggs=(total("n"),)), "aggregates added SUM(v): BIGINT NOT NULL AS n"),
    ],
    ids=["an aggregate more", "a key more", "another aggregate"],
)
def test_why_state_does_not_fit(new: n.Write, why: str) -> None:
    """The message says what was changed, not that something was."""
    (step,) = compared(before(grouped()), new).gone
    assert step.fate is Fate.UNFIT
    assert why in step.why
    assert step.rows == 5


def test_another_type_of_an_argument_does_not_fit() -> None:
    """The text of a step may be the same: SUM(v) of an INT and of a BIGINT are not."""
    wide = b.project(b.scan(), "k", v=Cast(arg=b.col(b.scan(), "v"), to=BigInt(), type=BigInt()))
    narrow = b.project(b.scan(), "k", "v")
    old = b.sink(b.group(narrow, "k", aggs=(total(node=narrow),)))
    new = b.sink(b.group(wide, "k", aggs=(total(node=wide),)))
    (step,) = compared(before(old), new).gone
    assert "columns read" in step.why


def test_another_window_does_not_fit() -> None:
    """Its panes are of another size, or begin elsewhere."""
    old = b.sink(b.tumble(b.scan(), "k"))
    for window in (Tumble(30_000), Tumble(60_000, 5_000), Hop(60_000, 30_000)):
        (step,) = compared(before(old), b.sink(b.tumble(b.scan(), "k", window=window))).gone
        assert "window changed: TUMBLE(1m)" in step.why


def test_what_no_step_is_like_is_lost_and_what_is_new_is_empty() -> None:
    """A removed query takes its state with it: that must be said."""
    window = b.sink(b.tumble(b.scan(b.table("clicks")), "k"), "more")
    found = compared(before(grouped(), window), grouped())
    assert [(f.uid, f.fate) for f in found.gone] == [
        ("more/window-aggregate[k]", Fate.LOST),
        ("more/scan[clicks]", Fate.LOST),
    ]
    found = compared(before(grouped()), grouped(), window)
    assert not found.gone
    assert {f.uid for f in found.new} == {"more/window-aggregate[k]", "more/scan[clicks]"}


def test_of_two_equal_steps_none_is_guessed() -> None:
    """State given to the wrong one of two would be worse than none."""
    two = [grouped(name=name) for name in ("a", "c")]
    found = compared(before(*two), grouped(name="x"), grouped(name="y"))
    assert "x/aggregate[k]" not in found.pairs
    assert {f.fate for f in found.gone} == {Fate.LOST}


def test_swapped_steps_find_their_own_state() -> None:
    """Ordinals go by the order of writing; state goes by what is computed."""
    view = b.scan()
    plain, summed = b.group(view, "k"), b.group(view, "k", aggs=(total("n"),))

    def union(first: n.Node, second: n.Node) -> n.Write:
        return b.sink(n.Union(parts=(first, second)))

    found = compared(before(union(plain, summed)), union(summed, plain))
    assert found.pairs["out/aggregate[k]"] == "out/aggregate[k]#2"
    assert found.pairs["out/aggregate[k]#2"] == "out/aggregate[k]"


def test_versions_need_a_way() -> None:
    """State of another layout is brought to today's, or refused with both versions."""
    old = before(grouped())
    newer = {u: replace(s, version=2) for u, s in said(grouped()).items()}
    (step,) = compare(old, newer, ("out",)).gone
    assert step.why == "its state has version 1, this program reads 2"
    found = compare(old, newer, ("out",), migrates=lambda _kind, a, c: a <= c)
    assert found.all_kept
    assert "version 1 to 2" in found.steps[0].why


def test_constant_rows_are_not_given_twice_nor_never() -> None:
    """VALUES are given at the first start alone: a new one would stay silent."""
    literal = b.number(1)
    values = n.Values(columns=b.group(b.scan(), "k").schema, rows=())
    assert literal.value == 1
    new = b.sink(n.Union(parts=(b.group(b.scan(), "k"), values)))
    (step,) = compared(before(grouped()), new).gone
    assert "first start" in step.why


def test_passwords_stay_out_of_what_an_epoch_says() -> None:
    """Facts are written to disk in the clear."""
    table = b.table(
        options={"properties.sasl.jaas.config": "hush", "password": "hush", "topic": "t"}
    )
    facts = said(b.sink(b.scan(table)))
    assert "hush" not in str([s.to_json() for s in facts.values()])
    assert any("t" in s.says.values() for s in facts.values())


def test_every_aggregate_call_is_told_apart() -> None:
    """Calls that differ in DISTINCT or FILTER alone keep other state."""
    plain = total()
    assert isinstance(plain.expr, AggCall)
    distinct = Named("total", replace(plain.expr, distinct=True))
    (step,) = compared(before(grouped(aggs=(plain,))), grouped(aggs=(distinct,))).gone
    assert "DISTINCT" in step.why
