"""Finds the values of JSON documents in one buffer: the grammar, and nothing of their types.

in      one byte buffer and, per document, where it begins and ends
out     per (field, document) a span of the buffer and a kind; per document a status
state   none
bad     a document that is no single JSON object has a status (a code of :data:`REASONS`) and the
        place; the documents around it are untouched
notes   the whole document is checked, also the parts nobody asked for. Of a key that comes twice
        the last value counts. Control characters inside strings are allowed, as Flink allows them.
source  RFC 8259
"""

from __future__ import annotations

import numpy as np

from millstream.columns.address import (
    FEW,
    WIDE,
    byte_at,
    copy_bytes,
    first_no_digit,
    first_of,
    first_of_few,
    put_byte,
)
from millstream.columns.jit import kernel

# What a value is. A kind from ERROR on is the code of a reason instead.
MISSING, NULL, TRUE, FALSE, INTEGER, REAL, TEXT, ESCAPED, OBJECT, ARRAY = range(10)
ERROR = 100
END, VALUE, NUMBER, ESCAPE, COLON, COMMA, KEY, DEEP, NO_OBJECT, MORE, OPEN = range(100, 111)
EMPTY, NO_UTF8, NO_PAYLOAD = 120, 121, 122

REASONS = {
    END: "the document ends too early",
    VALUE: "a value is expected",
    NUMBER: "a number is malformed",
    ESCAPE: "an escape in a string is malformed",
    COLON: "':' is expected",
    COMMA: "',' or a closing bracket is expected",
    KEY: "a key in double quotes is expected",
    DEEP: "it is nested too deeply",
    NO_OBJECT: "a JSON object is expected",
    MORE: "something follows the document",
    OPEN: "a string is not closed",
    EMPTY: "the payload is empty",
    NO_UTF8: "the payload is not UTF-8",
    NO_PAYLOAD: "there is no payload",
}
DEPTH_MAX = 64

_QUOTE, _BACKSLASH, _COMMA, _COLON = 0x22, 0x5C, 0x2C, 0x3A
_OBJ, _OBJ_END, _ARR, _ARR_END = 0x7B, 0x7D, 0x5B, 0x5D
_SPACE, _LINE_FEED, _RETURN, _TAB = 0x20, 0x0A, 0x0D, 0x09
_ESCAPED = 0x2F, 0x62, 0x66, 0x6E, 0x72, 0x74  # beside the quote and the backslash
_ZERO, _NINE, _MINUS, _PLUS, _POINT = 0x30, 0x39, 0x2D, 0x2B, 0x2E


@kernel
def _is_blank(c: int) -> bool:
    # No set of numbers here: compiled, it would be made on the heap at each call.
    return c in (_SPACE, _LINE_FEED, _RETURN, _TAB)


@kernel
def _blank(buf: int, pos: int, end: int) -> int:
    while pos < end:
        c = byte_at(buf, pos)
        # Most often nothing is skipped: one comparison tells.
        if c > _SPACE or not _is_blank(c):
            break
        pos += 1
    return pos


@kernel
def _is_hex(c: int) -> bool:
    return 0x30 <= c <= 0x39 or 0x41 <= c <= 0x46 or 0x61 <= c <= 0x66


@kernel
def _string(buf: int, pos: int, end: int) -> tuple[int, int]:
    """Return the place after the closing quote (or of the error) and TEXT, ESCAPED or the error."""
    kind = TEXT
    while pos < end:
        if pos + WIDE <= end:
            step = first_of(buf, pos, _QUOTE, _BACKSLASH)
            pos += step
            if step == WIDE:
                continue
        elif pos + FEW <= end:
            step = first_of_few(buf, pos, _QUOTE, _BACKSLASH)
            pos += step
            if step == FEW:
                continue
        c = byte_at(buf, pos)
        if c == _QUOTE:
            return pos + 1, kind
        if c != _BACKSLASH:
            pos += 1
            continue
        kind = ESCAPED
        if pos + 1 >= end:
            break
        e = byte_at(buf, pos + 1)
        if e == 0x75:  # \uXXXX
            if pos + 6 > end:
                break
            for k in range(pos + 2, pos + 6):
                if not _is_hex(byte_at(buf, k)):
                    return pos, ESCAPE
            pos += 6
        elif e in (_QUOTE, _BACKSLASH) or e in _ESCAPED:
            pos += 2
        else:
            return pos, ESCAPE
    return pos, OPEN


