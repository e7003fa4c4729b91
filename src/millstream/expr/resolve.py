"""Gives every expression its type and makes every coercion explicit.

in      an expression as the user wrote it, and the schema of its input
out     the same expression, typed; arguments wrapped in Cast where the function wants another type
bad     UnknownName (column, function), TypeMismatch, with the place the user wrote
"""

from __future__ import annotations

from dataclasses import replace

from millstream.errors import PlanError, TypeMismatch, UnknownName
from millstream.expr import aggregates, catalogue, overs
from millstream.expr.casts import check_cast
from millstream.expr.literals import literal_type
from millstream.expr.tree import (
    AggCall,
    AggUdf,
    Call,
    Cast,
    Column,
    Expr,
    Literal,
    OverCall,
    TableCall,
    TableUdf,
    Udf,
    UdfCall,
)
from millstream.types import LogicalType, Null, Schema


def resolve(expr: Expr, schema: Schema) -> Expr:
    """Return ``expr`` typed against ``schema``; a resolved expression comes back unchanged."""
    return expr.rewrite(lambda node: _resolve_one(node, schema))


def _resolve_one(node: Expr, schema: Schema) -> Expr:
    match node:
        case Column(name=name):
            found = schema.get(name)
            if found is None:
                raise UnknownName("column", name, available=schema.names, where=node.place)
            return node if node.type == found else replace(node, type=found)
        case _ if node.type is not None:
            return node
        case Literal(value=value):
            return replace(node, type=literal_type(value))
        case Cast(arg=arg, to=to, safe=safe):
            check_cast(arg.typed, to, node.place)
            return replace(node, type=to.with_nullable(safe or arg.typed.nullable))
        case Call(function=name, args=args):
            function = catalogue.find(name, place=node.place)
            try:
                signature = function.infer(args)
            except PlanError as error:
                error.where = error.where or node.place
                raise
            return replace(
                node,
                function=function.name,
                args=coerced(args, signature.args),
                type=signature.result,
            )
        case UdfCall(udf=udf, args=args):
            return replace(node, args=_given(udf, args, node), type=udf.result)
        case TableCall(udf=table, args=args):
            return replace(node, args=_given(table, args, node), type=table.result)
        case AggCall(udf=AggUdf() as agg, args=args):
            wanted = _given(agg, args, node)
            return aggregates.checked(replace(node, args=wanted, type=agg.result))
        case AggCall():
            return aggregates.resolve(node)
        case OverCall():
            return overs.resolve(node)
        case _:
            raise AssertionError(f"no rule to resolve {type(node).__name__}")


def _given(udf: Udf | TableUdf | AggUdf, args: tuple[Expr, ...], node: Expr) -> tuple[Expr, ...]:
    """Return the arguments of a user's function as it takes them."""
    if udf.args is None:
        return args
    if len(udf.args) != len(args):
        raise TypeMismatch(
            f"{udf.name} takes {len(udf.args)} arguments, {len(args)} were given.",
            where=node.place,
        )
    return coerced(args, udf.args)


def coerced(args: tuple[Expr, ...], wanted: tuple[LogicalType, ...]) -> tuple[Expr, ...]:
    """Wrap each argument in a Cast where its type, nullability aside, is not the wanted one."""
    assert len(args) == len(wanted), f"{len(args)} arguments for {len(wanted)} types"
    return tuple(cast_to(arg, to) for arg, to in zip(args, wanted, strict=True))


def cast_to(arg: Expr, to: LogicalType) -> Expr:
    """Return ``arg`` as type ``to``; an untyped NULL literal takes the type without a Cast."""
    have = arg.typed
    if have.with_nullable(True) == to.with_nullable(True):
        return arg
    if isinstance(arg, Literal) and isinstance(have, Null):
        return replace(arg, type=to.with_nullable(True))
    return Cast(arg, to, type=to.with_nullable(have.nullable), place=arg.place)
