"""JSON documents to typed columns, a whole chunk at a time.

in      a Binary series, one JSON object per payload
out     one row per good document, in order; no Python object is made per row or field
bad     a payload that is no single JSON object, is not UTF-8, or has a value its column cannot take
        is rejected alone, with its index and the reason; rows + rejected = payloads, asserted
notes   payloads are scanned where they lie and never joined, so that no document can shift its
        neighbours (docs/decisions says what was measured). Coercions: ``coerce``. A missing field
        is NULL unless ``fail-on-missing-field``. With ``ignore-parse-errors`` a value that cannot
        be read is NULL, as in Flink; a payload that is no JSON object is still rejected and
        counted, where Flink drops it in silence.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from millstream import types as t
from millstream.columns.frames import framed
from millstream.columns.physical import polars_schema, polars_type
from millstream.errors import TypeMismatch
from millstream.formats.coerce import Failures, Ints, Mask, Spans, TimeTexts, column, texts
from millstream.formats.json_rows import Found, Tree, find_fields
from millstream.formats.json_scan import (
    ARRAY,
    MISSING,
    NO_PAYLOAD,
    NO_UTF8,
    NULL,
    OBJECT,
    REASONS,
    count_items,
    scan_items,
)
from millstream.formats.lines import copied, is_ascii
from millstream.formats.plain_columns import Recipes, read_plain
from millstream.ports.format import Decoded, Decoder
from millstream.types.logical import CharacterString

_NOTHING = np.empty(0, np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodeRules:
    """What the options decided."""

    times: TimeTexts
    fail_on_missing: bool = False
    ignore_errors: bool = False


class JsonDecoder(Decoder):
    """Decodes JSON objects into the columns of one schema."""

    several_threads = True

    def __init__(self, schema: t.Schema, rules: DecodeRules) -> None:
        self._schema = schema
        self._rules = rules
        self._wanted = _Wanted.of([(f.name, f.type) for f in schema], rules.times)
        for f in schema:
            check_type(f.type, f.name)

    def decode(self, payloads: pl.Series) -> Decoded:
        """Decode a chunk."""
        status = np.zeros(len(payloads), np.int64)
        if payloads.null_count():
            status[payloads.is_null().to_numpy()] = NO_PAYLOAD
        if len(odd := no_utf8(payloads)):
            status[odd] = NO_UTF8
        return self._decode(*buffer_of(payloads), status)

    def decode_in(self, data: np.ndarray, begins: Ints, stops: Ints) -> Decoded:
        """Decode a chunk where it lies."""
        status = np.zeros(len(begins), np.int64)
        if len(odd := no_utf8_in(data, begins, stops)):
            status[odd] = NO_UTF8
        return self._decode(data, begins, stops, status)

    def _decode(self, data: np.ndarray, begins: Ints, stops: Ints, status: Ints) -> Decoded:
        count = len(begins)
        documents = _Documents(data, begins, stops, np.arange(count), status)
        failures = Failures()
        columns = _read_fields(documents, self._wanted, "", failures, self._rules)
        # A loop over rows: only the payloads that are no JSON object.
        for i in np.flatnonzero(status):
            place = f" at byte {documents.places[i]}" if status[i] < NO_UTF8 else ""
            failures.reasons[int(i)] = f"{REASONS[int(status[i])]}{place}"
        return decoded(columns, self._schema, count, failures)


def decoded(columns: list[pl.Series], schema: t.Schema, count: int, failures: Failures) -> Decoded:
    """Return the good rows of ``count`` documents, and the others with their reasons."""
    names = schema.names
    frame = framed([c.alias(n) for c, n in zip(columns, names, strict=True)])
    if not names:
        frame = pl.DataFrame(height=count)
    assert frame.height == count, f"{count} documents became {frame.height} rows"
    assert frame.dtypes == _dtypes(schema), f"{frame.schema} is not {schema}"
    if not failures.reasons:
        return Decoded(frame=frame, good=None, bad=_NOTHING)
    bad = np.array(sorted(failures.reasons), np.int64)
    good = np.setdiff1d(np.arange(count), bad, assume_unique=True)
    kept = frame[good] if names else pl.DataFrame(height=len(good))
    assert kept.height + len(bad) == count, "rows and rejected documents are all documents"
    return Decoded(frame=kept, good=good, bad=bad, reasons=[failures.reasons[int(i)] for i in bad])


@cache
def _dtypes(schema: t.Schema) -> list[pl.DataType]:
    return polars_schema(schema).dtypes()


def buffer_of(payloads: pl.Series) -> tuple[np.ndarray, Ints, Ints]:
    """Return the bytes of a Binary series as one buffer, with each value's begin and end."""
    arrow: Any = payloads.rechunk().to_arrow()
    assert pa.types.is_large_binary(arrow.type), f"payloads are {arrow.type}"
    _, offsets, data = arrow.buffers()
    places = np.frombuffer(offsets, np.int64, len(arrow) + 1, arrow.offset * 8)
    bytes_ = np.frombuffer(data, np.uint8) if data is not None else np.empty(0, np.uint8)
    return bytes_, places[:-1], places[1:]


