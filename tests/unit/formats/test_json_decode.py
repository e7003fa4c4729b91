"""JSON in: Flink's coercions, one rejected document at a time."""

# ruff: noqa: DTZ001 (TIMESTAMP has no zone)
from __future__ import annotations

import base64
import json
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millstream.errors import OptionError, TypeMismatch
from millstream.formats.json_scan import DEPTH_MAX
from millstream.ports.format import Decoded
from millstream.ports.registry import decoder_for
from millstream.types import Schema


def decode(schema: dict[str, str], documents: list[bytes | None], **options: str) -> Decoded:
    named = {f"json.{k.replace('_', '-')}": v for k, v in options.items()}
    decoder = decoder_for(Schema.of(schema), {"format": "json", **named}, owner="test")
    got = decoder.decode(pl.Series(documents, dtype=pl.Binary))
    assert got.frame.height + len(got.bad) == len(documents)
    assert len(got.reasons) == len(got.bad)
    return got


def one(dtype: str, value: str, **options: str) -> Any:
    """Return the value of {"a": value}, or the reason of its rejection as an exception."""
    got = decode({"a": dtype}, [b'{"a":' + value.encode() + b"}"], **options)
    if len(got.bad):
        raise ValueError(got.reasons[0])
    return got.frame["a"][0]


GOOD: list[tuple[str, str, Any]] = [
    ("BOOLEAN", "true", True),
    ("BOOLEAN", "false", False),
    ("BOOLEAN", '" TRUE "', True),
    ("BOOLEAN", '"yes"', False),
    ("BOOLEAN", "1", False),
    ("TINYINT", "-128", -128),
    ("TINYINT", '" +127 "', 127),
    ("SMALLINT", '"-32768"', -32768),
    ("INT", "12", 12),
    ("INT", '"12"', 12),
    ("INT", '"0012"', 12),
    ("INT", "1.7", 1),
    ("INT", "-1.7", -1),
    ("INT", "1e2", 100),
    ("INT", "2147483647", 2147483647),
    ("INT", '"\\u0031\\u0032"', 12),
    ("BIGINT", "-9223372036854775808", -(2**63)),
    ("BIGINT", "9223372036854775807", 2**63 - 1),
    ("BIGINT", "9.9", 9),
    ("FLOAT", "16777217", 16777216.0),
    ("FLOAT", "0.1", np.float32(0.1)),
    ("DOUBLE", "1", 1.0),
    ("DOUBLE", '"1.5"', 1.5),
    ("DOUBLE", '" -2.5e3 "', -2500.0),
    ("DOUBLE", "0.1000000000000000055511151231257827", 0.1),
    ("DOUBLE", "1.7976931348623157e308", 1.7976931348623157e308),
    ("DOUBLE", "5e-324", 5e-324),
    ("DOUBLE", "1e400", float("inf")),
    ("DOUBLE", '"-Infinity"', float("-inf")),
    ("DECIMAL(10, 2)", "1.10", Decimal("1.10")),
    ("DECIMAL(10, 2)", '" 1.105 "', Decimal("1.11")),
    ("DECIMAL(10, 2)", "-1.105", Decimal("-1.11")),
    ("DECIMAL(10, 2)", "0.07", Decimal("0.07")),
    ("DECIMAL(10, 2)", "1e2", Decimal("100.00")),
    ("DECIMAL(10, 2)", "12345678.994", Decimal("12345678.99")),
    ("DECIMAL(4, 0)", "9999.4", Decimal(9999)),
    (
        "DECIMAL(38, 10)",
        "1234567890123456789012345678.1234567891",
        Decimal("1234567890123456789012345678.1234567891"),
    ),
    ("DECIMAL(38, 2)", "-0.001", Decimal("0.00")),
    ("STRING", '"x"', "x"),
    ("STRING", "1.10", "1.10"),
    ("STRING", "true", "true"),
    ("STRING", '{"b": [1, "c  d", {}]}', '{"b":[1,"c  d",{}]}'),
    ("STRING", "[ 1.50 ]", "[1.50]"),
    ("STRING", '"\\u00e9\\ud83d\\ude00\\n\\/\\"\\\\\\b\\f\\r\\t"', 'é😀\n/"\\\b\f\r\t'),
    ("STRING", '"a\tb"', "a\tb"),
    ("CHAR(2)", '"abc"', "abc"),
    ("BYTES", '"aGk="', b"hi"),
    ("DATE", '"2024-02-29"', date(2024, 2, 29)),
    ("DATE", '"0001-01-01"', date(1, 1, 1)),
    ("TIME(3)", '"23:59:59.123"', time(23, 59, 59, 123000)),
    ("TIMESTAMP(3)", '"2026-01-31 12:30:59.123456"', datetime(2026, 1, 31, 12, 30, 59, 123000)),
    ("TIMESTAMP(3)", '"1969-12-31 23:59:59.999"', datetime(1969, 12, 31, 23, 59, 59, 999000)),
    ("TIMESTAMP(6)", '"9999-12-31 23:59:59.999999"', datetime(9999, 12, 31, 23, 59, 59, 999999)),
    ("TIMESTAMP_LTZ(3)", '"2026-01-31 12:30:59Z"', datetime(2026, 1, 31, 12, 30, 59, tzinfo=UTC)),
    ("INTERVAL DAY TO SECOND(3)", "-1500", timedelta(milliseconds=-1500)),
    ("INTERVAL YEAR TO MONTH", "14", 14),
    ("ARRAY<INT>", '[1, "2", null]', [1, 2, None]),
    ("ARRAY<INT>", "[]", []),
    ("ARRAY<ARRAY<STRING>>", '[["]"], [], null]', [["]"], [], None]),
    ("ROW<x INT, y STRING>", '{"y": 5, "z": 1}', {"x": None, "y": "5"}),
    ("ROW<x ROW<y INT>>", '{"x": null}', {"x": None}),
    (
        "MAP<STRING, INT>",
        '{"k": 1, "l": null, "k": 3, "\\u006d": 4}',
        [{"key": "l", "value": None}, {"key": "k", "value": 3}, {"key": "m", "value": 4}],
    ),
    ("MULTISET<STRING>", '{"k": 2}', [{"key": "k", "value": 2}]),
]


