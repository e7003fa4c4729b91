"""Operators that know no time: filters, groups, sets, joins, sub-queries, ranks.

in      a :class:`~tests.oracle.random_writer.Writer` and how deep what lies below may be
out     a relation upon one or two others
"""

from __future__ import annotations

from tests.oracle.dialects import Both, listed, order_key, put, same
from tests.oracle.random_expressions import BOOLEAN, DOUBLE, INT, TIMESTAMP, Column
from tests.oracle.random_writer import Relation, Writer

SET_WORDS = ("UNION", "UNION ALL", "INTERSECT", "INTERSECT ALL", "EXCEPT", "EXCEPT ALL")
JOIN_WORDS = ("JOIN", "JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN")


def filtered(w: Writer, depth: int) -> Relation:
    """A condition over anything."""
    below = w.relation(depth)
    where = w.draw(below, "r.").condition(2)
    text = put("SELECT * FROM ({}) AS r WHERE {}", below.text, where)
    return Relation(text, below.columns)


def distinct(w: Writer, depth: int) -> Relation:
    """Different rows, of few columns so that some are equal."""
    below = w.relation(depth)
    kept = w.chance.sample(below.columns, min(2, len(below.columns)))
    shown = ", ".join(f"r.{c.name} AS {c.name}" for c in kept)
    text = put(f"SELECT DISTINCT {shown} FROM ({{}}) AS r", below.text)
    return Relation(text, tuple(kept))


def grouped(w: Writer, depth: int) -> Relation:
    """GROUP BY with aggregates and, at times, HAVING; or one group of everything."""
    below = w.relation(depth)
    draw = w.draw(below, "r.")
    kinds = w.key_types(below)
    keys = [draw.of(kind, w.chance.choice((0, 0, 1))) for kind in kinds]
    if not keys:
        w.flink = False  # it tells nothing of no rows
    columns = [Column(w.fresh(), kind) for kind in kinds]
    shown = [put(f"{{}} AS {c.name}", key) for key, c in zip(keys, columns, strict=True)]
    for _ in range(w.chance.randint(1, 3)):
        call, kind = w.aggregate(draw, below)
        columns.append(Column(w.fresh(), kind, small=False))
        shown.append(put(f"{{}} AS {columns[-1].name}", call))
    text = put("SELECT {} FROM ({}) AS r", listed(shown), below.text)
    if keys:
        text = put("{} GROUP BY {}", text, listed(keys))
    if w.chance.random() < 0.3:
        least = w.chance.randint(1, 3)
        text = put(f"{{}} HAVING COUNT(*) >= {least}", text)
    return Relation(text, tuple(columns))


def united(w: Writer, depth: int) -> Relation:
    """A set operation of two parts with columns of the same types."""
    left, right = w.relation(depth), w.relation(depth)
    types = [c.type for c in left.columns if right.of(c.type)][:3] or [INT]
    parts = [w.as_types(each, types) for each in (left, right)]
    text = put(f"({{}}) {w.chance.choice(SET_WORDS)} ({{}})", parts[0].text, parts[1].text)
    if "INTERSECT ALL" in text.flink or "EXCEPT ALL" in text.flink:
        w.flink = False  # it is wrong where a column is constant
    return Relation(put("SELECT * FROM ({}) AS r", text), parts[0].columns)


def joined(w: Writer, depth: int) -> Relation:
    """A regular join on equal columns, at times with one more condition."""
    left, right = w.relation(depth), w.relation(0 if depth > 1 else depth)
    pairs = [(a, b) for a in left.columns for b in right.of(a.type) if a.type != DOUBLE]
    pairs = w.chance.sample(pairs, min(len(pairs), w.chance.choice((1, 1, 1, 2))))
    equal = [same(f"l.{a.name} = r.{b.name}") for a, b in pairs]
    if not equal:
        equal = [w.draw(beside(left, right)).condition()]
        return join(w, "JOIN", left, right, equal)
    if w.chance.random() < 0.3:
        equal.append(w.draw(beside(left, right)).condition())
    return join(w, w.chance.choice(JOIN_WORDS), left, right, equal)


