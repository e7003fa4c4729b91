"""Runs tests/cases/functions/*.cases: one expression a line, and the text of its value.

::

    EXPR  →  TEXT :: TYPE        CAST(EXPR AS STRING) gives TEXT; ``:: TYPE`` may be left out
    EXPR  →  NULL                it is NULL;  '' is the empty text, ␊ a line end, ␉ a tab
    EXPR  →  !fragment           the row is rejected, with a reason that contains the fragment
    EXPR  →  ERR fragment        it is refused before anything runs, with such a message
    …  @const                    only as constants: the function wants them so

Each line runs as it stands on one row and on three, then with all its literals as columns of three
equal rows, then with each one alone as a column: what works for constants often fails for columns,
or for a column among constants. A literal that decides a type (the digits of ROUND) stays one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from millstream.columns.physical import polars_type
from millstream.engine.evaluate import lower
from millstream.engine.functions import DRAW, NOW, Context
from millstream.errors import Place, PlanError
from millstream.expr.resolve import resolve
from millstream.expr.tree import Call, Cast, Column, Expr, Literal
from millstream.sql.read import expression
from millstream.types import STRING, Field, Schema

FOLDER = Path(__file__).parent / "functions"
ROWS = 3
EMPTY = Schema(())
_ESCAPES = {"␊": "\n", "␉": "\t"}


@dataclass(frozen=True, slots=True)
class Line:
    """One check."""

    file: str
    number: int
    text: str
    wanted: str
    type: str | None
    constant: bool

    def __str__(self) -> str:
        return f"{self.file}:{self.number} {self.text[:60]}"


def lines() -> Iterator[Line]:
    for path in sorted(FOLDER.glob("*.cases")):
        for number, raw in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            line = raw.strip()
            if not line or line.startswith("#"):
                continue
            text, arrow, rest = line.partition(" → ")
            assert arrow, f"{path.name}:{number} has no ' → '"
            rest, constant = rest.strip(), rest.rstrip().endswith("@const")
            rest = rest.removesuffix("@const").strip()
            wanted, _, kind = rest.partition(":: ") if rest.startswith("::") else _typed(rest)
            yield Line(path.stem, number, text.strip(), wanted, kind or None, constant)


def _typed(rest: str) -> tuple[str, str, str]:
    wanted, mark, kind = rest.rpartition(" :: ")
    return (wanted.strip(), mark, kind.strip()) if mark else (rest, "", "")


LINES = list(lines())


@pytest.mark.parametrize("line", LINES, ids=str)
def test_function(line: Line) -> None:
    """What a function gives is written down once, and holds for constants and for columns."""
    if line.wanted.startswith("ERR"):
        with pytest.raises(PlanError) as refused:
            lower(resolve(expression(line.text), EMPTY), Context())
        assert line.wanted[3:].strip() in str(refused.value)
        return
    expr = resolve(expression(line.text), EMPTY)
    if line.type is not None:
        assert str(expr.typed) == line.type
    for rows in (1, ROWS):
        frame = pl.DataFrame({"$one": [1] * rows})
        assert outcome(expr, frame) == [told(line)] * rows, f"as constants, {rows} rows"
    if not line.constant:
        raw = expression(line.text)
        written = [n for n in raw.walk() if isinstance(n, Literal) and _written(n)]
        lifted, columns = lift(raw, expr, written)
        assert outcome(lifted, columns) == [told(line)] * ROWS, f"as columns: {lifted}"
        # Polars keeps a column that came from a constant as one value: another path through it.
        single = columns.with_columns(
            pl.lit(columns[name][0], dtype=dtype).first().alias(name)
            for name, dtype in columns.schema.items()
        )
        assert outcome(lifted, single) == [told(line)] * ROWS, f"as constant columns: {lifted}"
        for one in written if len(written) > 1 else ():
            lifted, columns = lift(raw, expr, [one])
            assert outcome(lifted, columns) == [told(line)] * ROWS, f"one column: {lifted}"


def told(line: Line) -> tuple[str, str | None]:
    """Return the outcome a line promises: what happened, and the text."""
    if line.wanted == "NULL":
        return "value", None
    if line.wanted.startswith("!"):
        return "rejected", line.wanted[1:].strip()
    text = "" if line.wanted == "''" else line.wanted
    for escape, meant in _ESCAPES.items():
        text = text.replace(escape, meant)
    return "value", text


def outcome(expr: Expr, frame: pl.DataFrame) -> list[tuple[str, str | None]]:
    """Return what happened to each row; a reason counts as equal to any part of it."""
    value = lower(expr, Context())
    shown = lower(Cast(expr, STRING, type=STRING), Context())
    moment = pl.lit(datetime(2026, 1, 31, 9, 5, tzinfo=UTC)).dt.cast_time_unit("ms")
    stamped = frame.with_columns(
        moment.alias(NOW), pl.int_range(pl.len(), dtype=pl.UInt64).alias(DRAW)
    )
    result = stamped.with_columns(value.value.alias("value"), shown.value.alias("text"))
    assert result["value"].dtype == polars_type(expr.typed), "the dtype its type promises"
    found: list[tuple[str, str | None]] = [("value", text) for text in result["text"]]
    for fail in value.fails:
        bad = stamped.with_columns(fail.when.alias("bad"), fail.text.alias("reason"))
        for i, (is_bad, reason) in enumerate(zip(bad["bad"], bad["reason"], strict=True)):
            if is_bad and found[i][0] == "value":
                found[i] = ("rejected", _Reason(reason))
    return found


class _Reason(str):
    """A reason, equal to every fragment of itself."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and other in str(self)

    __hash__ = str.__hash__