@pytest.mark.parametrize(("dtype", "value", "wanted"), GOOD)
def test_values_are_read_as_flink_reads_them(dtype: str, value: str, wanted: Any) -> None:
    """The table of coercions in formats.coerce is a promise."""
    got = one(dtype, value)
    assert (got.to_list() if isinstance(got, pl.Series) else got) == wanted


BAD = [
    ("BOOLEAN", "{}"),
    ("TINYINT", "128"),
    ("TINYINT", "1.0"),
    ("INT", "true"),
    ("INT", '"1.7"'),
    ("INT", '""'),
    ("INT", '"-"'),
    ("INT", "2147483648"),
    ("INT", "1e10"),
    ("INT", "[1]"),
    ("BIGINT", "9223372036854775808"),
    ("BIGINT", "99999999999999999999"),
    ("DOUBLE", '"1,5"'),
    ("DOUBLE", '"nan"'),
    ("DOUBLE", '"1_0"'),
    ("DOUBLE", '" "'),
    ("DOUBLE", "false"),
    ("DECIMAL(4, 0)", "9999.5"),
    ("DECIMAL(10, 2)", '"NaN"'),
    ("DECIMAL(10, 2)", '"1e999999999"'),
    ("DECIMAL(10, 2)", '""'),
    ("DECIMAL(38, 0)", "1" + "0" * 38),
    ("STRING", '"\\ud83d"'),
    ("STRING", '"\\ude00\\ud83d"'),
    ("BYTES", '"a"'),
    ("BYTES", "5"),
    ("DATE", '"2026-02-30"'),
    ("DATE", '"2026-1-1"'),
    ("DATE", "20260101"),
    ("TIME(3)", '"24:00:00"'),
    ("TIME(3)", '"12:30"'),
    ("TIMESTAMP(3)", '"2026-01-31T12:30:59"'),
    ("TIMESTAMP(3)", '"2026-01-31 12:30"'),
    ("TIMESTAMP(3)", '"2026-01-31 12:30:59Z"'),
    ("TIMESTAMP(3)", '"2026-01-31 12:30:59."'),
    ("TIMESTAMP(3)", "1769862659000"),
    ("TIMESTAMP(9)", '"9999-12-31 23:59:59"'),
    ("TIMESTAMP_LTZ(3)", '"2026-01-31 12:30:59"'),
    ("ARRAY<INT>", "1"),
    ("ARRAY<INT>", '[1, "x"]'),
    ("ROW<x INT>", "[1]"),
    ("ROW<x INT>", '{"x": "y"}'),
    ("MAP<STRING, INT>", '{"k": "x"}'),
    ("MAP<STRING, INT>", "[]"),
]


@pytest.mark.parametrize(("dtype", "value"), BAD)
def test_what_does_not_fit_rejects_its_document(dtype: str, value: str) -> None:
    """A value that cannot be read is never turned into NULL in silence."""
    with pytest.raises(ValueError, match=r"field 'a.*is no "):
        one(dtype, value)


