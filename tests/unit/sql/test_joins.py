"""Which join a condition makes, and what it says of keys, bounds and rows."""

from __future__ import annotations

import operator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream.errors import SqlError
from millstream.expr.tree import Call, Cast, Column, Expr, Literal
from millstream.plan import joins as j
from millstream.plan import nodes as n
from millstream.plan.expand import Expand
from millstream.plan.intervals import reach_of
from millstream.plan.ranks import Rank, SetKind, SetOperation
from millstream.sql.script import Selected, Session
from millstream.types import IntervalDay, Timestamp

TABLES = """
CREATE TABLE a (id INT, k STRING, v INT, ts TIMESTAMP(3), pt AS PROCTIME(),
  WATERMARK FOR ts AS ts) WITH ('connector' = 'memory');
CREATE TABLE b (id INT, k STRING, w INT, us TIMESTAMP(3), pt AS PROCTIME(),
  WATERMARK FOR us AS us) WITH ('connector' = 'memory');
CREATE TABLE c (id INT NOT NULL, k STRING NOT NULL) WITH ('connector' = 'memory');
CREATE TABLE ver (k STRING, rate INT, vs TIMESTAMP(3), PRIMARY KEY (k) NOT ENFORCED,
  WATERMARK FOR vs AS vs) WITH ('connector' = 'memory');
"""


def node_of(text: str) -> n.Node:
    """The node of the last query of a text."""
    last = list(Session().execute(TABLES + text))[-1]
    assert isinstance(last, Selected)
    return last.node


def steps(node: n.Node) -> list[n.Node]:
    """Every step, readers first."""
    return [node, *(step for child in node.inputs for step in steps(child))]


def join_of(text: str) -> j.Join | j.IntervalJoin | j.WindowJoin | j.TemporalJoin:
    """The topmost join of two inputs."""
    found = next(s for s in steps(node_of(text)) if isinstance(s, j.Binary))
    assert isinstance(found, j.Join | j.IntervalJoin | j.WindowJoin | j.TemporalJoin)
    return found


def on(condition: str, kind: str = "JOIN") -> str:
    return f"SELECT a.v FROM a {kind} b ON {condition}"


@pytest.mark.parametrize(
    ("condition", "lower", "upper"),
    [
        ("a.ts BETWEEN b.us - INTERVAL '1' HOUR AND b.us", 0, 3_600_000),
        ("b.us BETWEEN a.ts AND a.ts + INTERVAL '1' HOUR", 0, 3_600_000),
        ("a.ts >= b.us AND a.ts <= b.us + INTERVAL '5' SECOND", -5_000, 0),
        ("a.ts > b.us AND b.us + INTERVAL '5' SECOND > a.ts", -4_999, -1),
        ("a.ts - INTERVAL '1' SECOND < b.us AND b.us < a.ts + INTERVAL '1' SECOND", -999, 999),
        ("a.ts = b.us", 0, 0),
        ("a.ts >= b.us AND a.ts >= b.us - INTERVAL '1' HOUR AND b.us >= a.ts - INTERVAL '9' SECOND",
         -9_000, 0),
        ("a.pt BETWEEN b.pt AND b.pt + INTERVAL '1' MINUTE", -60_000, 0),
    ],
)  # fmt: skip
def test_bounds_on_both_times_make_an_interval_join(condition: str, lower: int, upper: int) -> None:
    """State is bounded only where the bounds are understood, however they are turned."""
    for kind in ("JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"):
        join = join_of(on(f"a.id = b.id AND {condition}", kind))
        assert isinstance(join, j.IntervalJoin)
        assert (join.lower_ms, join.upper_ms) == (lower, upper)
        assert len(join.keys) == 1
        assert join.residual is None


@pytest.mark.parametrize(
    "condition",
    [
        "a.ts > b.us",
        "a.ts BETWEEN b.us - INTERVAL '1' MONTH AND b.us",
        "a.ts BETWEEN b.pt - INTERVAL '1' HOUR AND b.pt",
        "a.v BETWEEN b.w - 1 AND b.w",
        "a.ts > b.us AND a.ts < b.us - INTERVAL '1' SECOND",
        "NOT a.ts BETWEEN b.us - INTERVAL '1' HOUR AND b.us",
    ],
)
def test_other_bounds_are_asked_of_a_regular_join(condition: str) -> None:
    """What does not bound both sides by whole milliseconds stays a condition."""
    join = join_of(on(f"a.id = b.id AND {condition}"))
    assert type(join) is j.Join
    assert join.residual is not None


