"""Building blocks for the ``infer`` of catalogue functions.

A *kind* maps an argument's type to the type it is coerced to, or to None where it does not fit;
a bare NULL fits every kind and takes its default. :func:`takes` makes an ``infer`` of kinds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from millstream import types as t
from millstream.expr.coerce import nullable_any
from millstream.expr.function import Infer, Signature, mismatch
from millstream.expr.tree import Expr, Literal
from millstream.types.logical import BinaryString, CharacterString, Integer, Numeric

Kind = Callable[[t.LogicalType], t.LogicalType | None]
Result = t.LogicalType | Callable[[Sequence[t.LogicalType]], t.LogicalType]


def of(default: t.LogicalType, *kinds: type[t.LogicalType]) -> Kind:
    """Return the kind that takes the given families as they are."""

    def kind(dtype: t.LogicalType) -> t.LogicalType | None:
        if isinstance(dtype, t.Null):
            return default
        return dtype if isinstance(dtype, kinds) else None

    return kind


def as_(default: t.LogicalType, *kinds: type[t.LogicalType]) -> Kind:
    """Return the kind that coerces the given families to ``default``."""

    def kind(dtype: t.LogicalType) -> t.LogicalType | None:
        fits = isinstance(dtype, (t.Null, *kinds))
        return default.with_nullable(dtype.nullable) if fits else None

    return kind


def any_type(dtype: t.LogicalType) -> t.LogicalType | None:
    """Take everything as it is."""
    return dtype


def int_(dtype: t.LogicalType) -> t.LogicalType | None:
    """Take integers up to INT, as INT."""
    if isinstance(dtype, t.BigInt):
        return None
    return as_(t.Int(), Integer)(dtype)


number = of(t.Double(), Numeric)
double = as_(t.Double(), Numeric)
integer = of(t.Int(), Integer)
bigint = as_(t.BigInt(), Integer)
text = of(t.STRING, CharacterString)
binary = of(t.VarBinary(), BinaryString)
boolean = of(t.Boolean(), t.Boolean)


def takes(
    name: str,
    says: str,
    kinds: Sequence[Kind],
    gives: Result,
    *,
    optional: int = 0,
    more: Kind | None = None,
    nullable: bool | None = None,
) -> Infer:
    """Return an ``infer`` of one kind per argument.

    The last ``optional`` kinds may be left out; ``more`` is the kind of any further arguments.
    The result is NULL where an argument may be, unless ``nullable`` says otherwise.
    """

    def infer(args: tuple[Expr, ...]) -> Signature:
        few = len(args) < len(kinds) - optional
        if few or (more is None and len(args) > len(kinds)):
            raise mismatch(name, args, says)
        wanted: list[t.LogicalType] = []
        for i, arg in enumerate(args):
            kind = kinds[i] if i < len(kinds) else more
            assert kind is not None, "counted above"
            want = kind(arg.typed)
            if want is None:
                raise mismatch(name, args, says)
            wanted.append(want)
        result = gives if isinstance(gives, t.LogicalType) else gives(wanted)
        null = nullable_any([a.typed for a in args]) if nullable is None else nullable
        return Signature(tuple(wanted), result.with_nullable(null))

    return infer


def constant_int(arg: Expr) -> int | None:
    """Return the value of an integer constant (also a negated one), or None."""
    if isinstance(arg, Literal) and isinstance(arg.value, int):
        return arg.value
    below = arg.children()
    if len(below) == 1 and getattr(arg, "function", "") == "NEGATE":
        inner = constant_int(below[0])
        return None if inner is None else -inner
    return None
