"""Text on Polars columns; what Polars cannot say goes value by value through ``rows``.

Offsets of Polars' ``find`` count bytes, SQL's positions count characters: a position is the length
of the text in front of the match.
"""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

import millstream.engine.functions.text_coding  # noqa: F401 (registers the rest of the family)
from millstream import types as t
from millstream.columns.physical import polars_type
from millstream.engine.functions import Context, Fail, Lowered, lowers
from millstream.engine.functions.regex import compiled
from millstream.engine.functions.rows import on_rows
from millstream.engine.functions.series import constant_of, on_series
from millstream.engine.functions.text_parts import nth_part
from millstream.expr.java_regex import JavaPattern
from millstream.expr.tree import Call

CHARS_MAX = 16_777_216
"""The longest text REPEAT, LPAD and RPAD build; a row that asks for more is rejected."""

_STRING = pl.String()
_NOTHING = pl.lit(None, dtype=pl.String)
_BLANK = pl.lit(" ")


@lowers("||", "CONCAT")
def _concat(call: Call, ctx: Context, *args: pl.Expr) -> pl.Expr:
    return pl.concat_str(*args)


@lowers("CONCAT_WS")
def _concat_ws(call: Call, ctx: Context, separator: pl.Expr, *args: pl.Expr) -> pl.Expr:
    if not args:
        return pl.when(separator.is_not_null()).then(pl.lit(""))
    known = constant_of(separator)
    if known is not None and known[0] is not None:
        return pl.concat_str(*args, separator=known[0], ignore_nulls=True)
    # Polars does not repeat a constant list for a column of separators, so when/then does.
    parts = pl.when(separator.is_not_null()).then(pl.concat_list(*args))
    return parts.list.join(separator, ignore_nulls=True)


@lowers("REPEAT")
def _repeat(call: Call, ctx: Context, x: pl.Expr, times: pl.Expr) -> Lowered:
    count = pl.max_horizontal(times, pl.lit(0)).cast(pl.Int64)
    too_long = (x.str.len_chars().cast(pl.Int64) * count > CHARS_MAX).fill_null(False)
    safe = pl.when(~too_long).then(count).otherwise(0)
    value = x.repeat_by(safe).list.join("")
    both = x.is_not_null() & times.is_not_null()
    return Lowered(pl.when(both).then(value), (_too_long("REPEAT", too_long),))


def _too_long(name: str, when: pl.Expr) -> Fail:
    return Fail(when, f"{name} would give more than {CHARS_MAX:,} characters")