@given(
    terms=st.lists(
        st.tuples(
            st.sampled_from(["<", "<=", ">", ">=", "="]),
            st.integers(-3, 3), st.integers(-3, 3), st.booleans(),
        ),
        min_size=1, max_size=4,
    ),
    apart=st.integers(-9, 9),
)  # fmt: skip
def test_a_reach_says_what_the_conditions_say(
    terms: list[tuple[str, int, int, bool]], apart: int
) -> None:
    """Whatever the signs and offsets: a pair is in reach where every condition holds."""
    signs = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
             "=": operator.eq}  # fmt: skip

    def moved(name: str, by: int) -> Expr:
        column = Column(name, type=Timestamp(3))
        return Call("+", (column, Literal(by, type=IntervalDay())), type=Timestamp(3))

    conditions: list[Expr] = []
    holds = True
    for sign, x, y, turned in terms:
        left, right = ("r", "l") if turned else ("l", "r")
        conditions.append(Call(sign, (moved(left, x), moved(right, y))))
        values = {"l": 0, "r": apart}
        holds = holds and signs[sign](values[left] + x, values[right] + y)
    found = reach_of(conditions, (), ("l",), ("r",))
    if found is None:
        return
    reach, kept = found
    assert kept == []
    assert (reach.lower_ms <= apart <= reach.upper_ms) == holds


def test_a_cast_to_a_finer_time_is_still_the_time() -> None:
    """A comparison may widen the precision; that moves nothing."""
    left = Cast(Column("l", type=Timestamp(3)), Timestamp(6), type=Timestamp(6))
    right = Column("r", type=Timestamp(6))
    found = reach_of([Call("=", (left, right))], (), ("l",), ("r",))
    assert found is not None


def test_one_sided_conditions_go_to_their_side_where_the_kind_allows() -> None:
    """A left join keeps every left row, so only conditions on the right side go below it."""
    condition = "a.id = b.id AND a.v > 1 AND b.w > 2"
    for kind, left, right in (
        ("JOIN", True, True), ("LEFT JOIN", False, True),
        ("RIGHT JOIN", True, False), ("FULL JOIN", False, False),
    ):  # fmt: skip
        join = join_of(on(condition, kind))
        below = [any(isinstance(s, n.Filter) for s in steps(side)) for side in join.inputs]
        assert below == [left, right], kind
        assert (join.residual is None) == (left and right), kind


def test_a_common_equation_of_an_or_is_a_key() -> None:
    """(k AND p) OR (k AND q) is k AND (p OR q): a join by key, not of every pair."""
    join = join_of(on("(a.id = b.id AND a.v > b.w) OR (a.id = b.id AND a.v < 3)"))
    assert len(join.keys) == 1
    assert "OR" in str(join.residual)


def test_a_comma_list_is_joined_by_its_equations() -> None:
    """The second table is linked to the third only: no cross join is made of the first two."""
    found = [
        s
        for s in steps(node_of("SELECT 1 FROM a, b, c WHERE a.id = c.id AND c.k = b.k"))
        if isinstance(s, j.Join)
    ]
    assert [len(join.keys) for join in found] == [1, 1]


def test_not_in_has_keys_only_where_nothing_is_null() -> None:
    """A NULL might be equal to anything, so it must meet every row."""
    plain = join_of("SELECT 1 FROM c WHERE c.id NOT IN (SELECT x.id FROM c AS x)")
    nulls = join_of("SELECT 1 FROM a WHERE a.id NOT IN (SELECT id FROM c)")
    assert (plain.kind, len(plain.keys), plain.residual) == (j.JoinKind.ANTI, 1, None)
    assert (nulls.kind, len(nulls.keys)) == (j.JoinKind.ANTI, 0)
    assert "IS NOT FALSE" in str(nulls.residual)


def test_windows_that_are_equal_join_per_window() -> None:
    """Both bounds must be equated; one of them is a regular join."""
    window = "(SELECT * FROM TUMBLE(TABLE {}, DESCRIPTOR({}), INTERVAL '1' MINUTE))"
    left, right = window.format("a", "ts"), window.format("b", "us")
    start, end = (f"x.window_{part} = y.window_{part}" for part in ("start", "end"))
    text = f"SELECT x.v FROM {left} AS x JOIN {right} AS y ON x.id = y.id AND {start}"
    assert isinstance(join_of(f"{text} AND {end}"), j.WindowJoin)
    assert type(join_of(text)) is j.Join


