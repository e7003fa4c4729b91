"""The shape of plans: what a query becomes decides between panes, copies and updating groups."""

from __future__ import annotations

import pytest

from millstream.errors import MillstreamError, SqlError, UnknownName, Unsupported
from millstream.expr.tree import Column
from millstream.plan import nodes as n
from millstream.plan.windows import Attached, Cumulate, Hop, Tumble, Window
from millstream.sql.script import Inserted, Selected, Session

TABLES = """
CREATE TABLE bids (
  k STRING, v INT, r ROW<k INT, z STRING>, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'memory');
CREATE TABLE sink (k STRING, n BIGINT, t TIMESTAMP(3)) WITH ('connector' = 'memory');
"""
TUMBLE = "TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' MINUTE)"
GROUPED = "GROUP BY window_start, window_end"


@pytest.fixture
def session() -> Session:
    made = Session()
    list(made.execute(TABLES))
    return made


def below(node: n.Node, kind: type[n.Node]) -> list[n.Node]:
    """Return every node of a kind, readers first."""
    found = [node] if isinstance(node, kind) else []
    return found + [x for child in node.inputs for x in below(child, kind)]


def windows(session: Session, text: str) -> list[n.WindowAggregate]:
    node = session.query(text)
    return [x for x in below(node, n.WindowAggregate) if isinstance(x, n.WindowAggregate)]


@pytest.mark.parametrize(
    ("said", "window"),
    [
        (TUMBLE, Tumble(60_000)),
        (f"TABLE({TUMBLE}) AS w", Tumble(60_000)),
        (
            (
                "TABLE(TUMBLE(DATA => TABLE bids, TIMECOL => DESCRIPTOR(ts), "
                "SIZE => INTERVAL '1' MINUTE, OFFSET => INTERVAL '5' SECOND))"
            ),
            Tumble(60_000, 5_000),
        ),
        (
            "HOP(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' MINUTE, INTERVAL '5' MINUTE)",
            Hop(size_ms=300_000, slide_ms=60_000),
        ),
        (
            (
                "HOP(DATA => TABLE bids, TIMECOL => DESCRIPTOR(ts), SIZE => INTERVAL '5' MINUTE, "
                "SLIDE => INTERVAL '1' MINUTE)"
            ),
            Hop(size_ms=300_000, slide_ms=60_000),
        ),
        (
            (
                "CUMULATE(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' MINUTE, INTERVAL '1' HOUR, "
                "INTERVAL '1' SECOND)"
            ),
            Cumulate(size_ms=3_600_000, step_ms=60_000, offset_ms=1_000),
        ),
        ("TUMBLE((SELECT * FROM bids), DESCRIPTOR(ts), INTERVAL '60' SECOND)", Tumble(60_000)),
    ],
)
def test_every_spelling_of_a_window_works_on_panes(
    session: Session, said: str, window: Window
) -> None:
    """One row per window and pane, not one copy of each row per window."""
    (found,) = windows(session, f"SELECT window_end, k, SUM(v) FROM {said} {GROUPED}, k")
    assert (found.window, found.time, found.keys) == (window, "ts", ("k",))
    assert not below(found, n.WindowTable)


def test_steps_between_window_and_group_are_kept_without_the_window(session: Session) -> None:
    """A filter and a projection between the two must still happen, and only once per row."""
    (found,) = windows(
        session,
        f"SELECT s, e, SUM(x) FROM (SELECT window_start AS s, window_end AS e, v + 1 AS x "
        f"FROM {TUMBLE} WHERE v > 0) GROUP BY s, e",
    )
    assert found.window == Tumble(60_000)
    assert (found.window_start, found.window_end) == ("s", "e")
    assert [type(x) for x in below(found.input, n.Unary)] == [n.Project, n.Filter]
    assert found.time in found.input.schema


@pytest.mark.parametrize(
    "said",
    [
        f"SELECT window_end, COUNT(*) FROM {TUMBLE} WHERE window_start > ts {GROUPED}",
        f"SELECT MAX(window_start) FROM {TUMBLE} {GROUPED}",
        f"SELECT COUNT(*) FROM {TUMBLE} {GROUPED}, EXTRACT(HOUR FROM window_start)",
    ],
    ids=["filter", "argument", "key"],
)
def test_what_reads_the_bounds_keeps_the_copies(session: Session, said: str) -> None:
    """An expression over window_start needs a row per window."""
    (found,) = windows(session, said)
    assert found.window == Attached("window_start", "window_end")
    assert below(found, n.WindowTable)


def test_a_group_by_one_bound_is_updating(session: Session) -> None:
    """Only both bounds name a window; anything else may change for ever."""
    node = session.query(f"SELECT window_start, COUNT(*) FROM {TUMBLE} GROUP BY window_start")
    assert below(node, n.Aggregate)
    assert not below(node, n.WindowAggregate)


