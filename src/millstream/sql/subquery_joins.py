"""Turns bound sub-queries into joins.

in      a node, and conditions or expressions over its columns with sub-queries in them
out     the node joined with the sub-queries: a condition of WHERE that is one keeps rows by a
        semi-join or an anti-join; anywhere else its value, or whether it holds, is a column of a
        left join
bad     Unsupported for comparisons other than = with ALL or ANY below OR

``NOT IN`` is TRUE where the comparison is FALSE with every row, so a NULL on either side keeps
nothing: the anti-join looks for rows whose comparison IS NOT FALSE.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from millstream import types as t
from millstream.errors import Unsupported
from millstream.expr.resolve import resolve
from millstream.expr.tree import AggCall, Call, Cast, Column, Expr, Literal, Named
from millstream.plan import build
from millstream.plan import nodes as n
from millstream.plan.derive import Tables, Upwards
from millstream.plan.facts import covers_key
from millstream.plan.joining import all_of, apart, conjuncts, filtered, join
from millstream.plan.joins import JoinKind
from millstream.sql.decorrelate import is_equated, paired
from millstream.sql.inner import Asks
from millstream.sql.meaning import fresh, resolved
from millstream.sql.outer import equated
from millstream.sql.subquery import BoundQuery
from millstream.types import Schema

_OPPOSITE = {"=": "<>", "<>": "=", "<": ">=", "<=": ">", ">": "<=", ">=": "<"}
_TRUE = Literal(True, type=t.Boolean(nullable=False))


def keep_where(node: n.Node, conditions: Sequence[Expr]) -> n.Node:
    """Keep the rows for which all conditions are TRUE; each has a sub-query in it."""
    for condition in conditions:
        made = _semi(node, condition)
        if made is None:
            wide, exprs = with_values(node, [condition])
            made = filtered(wide, conjuncts(resolved(exprs[0], wide.schema)))
        node = made
    return node


def with_values(node: n.Node, exprs: list[Expr]) -> tuple[n.Node, list[Expr]]:
    """Return the node with a column for each sub-query, and ``exprs`` that read them."""
    found = dict.fromkeys(x for e in exprs for x in e.walk() if isinstance(x, BoundQuery))
    if not found:
        return node, exprs
    values: dict[Expr, Expr] = {}
    for query in found:
        node, values[query] = _value(node, query)
    return node, [e.rewrite(lambda x: values.get(x, x)) for e in exprs]


# ---- WHERE


def _semi(node: n.Node, condition: Expr) -> n.Node | None:
    """Return the semi-join or anti-join a condition is; None where it is another one."""
    negated = isinstance(condition, Call) and condition.function == "NOT"
    query = condition.children()[0] if negated else condition
    if not isinstance(query, BoundQuery) or query.asks is Asks.VALUE:
        return None
    other = _Other.beside(node, query)
    met = list(other.conditions)
    if query.asks is Asks.EXISTS:
        kind = JoinKind.ANTI if negated else JoinKind.SEMI
    elif query.asks is Asks.ANY:
        # TRUE: some comparison is TRUE. NOT … is TRUE: every comparison is FALSE.
        kind = JoinKind.ANTI if negated else JoinKind.SEMI
        met += other.unless_false(query.sign) if negated else other.compared(query.sign)
    else:
        # TRUE: every comparison is TRUE. NOT … is TRUE: some comparison is FALSE.
        kind = JoinKind.SEMI if negated else JoinKind.ANTI
        opposite = _OPPOSITE[query.sign]
        met += other.compared(opposite) if negated else other.unless_false(opposite)
    return join(node, other.node, kind, all_of(met))


@dataclass(frozen=True, slots=True)
class _Other:
    """The right side of a join with a sub-query: its columns have names of their own."""

    query: BoundQuery
    node: n.Node
    names: Mapping[str, str]
    schema: Schema

    @classmethod
    def beside(cls, node: n.Node, query: BoundQuery, right: n.Node | None = None) -> _Other:
        """Return the sub-query, or what was made of it, as a right side of ``node``."""
        other, names = apart(right or query.bound.node, set(node.schema.names))
        return cls(query, other, names, Schema((*node.schema.fields, *other.schema.fields)))

    @property
    def conditions(self) -> list[Expr]:
        """What the sub-query says of the query around it."""
        return [resolve(part, self.schema) for part in self.query.conditions(self.names)]

    def compared(self, sign: str) -> list[Expr]:
        """Return the conditions that each argument compares so with its column."""
        values = self.query.bound.node.schema.names[: self.query.bound.width]
        return [
            resolved(
                Call(sign, (arg, Column(self.names[value], place=arg.place)), place=arg.place),
                self.schema,
            )
            for arg, value in zip(self.query.args, values, strict=True)
        ]

    def unless_false(self, sign: str) -> list[Expr]:
        """Return the condition that the comparison is TRUE or UNKNOWN."""
        parts = self.compared(sign)
        if not any(p.typed.nullable for p in parts):
            return parts
        both = all_of(parts)
        assert both is not None, "a comparison has arguments"
        return [resolve(Call("IS NOT FALSE", (both,), place=self.query.place), self.schema)]


# ---- anywhere else


def _value(node: n.Node, query: BoundQuery) -> tuple[n.Node, Expr]:
    """Return the node joined with a sub-query, and the expression of what it gives."""
    match query.asks:
        case Asks.VALUE:
            return _scalar(node, query)
        case Asks.EXISTS:
            return _exists(node, query)
        case Asks.ANY if query.sign == "=":
            return _among(node, query)
        case Asks.ALL if query.sign == "<>":
            node, found = _among(node, query)
            return node, Call("NOT", (found,), place=query.place)
        case _:
            raise Unsupported(
                f"A comparison {query.sign} {query.asks.value} (SELECT …) below OR or in SELECT.",
                where=query.place,
                hint="Join conditions by AND in WHERE, or compare with (SELECT MAX(…) …).",
            )


def _scalar(node: n.Node, query: BoundQuery) -> tuple[n.Node, Expr]:
    query = _equating(node, query)
    sub = query.bound
    value = sub.node.schema.names[0]
    keys = equated(sub.lifted)
    facts = Upwards(Tables()).of(sub.node)
    right, many = sub.node, None
    if not covers_key(keys, facts.keys):
        right, many = _single(sub.node, value, keys, query)
    empty = sub.empty[0] if sub.empty else None
    found = None
    if empty is not None:
        taken = set(right.schema.names)
        found = fresh("_found_", taken)
        right = _with_column(right, Named(found, _TRUE))
    other = _Other.beside(node, query, right)
    made = join(node, other.node, JoinKind.LEFT, all_of(other.conditions))
    expr: Expr = Column(other.names[value], place=query.place)
    if many is not None:
        # More than one row has no one value: the row that asks for it is rejected.
        text = Literal("more than one row in a sub-query", place=query.place)
        kind = sub.node.schema.type_of(value).with_nullable(True)
        failing = Cast(Cast(text, t.Int(), place=query.place), kind, place=query.place)
        expr = Call("CASE", (Column(other.names[many]), failing, expr), place=query.place)
    if found is not None and empty is not None:
        missing = Call("IS NULL", (Column(other.names[found]),), place=query.place)
        expr = Call("CASE", (missing, empty, expr), place=query.place)
    return made, expr


def _single(
    node: n.Node, value: str, keys: tuple[str, ...], query: BoundQuery
) -> tuple[n.Node, str]:
    """Return one row per key: the value, and whether there were several rows."""
    schema, taken = node.schema, set(node.schema.names)
    count, many = fresh("_count_", taken), fresh("_many_", taken)
    first = AggCall("FIRST_VALUE", (Column(value),), place=query.place)
    calls = [Named(value, resolved(first, schema)), Named(count, resolve(AggCall("COUNT"), schema))]
    grouped = build.group(node, [_column(schema, k) for k in keys], calls)
    several = resolve(Call(">", (Column(count), Literal(1))), grouped.schema)
    kept = [_column(grouped.schema, name) for name in (value, *keys)]
    # Once there are several, further rows change nothing: DISTINCT lets no more changes through.
    return build.distinct(n.Project(input=grouped, columns=(*kept, Named(many, several)))), many


def _exists(node: n.Node, query: BoundQuery) -> tuple[n.Node, Expr]:
    query = _equating(node, query)
    right, found = _marked(query.bound.node, equated(query.bound.lifted))
    other = _Other.beside(node, query, right)
    made = join(node, other.node, JoinKind.LEFT, all_of(other.conditions))
    return made, Call("IS TRUE", (Column(other.names[found]),), place=query.place)


def _among(node: n.Node, query: BoundQuery) -> tuple[n.Node, Expr]:
    """Return whether the arguments are among the rows: TRUE, FALSE, or UNKNOWN for a NULL."""
    query = _equating(node, query)
    sub, place = query.bound, query.place
    keys = equated(sub.lifted)
    values = sub.node.schema.names[: sub.width]
    right, found = _marked(sub.node, (*values, *(k for k in keys if k not in values)))
    other = _Other.beside(node, query, right)
    equal = other.compared("=")
    made = join(node, other.node, JoinKind.LEFT, all_of([*equal, *other.conditions]))
    is_found = Call("IS TRUE", (Column(other.names[found]),), place=place)
    if not any(part.typed.nullable for part in equal):
        return made, is_found
    if len(values) > 1:
        raise Unsupported(
            "A row IN (SELECT …) below OR or in SELECT, where a column may be NULL.",
            where=place,
            hint="Join conditions by AND in WHERE, or write EXISTS (SELECT …).",
        )
    counted, rows, nulls = _counted(sub.node, values[0], keys)
    third = _Other.beside(made, query, counted)
    made = join(made, third.node, JoinKind.LEFT, all_of(third.conditions))
    has = Column(third.names[rows])
    no_rows = Call("IS NOT TRUE", (Call(">", (has, Literal(0))),))
    unknown = Call(
        "OR",
        (
            Call("IS NULL", (query.args[0],)),
            Call(">", (Column(third.names[nulls]), Literal(0))),
        ),
    )
    false, null = Literal(False), Literal(None, type=t.Boolean())
    return made, Call(
        "CASE", (is_found, Literal(True), no_rows, false, unknown, null, false), place=place
    )


def _counted(node: n.Node, value: str, keys: tuple[str, ...]) -> tuple[n.Node, str, str]:
    """Return per key how many rows there are and how many of them are NULL."""
    schema, taken = node.schema, set(node.schema.names)
    rows, nulls = fresh("_rows_", taken), fresh("_nulls_", taken)
    is_null = Call("IS NULL", (Column(value),))
    calls = [
        Named(rows, resolve(AggCall("COUNT"), schema)),
        Named(nulls, resolve(AggCall("COUNT", filter=is_null), schema)),
    ]
    return build.group(node, [_column(schema, k) for k in keys], calls), rows, nulls


def _marked(node: n.Node, keys: tuple[str, ...]) -> tuple[n.Node, str]:
    """Return each key once, beside a column that is TRUE; without keys, whether there is a row."""
    taken = set(node.schema.names)
    found = fresh("_found_", taken)
    if not keys:
        count = fresh("_rows_", taken)
        rows = build.group(node, [], [Named(count, resolve(AggCall("COUNT"), node.schema))])
        some = resolve(Call(">", (Column(count), Literal(0))), rows.schema)
        return n.Project(input=rows, columns=(Named(found, some),)), found
    kept = tuple(_column(node.schema, k) for k in keys)
    once = build.distinct(n.Project(input=node, columns=kept))
    return _with_column(once, Named(found, _TRUE)), found


def _equating(node: n.Node, query: BoundQuery) -> BoundQuery:
    """Return the sub-query with equations alone between it and the query around."""
    sub = query.bound
    if is_equated(sub.lifted):
        return query
    values = dict(zip(query.names, query.params, strict=True))
    met, equal = paired(sub.node, sub.lifted, node, values)
    return replace(query, sub=replace(sub, node=met, lifted=equal))


def _with_column(node: n.Node, column: Named) -> n.Node:
    kept = (_column(node.schema, name) for name in node.schema.names)
    return n.Project(input=node, columns=(*kept, column))


def _column(schema: Schema, name: str) -> Named:
    return Named(name, Column(name, type=schema.type_of(name)))
