"""JSON read a word at a time: what comes out is as byte by byte, nothing beyond is touched."""

# ruff: noqa: DTZ001 (TIMESTAMP has no zone)
from __future__ import annotations

import ctypes
import json
import mmap
import re
import sys
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl
import pytest

from millstream.formats.coerce import SQL_TIMES, Failures, Spans, column
from millstream.formats.json_decode import buffer_of
from millstream.formats.json_rows import Tree, find_fields
from millstream.ports.format import Decoded
from millstream.ports.registry import decoder_for
from millstream.types import Schema

_PAD = ',"pad":"so that words can be read"}'
"""Behind a value: without it the last bytes of a chunk are read one by one."""
_OTHERS = b'/:09 -+.eE\x00x"\\,'
"""Bytes beside the digits in ASCII, and those with a meaning in a number or a document."""


def _decode(schema: dict[str, str], documents: list[bytes] | pl.Series, **options: str) -> Decoded:
    decoder = decoder_for(Schema.of(schema), {"format": "json", **options}, owner="test")
    return decoder.decode(pl.Series(documents, dtype=pl.Binary))


def _changed(text: bytes) -> Iterator[bytes]:
    """Yield the text, and with each of its bytes another one."""
    yield text
    for at in range(len(text)):
        for other in _OTHERS:
            yield text[:at] + bytes([other]) + text[at + 1 :]


def _read(document: bytes) -> dict[str, Any] | None:
    """Return what Python reads, numbers as they are written."""

    def refuse(text: str) -> None:
        raise ValueError(text)

    try:
        value = json.loads(document, strict=False, parse_constant=refuse)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _whole(value: Any) -> int | None:
    if isinstance(value, str):
        text = value.strip(" \0")
        return _whole(int(text)) if re.fullmatch(r"[+-]?[0-9]+", text) else None
    if isinstance(value, float) and not -(2.0**63) <= value < 2.0**63:
        return None
    return int(value) if -(2**63) <= int(value) < 2**63 else None


@pytest.mark.parametrize("quote", ["", '"'])
@pytest.mark.parametrize("pad", [_PAD, "}"])
def test_whole_numbers_with_any_byte_changed(quote: str, pad: str) -> None:
    """Eight digits are checked at once: no neighbour of a digit may pass for one, at any place."""
    digits = b"97531864209753186420"
    values = [v for size in range(1, 21) for v in _changed(digits[:size])]
    values += [b"-" + v for v in values[:300]] + [b"9223372036854775807", b"-9223372036854775808"]
    around = quote.encode()
    documents = [b'{"a":' + around + v + around + pad.encode() for v in values]
    got = _decode({"a": "BIGINT"}, documents, **{"json.ignore-parse-errors": "true"})
    read = [_read(d) for d in documents]
    assert got.bad.tolist() == [i for i, r in enumerate(read) if r is None]
    assert got.frame["a"].to_list() == [_whole(r["a"]) for r in read if r is not None]


_TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?", re.ASCII)


def _instant(text: str) -> datetime | None:
    found = _TIME.fullmatch(text)
    if found is None:
        return None
    *parts, fraction = found.groups()
    year, month, day, hour, minute, second = map(int, parts)
    micros = int((fraction or "").ljust(6, "0")[:6])
    try:
        return datetime(year, month, day, hour, minute, second, micros)
    except ValueError:
        return None


@pytest.mark.parametrize("zulu", ["", "Z"])
@pytest.mark.parametrize("pad", [_PAD, "}"])
def test_times_with_any_byte_changed(zulu: str, pad: str) -> None:
    """A clock is checked as a word, and its day is known from the value before: neither may let
    through what is no time, nor give a value the day of another one.
    """
    good = [b"2026-01-31 12:30:59.123", b"2024-02-29 23:59:59", b"2026-01-31 00:00:00.9"]
    values = [v for text in good for v in _changed(text)]
    values = [v for value in values for v in (good[0], value, value)]
    values += [b"2026-01-31 12:30:59.123456", b"2026-01-31 24:00:00", b"2026-01-31 23:60:00.000"]
    documents = [b'{"a":"' + v + zulu.encode() + b'"' + pad.encode() for v in values]
    dtype = "TIMESTAMP_LTZ(6)" if zulu else "TIMESTAMP(6)"
    got = _decode({"a": dtype}, documents, **{"json.ignore-parse-errors": "true"})
    read = [_read(d) for d in documents]
    assert got.bad.tolist() == [i for i, r in enumerate(read) if r is None]
    texts = [r["a"] for r in read if r is not None]
    assert all(t.endswith(zulu) for t in texts), "the last byte is never changed"
    wanted = [_instant(t.removesuffix(zulu)) for t in texts]
    assert got.frame["a"].dt.replace_time_zone(None).to_list() == wanted


