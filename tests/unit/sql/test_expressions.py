"""Reading expressions: precedence, literals, special syntaxes, places, errors."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from millstream import types as t
from millstream.errors import MillstreamError, PlanError, SqlError, UnknownName, Unsupported
from millstream.expr.tree import AggCall, Call, Cast, Column, Expr, Literal, Udf, UdfCall
from millstream.sql.read import expression


def shown(expr: Expr) -> str:
    """Return an expression with every bracket written."""
    match expr:
        case Call(function=name, args=args):
            return f"({name} {' '.join(map(shown, args))})" if args else f"({name})"
        case Literal(value=value):
            return repr(value)
        case Column(name=name):
            return name
        case _:
            return str(expr)


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("a = b IS NULL", "(IS NULL (= a b))"),
        ("a = b IS NOT TRUE", "(IS NOT TRUE (= a b))"),
        ("a || b + c", "(+ (|| a b) c)"),
        ("a + b * c - d", "(- (+ a (* b c)) d)"),
        ("a - b - c", "(- (- a b) c)"),
        ("-a * b", "(* (NEGATE a) b)"),
        ("- -a", "(NEGATE (NEGATE a))"),
        ("a - -1", "(- a -1)"),
        ("NOT a = b AND c OR d", "(OR (AND (NOT (= a b)) c) d)"),
        ("a OR b AND c", "(OR a (AND b c))"),
        ("a AND b AND c AND d", "(AND (AND a b) (AND c d))"),
        ("a BETWEEN 1 AND 2 AND c", "(AND (BETWEEN a 1 2) c)"),
        ("a NOT BETWEEN b + 1 AND 2", "(NOT (BETWEEN a (+ b 1) 2))"),
        ("a BETWEEN SYMMETRIC 2 AND 1", "(BETWEEN SYMMETRIC a 2 1)"),
        ("a NOT IN (1, 2) = b", "(= (NOT (IN a 1 2)) b)"),
        ("a = b IN (c)", "(= a (IN b c))"),
        ("a LIKE b || 'x' ESCAPE '!'", "(LIKE a (|| b 'x') '!')"),
        ("a NOT SIMILAR TO 'x'", "(NOT (SIMILAR TO a 'x'))"),
        ("a <> b", "(<> a b)"),
        ("a != b", "(<> a b)"),
        ("a IS NOT DISTINCT FROM b + 1", "(IS NOT DISTINCT FROM a (+ b 1))"),
        ("a IS JSON", "(IS JSON VALUE a)"),
        ("a IS NOT JSON OBJECT", "(NOT (IS JSON OBJECT a))"),
        ("a[1].f", "(FIELD (ITEM a 1) 'f')"),
        ("r.f.g[2]", "(ITEM (FIELD (FIELD r 'f') 'g') 2)"),
        ("(a, b) OVERLAPS (c, d)", "(OVERLAPS a b c d)"),
        ("a % b * c", "(* (% a b) c)"),
    ],
)
def test_operators_bind_as_in_flink(text: str, tree: str) -> None:
    """A wrong precedence gives wrong rows in silence; sqlglot's own parser has several."""
    assert shown(expression(text)) == tree


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("EXTRACT(day FROM ts)", "(EXTRACT 'DAY' ts)"),
        ("FLOOR(ts TO hour)", "(FLOOR ts 'HOUR')"),
        ("ceiling(x)", "(CEIL x)"),
        ("TIMESTAMPDIFF(SQL_TSI_DAY, a, b)", "(TIMESTAMPDIFF 'DAY' a b)"),
        ("TIMESTAMPADD(MONTH, 2, a)", "(TIMESTAMPADD 'MONTH' 2 a)"),
        ("POSITION('x' || a IN b)", "(POSITION (|| 'x' a) b)"),
        ("SUBSTRING(a FROM 2 FOR 3)", "(SUBSTRING a 2 3)"),
        ("SUBSTRING(a, 2)", "(SUBSTRING a 2)"),
        ("OVERLAY(a PLACING b FROM 1 FOR 2)", "(OVERLAY a b 1 2)"),
        ("TRIM(a)", "(TRIM 'BOTH' ' ' a)"),
        ("TRIM(LEADING FROM a)", "(TRIM 'LEADING' ' ' a)"),
        ("TRIM(TRAILING 'x' FROM a)", "(TRIM 'TRAILING' 'x' a)"),
        ("TRIM('x' FROM a)", "(TRIM 'BOTH' 'x' a)"),
        ("CASE WHEN a THEN 1 WHEN b THEN 2 END", "(CASE a 1 b 2 None)"),
        ("CASE a WHEN 1 THEN 'x' ELSE 'y' END", "(CASE (= a 1) 'x' 'y')"),
        ("CASE a WHEN 1, 2 THEN 'x' END", "(CASE (OR (= a 1) (= a 2)) 'x' None)"),
        ("ARRAY[1, 2]", "(ARRAY 1 2)"),
        ("MAP['a', 1]", "(MAP 'a' 1)"),
        ("ROW(1, 'a')", "(ROW 1 'a')"),
        ("(1, 'a')", "(ROW 1 'a')"),
        ("MOD(a, 2)", "(MOD a 2)"),
        ("nvl(a, 2)", "(NVL a 2)"),
        ("LEFT(a, 2)", "(LEFT a 2)"),
        ("CURRENT_DATE", "(CURRENT_DATE)"),
        ("CURRENT_TIMESTAMP", "(CURRENT_TIMESTAMP)"),
        ("PI()", "(PI)"),
        ("JSON_VALUE(a, '$.x')", "(JSON_VALUE a '$.x')"),
        (
            "JSON_VALUE(a, '$.x' RETURNING INT NULL ON EMPTY DEFAULT 1 + 1 ON ERROR)",
            "(JSON_VALUE a '$.x' 'INT' 'NULL' None 'DEFAULT' (+ 1 1))",
        ),
        (
            "JSON_QUERY(a, '$' WITH CONDITIONAL ARRAY WRAPPER EMPTY OBJECT ON ERROR)",
            "(JSON_QUERY a '$' 'STRING' 'CONDITIONAL' 'NULL' 'EMPTY OBJECT')",
        ),
        ("JSON_EXISTS(a, '$.x' UNKNOWN ON ERROR)", "(JSON_EXISTS a '$.x' 'UNKNOWN')"),
        ("JSON_OBJECT('a' VALUE 1, KEY k VALUE v)", "(JSON_OBJECT 'NULL' 'a' 1 k v)"),
        ("JSON_OBJECT(ABSENT ON NULL)", "(JSON_OBJECT 'ABSENT')"),
        ("JSON_ARRAY(1, NULL NULL ON NULL)", "(JSON_ARRAY 'NULL' 1 None)"),
    ],
)
def test_calls_with_a_syntax_of_their_own(text: str, tree: str) -> None:
    """The catalogue's functions see plain arguments, whatever words SQL puts between them."""
    assert shown(expression(text)) == tree