def no_utf8(payloads: pl.Series) -> Ints:
    """Return the indices of the payloads that are not UTF-8."""
    try:
        payloads.cast(pl.String)
    except pl.exceptions.ComputeError:
        # A loop over rows, only in a chunk that holds such a payload: Polars does not say which.
        return np.array([i for i, raw in enumerate(payloads) if not _is_utf8(raw)], np.int64)
    return np.empty(0, np.int64)


def no_utf8_in(data: np.ndarray, begins: Ints, stops: Ints) -> Ints:
    """Return the indices of the payloads in a buffer that are not UTF-8.

    All of them and what is between them are looked at as one text: each is UTF-8 if that is, and
    each begins and ends with a character.
    """
    if not len(begins):
        return begins
    if is_ascii(int(data.ctypes.data), int(begins[0]), int(stops[-1])):
        return begins[:0]
    whole = data[begins[0] : stops[-1]]
    sizes = pa.py_buffer(np.array([0, len(whole)]))
    text = pa.LargeStringArray.from_buffers(1, sizes, pa.py_buffer(whole))
    try:
        text.validate(full=True)
    except pa.ArrowInvalid:
        return no_utf8(copied(data, begins, stops))
    # An empty payload at the very end begins behind the last byte.
    inside = data.take(begins, mode="clip") & 0xC0 == 0x80
    inside[1:] |= data.take(stops[:-1], mode="clip") & 0xC0 == 0x80
    return no_utf8(copied(data, begins, stops)) if inside.any() else begins[:0]


def _is_utf8(raw: bytes | None) -> bool:
    try:
        return raw is None or raw.decode() is not None
    except UnicodeDecodeError:
        return False


def check_type(dtype: t.LogicalType, path: str) -> None:
    """Refuse a MAP whose keys are no texts: JSON has no other keys."""
    match dtype:
        case t.Map(key=key, value=inner) if not isinstance(key, CharacterString):
            raise TypeMismatch(
                f"The field '{path}' is {dtype}; the keys of a JSON object are texts.",
                hint=f"Declare it as MAP<STRING, {inner}>.",
            )
        case t.Multiset(element=element) if not isinstance(element, CharacterString):
            raise TypeMismatch(
                f"The field '{path}' is {dtype}; the keys of a JSON object are texts.",
                hint="Declare it as MULTISET<STRING>.",
            )
        case t.Map(value=inner) | t.Array(element=inner):
            check_type(inner, path)
        case t.Row(fields=fields):
            for name, inner in fields:
                check_type(inner, f"{path}.{name}")
        case _:
            pass


@dataclass(frozen=True, slots=True)
class _Wanted:
    """The fields of a ROW, and how they and those of the ROWs in it are found and read."""

    fields: list[tuple[str, t.LogicalType]]
    tree: Tree
    recipes: Recipes

    @classmethod
    def of(cls, fields: list[tuple[str, t.LogicalType]], times: TimeTexts) -> _Wanted:
        tree = Tree.of(fields)
        return cls(fields, tree, Recipes.of(tree.types, times))


