"""Patterns of java.time and SimpleDateFormat on Polars columns.

in      a pattern (letters mean parts, '…' is literal text)
out     an expression that writes a timestamp in it, or reads one; reading gives NULL where the
        text does not fit or the day does not exist
bad     PlanError naming the letter that is not supported
source  java.time.format.DateTimeFormatter; the English names of months and days
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from millstream.errors import PlanError

_MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September",
           "October", "November", "December")  # fmt: skip
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_LETTERS = "yuMLdDEaHhKkmsSQqwnzZXx"


@dataclass(frozen=True, slots=True)
class Part:
    """A letter repeated ``count`` times, or literal ``text`` (letter empty)."""

    letter: str
    count: int = 0
    text: str = ""


def parts_of(pattern: str) -> tuple[Part, ...]:
    """Return the parts of a pattern in order."""
    found: list[Part] = []
    at = 0
    while at < len(pattern):
        char = pattern[at]
        if char == "'":
            text, at = _quoted(pattern, at)
            found.append(Part("", text=text))
        elif char.isascii() and char.isalpha():
            if char not in _LETTERS:
                raise PlanError(
                    f"The pattern '{pattern}' has the letter '{char}', which Millstream does not "
                    "know.",
                    hint=f"Known letters: {' '.join(_LETTERS)}; put plain text in '…'.",
                )
            end = at
            while end < len(pattern) and pattern[end] == char:
                end += 1
            found.append(Part(char, end - at))
            at = end
        else:
            found.append(Part("", text=char))
            at += 1
    return tuple(found)


def _quoted(pattern: str, start: int) -> tuple[str, int]:
    if pattern.startswith("''", start):
        return "'", start + 2
    text, at = "", start + 1
    while at < len(pattern):
        if pattern.startswith("''", at):
            text, at = text + "'", at + 2
        elif pattern[at] == "'":
            return text, at + 1
        else:
            text, at = text + pattern[at], at + 1
    raise PlanError(
        f"The pattern '{pattern}' opens a quote and does not close it.",
        hint="Write '' for one quote.",
    )


# --- writing


def written(x: pl.Expr, pattern: str, zoned: pl.Expr | None = None) -> pl.Expr:
    """Return the text of a wall clock's time; ``zoned`` is its instant in the zone, where known."""
    parts = parts_of(pattern)
    if parts and all(_chrono(part) is not None for part in parts):
        return x.dt.to_string("".join(_chrono(part) or "" for part in parts))
    pieces = [_piece(x, part, pattern, zoned) for part in parts]
    return pl.concat_str(*pieces) if pieces else x.is_null().replace_strict({False: "", True: None})


_CHRONO = {
    ("y", 4): "%Y", ("M", 2): "%m", ("d", 2): "%d", ("H", 2): "%H", ("m", 2): "%M",
    ("s", 2): "%S", ("S", 3): "%3f", ("S", 6): "%6f", ("S", 9): "%9f",
}  # fmt: skip
"""The parts Polars writes itself, several at once."""


def _chrono(part: Part) -> str | None:
    if not part.letter:
        return part.text.replace("%", "%%")
    return _CHRONO.get((part.letter, part.count))


def _number(value: pl.Expr, width: int) -> pl.Expr:
    return value.cast(pl.Int64).cast(pl.String).str.zfill(width)


def _named(index: pl.Expr, names: tuple[str, ...], first: int, count: int) -> pl.Expr:
    shown = [name if count >= 4 else name[:3] for name in names]
    return index.cast(pl.Int64).replace_strict(
        {first + i: name for i, name in enumerate(shown)}, default=None, return_dtype=pl.String
    )


_NUMBERS: dict[str, Callable[[pl.Expr], pl.Expr]] = {
    "d": lambda x: x.dt.day(),
    "D": lambda x: x.dt.ordinal_day(),
    "H": lambda x: x.dt.hour(),
    "h": lambda x: (x.dt.hour().cast(pl.Int64) + 11) % 12 + 1,
    "K": lambda x: x.dt.hour().cast(pl.Int64) % 12,
    "k": lambda x: (x.dt.hour().cast(pl.Int64) + 23) % 24 + 1,
    "m": lambda x: x.dt.minute(),
    "s": lambda x: x.dt.second(),
    "n": lambda x: x.dt.nanosecond(),
    "w": lambda x: x.dt.week(),
}