@pytest.mark.parametrize(
    ("text", "value", "kind"),
    [
        ("12", 12, None),
        ("1.50", Decimal("1.50"), None),
        (".5", Decimal("0.5"), None),
        ("-.5", Decimal("-0.5"), None),
        ("1e0", 1.0, None),
        ("'it''s \\n'", "it's \\n", None),
        ("''", "", None),
        ("x'fF00'", b"\xff\x00", None),
        ("TRUE", True, None),
        ("UNKNOWN", None, t.Boolean()),
        ("DATE '2026-02-28'", dt.date(2026, 2, 28), t.Date(nullable=False)),
        ("TIME '01:02:03.5'", dt.time(1, 2, 3, 500_000), t.Time(1, nullable=False)),
        (
            "TIMESTAMP '2026-01-02 03:04:05'",
            dt.datetime(2026, 1, 2, 3, 4, 5),  # noqa: DTZ001
            t.Timestamp(0, nullable=False),
        ),
        (
            "TIMESTAMP '2026-01-02 03:04:05.120'",
            dt.datetime(2026, 1, 2, 3, 4, 5, 120_000),  # noqa: DTZ001
            t.Timestamp(3, nullable=False),
        ),
        ("INTERVAL '1' DAY", 86_400_000, t.IntervalDay(nullable=False)),
        ("INTERVAL '90' MINUTES", 5_400_000, t.IntervalDay(nullable=False)),
        ("INTERVAL '1 10:00' DAY TO MINUTE", 122_400_000, t.IntervalDay(nullable=False)),
        (
            "INTERVAL '-1 00:00:01.5' DAY(3) TO SECOND(3)",
            -86_401_500,
            t.IntervalDay(nullable=False),
        ),
        ("INTERVAL '1:30' MINUTE TO SECOND", 90_000, t.IntervalDay(nullable=False)),
        ("INTERVAL - '1.25' SECOND", -1_250, t.IntervalDay(nullable=False)),
        ("INTERVAL '1-6' YEAR TO MONTH", 18, t.IntervalYear(nullable=False)),
        ("INTERVAL '2' QUARTER", 6, t.IntervalYear(nullable=False)),
    ],
)
def test_literals_have_flinks_values_and_types(
    text: str, value: object, kind: t.LogicalType | None
) -> None:
    """A constant's type decides the type of everything computed from it."""
    found = expression(text)
    assert isinstance(found, Literal)
    assert (found.value, type(found.value), found.type) == (value, type(value), kind)


