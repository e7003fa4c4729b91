"""Decoding on several cores: never to be seen in what comes out."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from millstream.formats.lines import LineBuffer, LineRules
from millstream.formats.side_by_side import (
    PIECE_PAYLOADS_MAX,
    in_order,
    piece_size,
    side_by_side,
    usable_cores,
)
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

    def __init__(self, together: int = 1) -> None:
        self.threads: set[str] = set()
        self.decoded: list[bytes] = []
        self._meeting = threading.Barrier(together)

    def decode(self, payloads: pl.Series) -> Decoded:
        if threading.current_thread().name not in self.threads:
            self.threads.add(threading.current_thread().name)
            self._meeting.wait(60)  # so that no thread takes all pieces before another has begun
        self.decoded += payloads.to_list()
        if b"x" in payloads.to_list():
            raise ValueError(f"a mistake of ours in {payloads.to_list()}")
        return Decoded(frame=pl.DataFrame(height=len(payloads)), good=None, bad=np.empty(0, int))


def test_a_mistake_in_another_thread_is_raised_here() -> None:
    """It would be lost with its thread; and no thread outlives the call."""
    inner = _Several(together=2)
    shared = side_by_side(inner, piece_payloads_min=1, pieces_max=2)
    before = set(threading.enumerate())
    assert shared.decode(pl.Series([b"a"] * 9)).frame.height == 9
    assert len(inner.threads) == 2
    with pytest.raises(ValueError, match="a mistake of ours"):
        shared.decode(pl.Series([b"a"] * 8 + [b"x"]))
    assert set(threading.enumerate()) <= before
    assert shared.decode_in(np.empty(9, np.uint8), np.arange(9), np.arange(9)) is None


def test_a_thread_that_is_held_up_holds_up_one_piece() -> None:
    """The others take the rest; the answers are in the pieces' order nevertheless."""
    others_done, taken = threading.Event(), iter(range(50))

    def piece(number: int) -> int:
        if number == 0:
            assert others_done.wait(60), "nobody took the other pieces"
        elif number == 49:
            others_done.set()
        return number

    def next_piece() -> Callable[[], int] | None:
        number = next(taken, None)
        return None if number is None else partial(piece, number)

    assert in_order(next_piece, 2) == list(range(50))


@pytest.mark.parametrize("threads", [1, 2])
def test_the_first_error_is_raised_and_nothing_is_begun_after_it(threads: int) -> None:
    """Which thread is faster is an accident; what is read after an error would be lost."""
    begun: list[int] = []
    both = threading.Barrier(threads)

    def piece(number: int) -> int:
        if number >= 3:
            both.wait(60)
            raise ValueError(f"piece {number}")
        return number

    def next_piece() -> Callable[[], int] | None:
        begun.append(len(begun))
        return partial(piece, len(begun) - 1)

    with pytest.raises(ValueError, match="piece 3"):
        in_order(next_piece, threads)
    assert len(begun) == 3 + threads


def test_an_error_of_the_next_piece_is_raised_after_those_before_it() -> None:
    """A disk that fails: the pieces read before are done first, and one of their errors counts."""
    done: list[int] = []
    numbers = iter(range(3))

    def next_piece() -> Callable[[], None]:
        number = next(numbers, None)
        if number is None:
            raise OSError("the disk")
        return partial(done.append, number)

    with pytest.raises(OSError, match="the disk"):
        in_order(next_piece, 3)
    assert sorted(done) == [0, 1, 2]


@given(st.integers(1, 300_000), st.integers(1, 4), st.integers(1, 5_000))
def test_pieces_are_neither_large_nor_tiny(count: int, threads: int, least: int) -> None:
    """A large one falls out of the cache, a small one costs as much for the call as for rows."""
    sizes: list[int] = []
    while sum(sizes) < count:
        sizes.append(piece_size(count - sum(sizes), threads, least))
    assert sum(sizes) == count
    assert max(sizes) <= PIECE_PAYLOADS_MAX
    if threads > 1:
        assert min(sizes) >= min(least, count)


def test_only_decoders_that_say_so_are_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plugin that keeps something between calls stays in one thread; so does a short chunk."""
    raw = decoder_for(Schema.of({"a": "STRING"}), {"format": "raw"}, owner="test")
    assert side_by_side(raw) is raw
    inner = _Several()
    monkeypatch.setattr("millstream.formats.side_by_side.usable_cores", lambda: 4)
    side_by_side(inner, piece_payloads_min=5).decode(pl.Series([b"a"] * 9))
    assert inner.threads == {threading.current_thread().name}
    assert 1 <= usable_cores() <= 4