def test_iso_timestamps() -> None:
    """The other of Flink's two standards, where seconds may be left out."""
    iso = {"timestamp_format.standard": "ISO-8601"}
    assert one("TIMESTAMP(3)", '"2026-01-31T12:30"', **iso) == datetime(2026, 1, 31, 12, 30)
    late = datetime(2026, 1, 31, 12, 30, 1, 500000, tzinfo=UTC)
    assert one("TIMESTAMP_LTZ(3)", '"2026-01-31T12:30:01.5Z"', **iso) == late
    with pytest.raises(ValueError, match="2026-01-31T12:30:59"):
        one("TIMESTAMP(3)", '"2026-01-31 12:30:00"', **iso)


def test_nulls_missing_fields_and_duplicates() -> None:
    """NULL, missing and said twice are three things a producer does every day."""
    got = decode(
        {"a": "INT", "b": "STRING"},
        [b'{"a":null,"b":null}', b"{}", b'{"b":"x","c":[{}],"a":1,"a":2}', b' {"a":1 , "b":"y"} '],
    )
    assert got.good is None
    assert got.frame.rows() == [(None, None), (None, None), (2, "x"), (1, "y")]


def test_a_value_that_does_not_count_is_not_read() -> None:
    """The first value of a key that comes twice rejects nothing, in maps as in rows."""
    for schema, wanted in (
        ("MAP<STRING, ROW<x INT>>", [{"key": "a", "value": {"x": 2}}]),
        ("ROW<a ROW<x INT>>", {"a": {"x": 2}}),
    ):
        got = decode({"m": schema}, [b'{"m":{"a":12,"a":{"x":2}}}'])
        assert got.frame["m"].to_list() == [wanted]


def test_fail_on_missing_field() -> None:
    """Also inside rows; NULL is not missing, and a broken document has its own reason."""
    schema = {"a": "INT", "r": "ROW<x INT>"}
    documents = [b'{"a":null,"r":{"x":1}}', b'{"r":null}', b'{"a":1,"r":{}}', b'{"a"']
    got = decode(schema, documents, fail_on_missing_field="true")
    assert got.bad.tolist() == [1, 2, 3]
    assert "'a' is missing" in got.reasons[0]
    assert "'r.x' is missing" in got.reasons[1]
    assert "ends too early" in got.reasons[2]


def test_ignore_parse_errors_makes_values_null() -> None:
    """Flink's option; what is no JSON object is still rejected and counted."""
    documents = [b'{"a":"x","r":{"x":"y","z":2}}', b"garbage", b'{"a":1,"r":5}']
    got = decode({"a": "INT", "r": "ROW<x INT, z INT>"}, documents, ignore_parse_errors="true")
    assert got.frame.rows() == [(None, {"x": None, "z": 2}), (1, None)]
    assert got.bad.tolist() == [1]


def test_options_that_exclude_each_other() -> None:
    """As in Flink: one says fail, the other says go on."""
    with pytest.raises(OptionError, match="exclude each other"):
        decode({"a": "INT"}, [], fail_on_missing_field="true", ignore_parse_errors="true")


def test_a_map_with_other_keys_is_refused() -> None:
    """Known before the job starts, not at the first row."""
    with pytest.raises(TypeMismatch, match="MAP<STRING, INT>"):
        decode({"a": "ARRAY<MAP<INT, INT>>"}, [])


NO_DOCUMENTS = [
    None,
    b"",
    b"  ",
    b"5",
    b"[]",
    b"null",
    b'"x"',
    b'{"a":1}{"a":2}',
    b'{"a":1}\n{"a":2}',
    b'{"a":1},',
    b'{"a":1',
    b'{"a":01}',
    b'{"a":1.}',
    b'{"a":+1}',
    b'{"a":NaN}',
    b"{'a':1}",
    b"{a:1}",
    b'{"a":1,}',
    b'{"b":[1,]}',
    b'{"b":{"c":}}',
    b'{"b":[}',
    b'{"b":"\\x"}',
    b'{"b":"\\u12g4"}',
    b'{"b":"\xff"}',
    b'{"b":tru}',
    b'{"b":nul',
    b"\xef\xbb\xbf{}",
    b'{"b":' + b"[" * (DEPTH_MAX + 1) + b"]" * (DEPTH_MAX + 1) + b"}",
]


def test_what_is_no_json_object_is_rejected_alone() -> None:
    """Each bad payload between two good ones: neither of them moves."""
    documents: list[bytes | None] = []
    for i, bad in enumerate(NO_DOCUMENTS):
        documents += [b'{"a":%d}' % i, bad]
    got = decode({"a": "INT"}, documents)
    assert got.bad.tolist() == list(range(1, len(documents), 2))
    assert got.good is not None
    assert got.good.tolist() == list(range(0, len(documents), 2))
    assert got.frame["a"].to_list() == list(range(len(NO_DOCUMENTS)))
    assert all(got.reasons)


