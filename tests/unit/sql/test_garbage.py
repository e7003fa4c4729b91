"""Texts nobody would write: they get an error of ours with a place, never a crash."""

from __future__ import annotations

import re

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from millstream.engine.harness import Harness
from millstream.errors import MillstreamError, Place
from millstream.job import Job
from millstream.plan import nodes as n
from millstream.plan.table import Physical, Table
from millstream.sql.read import expression
from millstream.sql.script import Inserted, Selected, Session

TABLE = """
CREATE TABLE bids (
  k STRING, v INT NOT NULL, price DECIMAL(10, 2), d DOUBLE, ok BOOLEAN, ts TIMESTAMP(3),
  day DATE, tags ARRAY<STRING>, who ROW<name STRING, age INT>, attrs MAP<STRING, INT>,
  twice AS v * 2, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'memory');
CREATE TABLE sink (k STRING PRIMARY KEY NOT ENFORCED, n BIGINT) WITH ('connector' = 'memory');
"""
STATEMENTS = """
SELECT k, v + 1 AS w FROM bids WHERE NOT ok AND v BETWEEN 1 AND 3 OR k LIKE 'a%' ESCAPE '!'

SELECT CASE v WHEN 1 THEN 'x' ELSE NULL END, CAST(d AS DECIMAL(5, 2)), tags[1] FROM bids

SELECT who.name, attrs['a'], EXTRACT(YEAR FROM ts), k IN ('a', 'b'), d IS NOT NULL FROM bids

SELECT window_start, COUNT(DISTINCT k) FILTER (WHERE v > 1)
FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end HAVING COUNT(*) > 1

SELECT HOP_START(ts, INTERVAL '1' MINUTE, INTERVAL '2' MINUTE), SUM(v)
FROM bids GROUP BY HOP(ts, INTERVAL '1' MINUTE, INTERVAL '2' MINUTE)

SELECT window_end, k, MIN(v), MAX(d), LISTAGG(k), AVG(price)
FROM CUMULATE(DATA => TABLE bids, TIMECOL => DESCRIPTOR(ts), STEP => INTERVAL '1' MINUTE,
  SIZE => INTERVAL '1' HOUR)
GROUP BY k, window_start, window_end

WITH a AS (SELECT k FROM bids UNION ALL SELECT 'x') SELECT DISTINCT k FROM (SELECT * FROM a)

SELECT k, MAX(v) AS m FROM bids GROUP BY k ORDER BY m DESC NULLS LAST LIMIT 3 OFFSET 1

SELECT MAX(n), COUNT(DISTINCT n) FROM (SELECT k, COUNT(*) AS n FROM bids GROUP BY k)

INSERT INTO sink (k, n) SELECT k, COUNT(*) FROM bids GROUP BY k

EXECUTE STATEMENT SET
BEGIN INSERT INTO sink VALUES ('a', 1); INSERT INTO sink SELECT k, 1 FROM bids; END

CREATE TABLE t (
  a INT, b AS a + 1, c STRING METADATA FROM 'key' VIRTUAL, PRIMARY KEY (a) NOT ENFORCED
) COMMENT 'x' WITH ('connector' = 'datagen', 'rows' = '1')

CREATE VIEW v (x, y) AS SELECT k, v FROM bids; DESCRIBE v; SHOW TABLES; DROP VIEW v

SET 'engine.chunk-rows-max' = '10'; EXPLAIN SELECT 1; RESET; SHOW CREATE TABLE bids

SELECT DATE '2026-01-01' + INTERVAL '1-2' YEAR TO MONTH, TIMESTAMP '2026-01-01 00:00:00.123'

SELECT x'0aff', 1e3, 1.50, -2147483648, 'it''s', TRIM(BOTH 'x' FROM k), POSITION('a' IN k)
FROM bids /* a comment */ -- another
""".strip().split("\n\n")
_PIECES = re.compile(r"\w+|\s+|'(?:[^']|'')*'|.", re.DOTALL)
_WORDS = sorted({piece for text in (TABLE, *STATEMENTS) for piece in _PIECES.findall(text)})
_LIMITS = settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


