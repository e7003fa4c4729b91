"""Binds the joins of FROM: relations become a scope, joins become conditions between its parts.

in      a join as written, and what binds a relation
out     a :class:`Scope`; inner joins stay parts with conditions until WHERE is known, so that a
        comma list joins by what WHERE says
bad     SqlError: ambiguous names, two relations of one name; UnknownName
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from millstream.errors import Place, SqlError, UnknownName
from millstream.expr.tree import Call, Column, Expr, Named
from millstream.plan import nodes as n
from millstream.plan.joining import all_of, conjuncts, join
from millstream.plan.joins import JoinKind
from millstream.sql.inner import InnerQuery
from millstream.sql.joined import JoinOf
from millstream.sql.meaning import condition, fresh, resolved
from millstream.sql.outer import no_outside, reads_outside
from millstream.sql.query import Relation
from millstream.sql.scope import Scope, ambiguous, named, star

Bind = Callable[["Relation"], Scope]


def bind_join(said: JoinOf, bind: Bind) -> Scope:
    """Return the scope of a join of two relations of which neither reads the other."""
    left, right = bind(said.left), bind(said.right)
    if said.kind is not JoinKind.INNER:
        left, right = left.joined(), right.joined()
    check_aliases(left, right, said.place)
    both, names = left.beside(right)
    pairs = _merged(said, left, right, names)
    if pairs:
        both = _with_merged(both, len(left.seen), pairs, right=said.kind is JoinKind.RIGHT)
    conditions = [_equal(pair, said.place, both) for pair in pairs.values()]
    lifted = both.lifted
    if said.on is not None:
        for part in on_parts(said.on, both):
            if reads_outside(part):
                lifted = (*lifted, part)
            else:
                conditions.append(part)
    if said.kind is JoinKind.INNER:
        return replace(both, conditions=(*both.conditions, *conditions), lifted=lifted)
    no_outside(lifted, f"the condition of a {said.kind.value} JOIN")
    a, b = both.parts
    scope = both.over(join(a, b, said.kind, all_of(conditions)))
    return _coalesced(scope, pairs) if said.kind is JoinKind.FULL else scope


def on_parts(on: Expr, scope: Scope) -> list[Expr]:
    """Return the resolved conjuncts of ON."""
    found = next((x for x in on.walk() if isinstance(x, InnerQuery)), None)
    if found is not None:
        raise SqlError(
            "A sub-query in ON.",
            where=found.place,
            hint="Put the condition into WHERE, or join the sub-query itself.",
        )
    return conjuncts(condition(named(on, scope), scope.schema, "ON"))


def check_aliases(left: Scope, right: Scope, place: Place) -> None:
    """Raise where two relations of FROM have one name."""
    for alias in right.aliases:
        if alias in left.aliases:
            raise SqlError(
                f"Two tables in FROM are called '{alias}'.",
                where=place,
                hint=f"Give one of them another name: {alias} AS {alias}2.",
            )


def _merged(
    said: JoinOf, left: Scope, right: Scope, names: Mapping[str, str]
) -> dict[str, tuple[str, str]]:
    """Return what USING or NATURAL equates: name → (left column, right column)."""
    if said.natural:
        wanted = [i.name for i in star(left, None, said.place) if right.owners(i.name)]
    else:
        wanted = list(said.using or ())
    found: dict[str, tuple[str, str]] = {}
    for name in wanted:
        sides: list[str] = []
        for side in (left, right):
            owners = side.owners(name)
            if not owners:
                known = {key for s in side.seen for key in s.columns}
                raise UnknownName("column", name, available=known, where=said.place)
            if len(owners) > 1:
                raise ambiguous(name, owners, said.place)
            column = side.column(name)
            assert column is not None, "it has an owner"
            sides.append(column)
        found[name] = (sides[0], names[sides[1]])
    return found


def _with_merged(
    both: Scope, left_count: int, pairs: Mapping[str, tuple[str, str]], *, right: bool
) -> Scope:
    seen = [
        s if i < left_count else replace(s, hidden=s.hidden | (set(pairs) & set(s.columns)))
        for i, s in enumerate(both.seen)
    ]
    kept = {name: pair[1 if right else 0] for name, pair in pairs.items()}
    return replace(both, seen=tuple(seen), merged={**both.merged, **kept})


def _equal(pair: tuple[str, str], place: Place, scope: Scope) -> Expr:
    args = (Column(name=pair[0], place=place), Column(name=pair[1], place=place))
    return resolved(Call(function="=", args=args, place=place), scope.schema)


def _coalesced(scope: Scope, pairs: Mapping[str, tuple[str, str]]) -> Scope:
    """Give each merged column of a FULL JOIN the value of the side that has one."""
    if not pairs:
        return scope
    schema, taken = scope.schema, set(scope.schema.names)
    columns = [Named(f.name, Column(f.name, type=f.type)) for f in schema]
    merged = dict(scope.merged)
    for name, (a, b) in pairs.items():
        both = Call("COALESCE", (Column(name=a), Column(name=b)))
        merged[name] = fresh("_using_", taken)
        columns.append(Named(merged[name], resolved(both, schema)))
    node = n.Project(input=scope.node, columns=tuple(columns))
    return replace(scope.over(node), merged=merged)
