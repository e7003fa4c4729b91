"""Formats of java.util.Formatter: ``%[index$][flags][width][.precision]conversion``.

in      a format and the values of one row (None, bool, int, float, Decimal, str)
out     the text; None where the format is malformed, a value is missing or does not fit
rounds  half up, as Java does (Python's own formats round half to even)
not     %h and %t: a hash of Flink's inner form of a value, and times, which come as text
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import cache

_SPEC = re.compile(r"%(?:(\d+)\$|(<))?([-#+ 0,(]*)(\d+)?(?:\.(\d+))?([a-zA-Z%])")
_WIDTH_MAX = 65_536
_EXACT = Context(prec=400, rounding=ROUND_HALF_UP)
_INTEGER, _REAL = "doxX", "feEgG"


class _Misfit(Exception):
    """The value does not fit the conversion."""


def java_format(
    text: str,
    values: Sequence[object],
    *,
    bits: Sequence[int] | None = None,
    single: Sequence[bool] | None = None,
) -> str | None:
    """Return ``values`` set into the format; ``bits`` is how wide each integer is.

    >>> java_format("%5.2f|%-5s|%05d", (3.14159, "ab", 42))
    ' 3.14|ab   |00042'
    """
    pieces = _pieces(text)
    if pieces is None:
        return None
    out: list[str] = []
    following = last = 0
    for piece in pieces:
        if isinstance(piece, str):
            out.append(piece)
            continue
        index, again, *_, conversion = piece
        if conversion in "%n":
            out.append(_padded("%", piece[2], piece[3]) if conversion == "%" else "\n")
            continue
        if index:
            last = int(index)
        elif not again:
            following += 1
            last = following
        if not 1 <= last <= len(values):
            return None
        width = 64 if bits is None else bits[last - 1]
        narrow = single is not None and single[last - 1]
        try:
            out.append(_one(values[last - 1], piece, width, narrow))
        except _Misfit:
            return None
    return "".join(out)


@cache
def _pieces(text: str) -> tuple[str | tuple[str, ...], ...] | None:
    """Return texts and specifications in turn, or None where the format is malformed."""
    found: list[str | tuple[str, ...]] = []
    at = 0
    for match in _SPEC.finditer(text):
        between = text[at : match.start()]
        if "%" in between or (match[4] and int(match[4]) > _WIDTH_MAX):
            return None
        found += [between, tuple(g or "" for g in match.groups())]
        at = match.end()
    return None if "%" in text[at:] else (*found, text[at:])


def _one(value: object, piece: tuple[str, ...], bits: int, single: bool) -> str:
    flags, width, precision, conversion = piece[2:]
    if conversion.lower() == "b":
        shown = str(value is not None if not isinstance(value, bool) else value).lower()
    elif conversion.lower() == "s":
        shown = _text(value, single)
    elif value is None:
        shown = "null"
    elif conversion in _INTEGER:
        return _padded(_integer(value, flags, width, conversion, bits), flags, width)
    elif conversion in _REAL:
        return _padded(_real(value, flags, width, precision, conversion), flags, width)
    elif conversion.lower() == "c":
        shown = _character(value)
    else:
        raise _Misfit
    if precision:
        shown = shown[: int(precision)]
    return _padded(shown.upper() if conversion.isupper() else shown, flags, width)


def _padded(text: str, flags: str, width: str) -> str:
    if not width:
        return text
    return text.ljust(int(width)) if "-" in flags else text.rjust(int(width))


def _text(value: object, single: bool) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case float():
            return _java_float(value, single)
        case _:
            return str(value)


def _java_float(value: float, single: bool) -> str:
    import polars as pl

    from millstream.engine.functions.cast_text import java_text

    return str(java_text(pl.Series([value], dtype=pl.Float32 if single else pl.Float64))[0])


def _character(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 0x10FFFF:
        return chr(value)
    raise _Misfit


def _signed(negative: bool, digits: str, flags: str, width: str) -> str:
    """Return the digits with sign, grouping and leading zeros."""
    before, after = ("-", "") if negative else ("", "")
    if negative and "(" in flags:
        before, after = "(", ")"
    elif not negative:
        before = "+" if "+" in flags else " " if " " in flags else ""
    if "0" in flags and width:
        digits = digits.rjust(int(width) - len(before) - len(after), "0")
    return before + digits + after


def _integer(value: object, flags: str, width: str, conversion: str, bits: int) -> str:
    if isinstance(value, bool) or not isinstance(value, int):
        raise _Misfit
    if conversion == "d":
        digits = f"{abs(value):,}" if "," in flags else str(abs(value))
        return _signed(value < 0, digits, flags, width)
    # Octal and hexadecimal show the two's complement.
    plain = value % 2**bits
    shown = f"{plain:o}" if conversion == "o" else f"{plain:x}"
    if "#" in flags:
        shown = ("0" if conversion == "o" else "0x") + shown
    if "0" in flags and width:
        shown = shown.rjust(int(width), "0")
    return shown.upper() if conversion == "X" else shown


def _real(value: object, flags: str, width: str, precision: str, conversion: str) -> str:
    if isinstance(value, bool) or not isinstance(value, float | Decimal):
        raise _Misfit
    number = Decimal(repr(value)) if isinstance(value, float) else value
    if not number.is_finite():
        return _not_finite(number, flags)
    size = abs(number)
    places = int(precision) if precision else 6
    if conversion in "gG":
        places = places or 1
        rounded = round_to(size, places) if size else size
        if size == 0 or Decimal("0.0001") <= rounded < Decimal(10) ** places:
            digits = _fixed(size, places - 1 - (rounded.adjusted() if size else 0), flags)
        else:
            digits = _scientific(size, places - 1)
    elif conversion == "f":
        digits = _fixed(size, places, flags)
    else:
        digits = _scientific(size, places)
    shown = _signed(number.is_signed(), digits, flags, width)
    return shown.upper() if conversion.isupper() else shown


def _not_finite(number: Decimal, flags: str) -> str:
    if number.is_nan():
        return "NaN"
    if number < 0:
        return "(Infinity)" if "(" in flags else "-Infinity"
    return "+Infinity" if "+" in flags else "Infinity"


def round_to(number: Decimal, digits: int) -> Decimal:
    """Return the number rounded half up to so many significant digits."""
    return Context(prec=digits, rounding=ROUND_HALF_UP).plus(number)


def _fixed(size: Decimal, places: int, flags: str) -> str:
    rounded = size.quantize(Decimal(1).scaleb(-max(0, places)), context=_EXACT)
    return f"{rounded:,f}" if "," in flags else f"{rounded:f}"


def _scientific(size: Decimal, places: int) -> str:
    if size == 0:
        return f"{Decimal(0):.{places}f}e+00"
    rounded = round_to(size, places + 1)
    exponent = rounded.adjusted()
    mantissa = rounded.scaleb(-exponent)
    return f"{mantissa:.{places}f}e{'+' if exponent >= 0 else '-'}{abs(exponent):02d}"