def _plan(wanted: n.Node | tuple[n.Write, ...]) -> None:
    """Derive, rewrite and lower what a statement gave, and run it over no rows."""
    if isinstance(wanted, n.Node):
        columns = tuple(Physical(f.name, f.type) for f in wanted.schema)
        wanted = (n.Write(input=wanted, table=Table("out", columns, "memory")),)
    Harness(Job(n.Plan(wanted)).derived).finish()


def _refusal(text: str) -> MillstreamError | None:
    """Execute every statement and plan what it asks for; an error of ours is an answer."""
    session = Session()
    list(session.execute(TABLE))
    try:
        for outcome in session.execute(text):
            match outcome:
                case Selected(node=node):
                    _plan(node)
                case Inserted(sinks=sinks):
                    _plan(sinks)
                case _:
                    pass
    except MillstreamError as error:
        return error
    return None


def _check(text: str) -> None:
    error = _refusal(text)
    if error is None:
        return
    assert error.fact
    assert str(error)
    if isinstance(error.where, Place) and error.where.text == text:
        lines = text.split("\n")
        assert 1 <= error.where.line <= len(lines)
        assert 1 <= error.where.column <= len(lines[error.where.line - 1]) + 1


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """A valid text with some pieces dropped, doubled, swapped or replaced."""
    pieces = _PIECES.findall(draw(st.sampled_from(STATEMENTS)))
    for _ in range(draw(st.integers(1, 4))):
        if not pieces:
            break
        at = draw(st.integers(0, len(pieces) - 1))
        match draw(st.sampled_from(("drop", "double", "swap", "replace", "insert", "cut"))):
            case "drop":
                del pieces[at]
            case "double":
                pieces.insert(at, pieces[at])
            case "swap":
                other = draw(st.integers(0, len(pieces) - 1))
                pieces[at], pieces[other] = pieces[other], pieces[at]
            case "replace":
                pieces[at] = draw(st.sampled_from(_WORDS))
            case "insert":
                pieces.insert(at, " " + draw(st.sampled_from(_WORDS)) + " ")
            case _:
                pieces = pieces[:at]
    return "".join(pieces)


@_LIMITS
@given(st.text())
@example("")
@example(";")
@example("SELECT")
@example("'")
@example("SELECT 1e999999")
@example("SELECT " + "(" * 5000)
@example("SELECT " + "-" * 5001 + "1")
@example("SELECT " + "NOT " * 5000 + "TRUE")
@example("SELECT 1" + " + 1" * 5000)
@example("SELECT 1 FROM " + "(SELECT 1 FROM " * 2000)
@example("SELECT 1" + " UNION ALL SELECT 1" * 2000)
@example("SELECT CAST(NULL AS " + "ARRAY<" * 3000)
def test_any_text_is_read_or_refused(text: str) -> None:
    """Whatever somebody pastes, the answer is ours."""
    _check(text)


@_LIMITS
@given(st.lists(st.sampled_from(_WORDS), max_size=25).map(" ".join))
def test_any_words_are_read_or_refused(text: str) -> None:
    """Words that mean something reach further than letters do."""
    _check(text)


@_LIMITS
@given(mutated())
def test_any_mistake_is_refused_with_a_place(text: str) -> None:
    """Most wrong texts are right ones with a slip in them."""
    _check(text)


@_LIMITS
@given(st.text(alphabet="abv1.'`\"()[]<>=+-*/%,:;| \n\t\\\x00é#~^&!?@{}", max_size=40))
def test_any_expression_is_read_or_refused(text: str) -> None:
    """Symbols in any order: the reader of expressions has the most branches."""
    error: MillstreamError | None = None
    try:
        expression(text)
    except MillstreamError as found:
        error = found
    assert error is None or isinstance(error.where, Place), f"no place for {text!r}: {error}"


@pytest.mark.parametrize("text", STATEMENTS)
def test_the_statements_are_valid(text: str) -> None:
    """Mistakes are made in right texts only if these are right."""
    assert _refusal(text) is None
