"""GROUPING SETS, CUBE and ROLLUP: one grouping of each row for every set.

in      GROUP BY as written; then a node, its group expressions and the sets of them
out     the node once per set: keys that a set leaves out are NULL, a number tells the sets apart
bad     SqlError: GROUPING of what is no group key, more sets than anyone can mean

Every set reads the same node, so that rows are computed once; one aggregate groups them all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from millstream import types as t
from millstream.errors import SqlError
from millstream.expr.tree import Call, Column, Expr, Literal, Named
from millstream.plan import nodes as n
from millstream.sql.expressions import ExpressionReader
from millstream.sql.meaning import fresh, resolved

SETS_MAX = 256
"""CUBE of n keys has 2 to the n sets; each row is grouped once per set."""
GROUPING = ("GROUPING", "GROUPING_ID", "GROUP_ID")

Sets = tuple[tuple[Expr, ...], ...]


def read_group(reader: ExpressionReader) -> tuple[tuple[Expr, ...], Sets]:
    """Read what follows GROUP BY: its keys, and the sets of them (none for a plain GROUP BY)."""
    cursor, start = reader.cursor, reader.cursor.here
    parts: list[Sets] = []
    while True:
        parts.append(_element(reader))
        if not cursor.accept(","):
            break
    sets: list[tuple[Expr, ...]] = []
    for combination in product(*parts):
        keys = dict.fromkeys(key for part in combination for key in part)
        sets.append(tuple(keys))
        if len(sets) > SETS_MAX:
            raise cursor.error(
                f"GROUP BY of more than {SETS_MAX} sets.",
                first=start,
                hint="Write the sets that are wanted: GROUPING SETS ((a, b), (a), ()).",
            )
    every = tuple(dict.fromkeys(key for one in sets for key in one))
    # One set of all keys is a plain GROUP BY, also that of no keys: GROUP BY ().
    return (every, ()) if len(sets) == 1 else (every, tuple(sets))


def _element(reader: ExpressionReader) -> Sets:
    cursor = reader.cursor
    if cursor.accept("GROUPING", "SETS"):
        cursor.expect("(", after="after GROUPING SETS")
        found = list(_element(reader))
        while cursor.accept(","):
            found.extend(_element(reader))
        cursor.expect(")", after="to close GROUPING SETS (")
        return tuple(found)
    for word in ("CUBE", "ROLLUP"):
        if cursor.sees(word, "("):
            cursor.take()
            cursor.expect("(")
            keys = [_keys(reader)]
            while cursor.accept(","):
                keys.append(_keys(reader))
            cursor.expect(")", after=f"to close {word}(")
            return _rollup(keys) if word == "ROLLUP" else _cube(keys)
    return (_keys(reader),)


def _keys(reader: ExpressionReader) -> tuple[Expr, ...]:
    """Read one key, or several in parentheses, or none: ``()``."""
    if reader.cursor.accept("(", ")"):
        return ()
    key = reader.expression()
    return key.args if isinstance(key, Call) and key.function == "ROW" else (key,)


def _rollup(keys: list[tuple[Expr, ...]]) -> Sets:
    return tuple(
        tuple(key for part in keys[:count] for key in part) for count in range(len(keys), -1, -1)
    )


def _cube(keys: list[tuple[Expr, ...]]) -> Sets:
    sets: list[tuple[Expr, ...]] = [()]
    for part in reversed(keys):
        sets = [(*part, *rest) for rest in sets] + sets
    return tuple(sets)


@dataclass(frozen=True, slots=True)
class Spread:
    """Rows once per set.

    ``keys`` pairs each group expression with the column it is; ``left_out`` is the column whose
    bit i says that key i, from the last one, is left out; ``number`` tells
    equal sets apart, where there are any.
    """

    node: n.Node
    keys: tuple[tuple[Expr, str], ...]
    left_out: str
    number: str | None

    def grouping(self, call: Call) -> Expr:
        """Return what GROUPING (…), GROUPING_ID (…) or GROUP_ID () is."""
        if call.function == "GROUP_ID":
            return _big(0) if self.number is None else Column(name=self.number, place=call.place)
        found: Expr = Literal(0, type=t.BigInt(nullable=False), place=call.place)
        for arg in call.args:
            at = next((i for i, (key, _) in enumerate(self.keys) if key == arg), None)
            if at is None:
                raise not_a_key(call, arg)
            weight = 1 << (len(self.keys) - 1 - at)
            mask = Column(name=self.left_out, place=call.place)
            bit = Call("%", (Call("/", (mask, _big(weight))), _big(2)), place=call.place)
            found = Call("+", (Call("*", (found, _big(2))), bit), place=call.place)
        return found


def not_a_key(call: Call, arg: Expr) -> SqlError:
    """Return the error for GROUPING of what is not grouped by."""
    return SqlError(
        f"{call.function} of what is no key of GROUP BY.",
        where=arg.place or call.place,
        hint="Give it an expression of GROUP BY.",
    )


def spread(node: n.Node, groups: Sequence[Expr], sets: Sets) -> Spread:
    """Return each row once per set; keys that are in every set stay as they are."""
    schema, taken = node.schema, set(node.schema.names)
    left_out = fresh("_left_out_", taken)
    number = fresh("_set_", taken) if len({frozenset(one) for one in sets}) < len(sets) else None
    keys: list[tuple[Expr, str]] = []
    made: dict[str, Expr] = {}
    for group in groups:
        always = all(group in one for one in sets)
        if always and isinstance(group, Column):
            keys.append((group, group.name))
            continue
        name = fresh("_key_", taken)
        keys.append((group, name))
        made[name] = group
    seen: dict[int, int] = {}
    parts: list[n.Node] = []
    for one in sets:
        mask = sum(
            1 << (len(keys) - 1 - i) for i, (group, _) in enumerate(keys) if group not in one
        )
        columns = [Named(f.name, Column(f.name, type=f.type)) for f in schema]
        for name, group in made.items():
            value = resolved(group, schema)
            if group not in one:
                value = Literal(None, type=value.typed.with_nullable(True))
            columns.append(Named(name, value))
        columns.append(Named(left_out, _big(mask)))
        if number is not None:
            columns.append(Named(number, _big(seen.get(mask, 0))))
        seen[mask] = seen.get(mask, 0) + 1
        parts.append(n.Project(input=node, columns=tuple(columns)))
    whole = parts[0] if len(parts) == 1 else n.Union(parts=tuple(parts))
    return Spread(whole, tuple(keys), left_out, number)


def _big(value: int) -> Literal:
    return Literal(value, type=t.BigInt(nullable=False))