@kernel
def _digits(buf: int, pos: int, end: int) -> int:
    while pos + WIDE <= end:
        step = first_no_digit(buf, pos)
        pos += step
        if step < WIDE:
            return pos
    while pos < end and _ZERO <= byte_at(buf, pos) <= _NINE:
        pos += 1
    return pos


@kernel
def _number(buf: int, pos: int, end: int) -> tuple[int, int]:
    if byte_at(buf, pos) == _MINUS:
        pos += 1
    first = pos
    pos = _digits(buf, pos, end)
    if pos == first or (byte_at(buf, first) == _ZERO and pos > first + 1):
        return pos, NUMBER
    kind = INTEGER
    if pos < end and byte_at(buf, pos) == _POINT:
        kind = REAL
        first = pos + 1
        pos = _digits(buf, first, end)
        if pos == first:
            return pos, NUMBER
    if pos < end and (byte_at(buf, pos) == 0x65 or byte_at(buf, pos) == 0x45):
        kind = REAL
        pos += 1
        if pos < end and (byte_at(buf, pos) == _PLUS or byte_at(buf, pos) == _MINUS):
            pos += 1
        first = pos
        pos = _digits(buf, first, end)
        if pos == first:
            return pos, NUMBER
    return pos, kind


@kernel
def _is_rest(buf: int, pos: int, b: int, c: int, d: int) -> bool:
    return byte_at(buf, pos + 1) == b and byte_at(buf, pos + 2) == c and byte_at(buf, pos + 3) == d


@kernel
def _scalar(buf: int, pos: int, end: int) -> tuple[int, int]:
    """Scan anything but an object or an array."""
    c = byte_at(buf, pos)
    if c == _QUOTE:
        return _string(buf, pos + 1, end)
    if c == _MINUS or _ZERO <= c <= _NINE:
        return _number(buf, pos, end)
    if c == 0x74:
        if pos + 4 <= end and _is_rest(buf, pos, 0x72, 0x75, 0x65):
            return pos + 4, TRUE
    elif c == 0x6E:
        if pos + 4 <= end and _is_rest(buf, pos, 0x75, 0x6C, 0x6C):
            return pos + 4, NULL
    elif (
        (
            c == 0x66
            and pos + 5 <= end
            and byte_at(buf, pos + 1) == 0x61
            and byte_at(buf, pos + 2) == 0x6C
        )
        and byte_at(buf, pos + 3) == 0x73
        and byte_at(buf, pos + 4) == 0x65
    ):
        return pos + 5, FALSE
    return pos, VALUE


@kernel
def _key(buf: int, pos: int, end: int) -> tuple[int, int, int]:
    """Scan a key and its colon; returns the place of the value and ESCAPED, TEXT or the error."""
    if byte_at(buf, pos) != _QUOTE:
        return pos, pos, KEY
    after, kind = _string(buf, pos + 1, end)
    if kind >= ERROR:
        return after, after, kind
    pos = _blank(buf, after, end)
    if pos >= end:
        return pos, pos, END
    if byte_at(buf, pos) != _COLON:
        return pos, pos, COLON
    pos = _blank(buf, pos + 1, end)
    if pos >= end:
        return pos, pos, END
    return pos, after, kind


