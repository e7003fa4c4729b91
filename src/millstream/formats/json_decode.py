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

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from millstream import types as t
from millstream.columns.physical import polars_schema, polars_type
from millstream.errors import TypeMismatch
from millstream.formats.coerce import Failures, Ints, Mask, Spans, TimeTexts, column, texts
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
    scan_rows,
)
from millstream.ports.format import Decoded, Decoder
from millstream.types.logical import CharacterString


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodeRules:
    """What the options decided."""

    times: TimeTexts
    fail_on_missing: bool = False
    ignore_errors: bool = False


class JsonDecoder(Decoder):
    """Decodes JSON objects into the columns of one schema."""

    def __init__(self, schema: t.Schema, rules: DecodeRules) -> None:
        self._schema = schema
        self._rules = rules
        self._fields = _Fields([(f.name, f.type) for f in schema])
        for f in schema:
            check_type(f.type, f.name)

    def decode(self, payloads: pl.Series) -> Decoded:
        """Decode a chunk."""
        count = len(payloads)
        data, begins, stops = buffer_of(payloads)
        status = np.zeros(count, np.int64)
        if payloads.null_count():
            status[payloads.is_null().to_numpy()] = NO_PAYLOAD
        status[no_utf8(payloads)] = NO_UTF8
        documents = _Documents(data, begins, stops, np.arange(count), status)
        failures = Failures()
        columns = _read_fields(documents, self._fields, "", failures, self._rules)
        # A loop over rows: only the payloads that are no JSON object.
        for i in np.flatnonzero(status):
            place = f" at byte {documents.places[i]}" if status[i] < NO_UTF8 else ""
            failures.reasons[int(i)] = f"{REASONS[int(status[i])]}{place}"
        return decoded(columns, self._schema, count, failures)


def decoded(columns: list[pl.Series], schema: t.Schema, count: int, failures: Failures) -> Decoded:
    """Return the good rows of ``count`` documents, and the others with their reasons."""
    names = schema.names
    frame = pl.DataFrame([c.alias(n) for c, n in zip(columns, names, strict=True)])
    if not names:
        frame = pl.DataFrame(height=count)
    assert frame.height == count, f"{count} documents became {frame.height} rows"
    assert frame.schema == polars_schema(schema), f"{frame.schema} is not {schema}"
    bad = np.array(sorted(failures.reasons), np.int64)
    if not len(bad):
        return Decoded(frame=frame, good=None, bad=bad)
    good = np.setdiff1d(np.arange(count), bad, assume_unique=True)
    kept = frame[good] if names else pl.DataFrame(height=len(good))
    assert kept.height + len(bad) == count, "rows and rejected documents are all documents"
    return Decoded(frame=kept, good=good, bad=bad, reasons=[failures.reasons[int(i)] for i in bad])


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


class _Fields:
    """The fields of a row type, and their names as the scanner wants them."""

    def __init__(self, fields: list[tuple[str, t.LogicalType]]) -> None:
        self.fields = fields
        self.nested = [isinstance(kind, t.Row) for _, kind in fields]
        names = [name.encode() for name, _ in fields]
        joined = b"".join(names)
        self.names = np.frombuffer(joined or b"\0", np.uint8)
        self.offsets = np.cumsum([0, *map(len, names)], dtype=np.int64)
        self.scratch_bytes = 6 * len(joined) + 8


@dataclass(slots=True)
class _Documents:
    """JSON objects in a buffer; ``status`` says which of them cannot be read."""

    data: np.ndarray
    begins: Ints
    stops: Ints
    rows: Ints
    status: Ints
    places: Any = None


def _read_fields(
    documents: _Documents, fields: _Fields, path: str, failures: Failures, rules: DecodeRules
) -> list[pl.Series]:
    shape = (len(fields.fields), len(documents.begins))
    starts, ends = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    kinds = np.empty(shape, np.uint8)
    documents.places = np.zeros(shape[1], np.int64)
    scratch = np.empty(fields.scratch_bytes, np.uint8)
    scan_rows(
        int(documents.data.ctypes.data),
        documents.begins,
        documents.stops,
        int(fields.names.ctypes.data),
        int(fields.offsets.ctypes.data),
        int(scratch.ctypes.data),
        starts,
        ends,
        kinds,
        documents.status,
        documents.places,
    )
    broken = documents.status != 0
    if broken.any():
        kinds[:, broken] = MISSING  # what was found before the error is no row
    columns = []
    for i, (name, dtype) in enumerate(fields.fields):
        spans = Spans(documents.data, starts[i], ends[i], kinds[i], documents.rows)
        where = f"{path}{name}"
        if rules.fail_on_missing:
            _note_missing(spans, ~broken, where, failures)
        columns.append(_read(spans, dtype, where, failures, rules))
    return columns


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
            inner = spans.take(index)
            documents = _Documents(
                inner.data, inner.starts, inner.ends, inner.rows, np.zeros(len(index), np.int64)
            )
            members = _read_fields(documents, _Fields(list(fields)), f"{path}.", failures, rules)
            named = [c.alias(n) for c, (n, _) in zip(members, fields, strict=True)]
            return _spread(pl.DataFrame(named).to_struct(), index, len(spans), dtype)
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
    values = _read(items, types[1], f"{path}{{}}", failures, rules)
    entries = pl.DataFrame({"key": names, "value": values})
    which = np.repeat(np.arange(len(index)), np.diff(offsets))
    last = pl.DataFrame({"map": which, "key": names}).with_row_index("at")
    last = last.unique(subset=["map", "key"], keep="last", maintain_order=True)
    if last.height < entries.height:
        entries = entries[last["at"]]
        sizes = np.bincount(last["map"].to_numpy(), minlength=len(index))
        offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
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