def test_windows_stand_on_windows(session: Session) -> None:
    """A second window goes over window_time of the first; bounds passed on are its window."""
    inner = f"SELECT window_start, window_end, window_time AS t, k, SUM(v) AS v FROM {TUMBLE} "
    inner += f"{GROUPED}, window_time, k"
    outer, first = windows(
        session,
        f"SELECT SUM(v) FROM TUMBLE((SELECT t, v FROM ({inner})), DESCRIPTOR(t), "
        f"INTERVAL '1' HOUR) {GROUPED}",
    )
    assert (outer.window, outer.time) == (Tumble(3_600_000), "t")
    assert first.window_time == "window_time"
    again, _ = windows(session, f"SELECT SUM(v) FROM ({inner}) {GROUPED}")
    assert again.window == Attached("window_start", "window_end")


def test_the_older_spelling_is_the_same_plan(session: Session) -> None:
    """Scripts of Flink 1.12 still say GROUP BY TUMBLE(ts, …)."""
    (found,) = windows(
        session,
        "SELECT TUMBLE_START(ts, INTERVAL '1' MINUTE) AS s, TUMBLE_ROWTIME(ts, INTERVAL '1' MINUTE)"
        " AS r, k, COUNT(*) FROM bids GROUP BY k, TUMBLE(ts, INTERVAL '1' MINUTE)",
    )
    assert (found.window, found.keys) == (Tumble(60_000), ("k",))
    assert found.window_time == "window_time"


def test_a_view_read_twice_is_one_step(session: Session) -> None:
    """Sharing is what makes a statement set read its source once."""
    list(session.execute("CREATE VIEW w AS SELECT k, v FROM bids WHERE v > 0"))
    node = session.query("SELECT k FROM w UNION ALL SELECT k FROM w")
    assert len({id(x) for x in below(node, n.Filter)}) == 1


@pytest.mark.parametrize(
    ("text", "schema"),
    [
        ("SELECT bids.k, bids.r.k, r.z FROM bids", "k STRING, k0 INT, z STRING"),
        ("SELECT r.k FROM bids AS r", "k STRING"),
        (
            "SELECT b.*, v AS k FROM bids AS b (a, v, c, d)",
            "a STRING, v INT, c ROW<`k` INT, `z` STRING>, d TIMESTAMP(3), k INT",
        ),
        (
            "SELECT 1, 'a', NULL IS NULL",
            "EXPR$0 INT NOT NULL, EXPR$1 CHAR(1) NOT NULL, EXPR$2 BOOLEAN NOT NULL",
        ),
        ("SELECT v FROM bids UNION ALL SELECT CAST(1 AS BIGINT)", "v BIGINT"),
        (
            "VALUES (1, 'a'), (2.5, 'bcd')",
            "EXPR$0 DECIMAL(11, 1) NOT NULL, EXPR$1 VARCHAR(3) NOT NULL",
        ),
        ("SELECT COUNT(*) FROM bids", "EXPR$0 BIGINT NOT NULL"),
        ("SELECT UPPER(k) FROM bids GROUP BY UPPER(k) ORDER BY COUNT(*)", "EXPR$0 STRING"),
        ("WITH a (x) AS (SELECT k FROM bids), b AS (SELECT x FROM a) SELECT * FROM b", "x STRING"),
        (
            (
                "SELECT `_key_0`, `_agg_0` FROM (SELECT k AS `_key_0`, v AS `_agg_0` FROM bids) "
                "GROUP BY UPPER(`_key_0`), `_key_0`, `_agg_0` HAVING COUNT(*) > 1 "
                "ORDER BY `_agg_0` + 1"
            ),
            "_key_0 STRING, _agg_0 INT",
        ),
        (
            "SELECT `_order_0` FROM (SELECT k AS `_order_0`, v FROM bids) ORDER BY `_order_0`, v",
            "_order_0 STRING",
        ),
    ],
)
def test_columns_have_flinks_names_and_types(session: Session, text: str, schema: str) -> None:
    """Names decide what a sink gets; ours must not collide with the user's."""
    assert str(session.query(text).schema) == schema


def test_an_insert_casts_what_flink_casts(session: Session) -> None:
    """INT goes into BIGINT by itself; a column that is not named is NULL."""
    (done,) = session.execute("INSERT INTO sink (n, k) SELECT v, k FROM bids")
    assert isinstance(done, Inserted)
    assert str(done.sinks[0].input.schema) == "k STRING, n BIGINT, t TIMESTAMP(3)"