def test_deep_but_allowed() -> None:
    """The limit itself is still read."""
    deep = "[" * DEPTH_MAX + "]" * DEPTH_MAX
    assert one("STRING", deep) == deep


def test_no_documents_and_no_columns() -> None:
    """An empty chunk, and COUNT(*) over a topic, are ordinary."""
    assert decode({"a": "INT", "r": "ROW<x ARRAY<INT>>"}, []).frame.shape == (0, 2)
    got = decode({}, [b"{}", b"x", b'{"a":1}'])
    assert (got.frame.height, got.bad.tolist()) == (2, [1])


def test_a_slice_of_payloads() -> None:
    """A series that is a view of another one must not read from its beginning."""
    decoder = decoder_for(Schema.of({"a": "INT"}), {"format": "json"}, owner="test")
    whole = pl.Series([b'{"a":%d}' % i for i in range(10)])
    assert decoder.decode(whole.slice(3, 4)).frame["a"].to_list() == [3, 4, 5, 6]


# A naive reader as oracle: Python's own JSON parser, one document at a time.

_leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=20),
)
_values = st.recursive(
    _leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=8,
)
_objects = st.dictionaries(st.sampled_from(["a", "b", "c", 'd"', "é"]), _values, max_size=5)


@st.composite
def _documents(draw: st.DrawFn) -> bytes:
    value = draw(st.one_of(_objects, _objects, _values))
    text = json.dumps(
        value, ensure_ascii=draw(st.booleans()), indent=draw(st.sampled_from([None, 0, 2]))
    )
    raw = bytearray(text.encode("utf-8", "surrogatepass"))
    for _ in range(draw(st.integers(0, 2)) if draw(st.booleans()) else 0):
        at = draw(st.integers(0, len(raw)))
        match draw(st.integers(0, 2)):
            case 0:
                raw[at:at] = draw(
                    st.sampled_from([b'"', b",", b"{", b"]", b"\\", b"0", b" ", b"x"])
                )
            case 1:
                del raw[at : at + 1]
            case _:
                raw[at:] = b""
    return bytes(raw)


def _refuse(text: str) -> None:
    raise ValueError(text)


