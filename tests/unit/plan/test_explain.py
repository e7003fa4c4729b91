"""EXPLAIN is read by people and compared by tests: it is stable, short and true."""

from __future__ import annotations

from millstream.plan import nodes as n
from millstream.plan.derive import complete, derive
from millstream.plan.explain import describe, explain, explain_all, schema_text
from millstream.plan.ids import assign
from tests.unit.plan import build as b

SHARED = """\
Write kept [postgres]
│  · columns k STRING, n BIGINT NOT NULL, key (k)
│  · takes retract
│  · exactly once, visible about 1 s after it is computed
└─ Aggregate by [k]: COUNT(*) AS n [1]
   │  · retract · one row per (k) · state grows with keys
   └─ Filter (v > 0)
      │  · append · event time ts
      └─ Scan orders [kafka]
            · columns k STRING, v INT, w INT, s STRING, ts TIMESTAMP(3), twice INT, part INT
            · append · event time ts · endless

Write busy [print]
│  · columns k STRING, n BIGINT NOT NULL
│  · takes retract
└─ Filter (n > 10)
   │  · retract · one row per (k)
   └─ Aggregate (see [1])"""


def shared_plan() -> n.Plan:
    counted = b.group(b.above(b.scan(), "v", 0), "k")
    kept = b.sink(counted, "kept", key=("k",), connector="postgres")
    return assign(n.Plan((kept, b.sink(b.above(counted, "n", 10), "busy"))))


def test_the_tree() -> None:
    """Everything that follows from a step stands below it, a shared step is shown once."""
    plan = complete(shared_plan(), b.tables())
    notes = {"kept": ("exactly once, visible about 1 s after it is computed",)}
    assert explain(plan, derive(plan, b.tables()), notes=notes) == SHARED


def test_without_properties_it_is_only_the_tree() -> None:
    """A plan that cannot run can still be looked at."""
    text = explain(shared_plan())
    assert "append" not in text
    assert "└─ Filter (v > 0)" in text


def test_both_forms() -> None:
    """A user compares what they wrote with what runs."""
    plan = shared_plan()
    text = explain_all(plan, derive(plan, b.tables()), notes={})
    assert text.index("== As written ==") < text.index("== Rewritten ==")
    assert "  2  Program: Filter → Project ← 1\n" in text or "  2  Program: Filter ← 1\n" in text
    assert "  3  Aggregate by [k]" in text


def test_unbounded_state_is_told() -> None:
    """State that grows for ever is the commonest way a pipeline dies: it is said beforehand."""
    plan = shared_plan()
    endless = explain_all(plan, derive(plan, b.tables()), notes={})
    assert "Aggregate [k]: its state grows with keys and nothing bounds it" in endless
    forgets = explain_all(plan, derive(plan, b.tables()), notes={}, state_ttl_ms=60_000)
    assert "not written for 1m are forgotten" in forgets
    ends = derive(plan, b.tables(bounded=True))
    assert "Beware" not in explain_all(plan, ends, notes={})


def test_a_union_draws_all_its_parts() -> None:
    """Branches stay readable: the first part's stem runs down to the last part."""
    left, right = (b.project(b.scan(b.table(name)), "k") for name in ("one", "two"))
    text = explain(b.plan(n.Union(parts=(left, right))))
    lines = [line for line in text.splitlines() if "·" not in line]
    assert lines == [
        "Write out0 [print]",
        "└─ Union",
        "   ├─ Project k",
        "   │  └─ Scan one [kafka]",
        "   └─ Project k",
        "      └─ Scan two [kafka]",
    ]


def test_long_lines_are_cut() -> None:
    """A hundred columns must not wrap the terminal."""
    wide = b.project(b.scan(), **{f"column_{i}": b.number(i) for i in range(60)})
    assert max(map(len, explain(b.plan(wide)).splitlines())) <= 110


def test_describe_says_everything_of_a_column() -> None:
    """DESCRIBE shows what CREATE TABLE said."""
    rows = {row[0]: row for row in describe(b.table(primary_key=("k",)))}
    assert rows["k"] == ("k", "STRING", "TRUE", "PRI(k)", "")
    assert rows["ts"][4] == "WATERMARK AS (ts - 5000)"
    assert rows["twice"][4] == "AS (v + v)"
    assert rows["part"][4] == "METADATA FROM 'partition'"
    assert schema_text(b.schema("a INT, long STRING")) == "a     INT\nlong  STRING"