@kernel
def _container(buf: int, pos: int, end: int, room: int) -> tuple[int, int]:
    """Check an object or array and return the place after it; its kind, or the error.

    ``room`` is how many levels it may have.
    """
    kind = OBJECT if byte_at(buf, pos) == _OBJ else ARRAY
    stack = np.uint64(kind == OBJECT)  # one bit a level, the innermost lowest: 1 = object
    depth = 1
    pos = _blank(buf, pos + 1, end)
    first = True
    while True:
        if pos >= end:
            return pos, END
        closing = _OBJ_END if stack & np.uint64(1) else _ARR_END
        if not (first and byte_at(buf, pos) == closing):
            if closing == _OBJ_END:
                pos, _, found = _key(buf, pos, end)
                if found >= ERROR:
                    return pos, found
            c = byte_at(buf, pos)
            if c in (_OBJ, _ARR):
                if depth >= room:
                    return pos, DEEP
                depth += 1
                stack = (stack << np.uint64(1)) | np.uint64(c == _OBJ)
                pos = _blank(buf, pos + 1, end)
                first = True
                continue
            pos, found = _scalar(buf, pos, end)
            if found >= ERROR:
                return pos, found
            pos = _blank(buf, pos, end)
        while True:  # after a value, or at a bracket that closes one
            if pos >= end:
                return pos, END
            c = byte_at(buf, pos)
            if c == (_OBJ_END if stack & np.uint64(1) else _ARR_END):
                pos += 1
                depth -= 1
                if depth == 0:
                    return pos, kind
                stack >>= np.uint64(1)
                pos = _blank(buf, pos, end)
                continue
            if c != _COMMA:
                return pos, COMMA
            pos = _blank(buf, pos + 1, end)
            first = False
            break


@kernel
def _value(buf: int, pos: int, end: int, room: int) -> tuple[int, int]:
    c = byte_at(buf, pos)
    if c in (_OBJ, _ARR):
        return _container(buf, pos, end, room)
    return _scalar(buf, pos, end)


@kernel
def _hex4(buf: int, pos: int) -> int:
    value = 0
    for k in range(pos, pos + 4):
        c = byte_at(buf, k)
        digit = c - 0x30 if c <= 0x39 else (c & 0xDF) - 0x37
        value = value * 16 + digit
    return value


@kernel
def _put_utf8(out: int, at: int, code: int) -> int:
    if code < 0x80:
        put_byte(out, at, code)
        return at + 1
    if code < 0x800:
        put_byte(out, at, 0xC0 | (code >> 6))
        put_byte(out, at + 1, 0x80 | (code & 0x3F))
        return at + 2
    if code < 0x10000:
        put_byte(out, at, 0xE0 | (code >> 12))
        put_byte(out, at + 1, 0x80 | ((code >> 6) & 0x3F))
        put_byte(out, at + 2, 0x80 | (code & 0x3F))
        return at + 3
    put_byte(out, at, 0xF0 | (code >> 18))
    put_byte(out, at + 1, 0x80 | ((code >> 12) & 0x3F))
    put_byte(out, at + 2, 0x80 | ((code >> 6) & 0x3F))
    put_byte(out, at + 3, 0x80 | (code & 0x3F))
    return at + 4


@kernel
def _short_escape(e: int) -> int:
    if e == 0x6E:
        return 0x0A
    if e == 0x74:
        return 0x09
    if e == 0x72:
        return 0x0D
    if e == 0x62:
        return 0x08
    if e == 0x66:
        return 0x0C
    return e  # the quote, the backslash and the slash stand for themselves


@kernel
def _unescape(buf: int, pos: int, end: int, out: int, at: int) -> int:
    """Write a checked string without its escapes; returns the new place, -1 on a lone surrogate."""
    while pos < end:
        c = byte_at(buf, pos)
        if c != _BACKSLASH:
            put_byte(out, at, c)
            at += 1
            pos += 1
            continue
        e = byte_at(buf, pos + 1)
        if e != 0x75:
            put_byte(out, at, _short_escape(e))
            at += 1
            pos += 2
            continue
        code = _hex4(buf, pos + 2)
        pos += 6
        if 0xDC00 <= code <= 0xDFFF:
            return -1
        if 0xD800 <= code <= 0xDBFF:
            if pos + 6 > end or byte_at(buf, pos) != _BACKSLASH or byte_at(buf, pos + 1) != 0x75:
                return -1
            low = _hex4(buf, pos + 2)
            if low < 0xDC00 or low > 0xDFFF:
                return -1
            code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00)
            pos += 6
        at = _put_utf8(out, at, code)
    return at