def test_order_and_limit_become_one_sort(session: Session) -> None:
    """A top-n keeps n rows; a sort followed by a limit would keep all."""
    node = session.query("SELECT k FROM bids ORDER BY v DESC NULLS FIRST, 1 LIMIT 3 OFFSET 2")
    (sort,) = below(node, n.Sort)
    assert isinstance(sort, n.Sort)
    assert (sort.limit, sort.offset) == (3, 2)
    assert [(k.descending, k.nulls_first) for k in sort.by] == [(True, True), (False, None)]
    assert isinstance(node, n.Project)
    assert [c.expr.name for c in node.columns if isinstance(c.expr, Column)] == ["k"]


@pytest.mark.parametrize(
    ("text", "kind", "says", "column"),
    [
        ("SELECT b.nope FROM bids b", MillstreamError, "Unknown column 'nope'", 8),
        ("SELECT c.k FROM bids b", MillstreamError, "Unknown table or column 'c'", 8),
        ("SELECT * FROM bidz", MillstreamError, "Unknown table 'bidz'", 15),
        ("SELECT K FROM bids", MillstreamError, "Unknown column 'K'", 8),
        ("SELECT k, v FROM bids GROUP BY k", SqlError, "neither grouped nor aggregated", 11),
        ("SELECT * FROM bids GROUP BY k", SqlError, "neither grouped nor aggregated", 8),
        ("SELECT k FROM bids GROUP BY 1", SqlError, "positions", 29),
        ("SELECT k FROM bids HAVING v > 1", SqlError, "neither grouped", 8),
        ("SELECT 1 FROM bids HAVING 1 = 1", SqlError, "HAVING without", 1),
        ("SELECT k FROM bids WHERE COUNT(*) > 1", SqlError, "cannot stand in WHERE", 26),
        ("SELECT SUM(COUNT(*)) FROM bids", SqlError, "inside an aggregate", 8),
        ("SELECT k FROM bids GROUP BY COUNT(*)", SqlError, "GROUP BY of an aggregate", 29),
        ("SELECT k FROM bids ORDER BY 2", SqlError, "ORDER BY 2", 29),
        ("SELECT DISTINCT k FROM bids ORDER BY v", SqlError, "not selected", 38),
        ("SELECT k FROM bids UNION SELECT k, v FROM bids", SqlError, "1 and 2 columns", 1),
        ("SELECT k FROM bids WHERE k", MillstreamError, "BOOLEAN", 26),
        ("VALUES (1), (2, 3)", SqlError, "has 2 columns", 14),
        ("SELECT * FROM bids b LEFT JOIN sink s", SqlError, "needs a condition", 22),
        ("SELECT * FROM bids, bids", SqlError, "called 'bids'", 19),
        ("SELECT k FROM bids b, sink", SqlError, "ambiguous", 8),
        ("SELECT * FROM bids b, sink s WHERE c.k = 1", UnknownName, "table or column 'c'", 36),
        ("SELECT * FROM bids b JOIN sink s USING (q)", UnknownName, "column 'q'", 22),
        ("SELECT * FROM bids CROSS JOIN sink ON 1 = 1", SqlError, "no condition", 36),
        ("SELECT * FROM bids LEFT SEMI JOIN sink", Unsupported, "SEMI JOIN", 25),
        ("SELECT * FROM bids /*+ WISH('a') */", Unsupported, "WISH", 24),
        ("SELECT k FROM bids INTERSECT SELECT k, v FROM bids", SqlError, "1 and 2 columns", 1),
        ("SELECT * FROM bids FOR SYSTEM_TIME AS OF ts", SqlError, "behind JOIN", 20),
        ("SELECT * FROM bids MATCH_RECOGNIZE (x)", SqlError, "Expected PATTERN", 37),
        ("SELECT v FROM bids GROUP BY CUBE (k)", SqlError, "neither grouped", 8),
        ("SELECT * FROM TUMBLE(TABLE bids, DESCRIPTOR(ts))", SqlError, "needs its size", 15),
        (
            "SELECT * FROM TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' MONTH)",
            SqlError,
            "days or less",
            50,
        ),
        (
            "SELECT * FROM HOP(TABLE bids, DESCRIPTOR(ts), INTERVAL '2' DAY, INTERVAL '3' DAY)",
            MillstreamError,
            "multiple",
            15,
        ),
        (
            "SELECT * FROM TUMBLE(TABLE bids, DESCRIPTOR(k), INTERVAL '1' MINUTE)",
            MillstreamError,
            "TIMESTAMP",
            15,
        ),
    ],
)
def test_refusals_mark_the_place(
    session: Session, text: str, kind: type[MillstreamError], says: str, column: int
) -> None:
    """The user is told what, where, and for the unsupported also what instead."""
    with pytest.raises(kind, match=says) as caught:
        session.query(text)
    assert getattr(caught.value.where, "column", None) == column, str(caught.value)


def test_a_query_is_selected_not_run(session: Session) -> None:
    """Executing a script connects to nothing."""
    (found,) = session.execute("SELECT * FROM default_catalog.default_database.bids;")
    assert isinstance(found, Selected)