def test_casts_read_nested_types_with_comments_between() -> None:
    """A type is cut out of the text by tokens; comments and line breaks must not reach it."""
    found = expression(
        "TRY_CAST(a AS ROW<x ARRAY<MAP<STRING, /* ! */ INT>>,\n `y z` INT NOT NULL>)"
    )
    assert isinstance(found, Cast)
    assert found.safe
    assert str(found.to) == "ROW<`x` ARRAY<MAP<STRING, INT>>, `y z` INT NOT NULL>"


def test_aggregates_keep_distinct_and_filter() -> None:
    """What is dropped here is computed wrongly for ever after."""
    found = expression("COUNT(DISTINCT a) FILTER (WHERE b > 1)")
    assert isinstance(found, AggCall)
    assert (found.distinct, shown(found.args[0]), found.filter is not None) == (True, "a", True)
    assert expression("count(*)") == AggCall(function="COUNT")


def test_a_users_function_is_called_by_any_case() -> None:
    """Functions are not case-sensitive in Flink."""
    udf = Udf("Twice", lambda x: x, None, t.Int())
    assert expression("tWICE(a)", {"TWICE": udf}) == UdfCall(udf=udf, args=(Column(name="a"),))


def test_names_are_case_sensitive_and_back_quoted() -> None:
    """``order`` and `a``b` are columns; a keyword in backticks is no keyword."""
    assert expression("`order`") == Column(name="order")
    assert expression("`a``b; -- c`") == Column(name="a`b; -- c")
    assert expression("Price") == Column(name="Price")


@pytest.mark.parametrize(
    ("text", "line", "column", "length"),
    [
        ("a +\n  nope(1)", 2, 3, 4),
        ("`ab` = 1", 1, 1, 8),
        ("x /* c */ + y", 1, 1, 13),
        ("-1", 1, 1, 2),
        ("a.b", 1, 1, 3),
    ],
)
def test_places_are_those_of_the_users_text(text: str, line: int, column: int, length: int) -> None:
    """An error marks what was written; masking and rewriting must not move anything."""
    found = expression(text)
    marked = found.args[1] if "nope" in text and isinstance(found, Call) else found
    place = marked.place
    assert place is not None
    assert (place.line, place.column, place.length) == (line, column, length)