@lowers("LPAD", "RPAD")
def _pad(call: Call, ctx: Context, x: pl.Expr, length: pl.Expr, filling: pl.Expr) -> Lowered:
    left = call.function == "LPAD"
    too_long = (length > CHARS_MAX).fill_null(False)
    safe = pl.when(~too_long).then(length)
    fixed, most = constant_of(filling), constant_of(length)
    if fixed is None or fixed[0] is None or most is None or not 0 < (most[0] or 0) <= CHARS_MAX:
        value = on_rows(_padded_left if left else _padded_right, [x, safe, filling], _STRING)
    elif not fixed[0]:
        value = pl.when(x.is_null()).then(_NOTHING).otherwise(_NOTHING)
    else:
        wide = most[0]
        line = (fixed[0] * (wide // len(fixed[0]) + 1))[:wide]
        room = wide - x.str.len_chars().cast(pl.Int64)
        fill = pl.lit(line).str.slice(0, pl.max_horizontal(room, pl.lit(0)))
        cut = x.str.head(wide)
        value = pl.concat_str(fill, cut) if left else pl.concat_str(cut, fill)
    return Lowered(value, (_too_long(call.function, too_long),))


def _padded_left(x: str, length: int, filling: str) -> str | None:
    if length < 0 or not filling:
        return None
    room = max(0, length - len(x))
    return (filling * (room // len(filling) + 1))[:room] + x[:length]


def _padded_right(x: str, length: int, filling: str) -> str | None:
    if length < 0 or not filling:
        return None
    room = max(0, length - len(x))
    return x[:length] + (filling * (room // len(filling) + 1))[:room]


# --- changing


@lowers("UPPER")
def _upper(call: Call, ctx: Context, x: pl.Expr) -> pl.Expr:
    return x.str.to_uppercase()


@lowers("LOWER")
def _lower(call: Call, ctx: Context, x: pl.Expr) -> pl.Expr:
    return x.str.to_lowercase()


@lowers("INITCAP")
def _initcap(call: Call, ctx: Context, x: pl.Expr) -> pl.Expr:
    # Polars' title case begins a word after a digit and knows all letters, Flink's only A–Z.
    plain = _is_ascii(x) & ~x.str.contains("[0-9]")
    odd = on_rows(_capitalised, [pl.when(~plain).then(x)], _STRING)
    return pl.when(plain).then(x.str.to_titlecase()).otherwise(odd)


def _is_ascii(x: pl.Expr) -> pl.Expr:
    return x.str.len_bytes() == x.str.len_chars()


def _capitalised(x: str) -> str:
    out: list[str] = []
    inside = False
    for c in x:
        if c.isascii() and c.isalnum():
            out.append(c.lower() if inside else c.upper())
            inside = True
        else:
            out.append(c)
            inside = False
    return "".join(out)


@lowers("TRIM")
def _trim(call: Call, ctx: Context, side: pl.Expr, chars: pl.Expr, x: pl.Expr) -> pl.Expr:
    said = getattr(call.args[0], "value", "BOTH")
    return _stripped(said, x, chars)


@lowers("LTRIM")
def _ltrim(call: Call, ctx: Context, x: pl.Expr, chars: pl.Expr = _BLANK) -> pl.Expr:
    return _stripped("LEADING", x, chars)


@lowers("RTRIM")
def _rtrim(call: Call, ctx: Context, x: pl.Expr, chars: pl.Expr = _BLANK) -> pl.Expr:
    return _stripped("TRAILING", x, chars)


@lowers("BTRIM")
def _btrim(call: Call, ctx: Context, x: pl.Expr, chars: pl.Expr = _BLANK) -> pl.Expr:
    return _stripped("BOTH", x, chars)


def _stripped(side: str, x: pl.Expr, chars: pl.Expr) -> pl.Expr:
    strip: dict[str, Callable[[pl.Expr], pl.Expr]] = {
        "LEADING": x.str.strip_chars_start,
        "TRAILING": x.str.strip_chars_end,
        "BOTH": x.str.strip_chars,
    }
    # To Polars no characters at all means white space; to SQL it means the argument is NULL.
    return pl.when(chars.is_not_null()).then(strip[side](chars))


@lowers("REPLACE")
def _replace(call: Call, ctx: Context, x: pl.Expr, search: pl.Expr, by: pl.Expr) -> pl.Expr:
    fixed = constant_of(search)
    if fixed is None or fixed[0] is None:
        # Polars takes no column as the text to search for.
        return on_rows(str.replace, [x, search, by], _STRING)
    # Polars does not repeat a constant text for a column of replacements, so when/then does.
    every = pl.when(by.is_not_null()).then(x)
    return every.str.replace_all(fixed[0], by.fill_null(""), literal=True)


@lowers("REVERSE")
def _reverse(call: Call, ctx: Context, x: pl.Expr) -> pl.Expr:
    # Polars keeps an accent with its letter, Flink turns every code point.
    plain = _is_ascii(x)
    odd = on_rows(lambda v: v[::-1], [pl.when(~plain).then(x)], _STRING)
    return pl.when(plain).then(x.str.reverse()).otherwise(odd)


@lowers("OVERLAY")
def _overlay(
    call: Call, ctx: Context, x: pl.Expr, by: pl.Expr, start: pl.Expr, length: pl.Expr | None = None
) -> pl.Expr:
    at, size = start.cast(pl.Int64), x.str.len_chars().cast(pl.Int64)
    drop = (by.str.len_chars() if length is None else length).cast(pl.Int64)
    outside = (at <= 0) | (at > size)
    head = x.str.slice(0, pl.max_horizontal(at - 1, pl.lit(0)))
    after = pl.max_horizontal(at - 1 + drop, pl.lit(0))
    tail = pl.when((drop > 0) & (at + drop <= size)).then(x.str.slice(after)).otherwise(pl.lit(""))
    known = x.is_not_null() & by.is_not_null() & start.is_not_null() & drop.is_not_null()
    return pl.when(known).then(pl.when(outside).then(x).otherwise(pl.concat_str(head, by, tail)))


@lowers("TRANSLATE")
def _translate(call: Call, ctx: Context, x: pl.Expr, old: pl.Expr, new: pl.Expr) -> pl.Expr:
    a, b = constant_of(old), constant_of(new)
    if a is None or b is None:
        filled = [x, old.fill_null(""), new.fill_null("")]
        return on_rows(
            lambda v, f, to: v.translate(str.maketrans(_by_char(f, to))), filled, _STRING
        )
    table = _by_char(a[0] or "", b[0] or "")
    return x.str.replace_many(list(table), list(table.values())) if table else x


def _by_char(old: str, new: str) -> dict[str, str]:
    """Return what each character becomes; the first of equal ones counts."""
    table: dict[str, str] = {}
    for i, c in enumerate(old):
        table.setdefault(c, new[i : i + 1])
    return table


# --- cutting


@lowers("SUBSTRING")
def _substring(
    call: Call, ctx: Context, x: pl.Expr, start: pl.Expr, length: pl.Expr | None = None
) -> pl.Expr:
    at, size = start.cast(pl.Int64), x.str.len_chars().cast(pl.Int64)
    begin = pl.when(at > 0).then(at - 1).when(at == 0).then(0).otherwise(size + at)
    inside = (begin >= 0) & (begin < size)
    known = x.is_not_null() & start.is_not_null()
    safe = pl.max_horizontal(begin, pl.lit(0))
    if length is None:
        value = x.str.slice(safe)
    else:
        known = known & (length >= 0)
        value = x.str.slice(safe, pl.max_horizontal(length, pl.lit(0)))
    return pl.when(known).then(pl.when(inside).then(value).otherwise(pl.lit("")))


@lowers("LEFT")
def _left(call: Call, ctx: Context, x: pl.Expr, count: pl.Expr) -> pl.Expr:
    return pl.when(count.is_not_null()).then(x.str.head(pl.max_horizontal(count, pl.lit(0))))


@lowers("RIGHT")
def _right(call: Call, ctx: Context, x: pl.Expr, count: pl.Expr) -> pl.Expr:
    return pl.when(count.is_not_null()).then(x.str.tail(pl.max_horizontal(count, pl.lit(0))))


@lowers("ELT")
def _elt(call: Call, ctx: Context, index: pl.Expr, *args: pl.Expr) -> pl.Expr:
    found: pl.Expr = pl.lit(None, dtype=polars_type(call.typed))
    for i in range(len(args), 0, -1):
        found = pl.when(index == i).then(args[i - 1]).otherwise(found)
    return found


@lowers("SPLIT")
def _split(call: Call, ctx: Context, x: pl.Expr, by: pl.Expr) -> pl.Expr:
    nothing = pl.lit([], dtype=pl.List(pl.String))
    # Polars takes an empty delimiter apart into characters only where it is a constant.
    characters = pl.when(by == "").then(x.str.split("")).otherwise(x.str.split(by))
    parts = pl.when(x == "").then(nothing).otherwise(characters)
    return pl.when(x.is_not_null() & by.is_not_null()).then(parts)


@lowers("SPLIT_INDEX")
def _split_index(call: Call, ctx: Context, x: pl.Expr, by: pl.Expr, index: pl.Expr) -> pl.Expr:
    if isinstance(call.args[1].typed, t.logical.Integer):
        by = on_rows(lambda code: chr(code) if 0 <= code <= 0x10FFFF else None, [by], _STRING)
    delimiter, which = constant_of(by), constant_of(index)
    if delimiter is not None and which is not None:
        sought, nth = delimiter[0], which[0]
        if sought and nth is not None and nth >= 0:
            return on_series(lambda texts: nth_part(texts, sought, nth), [x], _STRING)
    # Without a delimiter Flink splits at white space.
    parts = (
        pl.when(by == "")
        .then(x.str.replace_all(r"\s", " ").str.split(" "))
        .otherwise(x.str.split(by))
    )
    value = parts.list.get(pl.max_horizontal(index, pl.lit(0)), null_on_oob=True)
    return pl.when((x != "") & by.is_not_null() & (index >= 0)).then(value)


@lowers("STR_TO_MAP")
def _str_to_map(call: Call, ctx: Context, x: pl.Expr, *by: pl.Expr) -> pl.Expr:
    between = by[0] if by else pl.lit(",")
    inside = by[1] if len(by) > 1 else pl.lit("=")
    # The delimiters are patterns and the last of equal keys stays: row by row.
    return on_rows(_pairs, [x, between, inside], polars_type(call.typed))


def _pairs(x: str, between: str, inside: str) -> list[dict[str, str | None]] | None:
    outer, inner = compiled(between), compiled(inside)
    if outer is None or inner is None:
        return None
    found: dict[str, str | None] = {}
    for part in java_split(outer, x):
        match = inner.python.search(part)
        if match is None:
            found[part] = None
        else:
            found[part[: match.start()]] = part[match.end() :]
    return [{"key": key, "value": value} for key, value in found.items()]


def java_split(pattern: JavaPattern, x: str) -> list[str]:
    """Return the parts as Java's String.split does: no empty ones at the end, none for ''."""
    parts: list[str] = []
    at = 0
    for match in pattern.find_all(x):
        if match.end() == 0:
            continue  # an empty match at the start gives no part
        parts.append(x[at : match.start()])
        at = match.end()
    parts.append(x[at:])
    while parts and not parts[-1]:
        parts.pop()
    return parts


# --- searching


@lowers("CHAR_LENGTH")
def _char_length(call: Call, ctx: Context, x: pl.Expr) -> pl.Expr:
    return x.str.len_chars().cast(pl.Int32)


def _position(part: pl.Expr, x: pl.Expr) -> pl.Expr:
    """Return where ``part`` first stands, 0 where it does not, NULL where one is NULL."""
    byte = x.str.find(part, literal=True)
    in_front = x.cast(pl.Binary).bin.head(byte).cast(pl.String)
    where = pl.when(_is_ascii(x)).then(byte).otherwise(in_front.str.len_chars())
    known = x.is_not_null() & part.is_not_null()
    found = pl.when(byte.is_null()).then(0).otherwise(where.cast(pl.Int32) + 1)
    return pl.when(known).then(found).cast(pl.Int32)


@lowers("POSITION", "LOCATE")
def _locate(
    call: Call, ctx: Context, part: pl.Expr, x: pl.Expr, start: pl.Expr | None = None
) -> pl.Expr:
    if start is None:
        return _position(part, x)
    before = pl.max_horizontal(start.cast(pl.Int64) - 1, pl.lit(0))
    further = _position(part, x.str.slice(before))
    moved = pl.when(further > 0).then(further + before).otherwise(0)
    # An empty part stands at 1, wherever the search begins (Flink).
    found = pl.when(part == "").then(1).otherwise(moved).cast(pl.Int32)
    known = x.is_not_null() & part.is_not_null() & start.is_not_null()
    return pl.when(known).then(found)


@lowers("INSTR")
def _instr(call: Call, ctx: Context, x: pl.Expr, part: pl.Expr, *more: pl.Expr) -> Lowered:
    if not more:
        return Lowered(_position(part, x))
    # Counting occurrences from either end has no vectorised form.
    value = on_rows(_nth_position, [x, part, *more], pl.Int32())
    if len(more) == 1:
        return Lowered(value)
    wrong = (more[1] <= 0).fill_null(False)
    return Lowered(value, (Fail(wrong, "INSTR counts occurrences from 1"),))


def _nth_position(x: str, part: str, start: int, occurrence: int = 1) -> int:
    """Return the n-th occurrence, searched backwards from a negative ``start``."""
    if not part:
        return 1
    if start == 0:
        return 0
    at, end = start - 1, len(x) + start + 1
    found = -1
    for _ in range(occurrence):
        found = x.find(part, at) if start > 0 else x.rfind(part, 0, max(0, end))
        if found < 0:
            return 0
        at, end = found + 1, found + len(part) - 1
    return found + 1


@lowers("STARTSWITH", "ENDSWITH")
def _ends(call: Call, ctx: Context, x: pl.Expr, part: pl.Expr) -> pl.Expr:
    texts = isinstance(call.args[0].typed, t.logical.CharacterString)
    space = x.str if texts else x.bin
    test = space.starts_with if call.function == "STARTSWITH" else space.ends_with
    return pl.when(x.is_not_null() & part.is_not_null()).then(test(part))