def _oracle(document: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(document.decode(), strict=False, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _has_lone_surrogate(value: Any) -> bool:
    return isinstance(value, str) and any("\ud800" <= c <= "\udfff" for c in value)


@settings(max_examples=300, deadline=None)
@given(st.lists(_documents(), max_size=12))
def test_mixed_garbage_keeps_every_row_at_its_document(documents: list[bytes]) -> None:
    """A row beside the wrong offset is the worst a decoder can do: it is never noticed."""
    got = decode({"a": "STRING", "é": "STRING"}, list(documents))
    rows = dict(
        zip(range(len(documents)) if got.good is None else got.good, got.frame.rows(), strict=False)
    )
    for i, document in enumerate(documents):
        wanted = _oracle(document)
        if wanted is not None and any(_has_lone_surrogate(wanted.get(k)) for k in ("a", "é")):
            wanted = None
        assert (i in rows) == (wanted is not None), document
        if wanted is None:
            continue
        for key, value in zip(("a", "é"), rows[i], strict=True):
            if isinstance(wanted.get(key), str) or wanted.get(key) is None:
                assert value == wanted.get(key), document
            else:
                again = json.loads(value, strict=False)
                assert again == wanted[key], document


_typed = st.fixed_dictionaries(
    {},
    optional={
        "i": st.one_of(st.integers(-(2**70), 2**70), st.floats(-1e12, 1e12), st.text("0123 +-.")),
        "f": st.one_of(st.floats(), st.integers(-(2**60), 2**60)),
        "d": st.decimals(
            allow_nan=False, allow_infinity=False, min_value=-(10**9), max_value=10**9
        ),
        "y": st.binary(max_size=9),
    },
)


@settings(max_examples=300, deadline=None)
@given(st.lists(_typed, max_size=8))
def test_numbers_equal_what_python_reads(rows: list[dict[str, Any]]) -> None:
    """Every digit of integers, floats and decimals, by the fast way and by the slow one."""
    documents = []
    for row in rows:
        parts = []
        for name, value in row.items():
            if isinstance(value, bytes):
                parts.append(f'"{name}":"{base64.b64encode(value).decode()}"')
            elif isinstance(value, float) and not np.isfinite(value):
                parts.append(
                    f'"{name}":"{str(value).replace("inf", "Infinity").replace("nan", "NaN")}"'
                )
            elif isinstance(value, str):
                parts.append(f'"{name}":"{value}"')
            else:
                parts.append(f'"{name}":{value}')
        documents.append(("{" + ",".join(parts) + "}").encode())
    schema = {"i": "BIGINT", "f": "DOUBLE", "d": "DECIMAL(20, 3)", "y": "BYTES"}
    got = decode(schema, list(documents), ignore_parse_errors="true")
    assert len(got.bad) == 0
    for row, found in zip(rows, got.frame.rows(named=True), strict=True):
        assert found["i"] == _whole(row.get("i"))
        assert found["y"] == row.get("y")
        wanted = row.get("f")
        if wanted is not None:
            assert np.array_equal(found["f"], float(wanted), equal_nan=True)
        if "d" in row:
            exact = row["d"].quantize(Decimal("0.001"), rounding="ROUND_HALF_UP")
            assert found["d"] == exact


def _whole(value: Any) -> int | None:
    if isinstance(value, str):
        text = value.strip()
        digits = text[1:] if text[:1] in ("+", "-") else text
        if not digits.isdigit():
            return None
        value = int(text)
    if value is None or not -(2**63) <= value < 2**63:
        return None
    return int(value)


_KEYS = st.sampled_from(["a", "r", "s", "x", "amount_of_it", "q", "é"])
_LEAVES = (
    st.none() | st.integers(-9, 9) | st.sampled_from(["", "t", 'q"\\', "a long text, and more"])
)


def _nested(depth: int) -> st.SearchStrategy[str]:
    """Objects as text: any order of keys, keys that come twice, ROWs that are none."""
    leaf = _LEAVES.map(json.dumps)
    value = leaf if not depth else leaf | _nested(depth - 1) | _nested(depth - 1)
    member = st.tuples(_KEYS.map(json.dumps), st.sampled_from([":", " : "]), value).map("".join)
    return st.lists(member, max_size=5).map(lambda m: "{" + ", ".join(m) + "}")


def _as_row(value: Any, fields: dict[str, Any]) -> dict[str, Any] | None:
    """Return what a ROW of these fields takes of a JSON value; raises where it is no object."""
    if value is None:
        return None
    if not isinstance(value, dict):
        raise TypeError("no ROW")
    found: dict[str, Any] = {}
    for name, inner in fields.items():
        if isinstance(inner, dict):
            found[name] = _as_row(value.get(name), inner)
        else:
            said = value.get(name)
            as_json = json.dumps(said, separators=(",", ":"), ensure_ascii=False)
            found[name] = said if said is None or isinstance(said, str) else as_json
    return found


@settings(max_examples=300, deadline=None)
@given(st.lists(_nested(3), max_size=8), st.data())
def test_rows_in_rows_equal_what_python_reads(texts: list[str], data: st.DataObject) -> None:
    """ROWs are found in one pass, by the keys of the document before: no key may be taken wrongly,
    none of a first ROW stay where a second one follows, and a broken document takes nothing along.
    """
    wanted = {"r": {"x": None, "s": {"a": None, "q": None}, "amount_of_it": None}, "a": None}
    dtype = "ROW<x STRING, s ROW<a STRING, q STRING>, amount_of_it STRING>"
    cuts = [data.draw(st.none() | st.integers(1, len(t))) for t in texts]
    documents = [t.encode()[:cut] for t, cut in zip(texts, cuts, strict=True)]
    rows: list[dict[str, Any]] = []
    bad: list[int] = []
    for i, document in enumerate(documents):
        try:
            row = _as_row(json.loads(document), wanted)
        except (ValueError, TypeError):
            bad.append(i)
        else:
            assert row is not None
            # A nested value that a STRING takes is the text as it was written, without blanks.
            rows.append(row)
    got = decode({"r": dtype, "a": "STRING"}, list(documents))
    assert got.bad.tolist() == bad
    alone = [decode({"r": dtype, "a": "STRING"}, [d]).frame for d in documents]
    assert pl.concat(alone).equals(got.frame) if alone else not got.frame.height
    assert [_without_containers(r) for r in got.frame.to_dicts()] == [
        _without_containers(r) for r in rows
    ]


def _without_containers(row: dict[str, Any]) -> dict[str, Any]:
    """Drop texts of objects: with keys that come twice they are not what Python writes again."""
    return {
        k: _without_containers(v)
        if isinstance(v, dict)
        else "{}"
        if isinstance(v, str) and v.startswith("{")
        else v
        for k, v in row.items()
    }