def _piece(x: pl.Expr, part: Part, pattern: str, zoned: pl.Expr | None) -> pl.Expr:
    letter, count = part.letter, part.count
    if not letter:
        return pl.lit(part.text)
    if letter in _NUMBERS:
        return _number(_NUMBERS[letter](x), count)
    match letter:
        case "y" | "u":
            year = x.dt.year().cast(pl.Int64)
            return _number(year % 100, 2) if count == 2 else _number(year, count)
        case "M" | "L":
            month = x.dt.month()
            return _number(month, count) if count < 3 else _named(month, _MONTHS, 1, count)
        case "Q" | "q":
            quarter = _number(x.dt.quarter(), count if count < 3 else 1)
            return quarter if count < 3 else pl.concat_str(pl.lit("Q"), quarter)
        case "E":
            return _named(x.dt.weekday(), _DAYS, 1, count)
        case "a":
            return pl.when(x.dt.hour() < 12).then(pl.lit("AM")).otherwise(pl.lit("PM"))
        case "S":
            digits = _number(x.dt.nanosecond(), 9)
            return digits.str.slice(0, count) if count <= 9 else digits.str.pad_end(count, "0")
        case _:
            if zoned is None:
                raise PlanError(
                    f"The pattern '{pattern}' asks for a zone ('{letter}'), this time has none.",
                    hint="Leave the letter out.",
                )
            return _zone(zoned, letter, count)


def _zone(zoned: pl.Expr, letter: str, count: int) -> pl.Expr:
    if letter == "z":
        return zoned.dt.to_string("%Z")
    colon = count == 3 or (letter == "Z" and count == 5)
    text = zoned.dt.to_string("%:z" if colon else "%z")
    if letter in "Xx" and count == 1:
        text = text.str.replace(r"00$", "")
    if letter == "X":
        return text.str.replace(r"^[+-]00(:?00)?$", "Z")
    return text


# --- reading


_TWO = {"d", "H", "h", "K", "k", "m", "s", "M", "L", "D"}


def read(texts: pl.Series, pattern: str, *, lenient: bool) -> pl.DataFrame:
    """Return ``wall`` (Datetime us) and ``offset_s`` (the text's own zone, or NULL) of each text.

    ``lenient`` allows fewer digits and text behind, as SimpleDateFormat does.
    """
    regex, names = _regex(parts_of(pattern), lenient=lenient)
    if not names:
        empty = {"wall": pl.Datetime("us"), "offset_s": pl.Int64()}
        return pl.DataFrame({"wall": [None], "offset_s": [None]}, schema=empty).select(
            pl.all().repeat_by(len(texts)).explode()
        )
    groups = texts.str.extract_groups(regex).struct.unnest()
    field = {name: pl.col(groups.columns[i]) for i, name in enumerate(names)}
    matched = pl.col(groups.columns[0]).is_not_null()
    wall = _day_of(field).cast(pl.Int64) * 86_400_000_000 + _clock_of(field) // 1000
    return groups.select(
        wall=pl.when(matched)
        .then(wall)
        .otherwise(pl.lit(None, dtype=pl.Int64))
        .cast(pl.Datetime("us")),
        offset_s=_offset_of(field),
    )


def _regex(parts: tuple[Part, ...], *, lenient: bool) -> tuple[str, list[str]]:
    pieces: list[str] = []
    names: list[str] = []
    for i, part in enumerate(parts):
        if not part.letter:
            pieces.append(re.escape(part.text))
            continue
        adjacent = i + 1 < len(parts) and bool(parts[i + 1].letter)
        name, piece = _group_of(part, lenient=lenient and not adjacent)
        names.append(name)
        pieces.append(f"({piece})")
    return f"^{''.join(pieces)}{'' if lenient else '$'}", names


