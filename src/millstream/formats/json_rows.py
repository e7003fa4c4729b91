"""Finds the fields of ROW types in JSON documents, nested ones in the same pass.

in      documents in one buffer, and the names of the wanted fields of every ROW, as a :class:`Tree`
out     per (field, document) a span of the buffer and a kind; per document a status and a place
state   none between calls. In a call the keys of the document before are kept: documents of one
        stream have theirs in the same order, so that a key is mostly known by one comparison
bad     as ``json_scan``: a document that is no single JSON object has a status
notes   of a key that comes twice the last value counts; what was found inside the first is gone
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from millstream import types as t
from millstream.columns.address import byte_at, put_byte, put_word, word_at
from millstream.columns.jit import kernel
from millstream.formats.json_scan import (
    COLON,
    COMMA,
    DEEP,
    DEPTH_MAX,
    EMPTY,
    END,
    ERROR,
    ESCAPED,
    MISSING,
    MORE,
    NO_OBJECT,
    OBJECT,
    TEXT,
    _blank,
    _key,
    _unescape,
    _value,
)

KEYS_KEPT = 64
"""Of so many keys of a document it is remembered which field they name."""
_WORDS = 8
"""Of each: where its name lies and its size, the field and the first field of the ROW it is in,
then how it is written from quote to colon: two words, and which bits of them count. These are 0, 1
where the key is longer than two words or has blanks behind it."""
_ENTRY = 8 * _WORDS
_SHORT = 16
Layout = tuple[int, int, int, int, int, int, int]
_QUOTE, _COMMA, _COLON, _OBJ, _OBJ_END = 0x22, 0x2C, 0x3A, 0x7B, 0x7D


@dataclass(frozen=True, slots=True)
class Tree:
    """The fields of a ROW and of the ROWs in it; those of one ROW lie side by side.

    ``first`` and ``after`` tell where the fields of a field lie (0, 0 where it is no ROW),
    ``above`` which field a field is in (-1 = none); ``names`` are one after the other, cut at
    ``cuts``; ``types`` are those of all fields, and ``layout`` tells kernels where all of it lies.
    """

    count: int
    top: int
    types: tuple[t.LogicalType, ...]
    first: np.ndarray
    after: np.ndarray
    above: np.ndarray
    names: np.ndarray
    cuts: np.ndarray
    layout: Layout

    @classmethod
    def of(cls, fields: list[tuple[str, t.LogicalType]]) -> Tree:
        """Lay out the fields, those of the outermost ROW first."""
        flat, above = list(fields), [-1] * len(fields)
        first, after = [0] * len(fields), [0] * len(fields)
        at = 0
        while at < len(flat):
            kind = flat[at][1]
            if isinstance(kind, t.Row):
                first[at], after[at] = len(flat), len(flat) + len(kind.fields)
                flat += kind.fields
                above += [at] * len(kind.fields)
                first += [0] * len(kind.fields)
                after += [0] * len(kind.fields)
            at += 1
        names = [name.encode() for name, _ in flat]
        letters = np.frombuffer(b"".join(names) or b"\0", np.uint8)
        cuts = np.cumsum([0, *map(len, names)], dtype=np.int64)
        one, two, three = (np.array(numbers, np.int64) for numbers in (first, after, above))
        lie = (int(array.ctypes.data) for array in (letters, cuts, one, two, three))
        layout = (len(flat), len(fields), next(lie), next(lie), next(lie), next(lie), next(lie))
        types = tuple(kind for _, kind in flat)
        return cls(len(flat), len(fields), types, one, two, three, letters, cuts, layout)


@dataclass(frozen=True, slots=True)
class Found:
    """Where values lie: ``starts``, ``ends`` and ``kinds`` are (fields, documents)."""

    starts: np.ndarray
    ends: np.ndarray
    kinds: np.ndarray
    places: np.ndarray
    """Per document how far it was read, or where it is broken."""


def find_fields(
    tree: Tree, data: np.ndarray, begins: np.ndarray, stops: np.ndarray, status: np.ndarray
) -> Found:
    """Scan every document whose ``status`` is 0, and set it where a document is broken."""
    assert not MISSING, "memory of zeros says that nothing was found"
    shape = (tree.count, len(begins))
    found = Found(
        np.empty(shape, np.int64),
        np.empty(shape, np.int64),
        np.zeros(shape, np.uint8),
        np.zeros(shape[1], np.int64),
    )
    scratch = np.empty(6 * len(tree.names) + 8, np.uint8)  # so long at most is an escaped name
    keys = np.zeros(_WORDS * KEYS_KEPT, np.int64)
    spans = (found.starts, found.ends, found.kinds)
    buf = int(data.ctypes.data)
    scan_rows(buf, begins, stops, tree.layout, scratch, keys, *spans, status, found.places)
    return found


@kernel
def _same(a: int, b: int, size: int) -> bool:
    k = 0
    while k + 8 <= size:
        if word_at(a, k) != word_at(b, k):
            return False
        k += 8
    while k < size and byte_at(a, k) == byte_at(b, k):
        k += 1
    return k == size


@kernel
def _offset(offsets: int, k: int) -> Any:
    return np.int64(word_at(offsets, 8 * k))


@kernel
def _field(name: int, size: int, names: int, cuts: int, low: int, high: int) -> int:
    """Return the field of a name among some, or -1."""
    for k in range(low, high):
        begin = _offset(cuts, k)
        if _offset(cuts, k + 1) - begin == size and _same(names + begin, name, size):
            return k
    return -1


@kernel
def _known(buf: int, pos: int, end: int, entry: int, low: int) -> bool:
    """Tell whether the key at ``pos`` is the one of an entry, in the same ROW."""
    size = _offset(entry, 1)
    after = pos + 1 + size
    if size == 0 or after + 1 >= end or _offset(entry, 3) != low:
        return False
    if byte_at(buf, pos) != _QUOTE or byte_at(buf, after) != _QUOTE:
        return False
    return _same(buf + pos + 1, _offset(entry, 0), size)


@kernel
def _low_bytes(count: int) -> Any:
    """Return a word in which the bits of the first ``count`` bytes are set."""
    if count <= 0:
        return np.uint64(0)
    if count >= 8:
        return ~np.uint64(0)
    return (np.uint64(1) << np.uint64(8 * count)) - np.uint64(1)


@kernel
def _keep(entry: int, buf: int, pos: int, end: int, size: int, field: int, low: int) -> None:
    """Remember the key at ``pos``, which has no escapes."""
    put_word(entry, 0, buf + pos + 1)
    put_word(entry, 8, size)
    put_word(entry, 16, field)
    put_word(entry, 24, low)
    written = size + 3
    usual = written <= _SHORT and pos + _SHORT <= end and byte_at(buf, pos + size + 2) == _COLON
    first, second = np.uint64(0), np.uint64(0)
    if usual:
        first, second = _low_bytes(written), _low_bytes(written - 8)
        put_word(entry, 32, np.int64(word_at(buf, pos) & first))
        put_word(entry, 40, np.int64(word_at(buf, pos + 8) & second))
    else:
        put_word(entry, 32, 1)  # equal to nothing: the bits that count are none
    put_word(entry, 48, np.int64(first))
    put_word(entry, 56, np.int64(second))


@kernel
def _is_as_before(buf: int, pos: int, entry: int, low: int) -> bool:
    """Tell whether the 16 bytes at ``pos`` begin with the key of an entry, its colon included."""
    first = (word_at(buf, pos) & word_at(entry, 48)) ^ word_at(entry, 32)
    second = (word_at(buf, pos + 8) & word_at(entry, 56)) ^ word_at(entry, 40)
    return (first | second) == np.uint64(0) and _offset(entry, 3) == low


@kernel
def _forget(field: int, layout: Layout, kinds: int, doc: int, count: int) -> None:
    """Drop what was found in a ROW of a document."""
    above = layout[6]
    for k in range(layout[0]):
        up = _offset(above, k)
        while up >= 0 and up != field:
            up = _offset(above, up)
        if up == field:
            put_byte(kinds, k * count + doc, MISSING)


@kernel
def _member(  # noqa: PLR0913, PLR0917 (a kernel takes its values one by one)
    buf: int,
    pos: int,
    end: int,
    layout: Layout,
    low: int,
    high: int,
    scratch: int,
    scratch_size: int,
    keys: int,
    nth: int,
) -> tuple[int, int, int]:
    """Scan a key; returns the place of its value, its field (or -1), and 0 or the error."""
    entry = keys + _ENTRY * nth
    if nth < KEYS_KEPT:
        if pos + _SHORT <= end and _is_as_before(buf, pos, entry, low):
            pos = _blank(buf, pos + 3 + _offset(entry, 1), end)
            return pos, _offset(entry, 2), (END if pos >= end else 0)
        if _known(buf, pos, end, entry, low):
            pos = _blank(buf, pos + 2 + _offset(entry, 1), end)
            if pos >= end:
                return pos, -1, END
            if byte_at(buf, pos) != _COLON:
                return pos, -1, COLON
            pos = _blank(buf, pos + 1, end)
            return pos, _offset(entry, 2), (END if pos >= end else 0)
    begin = pos
    name = buf + pos + 1
    pos, after, kind = _key(buf, pos, end)
    if kind >= ERROR:
        return pos, -1, kind
    size = buf + after - 1 - name
    names, cuts = layout[2], layout[3]
    if kind == TEXT:
        field = _field(name, size, names, cuts, low, high)
        if nth < KEYS_KEPT:
            _keep(entry, buf, begin, end, size, field, low)
        return pos, field, 0
    if size > scratch_size:
        return pos, -1, 0
    size = _unescape(name, 0, size, scratch, 0)
    if size < 0:
        return pos, -1, 0
    return pos, _field(scratch, size, names, cuts, low, high), 0


@kernel
def _opened(buf: int, pos: int, end: int) -> tuple[int, int]:
    """Step into an object; returns the place of its first key and 0, or the error."""
    pos = _blank(buf, pos, end)
    if pos >= end:
        return pos, EMPTY
    if byte_at(buf, pos) != _OBJ:
        return pos, NO_OBJECT
    pos = _blank(buf, pos + 1, end)
    return pos, (END if pos >= end else 0)


@kernel
def _next(buf: int, pos: int, end: int) -> tuple[int, int]:
    """Step over a comma; returns the place of the next key and 0, or of the brace and -1."""
    pos = _blank(buf, pos, end)
    if pos >= end:
        return pos, END
    if byte_at(buf, pos) == _OBJ_END:
        return pos, -1
    if byte_at(buf, pos) != _COMMA:
        return pos, COMMA
    pos = _blank(buf, pos + 1, end)
    return pos, (END if pos >= end else 0)


@kernel
def _document(
    buf: int,
    pos: int,
    end: int,
    doc: int,
    count: int,
    layout: Layout,
    spare: tuple[int, int],
    keys: int,
    spans: tuple[int, int, int],
) -> tuple[int, int]:
    """Scan one of ``count`` documents; returns how far it went, and its error (0, -1 for none)."""
    top, first, after, above = layout[1], layout[4], layout[5], layout[6]
    scratch, scratch_size = spare
    starts, ends, kinds = spans
    pos, error = _opened(buf, pos, end)
    row, level, low, high, nth = -1, 0, 0, top, 0
    closes = error == 0 and byte_at(buf, pos) == _OBJ_END
    while error == 0:
        if not closes:
            pos, field, error = _member(
                buf, pos, end, layout, low, high, scratch, scratch_size, keys, nth
            )
            nth += 1
            if error != 0:
                break
            at = field * count + doc
            if field >= 0 and _offset(after, field) > 0:  # a ROW
                if byte_at(kinds, at) == OBJECT:  # its key comes twice
                    _forget(field, layout, kinds, doc, count)
                if byte_at(buf, pos) == _OBJ:
                    if level == DEPTH_MAX:
                        error = DEEP
                        break
                    put_word(starts, 8 * at, pos)
                    put_byte(kinds, at, OBJECT)
                    row, level = field, level + 1
                    low, high = _offset(first, field), _offset(after, field)
                    pos, error = _opened(buf, pos, end)
                    closes = error == 0 and byte_at(buf, pos) == _OBJ_END
                    continue
            begin = pos
            pos, kind = _value(buf, pos, end, DEPTH_MAX - level)
            if kind >= ERROR:
                error = kind
                break
            if field >= 0:
                quoted = 1 if kind in (TEXT, ESCAPED) else 0
                put_word(starts, 8 * at, begin + quoted)
                put_word(ends, 8 * at, pos - quoted)
                put_byte(kinds, at, kind)
            pos, error = _next(buf, pos, end)
            if error != -1:
                continue
        # At the brace that closes a ROW.
        error = 0
        pos += 1
        if level == 0:
            pos = _blank(buf, pos, end)
            error = MORE if pos < end else -1
            break
        put_word(ends, 8 * (row * count + doc), pos)
        row, level = _offset(above, row), level - 1
        low, high = 0, top
        if row >= 0:
            low, high = _offset(first, row), _offset(after, row)
        pos, error = _next(buf, pos, end)
        closes = error == -1
        if closes:
            error = 0
    return pos, error


@kernel
def scan_rows(  # noqa: PLR0913, PLR0917 (a kernel takes its arrays one by one)
    buf: int,
    begins: np.ndarray,
    stops: np.ndarray,
    layout: Layout,
    scratch: np.ndarray,
    keys: np.ndarray,
    starts: np.ndarray,
    ends: np.ndarray,
    kinds: np.ndarray,
    status: np.ndarray,
    places: np.ndarray,
) -> None:
    """Scan every document; kinds come as MISSING, and ``keys`` as zeros.

    ``layout``: how many fields there are and how many the outermost ROW has, then where the names,
    their cuts, and first, after and above lie; eight bytes of ``scratch`` are only read.
    """
    for k in range(KEYS_KEPT):
        keys[_WORDS * k + 4] = 1  # equal to nothing, as in _keep
    # Addresses: to hand arrays on costs a count at every call (columns/address.py).
    spare = (scratch.ctypes.data, len(scratch) - 8)
    spans = (starts.ctypes.data, ends.ctypes.data, kinds.ctypes.data)
    kept = keys.ctypes.data
    count = len(begins)
    for doc in range(count):
        if status[doc] != 0:
            continue
        begin = begins[doc]
        pos, error = _document(buf, begin, stops[doc], doc, count, layout, spare, kept, spans)
        if error > 0:
            status[doc] = error
            for field in range(layout[0]):  # what was found before the error is no row
                put_byte(spans[2], field * count + doc, MISSING)
        places[doc] = pos - begin