@dataclass(slots=True)
class _Documents:
    """JSON objects in a buffer; ``status`` says which of them cannot be read."""

    data: np.ndarray
    begins: Ints
    stops: Ints
    rows: Ints
    status: Ints
    places: Any = None


@dataclass(frozen=True, slots=True)
class _Members:
    """Where values of a ROW's fields, and of the ROWs in it, were found; the plain ones read."""

    tree: Tree
    found: Found
    data: np.ndarray
    rows: Ints
    plain: list[pl.Series | None]

    def spans(self, field: int) -> Spans:
        """Return the values of one field."""
        f = self.found
        return Spans(self.data, f.starts[field], f.ends[field], f.kinds[field], self.rows)


def _read_fields(
    documents: _Documents, wanted: _Wanted, path: str, failures: Failures, rules: DecodeRules
) -> list[pl.Series]:
    d = documents
    found = find_fields(wanted.tree, d.data, d.begins, d.stops, d.status)
    d.places = found.places
    plain = read_plain(wanted.recipes, found, d.data)
    members = _Members(wanted.tree, found, d.data, d.rows, plain)
    return _read_members(members, 0, wanted.fields, d.status == 0, path, failures, rules)


def _read_members(
    members: _Members,
    first: int,
    fields: Iterable[tuple[str, t.LogicalType]],
    there: Mask,
    path: str,
    failures: Failures,
    rules: DecodeRules,
) -> list[pl.Series]:
    """Read the fields of one ROW; ``there`` tells in which documents it is one."""
    columns = []
    for i, (name, dtype) in enumerate(fields, first):
        where, plain = f"{path}{name}", members.plain[i]
        if rules.fail_on_missing:
            _note_missing(members.spans(i), there, where, failures)
        if plain is not None:
            columns.append(plain)
        elif isinstance(dtype, t.Row):
            columns.append(_read_row(members, i, dtype, where, failures, rules))
        else:
            columns.append(_read(members.spans(i), dtype, where, failures, rules))
    return columns


def _read_row(
    members: _Members, at: int, dtype: t.Row, path: str, failures: Failures, rules: DecodeRules
) -> pl.Series:
    spans = members.spans(at)
    there = spans.kinds == OBJECT
    bad = (spans.kinds > NULL) & ~there
    if bad.any() and not rules.ignore_errors:
        failures.add(spans, bad, path, str(dtype))
    first = int(members.tree.first[at])
    columns = _read_members(members, first, dtype.fields, there, f"{path}.", failures, rules)
    return _structs(columns, dtype, there)


def _structs(columns: list[pl.Series], dtype: t.Row, there: Mask) -> pl.Series:
    """Return rows of these columns, NULL where there is none."""
    named = [c.alias(n) for c, (n, _) in zip(columns, dtype.fields, strict=True)]
    rows = pl.DataFrame(named).to_struct()
    if there.all():
        return rows
    nothing = pl.Series([None], dtype=rows.dtype)  # one, which Polars repeats
    return rows.zip_with(pl.Series(there), nothing)


def _note_missing(spans: Spans, whole: Mask, path: str, failures: Failures) -> None:
    # A loop over rows: only those that are rejected.
    for row in spans.rows[(spans.kinds == MISSING) & whole]:
        failures.note(int(row), f"field '{path}' is missing")


