"""Finds the fields of CSV lines in one buffer.

in      one byte buffer and, per line, where it begins and ends
out     per (field, line) a span and a kind (of ``json_scan``); per line the number of its fields,
        or a negative status
quotes  a field that begins with the quote ends with it; a doubled quote inside stands for one. With
        an escape character the character after it stands for itself, in quotes and outside
source  RFC 4180
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from millstream.columns.address import byte_at, put_byte
from millstream.columns.jit import kernel
from millstream.formats.json_scan import ESCAPED, MISSING, NULL, TEXT

if TYPE_CHECKING:
    import numpy as np

OPEN_QUOTE, AFTER_QUOTE = -1, -2
NONE = -1


@kernel
def _plain(buf: int, pos: int, end: int, delimiter: int, escape: int) -> tuple[int, int]:
    kind = TEXT
    while pos < end:
        c = byte_at(buf, pos)
        if c == delimiter:
            break
        if c == escape:
            kind = ESCAPED
            pos += 1
        pos += 1
    return min(pos, end), kind


@kernel
def _quoted(buf: int, pos: int, end: int, quote: int, escape: int) -> tuple[int, int]:
    """Return the place of the closing quote and the kind, or OPEN_QUOTE."""
    kind = TEXT
    while pos < end:
        c = byte_at(buf, pos)
        if c == escape and c != quote:
            kind = ESCAPED
            pos += 2
        elif c == quote:
            if pos + 1 < end and byte_at(buf, pos + 1) == quote:
                kind = ESCAPED
                pos += 2
            else:
                return pos, kind
        else:
            pos += 1
    return pos, OPEN_QUOTE


@kernel
def scan_lines(  # noqa: PLR0913, PLR0917 (a kernel takes its arrays one by one)
    buf: int,
    begins: np.ndarray,
    stops: np.ndarray,
    delimiter: int,
    quote: int,
    escape: int,
    starts: np.ndarray,
    ends: np.ndarray,
    kinds: np.ndarray,
    counts: np.ndarray,
) -> None:
    """Fill ``starts``, ``ends`` and ``kinds`` (fields, lines) and ``counts``."""
    fields = len(starts)
    for line in range(len(begins)):
        pos, end = begins[line], stops[line]
        count = 0
        while True:
            if pos < end and byte_at(buf, pos) == quote:
                first = pos + 1
                last, kind = _quoted(buf, first, end, quote, escape)
                if kind == OPEN_QUOTE:
                    count = OPEN_QUOTE
                    break
                pos = last + 1
                if pos < end and byte_at(buf, pos) != delimiter:
                    count = AFTER_QUOTE
                    break
            else:
                first = pos
                pos, kind = _plain(buf, pos, end, delimiter, escape)
                last = pos
            if count < fields:
                starts[count, line] = first
                ends[count, line] = last
                kinds[count, line] = kind
            count += 1
            if pos >= end:
                break
            pos += 1  # over the delimiter; a field follows, if only an empty one
        counts[line] = count
        for field in range(max(count, 0), fields):
            kinds[field, line] = MISSING


@kernel
def unescape_fields(
    buf: int,
    starts: np.ndarray,
    ends: np.ndarray,
    kinds: np.ndarray,
    quote: int,
    escape: int,
    out: int,
    base: int,
) -> int:
    """Write escaped fields to ``out``, which will lie at ``base``; their spans then point there."""
    at = 0
    for i in range(len(starts)):
        if kinds[i] != ESCAPED:
            continue
        pos, end = starts[i], ends[i]
        starts[i] = base + at
        while pos < end:
            c = byte_at(buf, pos)
            if pos + 1 < end and (c == escape or (c == quote and byte_at(buf, pos + 1) == quote)):
                pos += 1
                c = byte_at(buf, pos)
            put_byte(out, at, c)
            at += 1
            pos += 1
        ends[i] = base + at
        kinds[i] = TEXT
    return at


@kernel
def mark_nulls(
    buf: int,
    starts: np.ndarray,
    ends: np.ndarray,
    kinds: np.ndarray,
    literal: int,
    size: int,
) -> None:
    """Make NULL every field that is the literal."""
    for i in range(len(starts)):
        if kinds[i] != TEXT or ends[i] - starts[i] != size:
            continue
        k = 0
        while k < size and byte_at(buf, starts[i] + k) == byte_at(literal, k):
            k += 1
        if k == size:
            kinds[i] = NULL
