"""Regular joins against a naive twin, under any cut of the input and any crash and restore."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millstream import types as t
from millstream.columns.physical import polars_schema
from millstream.engine.batch import OP, Batch, Op
from millstream.engine.functions import Context
from millstream.engine.operator import Lowering, Operator
from millstream.engine.operators import join as join_module
from millstream.engine.operators.join import RegularJoin
from millstream.engine.rejects import shown
from millstream.expr import resolve
from millstream.expr.tree import Call, Column, Expr, Literal
from millstream.plan.joins import Join, JoinKind, joined_schema
from millstream.plan.nodes import Values

LEFT = t.Schema.of({"k": "STRING", "j": "BIGINT", "v": "BIGINT", "s": "STRING"})
RIGHT = t.Schema.of({"k2": "STRING", "j2": "BIGINT", "w": "BIGINT", "d": "DECIMAL(30, 2)"})
SCHEMAS = (LEFT, RIGHT)
ON = {
    "text": (("k", "k2"),),
    "number": (("j", "j2"),),
    "both": (("k", "k2"), ("j", "j2")),
    "nothing": (),
}
BIGINT = t.BigInt(nullable=False)


def residual(text: str) -> Expr:
    """``v < w``, or ``10 / (v - w) > 0``, which fails where v = w."""
    v, w = Column("v"), Column("w")
    both = joined_schema(LEFT, RIGHT, JoinKind.FULL)
    if text == "v < w":
        return resolve.resolve(Call("<", (v, w)), both)
    ten, zero = (Literal(n, type=BIGINT) for n in (10, 0))
    return resolve.resolve(Call(">", (Call("/", (ten, Call("-", (v, w)))), zero)), both)


def passes(text: str | None, left: tuple[Any, ...], right: tuple[Any, ...]) -> bool:
    v, w = left[2], right[2]
    if text is None:
        return True
    if v is None or w is None:
        return False
    return v < w if text == "v < w" else v > w and 10 // (v - w) > 0


@dataclass(frozen=True)
class Change:
    port: int
    row: tuple[Any, ...]
    weight: int = 1


KEY = st.sampled_from(["a", "b", None, "a longer key, of another block"])
NUMBER = st.one_of(st.none(), st.integers(-2, 2))
ROWS = (
    st.tuples(KEY, NUMBER, NUMBER, st.sampled_from(["x", None, "y" * 20])),
    st.tuples(KEY, NUMBER, NUMBER, st.sampled_from([None, "1.50", "-12345678901234567890.25"])),
)


@st.composite
def inputs(draw: st.DrawFn, changes: tuple[bool, bool]) -> list[Change]:
    """Rows of both sides; only rows that stand are taken back."""
    out: list[Change] = []
    standing: list[Change] = []
    for _ in range(draw(st.integers(0, 25))):
        gone = [c for c in standing if changes[c.port]]
        if gone and draw(st.booleans()):
            old = draw(st.sampled_from(gone))
            standing.remove(old)
            out.append(Change(old.port, old.row, -1))
            continue
        port = draw(st.integers(0, 1))
        again = [c for c in standing if c.port == port]
        if again and draw(st.integers(0, 3)) == 0:
            new = draw(st.sampled_from(again))
        else:
            new = Change(port, draw(ROWS[port]))
        standing.append(new)
        out.append(new)
    return out


def twin(
    kind: JoinKind, keys: tuple[tuple[str, str], ...], cond: str | None, changes: list[Change]
) -> Counter[tuple[Any, ...]]:
    """The join of what stands at the end, by two loops."""
    sides: tuple[Counter[Any], Counter[Any]] = (Counter(), Counter())
    for change in changes:
        sides[change.port][change.row] += change.weight
    lefts, rights = (list(side.elements()) for side in sides)
    at = [(LEFT.names.index(a), RIGHT.names.index(b)) for a, b in keys]

    def meets(a: tuple[Any, ...], b: tuple[Any, ...]) -> bool:
        return all(a[i] is not None and a[i] == b[j] for i, j in at) and passes(cond, a, b)

    out: Counter[tuple[Any, ...]] = Counter()
    if kind in (JoinKind.SEMI, JoinKind.ANTI):
        out.update(a for a in lefts if any(meets(a, b) for b in rights) == (kind is JoinKind.SEMI))
        return out
    nulls = (None,) * 4
    out.update((*a, *b) for a in lefts for b in rights if meets(a, b))
    if kind.fills_right:
        out.update((*a, *nulls) for a in lefts if not any(meets(a, b) for b in rights))
    if kind.fills_left:
        out.update((*nulls, *b) for b in rights if not any(meets(a, b) for a in lefts))
    return out


def operator(
    kind: JoinKind,
    keys: tuple[tuple[str, str], ...],
    cond: str | None,
    changes: tuple[bool, bool],
    ttl_ms: int = 0,
) -> Operator:
    sides = [Values(columns=schema, rows=()) for schema in SCHEMAS]
    other = None if cond is None else residual(cond)
    node = Join(left=sides[0], right=sides[1], kind=kind, keys=keys, residual=other)
    lowering = Lowering(Context(), changes, False, seed=7, bounded=False, ttl_ms=ttl_ms)
    return RegularJoin(node, lowering)


def batch(changes: list[Change], *, ops: bool, read_at_ms: int = 0) -> Batch:
    schema = polars_schema(SCHEMAS[changes[0].port])
    columns = zip(*(c.row for c in changes), strict=True)
    frame = pl.DataFrame(
        [
            pl.Series(name, list(values), dtype=pl.String if dtype.is_decimal() else None)
            .cast(dtype)
            .alias(name)
            for (name, dtype), values in zip(schema.items(), columns, strict=True)
        ]
    )
    if ops:
        kinds = [int(Op.INSERT if c.weight > 0 else Op.DELETE) for c in changes]
        frame = frame.with_columns(pl.Series(OP, kinds, dtype=pl.Int8))
    return Batch(frame, read_at_ms=read_at_ms)


def cut(changes: list[Change], cuts: set[int]) -> list[list[Change]]:
    """Cut at the given places, and wherever the side changes."""
    parts: list[list[Change]] = []
    for at, change in enumerate(changes):
        if not parts or at in cuts or parts[-1][0].port != change.port:
            parts.append([])
        parts[-1].append(change)
    return parts


def folded(frames: list[pl.DataFrame]) -> Counter[tuple[Any, ...]]:
    """What stands after all changes; a row is never taken back before it was given."""
    found: Counter[tuple[Any, ...]] = Counter()
    for frame in frames:
        ops = frame[OP].to_list() if OP in frame.columns else [0] * frame.height
        rows = frame.drop(OP, strict=False)
        texts = [pl.col(n).cast(pl.String) for n, kind in rows.schema.items() if kind.is_decimal()]
        for op, row in zip(ops, rows.with_columns(texts).rows(), strict=True):
            found[row] += 1 if op in (Op.INSERT, Op.UPDATE_AFTER) else -1
            assert found[row] >= 0, f"{row} is taken back before it was given"
    return +found


@pytest.mark.parametrize("kind", JoinKind)
@pytest.mark.parametrize("cond", [None, "v < w", "10 / (v - w) > 0"])
@settings(max_examples=40)
@given(data=st.data())
def test_any_cut_and_crash_gives_the_join_of_what_stands(kind, cond, data):
    """A batch boundary, a crash and the order of changes are accidents; results never show them."""
    keys = ON[data.draw(st.sampled_from(sorted(ON)))]
    changing = (data.draw(st.booleans()), data.draw(st.booleans()))
    changes = data.draw(inputs(changing))
    cuts = data.draw(st.sets(st.integers(0, 25)))
    crashes = data.draw(st.sets(st.integers(0, 25), max_size=3))
    running = operator(kind, keys, cond, changing)
    out: list[pl.DataFrame] = []
    for number, part in enumerate(cut(changes, cuts)):
        if number in crashes:
            saved = running.snapshot()
            running = operator(kind, keys, cond, changing)
            running.restore(saved)
        port = part[0].port
        out += running.on_batch(batch(part, ops=changing[port]), port).out
    assert folded(out) == twin(kind, keys, cond, changes)


def one(port: int, *rows: tuple[Any, ...], weight: int = 1) -> list[Change]:
    return [Change(port, row, weight) for row in rows]


def test_many_pairs_are_looked_at_in_pieces(monkeypatch):
    """A hot key makes more candidates than fit in memory; pieces give what one piece gives."""
    lefts = one(0, *(("a", 1, v, "x") for v in range(40)))
    rights = one(1, *(("a", 1, w, None) for w in range(30)))
    given: list[Counter[Any]] = []
    for pairs_max in (1 << 20, 64, 1):
        monkeypatch.setattr(join_module, "PAIRS_MAX", pairs_max)
        running = operator(JoinKind.FULL, ON["text"], "v < w", (False, False))
        out = [*running.on_batch(batch(lefts, ops=False), 0).out]
        out += running.on_batch(batch(rights, ops=False), 1).out
        given.append(folded(out))
    assert (
        given[0] == given[1] == given[2] == twin(JoinKind.FULL, ON["text"], "v < w", lefts + rights)
    )


def test_a_pair_that_cannot_be_computed_is_rejected_once_with_its_columns():
    """A residual that fails says for which pair, when it comes and not again when it goes."""
    running = operator(JoinKind.LEFT, ON["text"], "10 / (v - w) > 0", (True, True))
    left, right = one(0, ("a", 1, 5, "x")), one(1, ("a", 2, 5, "1.50"))
    running.on_batch(batch(left, ops=True), 0)
    came = running.on_batch(batch(right, ops=True), 1)
    assert not came.out
    (rejected,) = came.rejected
    assert shown(rejected)["row"].to_list() == [
        '{"k":"a","j":1,"v":5,"s":"x","k2":"a","j2":2,"w":5,"d":"1.50"}'
    ]
    went = running.on_batch(batch(one(1, right[0].row, weight=-1), ops=True), 1)
    assert not went.out
    assert not went.rejected


def test_the_order_of_what_one_batch_gives():
    """A reader by key sees the padded row go before its first pair comes, and back at the end."""
    running = operator(JoinKind.LEFT, ON["text"], None, (True, True))
    left, right = ("a", 1, 5, "x"), ("a", 2, 6, "1.50")
    running.on_batch(batch(one(0, left), ops=True), 0)
    both = one(1, right) + one(1, right, weight=-1)
    (out,) = running.on_batch(batch(both, ops=True), 1).out
    assert out[OP].to_list() == [
        Op.UPDATE_BEFORE,
        Op.UPDATE_AFTER,
        Op.UPDATE_BEFORE,
        Op.UPDATE_AFTER,
    ]
    assert out["k2"].to_list() == [None, "a", "a", None]


@settings(max_examples=60)
@given(data=st.data())
def test_what_is_not_written_for_long_is_as_if_it_never_was(data):
    """Forgetting is lazy and in steps; no result and no count of rows shows how far it got."""
    changing = (data.draw(st.booleans()), data.draw(st.booleans()))
    changes = data.draw(inputs(changing))
    running = operator(JoinKind.INNER, ON["text"], None, changing, ttl_ms=10)
    known: tuple[dict[Any, list[int]], dict[Any, list[int]]] = ({}, {})
    expected: Counter[Any] = Counter()
    found: Counter[Any] = Counter()
    now = 100
    for number, change in enumerate(changes):
        now += data.draw(st.integers(0, 6))
        port, row = change.port, change.row
        if number % 7 == 3:
            saved = running.snapshot()
            running = operator(JoinKind.INNER, ON["text"], None, changing, ttl_ms=10)
            running.restore(saved)
        given_ = running.on_batch(batch([change], ops=changing[port], read_at_ms=now), port)
        for frame in given_.out:
            for made in frame.select("v", "s", "w", "j2").rows():
                found[change.weight, *made] += 1
        for side in known:
            for old in [r for r, (_, written) in side.items() if written <= now - 10]:
                del side[old]
        if row[0] is None:
            continue
        for other, (times, _) in known[1 - port].items():
            if other[0] == row[0]:
                a, b = (row, other) if port == 0 else (other, row)
                expected[change.weight, a[2], a[3], b[2], b[1]] += times
        # Rows of a side that only grows are kept one by one.
        key = row if changing[port] else (*row, number)
        times = known[port].get(key, [0, 0])[0] + change.weight
        if times > 0:
            known[port][key] = [times, now]
        elif times == 0:
            del known[port][key]
    assert found == expected
    assert running.state_rows == sum(map(len, known))


def test_more_columns_than_null_bits_in_a_word():
    """Rows may have any number of columns, each with its own NULL."""
    columns = {"k": "BIGINT"} | {f"c{i}": "INT" for i in range(130)}
    left = t.Schema.of(columns)
    right = t.Schema.of({f"r_{name}": kind for name, kind in columns.items()})
    sides = [Values(columns=schema, rows=()) for schema in (left, right)]
    node = Join(left=sides[0], right=sides[1], kind=JoinKind.INNER, keys=(("k", "r_k"),))
    running = RegularJoin(node, Lowering(Context(), (True, False), False, 7, False))
    row = (1, *(None if i % 3 else i for i in range(130)))
    frame = pl.DataFrame([row], schema=polars_schema(left), orient="row")
    running.on_batch(Batch(frame.with_columns(pl.lit(0, dtype=pl.Int8).alias(OP))), 0)
    other = pl.DataFrame([row], schema=polars_schema(right), orient="row")
    (out,) = running.on_batch(Batch(other), 1).out
    assert out.drop(OP).rows() == [(*row, *row)]


def test_rows_not_written_for_long_meet_nobody_and_are_removed():
    """State that the query does not bound is bounded by its time to live, without any output."""
    running = operator(JoinKind.INNER, ON["text"], None, (False, True), ttl_ms=100)
    old, new = ("a", 1, 5, "x"), ("a", 1, 6, "x")
    right = ("a", 2, 7, None)
    running.on_batch(batch(one(0, old), ops=False, read_at_ms=1000), 0)
    running.on_batch(batch(one(0, new), ops=False, read_at_ms=1050), 0)
    (out,) = running.on_batch(batch(one(1, right), ops=True, read_at_ms=1120), 1).out
    assert out["v"].to_list() == [6]
    # The right row is as it was written last: a row taken back and one that is there again.
    again = running.on_batch(batch(one(1, right), ops=True, read_at_ms=1300), 1)
    assert not again.out
    assert running.state_rows == 1
    late = running.on_batch(batch(one(0, old), ops=False, read_at_ms=1390), 0)
    assert [f.height for f in late.out] == [1]


def test_a_snapshot_keeps_when_rows_were_written():
    """A restart does not renew what is about to be forgotten."""
    running = operator(JoinKind.INNER, ON["text"], None, (False, False), ttl_ms=100)
    running.on_batch(batch(one(0, ("a", 1, 5, "x")), ops=False, read_at_ms=1000), 0)
    fresh = operator(JoinKind.INNER, ON["text"], None, (False, False), ttl_ms=100)
    fresh.restore(running.snapshot())
    right = one(1, ("a", 2, 7, None))
    assert fresh.on_batch(batch(right, ops=False, read_at_ms=1099), 1).out
    assert not fresh.on_batch(batch(right, ops=False, read_at_ms=1100), 1).out


def test_a_row_taken_back_that_is_not_there_is_counted():
    """After its time to live a row may still be taken back: what it gave must go all the same."""
    running = operator(JoinKind.INNER, ON["text"], None, (True, True))
    running.on_batch(batch(one(0, ("a", 1, 5, "x")), ops=True), 0)
    gone = one(1, ("a", 2, 7, None), weight=-1)
    (out,) = running.on_batch(batch(gone, ops=True), 1).out
    assert out[OP].to_list() == [Op.DELETE]
    assert isinstance(running, RegularJoin)
    assert running.rows_unmatched == 1
    assert running.state_rows == 1
