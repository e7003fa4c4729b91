"""Bytes cut into lines: however they come, whatever they hold."""

from __future__ import annotations

import csv
import io
import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from millstream.formats.lines import LineBuffer, LineRules, is_ascii


def cut(blocks: list[bytes], rules: LineRules, bytes_max: int = 1000) -> list[tuple[int, bytes]]:
    """Return every line with its place, taking one at a time between the blocks."""
    buffer = LineBuffer(rules, bytes_max=bytes_max)
    found: list[tuple[int, bytes]] = []

    def drain() -> None:
        while True:
            lines = buffer.take(2)
            found.extend(zip(lines.places.tolist(), lines.payloads.to_list(), strict=True))
            if not len(lines.payloads):
                return

    for block in blocks:
        buffer.feed(block)
        drain()
    buffer.finish()
    drain()
    return found


_long = st.lists(st.sampled_from([b"\n", b"\r\n", b"a", b'"', b"x" * 15, b"y" * 63]), max_size=20)
_bytes = st.text('ab,"\r\n').map(str.encode) | st.binary(max_size=60) | _long.map(b"".join)
_cuts = st.lists(st.integers(0, 60) | st.integers(0, 900), max_size=6)


def blocks_of(data: bytes, cuts: list[int]) -> list[bytes]:
    ends = [0, *sorted(cuts), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(ends)]


@settings(deadline=None)
@given(_bytes, _cuts, st.booleans())
def test_any_blocks_give_the_same_lines(data: bytes, cuts: list[int], quotes: bool) -> None:
    """How a network or a disk cuts a stream is an accident."""
    rules = LineRules(delimiter=44, quote=34) if quotes else LineRules(keep_blank=True)
    assert cut(blocks_of(data, cuts), rules) == cut([data], rules)


@settings(deadline=None)
@given(_bytes, _cuts)
def test_lines_are_those_of_a_naive_split(data: bytes, cuts: list[int]) -> None:
    """Lines and their places, against bytes.split."""
    wanted, place = [], 0
    for line in data.split(b"\n"):
        wanted.append((place, line))
        place += len(line) + 1
    if not wanted[-1][1]:
        wanted.pop()
    last = len(wanted) - 1 if not data.endswith(b"\n") else None
    kept = [
        (p, line if i == last and not line.endswith(b"\r") else line.removesuffix(b"\r"))
        for i, (p, line) in enumerate(wanted)
    ]
    assert cut(blocks_of(data, cuts), LineRules(keep_blank=True)) == kept
    assert cut(blocks_of(data, cuts), LineRules()) == [(p, line) for p, line in kept if line]


@settings(deadline=None)
@given(_bytes, st.integers(1, 9), st.integers(1, 200), st.integers(1, 70), st.booleans())
def test_steps_of_reading_give_the_same_lines(
    data: bytes, lines_max: int, bytes_max: int, step: int, quotes: bool
) -> None:
    """As many as asked for while there are any, from blocks of any size, with the same places."""
    rules = LineRules(delimiter=44, quote=34) if quotes else LineRules()
    stream, buffer = io.BytesIO(data), LineBuffer(rules)
    missing: list[int] = []

    def read(room: memoryview, lines_missing: int) -> tuple[int, bool]:
        assert 0 < len(room) <= bytes_max
        missing.append(lines_missing)
        size = stream.readinto(room[:step])
        return size, size > 0

    found: list[tuple[int, bytes]] = []
    afters = [0]
    while True:
        lines = buffer.take_reading(lines_max, bytes_max, read)
        if not len(lines) and (block := stream.read(step)):
            buffer.feed(block)
            continue
        if not len(lines):
            buffer.finish()
            lines = buffer.take(lines_max)
        found += zip(lines.places.tolist(), lines.payloads.to_list(), strict=True)
        afters.append(lines.after)
        assert len(lines) <= lines_max
        if not len(lines):
            break
    assert found == cut([data], rules)
    assert afters == sorted(afters)
    assert afters[-1] == len(data)
    assert all(0 < n <= lines_max for n in missing)


@settings(deadline=None)
@given(st.integers(0, 9000), st.integers(0, 9000), st.integers(0, 9000), st.integers(0, 255))
def test_ascii_is_what_python_calls_so(begin: int, size: int, at: int, byte: int) -> None:
    """One byte anywhere in a span, or just beside it, against bytes.isascii."""
    data = np.full(begin + size + 100, 0x41, np.uint8)
    data[min(at, len(data) - 1)] = byte
    span = data[begin : begin + size].tobytes()
    assert is_ascii(int(data.ctypes.data), begin, begin + size) is span.isascii()


@settings(deadline=None)
@given(st.lists(st.lists(st.text('ab,"\n', max_size=4), min_size=1, max_size=3), max_size=4), _cuts)
def test_line_ends_inside_quotes_are_data(rows: list[list[str]], cuts: list[int]) -> None:
    """Against what Python's csv module writes."""
    out = io.StringIO(newline="")
    for row in rows:
        csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n").writerow(row)
    data = out.getvalue().encode()
    lines = cut(blocks_of(data, cuts), LineRules(delimiter=44, quote=34))
    assert len(lines) == len(rows)
    assert b"".join(line + b"\n" for _, line in lines) == data


@settings(deadline=None)
@given(_cuts)
def test_a_line_that_is_too_long_is_one_line(cuts: list[int]) -> None:
    """It is given out once, where it began; the memory never holds more than the limit."""
    data = b"ok\n" + b"x" * 50 + b"\nok\n"
    assert [p for p, _ in cut(blocks_of(data, cuts), LineRules(), bytes_max=10)] == [0, 3, 54]


def test_a_restart_never_begins_inside_a_long_line() -> None:
    """While its end has not come the place to resume is still before it."""
    buffer = LineBuffer(LineRules(), bytes_max=10)
    buffer.feed(b"ok\n" + b"x" * 50)
    assert buffer.take(9).after == 3
    assert buffer.take(9).after == 3
    assert buffer.held_bytes == 0
    buffer.feed(b"xx\n")
    lines = buffer.take(9)
    assert (lines.places.tolist(), lines.long.tolist(), lines.after) == ([3], [True], 56)


def test_lines_that_were_given_out_are_not_written_over() -> None:
    """They are spans of a buffer; what comes later goes to another one."""
    buffer = LineBuffer(LineRules())
    room = buffer.room(8)
    room[:5] = b"ab\nc\xff"
    buffer.filled(5)
    first = buffer.take(9)
    for _ in range(3):
        room = buffer.room(4)
        room[:2] = b"d\n"
        buffer.filled(2)
        assert len(buffer.take(9)) == 1
    buffer.room(4)
    buffer.filled(0)
    buffer.finish()
    assert (len(buffer.take(9)), buffer.held_bytes) == (0, 0)
    assert (first.payloads.to_list(), first.size_bytes, first.after) == ([b"ab"], 2, 3)
    assert first.some(np.array([0, 0])).to_list() == [b"ab", b"ab"]