@kernel
def count_items(buf: int, begins: np.ndarray, stops: np.ndarray, counts: np.ndarray) -> None:
    """Count the entries of checked arrays and objects."""
    for i in range(len(begins)):
        count = 0
        is_object = byte_at(buf, begins[i]) == _OBJ
        end = stops[i]
        pos = _blank(buf, begins[i] + 1, end)
        while byte_at(buf, pos) != _OBJ_END and byte_at(buf, pos) != _ARR_END:
            if is_object:
                pos, _, _ = _key(buf, pos, end)
            pos, _ = _value(buf, pos, end, DEPTH_MAX)
            count += 1
            pos = _blank(buf, pos, end)
            if byte_at(buf, pos) == _COMMA:
                pos = _blank(buf, pos + 1, end)
        counts[i] = count


@kernel
def scan_items(
    buf: int,
    begins: np.ndarray,
    stops: np.ndarray,
    keys: np.ndarray,
    key_ends: np.ndarray,
    key_kinds: np.ndarray,
    starts: np.ndarray,
    ends: np.ndarray,
    kinds: np.ndarray,
) -> None:
    """Find the entries of checked arrays and objects, one after the other; keys of objects only."""
    at = 0
    for i in range(len(begins)):
        is_object = byte_at(buf, begins[i]) == _OBJ
        end = stops[i]
        pos = _blank(buf, begins[i] + 1, end)
        while byte_at(buf, pos) != _OBJ_END and byte_at(buf, pos) != _ARR_END:
            if is_object:
                keys[at] = pos + 1
                pos, after, key_kinds[at] = _key(buf, pos, end)
                key_ends[at] = after - 1
            begin = pos
            pos, kind = _value(buf, pos, end, DEPTH_MAX)
            quoted = 1 if kind in (TEXT, ESCAPED) else 0
            starts[at] = begin + quoted
            ends[at] = pos - quoted
            kinds[at] = kind
            at += 1
            pos = _blank(buf, pos, end)
            if byte_at(buf, pos) == _COMMA:
                pos = _blank(buf, pos + 1, end)


@kernel
def _minified(buf: int, pos: int, end: int, out: int, at: int) -> int:
    """Copy a checked value without the blanks between its parts."""
    while pos < end:
        c = byte_at(buf, pos)
        if c == _QUOTE:
            after, _ = _string(buf, pos + 1, end)
            while pos < after:
                put_byte(out, at, byte_at(buf, pos))
                at += 1
                pos += 1
            continue
        if not _is_blank(c):
            put_byte(out, at, c)
            at += 1
        pos += 1
    return at


@kernel
def gather_text(
    buf: int,
    starts: np.ndarray,
    ends: np.ndarray,
    kinds: np.ndarray,
    out: int,
    offsets: np.ndarray,
    bad: np.ndarray,
) -> None:
    """Copy the text of each value: strings unescaped, numbers as written, nested values minified.

    ``out`` has room for every span; ``offsets`` becomes the ends. NULL and MISSING are empty; a
    string with a lone surrogate is empty and ``bad``.
    """
    at = 0
    offsets[0] = 0
    for i in range(len(starts)):
        kind = kinds[i]
        if kind == ESCAPED:
            after = _unescape(buf, starts[i], ends[i], out, at)
            if after < 0:
                bad[i] = True
            else:
                at = after
        elif kind in (OBJECT, ARRAY):
            at = _minified(buf, starts[i], ends[i], out, at)
        elif kind > NULL:
            copy_bytes(out + at, buf + starts[i], ends[i] - starts[i])
            at += ends[i] - starts[i]
        offsets[i + 1] = at
