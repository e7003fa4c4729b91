"""Reads expressions: an operator-precedence descent over tokens.

in      a cursor in front of an expression
out     the tree of :mod:`millstream.expr.tree`, unresolved, every node with its place;
        ``a.b`` is ``Call("FIELD", (a, 'b'))`` whatever ``a`` is: only the binder knows the tables
bad     SqlError, Unsupported
source  precedences of Calcite's SqlStdOperatorTable, which Flink parses with
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace

from millstream.errors import SqlError
from millstream.expr import aggregates
from millstream.expr.overs import OVER_ONLY
from millstream.expr.tree import (
    AggCall,
    AggUdf,
    Call,
    Cast,
    Column,
    Expr,
    Function,
    Literal,
    Udf,
    UdfCall,
)
from millstream.sql import calls, literals
from millstream.sql.inner import Asks, ReadQuery, parts_of, read_inner, starts_query
from millstream.sql.over import read_over
from millstream.sql.tokens import RESERVED, Cursor, Kind, Token, words
from millstream.sql.type_text import read_type
from millstream.types import Boolean

DEPTH_MAX = 200
"""Deeper trees would exhaust the stack of what walks them."""
_NESTING_MAX = 60

_OR, _AND, _NOT, _IS, _COMPARE, _RANGE, _PLUS, _TIMES, _SIGN = range(1, 10)
_BINARY = {
    "=": _COMPARE, "<>": _COMPARE, "<": _COMPARE, "<=": _COMPARE, ">": _COMPARE, ">=": _COMPARE,
    "+": _PLUS, "-": _PLUS, "*": _TIMES, "/": _TIMES, "%": _TIMES, "||": _TIMES,
}  # fmt: skip
_TESTS = ("NULL", "TRUE", "FALSE", "UNKNOWN")
_BARE = words("CURRENT_DATE CURRENT_TIME CURRENT_TIMESTAMP LOCALTIME LOCALTIMESTAMP")
_NUMBER = re.compile(r"\d*(?:\d|\d\.|\.\d)\d*(?:[eE][+-]?\d+)?")


class ExpressionReader:
    """Reads expressions from a cursor; ``udfs`` are the user's functions by upper-case name."""

    def __init__(self, cursor: Cursor, udfs: Mapping[str, Function]):
        self.cursor = cursor
        self.udfs = {name.upper(): udf for name, udf in udfs.items()}
        self.queries: ReadQuery | None = None
        """What reads a sub-query; None where none can stand."""
        self._nesting = 0

    def expression(self) -> Expr:
        """Read a whole expression."""
        found = self._at_least(_OR)
        if self._nesting == 0:
            self._check_depth(found)
        return found

    def expressions(self) -> tuple[Expr, ...]:
        """Read one or more expressions with commas between."""
        found = [self.expression()]
        while self.cursor.accept(","):
            found.append(self.expression())
        return tuple(found)

    def operand(self) -> Expr:
        """Read an expression that stops in front of IN, LIKE and BETWEEN."""
        return self._at_least(_PLUS)

    # ---- operators

    def _at_least(self, level: int) -> Expr:
        self._nesting += 1
        if self._nesting > _NESTING_MAX:
            raise self._too_deep(self.cursor.here)
        start = self.cursor.here
        left = self._prefix()
        while True:
            found = self._joined(left, start, level)
            if found is None:
                break
            left = found
        self._nesting -= 1
        return left

    def _prefix(self) -> Expr:
        start = self.cursor.here
        if self.cursor.accept("NOT"):
            return self._call(start, "NOT", self._at_least(_NOT))
        if self.cursor.sees_any("+", "-"):
            sign = self.cursor.take().text
            if self.cursor.here.kind is Kind.NUMBER or self.cursor.sees("."):
                return self._postfix(self._number(negative=sign == "-"), start)
            arg = self._at_least(_SIGN)
            return arg if sign == "+" else self._call(start, "NEGATE", arg)
        return self._postfix(self._primary(), start)

    def _joined(self, left: Expr, start: Token, level: int) -> Expr | None:
        """Return ``left`` with the next operator applied, or None where none binds here."""
        cursor, word = self.cursor, self.cursor.here.upper
        if word in ("OR", "AND"):
            own = _OR if word == "OR" else _AND
            return self._chain(left, start, word, own) if own >= level else None
        if word in _BINARY:
            own = _BINARY[word]
            if own < level:
                return None
            cursor.take()
            if cursor.sees_any("ANY", "SOME", "ALL") and cursor.ahead(1).upper == "(":
                asks = Asks.ALL if cursor.take().upper == "ALL" else Asks.ANY
                cursor.expect("(")
                return self._inner(start, asks, parts_of(left), word)
            return self._call(start, word, left, self._at_least(own + 1))
        if word == "IS" and level <= _IS:
            return self._is(left, start)
        if word == "OVERLAPS" and level <= _COMPARE:
            return self._overlaps(left, start)
        if level <= _RANGE:
            return self._range(left, start)
        return None

    def _chain(self, left: Expr, start: Token, word: str, own: int) -> Expr:
        """Read a long AND or OR as a balanced tree, so that its depth stays small."""
        parts = [left]
        while self.cursor.accept(word):
            parts.append(self._at_least(own + 1))
        place = self.cursor.place(start)

        def balanced(low: int, high: int) -> Expr:
            if high - low == 1:
                return parts[low]
            middle = (low + high + 1) // 2
            both = (balanced(low, middle), balanced(middle, high))
            return Call(function=word, args=both, place=place)

        return balanced(0, len(parts))

    def _is(self, left: Expr, start: Token) -> Expr:
        cursor = self.cursor
        cursor.expect("IS")
        negated = cursor.accept("NOT")
        prefix = "IS NOT " if negated else "IS "
        if cursor.sees_any(*_TESTS):
            return self._call(start, prefix + cursor.take().upper, left)
        if cursor.accept("DISTINCT", "FROM"):
            right = self._at_least(_COMPARE + 1)
            return self._call(start, f"{prefix}DISTINCT FROM", left, right)
        if cursor.accept("JSON"):
            kind = "VALUE"
            if cursor.sees_any("VALUE", "OBJECT", "ARRAY", "SCALAR"):
                kind = cursor.take().upper
            found = self._call(start, f"IS JSON {kind}", left)
            return self._call(start, "NOT", found) if negated else found
        raise cursor.expected("NULL, TRUE, FALSE, UNKNOWN, DISTINCT FROM or JSON after IS")

    def _range(self, left: Expr, start: Token) -> Expr | None:
        """Read [NOT] BETWEEN, IN, LIKE, SIMILAR TO; None where none follows."""
        cursor = self.cursor
        negated = cursor.sees("NOT")
        word = cursor.ahead(1).upper if negated else cursor.here.upper
        if word not in ("BETWEEN", "IN", "LIKE", "SIMILAR"):
            return None
        if negated:
            cursor.take()
        cursor.take()
        found: Expr
        if word == "BETWEEN":
            name = "BETWEEN SYMMETRIC" if cursor.accept("SYMMETRIC") else "BETWEEN"
            cursor.accept("ASYMMETRIC")
            low = self._at_least(_NOT)
            cursor.expect("AND", after="between the two bounds")
            found = self._call(start, name, left, low, self._at_least(_RANGE + 1))
        elif word == "IN":
            found = self._in(left, start)
        else:
            if word == "SIMILAR":
                cursor.expect("TO")
            args = [left, self._at_least(_RANGE + 1)]
            if cursor.accept("ESCAPE"):
                args.append(self._at_least(_RANGE + 1))
            found = self._call(start, "LIKE" if word == "LIKE" else "SIMILAR TO", *args)
        return self._call(start, "NOT", found) if negated else found

    def _in(self, left: Expr, start: Token) -> Expr:
        cursor = self.cursor
        cursor.expect("(", after="after IN")
        if starts_query(cursor):
            return self._inner(start, Asks.ANY, parts_of(left), "=")
        values = self.expressions()
        cursor.expect(")", after="to close IN (")
        return self._call(start, "IN", left, *values)

    def _overlaps(self, left: Expr, start: Token) -> Expr:
        self.cursor.expect("OVERLAPS")
        right = self._at_least(_COMPARE + 1)
        sides: list[Expr] = []
        for side in (left, right):
            if not (isinstance(side, Call) and side.function == "ROW" and len(side.args) == 2):
                raise SqlError(
                    "OVERLAPS compares two pairs.",
                    where=side.place,
                    hint="Write (start, end_or_length) OVERLAPS (start, end_or_length).",
                )
            sides.extend(side.args)
        return self._call(start, "OVERLAPS", *sides)

    def _postfix(self, left: Expr, start: Token) -> Expr:
        cursor = self.cursor
        while True:
            if cursor.accept("["):
                index = self.expression()
                cursor.expect("]", after="to close [")
                left = self._call(start, "ITEM", left, index)
            elif cursor.sees(".") and cursor.ahead(1).upper != "*":
                cursor.take()
                field = cursor.name("a field or column name")
                key = Literal(value=field.text, place=cursor.place(field))
                left = self._call(start, "FIELD", left, key)
            elif cursor.sees("::"):
                raise cursor.error("Flink SQL has no '::'.", hint="Write CAST(value AS type).")
            else:
                return left

    # ---- operands

    def _primary(self) -> Expr:
        cursor, token = self.cursor, self.cursor.here
        if token.kind is Kind.STRING:
            cursor.take()
            return Literal(value=token.text, place=cursor.place(token))
        if token.kind is Kind.NUMBER or (
            token.upper == "." and cursor.ahead(1).kind is Kind.NUMBER
        ):
            return self._number(negative=False)
        if token.upper == "(":
            return self._parenthesis()
        if token.kind is Kind.NAME:
            return self._named()
        if token.kind is Kind.WORD:
            return self._worded()
        raise cursor.expected("an expression")

    def _worded(self) -> Expr:
        cursor, token = self.cursor, self.cursor.here
        word, following = token.upper, cursor.ahead(1)
        special = _KEYWORDS.get(word)
        if special is not None:
            cursor.take()
            return replace(special, place=cursor.place(token))
        if word == "CASE":
            return calls.case(self)
        if word == "INTERVAL":
            return self._interval()
        if following.kind is Kind.STRING and (word in _TYPED or word == "X"):
            return self._typed_literal()
        if following.kind is Kind.STRING and following.start == token.end:
            raise cursor.error(
                f"There is no {token.text}'…' literal.", last=following, hint="Drop the prefix."
            )
        if following.upper == "[" and word in ("ARRAY", "MAP"):
            return self._constructor(word)
        if word == "EXISTS" and following.upper == "(":
            cursor.take()
            cursor.expect("(")
            return self._inner(token, Asks.EXISTS, (), "=")
        if following.upper == "(":
            return self._function(token)
        if word in _BARE:
            cursor.take()
            return Call(function=word, place=cursor.place(token))
        return self._named()

    def _named(self) -> Expr:
        token = self.cursor.here
        if token.kind is Kind.NAME and self.cursor.ahead(1).upper == "(":
            return self._function(token)
        if token.upper in RESERVED:
            raise self.cursor.expected("an expression")
        name = self.cursor.name("a column name")
        return Column(name=name.text, place=self.cursor.place(name))

    def _parenthesis(self) -> Expr:
        cursor = self.cursor
        start = cursor.expect("(")
        if cursor.sees_any("SELECT", "WITH", "VALUES"):
            return self._inner(start, Asks.VALUE, (), "=")
        parts = self.expressions()
        cursor.expect(")", after="to close (")
        if len(parts) > 1:
            return self._call(start, "ROW", *parts)
        return parts[0]

    def _inner(self, start: Token, asks: Asks, args: tuple[Expr, ...], sign: str) -> Expr:
        """Read a sub-query up to its closing parenthesis."""
        if self.queries is None:
            raise self.cursor.unsupported(
                "A sub-query here", first=start, hint="Sub-queries stand in SELECT and WHERE."
            )
        return read_inner(self.cursor, self.queries, start, asks, args, sign)

    def _constructor(self, word: str) -> Expr:
        cursor = self.cursor
        start = cursor.take()
        cursor.expect("[")
        parts = () if cursor.sees("]") else self.expressions()
        cursor.expect("]", after=f"to close {word}[")
        if word == "MAP" and len(parts) % 2:
            raise cursor.error(
                "MAP[…] has a key without a value.", first=start,
                last=cursor.tokens[cursor.at - 1], hint="Write MAP['a', 1, 'b', 2].",
            )  # fmt: skip
        return self._call(start, word, *parts)

    def _number(self, *, negative: bool) -> Expr:
        cursor, start = self.cursor, self.cursor.here
        if cursor.accept(".") and (
            cursor.here.kind is not Kind.NUMBER or cursor.here.start != start.end
        ):
            raise cursor.expected("a number")
        token = cursor.take()
        text = cursor.text_between(start, token)
        glued = cursor.here.kind is Kind.WORD and cursor.here.start == token.end
        if glued or _NUMBER.fullmatch(text) is None or not text.isascii():
            raise cursor.error(
                "This is not a number.", first=start, last=cursor.here if glued else token,
                hint="Write 12, 12.5 or 1.2e1; a suffix such as L is not read.",
            )  # fmt: skip
        literal = self.constant(lambda: literals.number(text), start, token)
        place = cursor.source.place(start.start - (1 if negative else 0), token.end)
        return replace(literal, value=-literal.value if negative else literal.value, place=place)

    def _typed_literal(self) -> Expr:
        word, text = self.cursor.take(), self.cursor.take()
        make = literals.hexadecimal if word.upper == "X" else _TYPED[word.upper]
        return self.constant(lambda: make(text.text), word, text)

    def _interval(self) -> Expr:
        cursor = self.cursor
        start = cursor.expect("INTERVAL")
        negative = cursor.accept("-")
        if not negative:
            cursor.accept("+")
        if cursor.here.kind is not Kind.STRING:
            raise cursor.error(
                "Expected the length of the interval in single quotes.",
                hint="Write INTERVAL '5' MINUTE.",
            )
        text = cursor.take().text
        first, last = self._unit(), None
        if cursor.accept("TO"):
            last = self._unit()
        end = cursor.tokens[cursor.at - 1]
        if not literals.fits(first, last):
            raise cursor.error(
                f"There is no INTERVAL {first} TO {last}.", first=start, last=end,
                hint="YEAR TO MONTH, or DAY, HOUR, MINUTE and SECOND from large to small.",
            )  # fmt: skip
        return self.constant(lambda: literals.interval(text, first, last, negative), start, end)

    def _unit(self) -> str:
        cursor = self.cursor
        unit = literals.UNITS.get(cursor.here.upper)
        if unit is None:
            raise cursor.expected("a unit such as DAY, HOUR, MINUTE or SECOND")
        cursor.take()
        if cursor.accept("("):
            cursor.integer("a precision")
            if cursor.accept(","):
                cursor.integer("a precision")
            cursor.expect(")")
        return unit

    def constant(self, make: Callable[[], Literal], first: Token, last: Token) -> Literal:
        """Return the literal, or its error with the place."""
        try:
            return replace(make(), place=self.cursor.place(first, last))
        except ValueError as error:
            raise self.cursor.error(str(error), first=first, last=last) from None

    # ---- calls

    def _function(self, token: Token) -> Expr:
        cursor = self.cursor
        name = token.upper or token.text.upper()
        udf = self.udfs.get(name)
        if token.kind is Kind.WORD and udf is None:
            if name in calls.SPECIAL:
                return calls.SPECIAL[name](self)
            if name in RESERVED and name not in ("LEFT", "RIGHT"):
                raise cursor.expected("an expression")
        cursor.take()
        place = cursor.place(token)
        if isinstance(udf, AggUdf) or (udf is None and aggregates.is_aggregate(name)):
            return self._aggregate(token, name, udf)
        if udf is not None and not isinstance(udf, Udf):
            raise cursor.error(
                f"{token.text} gives rows, not a value.",
                first=token,
                hint=f"Write FROM t, LATERAL TABLE({token.text}(…)); a process function stands in "
                f"FROM: {token.text}(TABLE t PARTITION BY k).",
            )
        args = self.arguments()
        if udf is None and (name in OVER_ONLY or cursor.sees("OVER")):
            return read_over(self, AggCall(function=name, args=args, place=place))
        if udf is not None:
            return UdfCall(udf=udf, args=args, place=place)
        return Call(function=name, args=args, place=place)

    def arguments(self) -> tuple[Expr, ...]:
        """Read ``( [expression, …] )``."""
        cursor = self.cursor
        cursor.expect("(")
        if cursor.accept(")"):
            return ()
        if cursor.ahead(1).upper == "=>":
            raise cursor.unsupported(
                "An argument by name", last=cursor.ahead(1), hint="Give the arguments in order."
            )
        if cursor.sees_any("DISTINCT", "*"):
            raise cursor.error(
                f"'{cursor.here.text}' stands in aggregate functions only.",
                hint="Aggregate functions are COUNT, SUM, AVG, MIN, MAX, LISTAGG, …",
            )
        args = self.expressions()
        cursor.expect(")", after="to close the arguments")
        return args

    def _aggregate(self, token: Token, name: str, udf: AggUdf | None) -> Expr:
        cursor = self.cursor
        cursor.expect("(")
        args: tuple[Expr, ...] = ()
        distinct = cursor.accept("DISTINCT")
        if not distinct:
            cursor.accept("ALL")
        if name == "COUNT" and not distinct and cursor.accept("*"):
            pass
        elif not cursor.sees(")"):
            args = self.expressions()
        if cursor.sees("ORDER", "BY"):
            raise cursor.unsupported(
                "ORDER BY inside an aggregate", hint="Rows come in order of arrival."
            )
        cursor.expect(")", after="to close the arguments")
        for phrase in (("WITHIN", "GROUP"), ("IGNORE", "NULLS"), ("RESPECT", "NULLS")):
            if cursor.sees(*phrase):
                raise cursor.unsupported(
                    " ".join(phrase), last=cursor.ahead(1), hint="Leave it out."
                )
        kept: Expr | None = None
        if cursor.sees("FILTER", "("):
            cursor.take()
            cursor.take()
            cursor.expect("WHERE", after="in FILTER (")
            kept = self.expression()
            cursor.expect(")", after="to close FILTER (")
        place = cursor.place(token, token)
        call = AggCall(name, args, distinct, kept, udf, place=place)
        if udf is not None and cursor.sees("OVER"):
            raise cursor.unsupported(
                f"{name} OVER (…)", hint="Group by a window, or use a built-in aggregate there."
            )
        return read_over(self, call) if cursor.sees("OVER") else call

    def cast(self, *, safe: bool) -> Expr:
        """Read CAST(value AS type) or TRY_CAST."""
        cursor = self.cursor
        start = cursor.take()
        cursor.expect("(")
        value = self.expression()
        cursor.expect("AS", after="and a type")
        kind = read_type(cursor)
        cursor.expect(")", after="to close the cast")
        return Cast(value, kind, safe=safe, place=cursor.place(start))

    def call(self, start: Token, name: str, *args: Expr) -> Call:
        """Return a call that stands from ``start`` to the last token taken."""
        return Call(function=name, args=args, place=self.cursor.place(start))

    _call = call

    # ---- limits

    def _check_depth(self, expr: Expr) -> None:
        # Without recursion, because it is recursion that must not overflow later.
        level = [expr]
        for _ in range(DEPTH_MAX):
            level = [child for node in level for child in node.children()]
            if not level:
                return
        raise self._too_deep(self.cursor.tokens[max(0, self.cursor.at - 1)])

    def _too_deep(self, token: Token) -> SqlError:
        return self.cursor.error(
            "This expression is nested too deeply.",
            first=token,
            hint=f"Split it over sub-queries; {_NESTING_MAX} brackets and {DEPTH_MAX} operators "
            "in a row are the limit.",
        )


_KEYWORDS: dict[str, Literal] = {
    "TRUE": Literal(value=True),
    "FALSE": Literal(value=False),
    "NULL": Literal(value=None),
    "UNKNOWN": Literal(value=None, type=Boolean()),
}
_TYPED: dict[str, Callable[[str], Literal]] = {
    "DATE": literals.date,
    "TIME": literals.time,
    "TIMESTAMP": literals.timestamp,
}
