"""Decoding on several cores: never to be seen in what comes out."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from millstream.formats.lines import LineBuffer, LineRules
from millstream.formats.side_by_side import side_by_side, usable_cores
from millstream.ports.format import Decoded, Decoder
from millstream.ports.registry import decoder_for
from millstream.types import Schema

SCHEMA = Schema.of({"a": "INT", "b": "STRING", "c": "ARRAY<INT>"})
DOCUMENTS = {
    "json": [
        b'{"a":1,"b":"x"}',
        b'{"b":"\\u00e4\\n","a":"7","c":[1,2]}',
        b'{"a":"\\u0031","c":null}',
        b'{"a":"x"}',
        b"oops",
        b'{"b":"\xff"}',
        b"\xc3",
        b'{"b":"\xe2\x82\xac"} ',
    ],
    "csv": [
        b"1,x,1;2",
        b'2,"a""b",',
        b",,",
        b"x,y,",
        b"1,2",
        b"# no row",
        b"3,\xff,",
        b"4,\xe2\x82\xac,7",
    ],
    "debezium-json": [
        b'{"before":null,"after":{"a":1,"b":"x"},"op":"c"}',
        b'{"before":{"a":1},"after":{"a":2,"b":"y"},"op":"u"}',
        b'{"before":{"a":2},"after":null,"op":"d"}',
        b'{"after":{"a":3},"op":"u"}',
        b'{"op":"?"}',
        b"oops",
    ],
}
OPTIONS: dict[str, dict[str, Any]] = {"csv": {"csv.allow-comments": "true"}}


def decoder(format_name: str) -> Decoder:
    formats = {"format": format_name, **OPTIONS.get(format_name, {})}
    return decoder_for(SCHEMA, formats, owner="test")


def assert_same(got: Decoded, wanted: Decoded) -> None:
    assert_frame_equal(got.frame, wanted.frame)
    places = [None if d.good is None else d.good.tolist() for d in (got, wanted)]
    assert places[0] == places[1]
    assert got.bad.tolist() == wanted.bad.tolist()
    assert got.reasons == wanted.reasons
    assert got.skipped == wanted.skipped


def in_a_buffer(documents: list[bytes], newline: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    buffer = LineBuffer(LineRules(newline=newline, keep_blank=True))
    buffer.feed(b"".join(d + bytes([newline]) for d in documents))
    lines = buffer.take(len(documents) + 1)
    assert lines.payloads.to_list() == documents
    return lines.data, lines.begins, lines.stops


@pytest.mark.parametrize("format_name", sorted(DOCUMENTS))
@settings(deadline=None, max_examples=40)
@given(data=st.data(), pieces=st.integers(1, 4))
def test_pieces_give_what_the_whole_gives(
    format_name: str, data: st.DataObject, pieces: int
) -> None:
    """Rows, indices, reasons and counts, with good and bad documents mixed, NULL ones too."""
    known = st.sampled_from(DOCUMENTS[format_name])
    documents = data.draw(st.lists(known | st.none(), max_size=30))
    payloads = pl.Series(documents, dtype=pl.Binary)
    whole = decoder(format_name)
    shared = side_by_side(whole, piece_payloads_min=3, pieces_max=pieces)
    assert_same(shared.decode(payloads), whole.decode(payloads))


@pytest.mark.parametrize("format_name", ["csv", "json"])
@settings(deadline=None, max_examples=40)
@given(data=st.data(), pieces=st.integers(1, 4), newline=st.sampled_from([0x0A, 0xA9]))
def test_a_buffer_gives_what_a_series_gives(
    format_name: str, data: st.DataObject, pieces: int, newline: int
) -> None:
    """Lines are decoded where they lie; a line end that is half of a letter joins no two lines."""
    cut = b"\xc3" if format_name == "json" else b"5,\xc3,"  # C3 A9 is a letter
    documents = data.draw(st.lists(st.sampled_from([*DOCUMENTS[format_name], cut]), max_size=30))
    whole = decoder(format_name)
    shared = side_by_side(whole, piece_payloads_min=3, pieces_max=pieces)
    got = shared.decode_in(*in_a_buffer(documents, newline))
    assert got is not None
    assert_same(got, whole.decode(pl.Series(documents, dtype=pl.Binary)))


class _Several(Decoder):
    """Fails in the piece that holds ``x``; notes the threads that came."""

    several_threads = True

    def __init__(self) -> None:
        self.threads: set[str] = set()

    def decode(self, payloads: pl.Series) -> Decoded:
        self.threads.add(threading.current_thread().name)
        if b"x" in payloads.to_list():
            raise ValueError("a mistake of ours")
        return Decoded(frame=pl.DataFrame(height=len(payloads)), good=None, bad=np.empty(0, int))


def test_a_mistake_in_another_thread_is_raised_here() -> None:
    """It would be lost with its thread; and no thread outlives the call."""
    inner = _Several()
    shared = side_by_side(inner, piece_payloads_min=1, pieces_max=3)
    before = set(threading.enumerate())
    assert shared.decode(pl.Series([b"a"] * 9)).frame.height == 9
    assert len(inner.threads) >= 2
    with pytest.raises(ValueError, match="a mistake of ours"):
        shared.decode(pl.Series([b"a"] * 8 + [b"x"]))
    assert set(threading.enumerate()) <= before
    assert shared.decode_in(np.empty(9, np.uint8), np.arange(9), np.arange(9)) is None


def test_only_decoders_that_say_so_are_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plugin that keeps something between calls stays in one thread; so does a short chunk."""
    raw = decoder_for(Schema.of({"a": "STRING"}), {"format": "raw"}, owner="test")
    assert side_by_side(raw) is raw
    inner = _Several()
    monkeypatch.setattr("millstream.formats.side_by_side.usable_cores", lambda: 4)
    side_by_side(inner, piece_payloads_min=5).decode(pl.Series([b"a"] * 9))
    assert inner.threads == {threading.current_thread().name}
    assert 1 <= usable_cores() <= 4