@pytest.mark.parametrize("colon", [":", " : "])
def test_keys_of_every_size_after_each_other(colon: str) -> None:
    """Keys are compared with those of the document before, as words: one that begins or ends alike
    is another one, with blanks it is the same.
    """
    names = ["k" * size for size in range(1, 20)] + ["k" * 12 + "q", "k" * 7 + "q", "q"]
    pairs = [name for one in names for other in names for name in (one, other)]
    documents = [
        f'{{"{name}"{colon if i % 3 else ":"}{i},"{names[i % 7]}":"{i}"{_PAD}'.encode()
        for i, name in enumerate(pairs)
    ]
    documents += [d.replace(b'"k', b'"\\u006b') for d in documents[:50]] + documents[:50]
    got = _decode(dict.fromkeys(names, "STRING"), documents)
    assert not len(got.bad)
    for document, row in zip(documents, got.frame.to_dicts(), strict=True):
        said = {k: str(v) for k, v in json.loads(document).items() if k != "pad"}
        assert {k: v for k, v in row.items() if v is not None} == said, document


@pytest.mark.parametrize(
    "broken", ["{'a':1", "{a:1", "{:1", '{"":1 2', '{1:"a"', '{"a"1', '{"a"::1', '{"a":1,,"a":2']
)
def test_a_broken_key_with_much_behind_it(broken: str) -> None:
    """The first document has no keys before it, and the next ones those of a good one."""
    bad, good = (broken + _PAD).encode(), ('{"a":1' + _PAD).encode()
    got = _decode({"a": "INT", "pad": "STRING"}, [bad, good, bad, good])
    assert got.bad.tolist() == [0, 2]
    assert got.frame["a"].to_list() == [1, 1]


_EDGES = (
    b'{"id":1000000000,"ts":"2026-01-31 12:30:59.123","n":-12345678901234567}',
    b'{"ts":"2026-01-31 12:30:59","s":"caf\\u00e9 and more of it","id":7}',
    b'{"a long key of many bytes":[1,{"id":"x\\"y"}],"id":12345678}',
    b'{"id":1e5,"n":0.25,"s":true,"ts":null}   ',
    b"{}",
)


@pytest.mark.skipif(sys.platform != "linux", reason="protects a page")
def test_documents_cut_anywhere_end_where_memory_ends() -> None:
    """Words and vectors are read only where they are wholly inside: behind the last byte of the
    buffer lies a page nobody may read, so that this process would die.
    """
    page = mmap.PAGESIZE
    fields = list(Schema.of({"id": "BIGINT", "ts": "TIMESTAMP(3)", "s": "STRING", "n": "INT"}))
    tree = Tree.of([(f.name, f.type) for f in fields])
    whole = mmap.mmap(-1, 2 * page)
    address = ctypes.addressof(ctypes.c_char.from_buffer(whole))
    protect = ctypes.CDLL(None).mprotect
    assert not protect(ctypes.c_void_p(address + page), page, mmap.PROT_READ & 0)
    data = np.frombuffer(whole, np.uint8, page)
    for document in (_d[:cut] for _d in _EDGES for cut in range(len(_d) + 1)):
        data[page - len(document) :] = np.frombuffer(document, np.uint8)
        status = np.zeros(2, np.int64)  # twice: the second time its keys are known
        begins, stops = np.full(2, page - len(document)), np.full(2, page)
        found = find_fields(tree, data, begins, stops, status)
        wanted = _read(document)
        assert [s == 0 for s in status] == [wanted is not None] * 2, document
        for i, f in enumerate(fields):
            spans = Spans(data, found.starts[i], found.ends[i], found.kinds[i], np.arange(2))
            read = column(spans, f.type, f.name, Failures(), SQL_TIMES)
            assert read.is_null()[0] or (wanted or {})[f.name] is not None, document
    assert not protect(ctypes.c_void_p(address + page), page, mmap.PROT_READ | mmap.PROT_WRITE)


def test_payloads_are_found_wherever_they_lie() -> None:
    """Long payloads are read in Polars' own memory; short ones, nulls and pieces lie elsewhere."""
    long = [b'{"a":%d,"b":"%s"}' % (i, b"x" * (i % 40)) for i in range(200)]
    short = [b'{"a":%d}' % i for i in range(50)]
    whole = pl.Series(long)
    pieces = pl.concat([whole.slice(0, 70), pl.Series(short), whole.slice(150)], rechunk=False)
    kept: list[pl.Series] = [
        whole,
        whole.slice(13, 90),
        whole.reverse(),
        whole.filter(pl.Series([i % 3 == 0 for i in range(200)])),
        pieces,
        pl.Series([*long[:9], None, *short]),
        pl.Series(["é".join(['{"a":5,"b":"', '"}']).encode(), *long]).slice(1),
        whole.slice(0, 0),
    ]
    for payloads in kept:
        read = [json.loads(p) for p in payloads if p is not None]
        got = _decode({"a": "BIGINT", "b": "STRING"}, payloads)
        assert got.frame.rows() == [(r["a"], r.get("b")) for r in read]
        assert got.bad.tolist() == [i for i, p in enumerate(payloads) if p is None]
    data, begins, stops = buffer_of(whole)
    assert [data[b:e].tobytes() for b, e in zip(begins, stops, strict=True)] == long


def test_bytes_that_are_no_utf8_in_a_long_payload() -> None:
    """What is not all ASCII is checked as before, and found alone."""
    good = '{"a":"é and more of it"}'.encode()
    got = _decode({"a": "STRING"}, [good, good.replace(b"\xc3", b"\xff"), good])
    assert got.bad.tolist() == [1]
    assert "UTF-8" in got.reasons[0]