def test_versions_and_lookups_are_told_by_the_time() -> None:
    """An event time asks for a version, a processing time asks the outside."""
    text = "SELECT a.v FROM a JOIN ver FOR SYSTEM_TIME AS OF a.{} AS r ON a.k = r.k AND r.rate > 1"
    versions = join_of(text.format("ts"))
    assert isinstance(versions, j.TemporalJoin)
    assert not any(isinstance(s, n.Filter) for s in steps(versions.right))
    lookup = next(s for s in steps(node_of(text.format("pt"))) if isinstance(s, j.LookupJoin))
    assert [column for _, column in lookup.on] == ["k"]
    assert lookup.residual is not None


def test_constants_are_asked_of_a_lookup_too() -> None:
    """A lookup by a key of two columns may have one of them fixed."""
    text = "SELECT 1 FROM a JOIN c FOR SYSTEM_TIME AS OF a.pt ON c.id = a.v + 1 AND c.k = 'x'"
    lookup = next(s for s in steps(node_of(text)) if isinstance(s, j.LookupJoin))
    assert [column for _, column in lookup.on] == ["id", "k"]


def test_first_rows_of_a_lateral_query_are_ranked() -> None:
    """LIMIT per row of the query around is a top-N per key of the comparison."""
    text = (
        "SELECT a.v, t.w FROM a, LATERAL (SELECT w FROM b WHERE b.id = a.id "
        "ORDER BY w LIMIT 2 OFFSET 1) AS t"
    )
    rank = next(s for s in steps(node_of(text)) if isinstance(s, Rank))
    assert (len(rank.partition), rank.first, rank.last) == (1, 2, 3)


def test_intersect_binds_tighter() -> None:
    """a UNION b INTERSECT c is a UNION (b INTERSECT c), as in Calcite."""
    top = node_of("SELECT id FROM a EXCEPT SELECT id FROM b INTERSECT ALL SELECT id FROM c")
    assert isinstance(top, SetOperation)
    assert (top.kind, top.every) == (SetKind.EXCEPT, False)
    assert isinstance(top.right, SetOperation)
    assert (top.right.kind, top.right.every) == (SetKind.INTERSECT, True)


def test_unnest_is_made_below_the_join_of_the_other_tables() -> None:
    """Elements are a matter of their own row; the join by WHERE keeps its key."""
    text = "SELECT x FROM a, b, UNNEST(ARRAY[a.v]) AS t (x) WHERE a.id = b.id"
    join = join_of(text)
    assert len(join.keys) == 1
    assert any(isinstance(s, Expand) for s in steps(join))


def test_options_of_a_hint_are_those_of_one_reading() -> None:
    """OPTIONS changes how this query reads the table, not the table."""
    text = "SELECT x.id FROM c /*+ OPTIONS('rows' = '5') */ AS x JOIN c ON x.id = c.id"
    scans = [s for s in steps(node_of(text)) if isinstance(s, n.Scan)]
    assert sorted(str(dict(s.table.options)) for s in scans) == ["{'rows': '5'}", "{}"]


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("SELECT * FROM a JOIN c ON a.id = c.id", "id k v ts pt id0 k0"),
        ("SELECT * FROM a JOIN c USING (id)", "id k v ts pt k0"),
        ("SELECT * FROM a NATURAL JOIN c", "id k v ts pt"),
        ("SELECT c.*, a.k AS own FROM a JOIN c USING (id)", "id k own"),
        ("SELECT * FROM c, c AS d, c AS e", "id k id0 k0 id1 k1"),
    ],
)
def test_columns_of_a_star(text: str, columns: str) -> None:
    """Names are unique, renamed as Flink does; merged columns come once, first."""
    assert " ".join(node_of(text).schema.names) == columns


def test_a_name_of_two_tables_says_where() -> None:
    """The message tells which tables have it and marks the place."""
    with pytest.raises(SqlError, match=r"a\.id, b\.id") as caught:
        node_of("SELECT v FROM a JOIN b ON a.k = b.k\nWHERE id > 3")
    assert (caught.value.where.line, caught.value.where.column) == (10, 7)  # type: ignore[union-attr]