@pytest.mark.parametrize(
    ("text", "kind", "says", "column"),
    [
        ('a = "x"', SqlError, "double quote", 5),
        ("'abc", SqlError, "string has no end", 1),
        ("a /* b", SqlError, "comment has no end", 3),
        ("a + ", SqlError, "Expected an expression, the text ends", 5),
        ("a b", SqlError, "Expected the end of the expression", 3),
        ("12L", SqlError, "not a number", 1),
        ("1.5.2", SqlError, "not a number|Expected", None),
        ("a::INT", SqlError, "'::'", 2),
        ("select", SqlError, "found 'select'", 1),
        ("DATE '2026-02-30'", SqlError, "no such day", 1),
        ("INTERVAL '1' HOUR TO DAY", SqlError, "no INTERVAL HOUR TO DAY", 1),
        ("INTERVAL '25:00:00:00' DAY TO SECOND", SqlError, "does not fit", 1),
        ("INTERVAL '1 25:00' DAY TO MINUTE", SqlError, "too many", 1),
        ("INTERVAL 5 MINUTE", SqlError, "single quotes", 10),
        ("x'f'", SqlError, "hexadecimal", 1),
        ("1e999", SqlError, "too large", 1),
        ("CAST(a AS VARCHARR(3))", UnknownName, "VARCHARR", 11),
        ("CAST(a AS ARRAY<INT)", PlanError, "Expected '>'", 20),
        ("SUM(a) OVER (ORDER BY b ROWS 1 FOLLOWING)", Unsupported, "FOLLOWING", 30),
        ("SUM(a) OVER (ORDER BY b ROWS -1 PRECEDING)", SqlError, "whole number", 30),
        ("ROW_NUMBER()", SqlError, "OVER", 1),
        ("a IN (SELECT b FROM c)", Unsupported, "sub-query here", 1),
        ("EXISTS (SELECT 1)", Unsupported, "sub-query here", 1),
        ("(SELECT 1)", Unsupported, "sub-query", 1),
        ("a = ANY (b)", Unsupported, "sub-query here", 1),
        ("f(x => 1)", Unsupported, "by name", 3),
        ("FIRST_VALUE(a) IGNORE NULLS", Unsupported, "IGNORE NULLS", 16),
        ("LISTAGG(a) WITHIN GROUP (ORDER BY a)", Unsupported, "WITHIN GROUP", 12),
        ("MAP['a']", SqlError, "without a value", 1),
        ("a OVERLAPS b", SqlError, "pairs", 1),
        ("{a}", SqlError, "Expected an expression", 1),
        ("JSON_VALUE(a, '$' NULL ON ERROR NULL ON EMPTY)", SqlError, "once each", 33),
    ],
)
def test_errors_say_what_and_where(
    text: str, kind: type[MillstreamError], says: str, column: int | None
) -> None:
    """Every refusal names the fact and marks the place."""
    with pytest.raises(kind, match=says) as caught:
        expression(text)
    where = caught.value.where
    assert column is None or getattr(where, "column", None) == column


@pytest.mark.parametrize(
    "text",
    ["(" * 5_000, "NOT " * 5_000 + "a", "+".join("a" * 5_000), "a" + ".b" * 5_000, "9" * 9_000],
    ids=["brackets", "not", "plus", "fields", "digits"],
)
def test_depth_is_bounded(text: str) -> None:
    """Deep trees would exhaust the stack of whatever walks them later."""
    with pytest.raises(SqlError):
        expression(text)


def test_a_long_chain_of_and_is_fine() -> None:
    """Generated filters have thousands of terms; the tree is balanced."""
    found = expression(" AND ".join(["a = 1"] * 10_000))
    assert sum(isinstance(x, Call) and x.function == "=" for x in found.walk()) == 10_000