def _group_of(part: Part, *, lenient: bool) -> tuple[str, str]:
    letter, count = part.letter, part.count
    if letter in "ML" and count >= 3:
        names = _MONTHS if count >= 4 else tuple(m[:3] for m in _MONTHS)
        return "month_name", "(?i:" + "|".join(names) + ")"
    if letter == "E":
        names = _DAYS if count >= 4 else tuple(d[:3] for d in _DAYS)
        return "E", "(?i:" + "|".join(names) + ")"
    if letter in _TWO:
        name = "M" if letter == "L" else letter
        widest = 3 if letter == "D" else 2
        exact = rf"\d{{{count}}}" if count > 1 else rf"\d{{1,{widest}}}"
        return name, rf"\d{{1,{widest}}}" if lenient else exact
    if letter in "yu":
        if count == 2:
            return "yy", r"\d{2}"
        return "y", r"\d{1,4}" if lenient or count == 1 else r"\d{4}"
    if letter == "S":
        return ("millis", r"\d{1,9}") if lenient else ("S", rf"\d{{{count}}}")
    if letter == "a":
        return "a", "(?i:AM|PM)"
    if letter in "XxZ":
        return "offset", r"Z|[+-]\d{2}(?::?\d{2})?"
    raise PlanError(
        f"The letter '{letter}' of a pattern cannot be read back from text.",
        hint="Use y M d H h m s S a E X.",
    )


def _int(field: dict[str, pl.Expr], name: str, default: int) -> pl.Expr:
    found = field.get(name)
    return pl.lit(default, dtype=pl.Int64) if found is None else found.cast(pl.Int64)


def _day_of(field: dict[str, pl.Expr]) -> pl.Expr:
    year = _int(field, "yy", 0) + 2000 if "yy" in field else _int(field, "y", 1970)
    if "month_name" in field:
        short = field["month_name"].str.slice(0, 3).str.to_lowercase()
        month = short.replace_strict(
            {name[:3].lower(): i + 1 for i, name in enumerate(_MONTHS)},
            default=None, return_dtype=pl.Int64,
        )  # fmt: skip
    else:
        month = _int(field, "M", 1)
    day = _int(field, "d", 1)
    text = pl.concat_str(
        _number(year, 4), pl.lit("-"), _number(month, 2), pl.lit("-"), _number(day, 2)
    )
    date = text.str.to_date("%Y-%m-%d", strict=False).cast(pl.Int32)
    if "D" in field and "M" not in field and "month_name" not in field:
        date = date + (_int(field, "D", 1) - 1).cast(pl.Int32)
    return date


def _clock_of(field: dict[str, pl.Expr]) -> pl.Expr:
    hour = _int(field, "H", 0)
    if "h" in field or "K" in field:
        half = _int(field, "h", 12) % 12 if "h" in field else _int(field, "K", 0)
        late = field["a"].str.to_uppercase() == "PM" if "a" in field else pl.lit(False)
        hour = half + late.cast(pl.Int64) * 12
    elif "k" in field:
        hour = _int(field, "k", 24) % 24
    minute, second = _int(field, "m", 0), _int(field, "s", 0)
    if "S" in field:
        part = field["S"].str.pad_end(9, "0").str.slice(0, 9).cast(pl.Int64)
    else:
        part = _int(field, "millis", 0) * 1_000_000
    fine = (hour < 24) & (minute < 60) & (second < 60)
    total = ((hour * 60 + minute) * 60 + second) * 1_000_000_000 + part
    return pl.when(fine).then(total).otherwise(pl.lit(None, dtype=pl.Int64))


def _offset_of(field: dict[str, pl.Expr]) -> pl.Expr:
    if "offset" not in field:
        return pl.lit(None, dtype=pl.Int64)
    digits = field["offset"].str.replace("Z", "+0000").str.replace_all(":", "")
    digits = digits.str.pad_end(5, "0")
    size = digits.str.slice(1, 2).cast(pl.Int64) * 3600 + digits.str.slice(3, 2).cast(pl.Int64) * 60
    return pl.when(digits.str.starts_with("-")).then(-size).otherwise(size)
