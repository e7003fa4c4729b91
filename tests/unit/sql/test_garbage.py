"""No text, however broken, may raise anything but our own errors, and every place exists."""

from __future__ import annotations

import string

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from millstream.errors import MillstreamError, Place
from millstream.sql.script import Session

DECLARED = """
CREATE TABLE bids (
  k STRING, v INT, price DECIMAL(10, 2), tags ARRAY<STRING>, r ROW<a INT, b STRING>,
  ts TIMESTAMP(3), up AS UPPER(k), off BIGINT METADATA FROM 'offset' VIRTUAL,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'datagen');
CREATE TABLE sink (k STRING, n BIGINT) WITH ('connector' = 'print');
"""
VALID = (
    (
        "SELECT k, COUNT(*) AS n FROM bids WHERE v > 1 AND k LIKE 'a%' GROUP BY k HAVING COUNT(*) > 2 "
        "ORDER BY n DESC NULLS LAST, 1 LIMIT 3 OFFSET 1"
    ),
    (
        "SELECT window_start, window_end, k, SUM(v) FILTER (WHERE v > 0) FROM TABLE(TUMBLE(TABLE bids, "
        "DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end, k"
    ),
    (
        "INSERT INTO sink (k, n) SELECT k, CAST(v AS BIGINT) FROM (SELECT * FROM bids) AS b "
        "UNION ALL VALUES ('a', 1), ('b', 2)"
    ),
    (
        "WITH x AS (SELECT b.r.a, b.tags[1], CASE WHEN v IN (1, 2) THEN 'x' ELSE NULL END FROM bids b) "
        "SELECT DISTINCT * FROM x UNION SELECT 1, 'a', `up` FROM bids"
    ),
    (
        "EXECUTE STATEMENT SET BEGIN INSERT INTO sink SELECT k, COUNT(DISTINCT v) FROM bids GROUP BY k;"
        " END; EXPLAIN SELECT -v + 1.5e0 FROM bids"
    ),
    (
        "CREATE VIEW w (d, t, z) AS SELECT EXTRACT(DAY FROM ts), TRIM(BOTH 'x' FROM k), TIMESTAMPDIFF("
        "DAY, ts, ts) FROM HOP(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' MINUTE, INTERVAL '5' MINUTE)"
    ),
    (
        "SET 'table.local-time-zone' = 'UTC'; SHOW TABLES; DESCRIBE bids; DROP TABLE IF EXISTS zz; "
        "SHOW CREATE TABLE bids; RESET; SET; /* c */ SHOW COLUMNS FROM bids -- end"
    ),
    (
        "SELECT TUMBLE_START(ts, INTERVAL '1' HOUR), MAX(v) FROM bids GROUP BY "
        "TUMBLE(ts, INTERVAL '1' HOUR), k"
    ),
    DECLARED.replace("bids", "bids2").replace("sink", "sink2"),
)
PIECES = (
    *"()[],;.*-+<>={}:!`\"'\\\x00\n",
    *("²", "é", "1", "NULL", "AND", "SELECT", "FROM", "UNION", "VALUES", "INTERVAL", "CASE"),
    *("END", "OVER", "DISTINCT", "TABLE", "AS"),
    *("CAST(", "--", "/*", "*/", "/*+", "=>", "::", "1e400", "GROUP BY", "ORDER BY TRUE"),
    *(
        "LIMIT 99999999999999999999",
        "HAVING 1 = 1",
        "COUNT(*)",
        "window_start",
        "bids",
        "ts",
        "r.a",
    ),
    *("INTERVAL '1' DAY", "NOT NULL", "EXPLAIN", "BEGIN", "SHOW", "ROW<", "ARRAY[", "x'f'"),
)


@pytest.fixture(scope="module")
def session() -> Session:
    made = Session()
    list(made.execute(DECLARED))
    return made


def holds(session: Session, text: str) -> None:
    """Execute a text in a copy of the session's catalog; only our errors may come."""
    catalog = session.catalog
    mine = Session(
        type(catalog)(dict(catalog.tables), dict(catalog.views), dict(catalog.functions))
    )
    error: MillstreamError | None = None
    try:
        list(mine.execute(text))
    except MillstreamError as caught:
        error = caught
    if error is None:
        return
    assert error.where is not None, f"no place: {error}"
    if isinstance(error.where, Place):
        assert 1 <= error.where.line <= text.count("\n") + 1, str(error)
    assert str(error)


@given(text=st.text(st.sampled_from(string.printable + "éß²€\x00"), max_size=60))
@settings(max_examples=300, deadline=None)
@example("SHOW")
@example("EXPLAIN")
@example("BEGIN EXECUTE")
@example(";;")
@example("SELECT 1 LIMIT ²")
def test_random_text_raises_only_our_errors(session: Session, text: str) -> None:
    """A user's typo never shows a traceback."""
    holds(session, text)


@st.composite
def _mutated(draw: st.DrawFn) -> str:
    text = draw(st.sampled_from(VALID))
    for _ in range(draw(st.integers(1, 4))):
        low = draw(st.integers(0, len(text)))
        high = min(len(text), low + draw(st.integers(0, 10)))
        piece = draw(st.sampled_from(PIECES))
        text = draw(
            st.sampled_from(
                (
                    text[:low] + text[high:],
                    f"{text[:low]} {piece} {text[low:]}",
                    f"{text[:low]}{piece}{text[high:]}",
                    text[:low] + text[low:high] * 70 + text[high:],
                )
            )
        )
    return text


@given(text=_mutated())
@settings(max_examples=500, deadline=None)
def test_broken_sql_raises_only_our_errors(session: Session, text: str) -> None:
    """Almost right is the usual kind of wrong."""
    holds(session, text)


@pytest.mark.parametrize("text", VALID)
def test_the_unbroken_texts_are_fine(session: Session, text: str) -> None:
    """Mutants of texts that were wrong all along would prove nothing."""
    catalog = session.catalog
    mine = Session(
        type(catalog)(dict(catalog.tables), dict(catalog.views), dict(catalog.functions))
    )
    assert list(mine.execute(text))


@pytest.mark.parametrize(
    "text",
    [
        "(" * 3_000,
        "SELECT * FROM (" * 300,
        "WITH a AS (" * 300,
        "EXPLAIN " * 3_000,
        " UNION ".join(["SELECT k FROM bids"] * 700),
        "SELECT CAST(1 AS " + "ARRAY<" * 3_000,
        "SELECT v FROM bids LIMIT " + "9" * 5_000,
    ],
    ids=["brackets", "sub-queries", "with", "explain", "unions", "types", "limit"],
)
def test_bottomless_texts_are_refused(session: Session, text: str) -> None:
    """The stack is not the user's business."""
    with pytest.raises(MillstreamError):
        list(session.execute(text))