def join(w: Writer, word: str, left: Relation, right: Relation, on: list[Both]) -> Relation:
    shown, columns = [], []
    for letter, side in (("l", left), ("r", right)):
        for column in w.chance.sample(side.columns, min(3, len(side.columns))):
            columns.append(Column(w.fresh(), column.type, column.small))
            text = same(f"{letter}.{column.name}")
            if column.type == TIMESTAMP:
                text = put("CAST({} AS TIMESTAMP(3))", text, duck="{}")
            shown.append(put(f"{{}} AS {columns[-1].name}", text))
    text = put(
        f"SELECT {{}} FROM ({{}}) AS l {word} ({{}}) AS r ON {{}}",
        listed(shown), left.text, right.text, listed(on, " AND "),
    )  # fmt: skip
    return Relation(text, tuple(columns))


def chosen_by(w: Writer, depth: int) -> Relation:
    """Rows that a sub-query chooses: IN, EXISTS, a single value; and their negations."""
    left, right = w.relation(depth), w.relation(0)
    pairs = [(a, b) for a in left.columns for b in right.of(a.type) if a.type != DOUBLE]
    if not pairs:
        return left
    a, b = w.chance.choice(pairs)
    form = w.chance.choice(("IN", "NOT IN", "EXISTS", "NOT EXISTS", "value"))
    if form in ("IN", "NOT IN"):
        said = put(f"l.{a.name} {form} (SELECT r.{b.name} FROM ({{}}) AS r)", right.text)
    elif form == "value":
        if a.type == BOOLEAN:
            return left
        call = w.chance.choice(("MIN", "MAX"))
        said = put(f"l.{a.name} >= (SELECT {call}(r.{b.name}) FROM ({{}}) AS r)", right.text)
    else:
        narrows = w.chance.random() < 0.4
        more = put(" AND {}", w.draw(right, "r.").condition()) if narrows else put("")
        said = put(
            f"{form} (SELECT 1 FROM ({{}}) AS r WHERE r.{b.name} = l.{a.name}{{}})",
            right.text, more,
        )  # fmt: skip
    return Relation(put("SELECT * FROM ({}) AS l WHERE {}", left.text, said), left.columns)


def best(w: Writer, depth: int) -> Relation:
    """The first rows of each group in a total order."""
    below = w.relation(depth)
    keys = w.chance.sample(below.columns, min(len(below.columns) - 1, w.chance.choice((0, 1, 1))))
    order = _total_order(w, [c for c in below.columns if c not in keys])
    by = f"PARTITION BY {', '.join(c.name for c in keys)} " if keys else ""
    count = w.chance.choice((1, 2, 3))
    if count == 1:
        w.flink = False  # its best row is planned as one that never changes
    text = put(
        f"SELECT *, ROW_NUMBER() OVER ({by}ORDER BY {{}}) AS place FROM ({{}}) AS r",
        order, below.text,
    )  # fmt: skip
    shown = ", ".join(c.name for c in below.columns)
    text = put(f"SELECT {shown} FROM ({{}}) AS r WHERE place <= {count}", text)
    return Relation(text, below.columns)


def first_of_all(w: Writer, depth: int) -> Relation:
    """ORDER BY … LIMIT."""
    below = w.relation(depth)
    order = _total_order(w, list(below.columns))
    some = w.chance.randint(1, 5)
    text = put(f"SELECT * FROM ({{}}) AS r ORDER BY {{}} LIMIT {some}", below.text, order)
    return Relation(text, below.columns)


def _total_order(w: Writer, columns: list[Column]) -> Both:
    """Order by every column: equal rows are alike, so either may come first."""
    w.chance.shuffle(columns)
    return listed([order_key(same(c.name), descending=w.chance.random() < 0.5) for c in columns])


def beside(left: Relation, right: Relation) -> Relation:
    """Return the columns of both sides under their qualified names."""
    sides = (("l", left), ("r", right))
    columns = (Column(f"{at}.{c.name}", c.type, c.small) for at, r in sides for c in r.columns)
    return Relation(same(""), tuple(columns))
