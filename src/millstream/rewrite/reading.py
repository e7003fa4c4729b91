"""What rules ask of plans and expressions: who reads a step, what may fail, what is dear."""

from __future__ import annotations

from collections import Counter

from millstream.expr.tree import Call, Cast, Column, Expr, Literal
from millstream.plan.nodes import Plan
from millstream.types import Boolean, Double, Float, LogicalType
from millstream.types.logical import Integer

_NEVER_FAIL = frozenset(
    {
        *("=", "<>", "<", "<=", ">", ">="),
        *("AND", "OR", "NOT", "IS NULL", "IS NOT NULL"),
        *("IS TRUE", "IS NOT TRUE", "IS FALSE", "IS NOT FALSE", "IS UNKNOWN", "IS NOT UNKNOWN"),
        *("IS DISTINCT FROM", "IS NOT DISTINCT FROM", "IN", "BETWEEN", "LIKE", "COALESCE"),
    }
)
_WRAPS = frozenset({"+", "-", "*"})


def readers(plan: Plan) -> Counter[int]:
    """Return how many steps read each step, by object id."""
    return Counter(id(child) for node in plan.walk() for child in node.inputs)


def parts_of(predicate: Expr) -> list[Expr]:
    """Return the conditions that AND joins, left to right."""
    if isinstance(predicate, Call) and predicate.function == "AND":
        return [part for arg in predicate.args for part in parts_of(arg)]
    return [predicate]


def all_of(parts: list[Expr]) -> Expr:
    """Return conditions joined by AND."""
    found = parts[0]
    for part in parts[1:]:
        nullable = found.typed.nullable or part.typed.nullable
        found = Call(
            "AND", (found, part), type=Boolean(nullable=nullable), place=found.place or part.place
        )
    return found


def is_plain(expr: Expr) -> bool:
    """Tell whether computing an expression costs nothing: a column or a constant."""
    return isinstance(expr, Column | Literal)


def never_fails(expr: Expr) -> bool:
    """Tell whether no row can make the expression fail; False where it is not known."""
    match expr:
        case Column() | Literal():
            return True
        case Cast(arg=arg, to=to, safe=safe):
            return (safe or _widens(arg.typed, to)) and never_fails(arg)
        case Call(function=name, args=args):
            harmless = name in _NEVER_FAIL or (name in _WRAPS and isinstance(expr.typed, Integer))
            return harmless and all(map(never_fails, args))
        case _:
            return False


def _widens(have: LogicalType, to: LogicalType) -> bool:
    """Tell whether every value of one type has its like in the other."""
    match have, to:
        case Integer(), Integer():
            return to.bits >= have.bits
        case ((Integer() | Float() | Double()), Double()):
            return True
        case _:
            return have.with_nullable(True) == to.with_nullable(True)