def lift(raw: Expr, typed: Expr, literals: list[Literal]) -> tuple[Expr, pl.DataFrame]:
    """Return the expression over columns that hold these literals, and the frame of them."""
    frame = pl.DataFrame({"$one": [1] * ROWS})
    schema = EMPTY
    for i, literal in enumerate(literals):
        name = f"c{i}"
        kind = resolve(literal, EMPTY).typed
        wider = Schema((*schema.fields, Field(name, kind)))
        changed = _put(raw, literal, Column(name))
        try:
            same = resolve(changed, wider).typed.with_nullable(True)
        except PlanError:
            continue  # the function wants a constant here
        if same != typed.typed.with_nullable(True):
            continue
        raw, schema = changed, wider
        constant = pl.select(lower(resolve(literal, EMPTY), Context()).value).to_series()
        assert constant.dtype == polars_type(kind)
        frame = frame.with_columns(constant.new_from_index(0, ROWS).alias(name))
    return resolve(raw, schema), frame


def _put(expr: Expr, old: Expr, new: Expr) -> Expr:
    """Return the tree with the one node ``old`` replaced (by identity, not by value)."""
    if expr is old:
        return new
    children = expr.children()
    return expr.with_children(tuple(_put(c, old, new) for c in children)) if children else expr


def _written(literal: Literal) -> bool:
    """Tell whether the user wrote a value there; a keyword that became a literal stays."""
    place = literal.place
    if literal.value is None or place is None:
        return False
    return not isinstance(literal.value, str) or _source(place).startswith("'")


def _source(place: Place) -> str:
    return place.text.splitlines()[place.line - 1][place.column - 1 :]


def strict_calls() -> Iterator[Line]:
    """Yield the lines that are one call of a STRICT function with written literals."""
    from millstream.expr import catalogue
    from millstream.expr.function import Nulls

    for line in LINES:
        if line.wanted.startswith(("ERR", "!")) or line.wanted == "NULL":
            continue
        expr = expression(line.text)
        if not isinstance(expr, Call) or not catalogue.knows(expr.function):
            continue
        if catalogue.find(expr.function).nulls is Nulls.STRICT:
            yield line


@pytest.mark.parametrize("line", list(strict_calls()), ids=str)
def test_strict_functions_give_null_for_null(line: Line) -> None:
    """STRICT is a promise of the catalogue that targets and rewrite rules build upon."""
    raw = expression(line.text)
    assert isinstance(raw, Call)
    for i, arg in enumerate(raw.args):
        if not isinstance(arg, Literal) or not _written(arg):
            continue
        kind = resolve(arg, EMPTY).typed.with_nullable(True)
        nothing = replace(raw, args=(*raw.args[:i], Column("n"), *raw.args[i + 1 :]))
        frame = pl.DataFrame({"n": pl.Series([None, None], dtype=polars_type(kind))})
        try:
            expr = resolve(nothing, Schema((Field("n", kind),)))
        except PlanError:
            continue  # the function wants a constant here
        assert outcome(expr, frame) == [("value", None)] * 2, f"argument {i + 1}"