def _read(
    spans: Spans, dtype: t.LogicalType, path: str, failures: Failures, rules: DecodeRules
) -> pl.Series:
    sink = Failures() if rules.ignore_errors else failures
    match dtype:
        case t.Row(fields=fields):
            index = _of_kind(spans, OBJECT, path, dtype, sink)
            inner, own = spans.take(index), _Wanted.of(list(fields), rules.times)
            documents = _Documents(
                inner.data, inner.starts, inner.ends, inner.rows, np.zeros(len(index), np.int64)
            )
            columns = _read_fields(documents, own, f"{path}.", failures, rules)
            made = _structs(columns, dtype, np.ones(len(index), np.bool_))
            return _spread(made, index, len(spans), dtype)
        case t.Array(element=element):
            index = _of_kind(spans, ARRAY, path, dtype, sink)
            offsets, _, items = _items(spans.take(index))
            values = _read(items, element, f"{path}[]", failures, rules)
            return _spread(lists_of(offsets, values), index, len(spans), dtype)
        case t.Map(key=key, value=value):
            return _read_map(spans, dtype, (key, value), path, failures, rules)
        case t.Multiset(element=element):
            return _read_map(spans, dtype, (element, t.Int()), path, failures, rules)
        case t.Null():
            return pl.Series([None] * len(spans), dtype=pl.Null)
        case _:
            return column(spans, dtype, path, sink, rules.times)


def _read_map(
    spans: Spans,
    dtype: t.LogicalType,
    types: tuple[t.LogicalType, t.LogicalType],
    path: str,
    failures: Failures,
    rules: DecodeRules,
) -> pl.Series:
    sink = Failures() if rules.ignore_errors else failures
    index = _of_kind(spans, OBJECT, path, dtype, sink)
    offsets, keys, items = _items(spans.take(index))
    names, bad = texts(keys)
    if bad.any():
        sink.add(keys, bad, path, f"{dtype}: a key has half a surrogate pair")
    which = np.repeat(np.arange(len(index)), np.diff(offsets))
    last = pl.DataFrame({"map": which, "key": names}).with_row_index("at")
    last = last.unique(subset=["map", "key"], keep="last", maintain_order=True)
    if last.height < len(names):
        # Before values are read: what does not count may be of any type.
        items, names = items.take(last["at"].to_numpy().astype(np.int64)), last["key"]
        sizes = np.bincount(last["map"].to_numpy(), minlength=len(index))
        offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    values = _read(items, types[1], f"{path}{{}}", failures, rules)
    entries = pl.DataFrame({"key": names, "value": values})
    return _spread(lists_of(offsets, entries.to_struct()), index, len(spans), dtype)


def _of_kind(spans: Spans, kind: int, path: str, dtype: t.LogicalType, failures: Failures) -> Ints:
    """Return the indices of the values of one kind; others that are not NULL have failed."""
    bad = (spans.kinds > NULL) & (spans.kinds != kind)
    if bad.any():
        failures.add(spans, bad, path, str(dtype))
    return np.flatnonzero(spans.kinds == kind)


def _items(containers: Spans) -> tuple[Ints, Spans, Spans]:
    """Return where each container's entries begin, the keys (of objects), and the values."""
    counts = np.empty(len(containers), np.int64)
    count_items(containers.address, containers.starts, containers.ends, counts)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    total = int(offsets[-1])
    rows = np.repeat(containers.rows, counts)
    keys, items = (
        Spans(
            containers.data,
            np.zeros(total, np.int64),
            np.zeros(total, np.int64),
            np.zeros(total, np.uint8),
            rows,
        )
        for _ in range(2)
    )
    scan_items(
        containers.address,
        containers.starts,
        containers.ends,
        keys.starts,
        keys.ends,
        keys.kinds,
        items.starts,
        items.ends,
        items.kinds,
    )
    return offsets, keys, items


def lists_of(offsets: Ints, values: pl.Series) -> pl.Series:
    """Return lists of ``values``, cut at ``offsets``."""
    arrow = pa.LargeListArray.from_arrays(pa.array(offsets), values.to_arrow())
    return pl.Series(arrow)


def _spread(series: pl.Series, index: Ints, count: int, dtype: t.LogicalType) -> pl.Series:
    """Return ``count`` values: those of ``series`` at ``index``, and nulls."""
    series = series.cast(polars_type(dtype))
    if len(index) == count:
        return series
    source = np.full(count, -1, np.int64)
    source[index] = np.arange(len(index))
    places = pl.Series(source)
    return series.gather(places.set(places < 0, None).cast(pl.UInt32))
