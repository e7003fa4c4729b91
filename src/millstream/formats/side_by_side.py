"""Work in pieces on several cores, side by side, its answers in order; so are chunks decoded.

in      pieces of work, or a decoder that may run in several threads (``Decoder.several_threads``)
        and its payloads
out     what the work gives as a whole: the same rows, places and reasons in the same order, so
        that it never shows how many cores there are
state   none; the threads live as long as the call. To start one takes some 0.1 ms, a piece takes
        several ms: a pool would save nothing that can be measured, and outlives what it is for
bad     what a piece raises is raised here, once all threads are done
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Generic, TypeVar

import numpy as np
import polars as pl

from millstream.formats.coerce import Ints
from millstream.ports.format import Decoded, Decoder

PIECE_PAYLOADS_MIN = 4_096
PIECE_PAYLOADS_MAX = 16_384
"""Measured: more lines fall out of the cache of a core, fewer cost as much for each call as for
the rows."""
PIECES_MAX = 4
T = TypeVar("T")


def side_by_side(
    decoder: Decoder,
    *,
    piece_payloads_min: int = PIECE_PAYLOADS_MIN,
    pieces_max: int | None = None,
) -> Decoder:
    """Return a decoder that uses the cores there are; the same one where it must not be shared.

    Without ``pieces_max`` there are as many pieces as this process may use cores, at most four.
    """
    if not decoder.several_threads:
        return decoder
    return SideBySide(decoder, piece_payloads_min, pieces_max)


class SideBySide(Decoder):
    """Cuts payloads in pieces, one for each core, and joins what they give."""

    several_threads = True

    def __init__(self, inner: Decoder, piece_payloads_min: int, pieces_max: int | None) -> None:
        assert inner.several_threads, f"{type(inner).__name__} is for one thread at a time"
        self._inner = inner
        self._piece_payloads_min = piece_payloads_min
        self._pieces_max = pieces_max

    def decode(self, payloads: pl.Series) -> Decoded:
        """Decode a Binary series."""
        decode = self._inner.decode
        cuts = self._cuts(len(payloads))
        if len(cuts) <= 2:
            return decode(payloads)
        pieces = (partial(decode, payloads[a:b]) for a, b in pairwise(cuts))
        return joined(in_order(partial(next, pieces, None), self._threads()), cuts)

    def decode_in(self, data: np.ndarray, begins: Ints, stops: Ints) -> Decoded | None:
        """Decode payloads where they lie in a buffer."""
        decode = self._inner.decode_in
        cuts = self._cuts(len(begins))
        if len(cuts) <= 2:
            return decode(data, begins, stops)
        pieces = (partial(decode, data, begins[a:b], stops[a:b]) for a, b in pairwise(cuts))
        decoded = in_order(partial(next, pieces, None), self._threads())
        found = [p for p in decoded if p is not None]
        return joined(found, cuts) if found else None

    def _threads(self) -> int:
        return usable_cores() if self._pieces_max is None else self._pieces_max

    def _cuts(self, count: int) -> list[int]:
        """Return where pieces begin, and the end of the last one."""
        if count < 2 * self._piece_payloads_min and count <= PIECE_PAYLOADS_MAX:
            return [0, count]  # whatever the number of threads is
        cuts, threads = [0], self._threads()
        while cuts[-1] < count:
            left = count - cuts[-1]
            size = left if threads == 1 else piece_size(left, threads, self._piece_payloads_min)
            cuts.append(cuts[-1] + size)
        return cuts


def piece_size(count: int, threads: int, least: int = PIECE_PAYLOADS_MIN) -> int:
    """Return how many of so many payloads the next piece has.

    As many for each thread, so that all are done at about the same time; smaller ones at the end,
    so that nobody waits long for a thread whose core was busy with something else.
    """
    if threads == 1 or count < 2 * least:
        return min(count, PIECE_PAYLOADS_MAX)
    rounds = -(-count // (threads * PIECE_PAYLOADS_MAX))
    return max(least, -(-count // (threads * rounds)))


def usable_cores() -> int:
    """Return how many cores a chunk is shared among."""
    if hasattr(os, "sched_getaffinity"):
        return min(PIECES_MAX, len(os.sched_getaffinity(0)))
    return min(PIECES_MAX, os.cpu_count() or 1)


def in_order(next_piece: Callable[[], Callable[[], T] | None], threads: int) -> list[T]:
    """Run pieces in this and in other threads, each taking the next one as soon as it has time.

    ``next_piece`` is called by one thread at a time, until it returns None. The answers are in the
    order of the pieces. The first error by that order is raised, once all threads are done; no
    piece is begun after one.
    """
    pieces = _Pieces(next_piece)
    others = []
    for _ in range(threads - 1):
        other = threading.Thread(target=pieces.run, name="decoding", daemon=True)
        try:
            other.start()
        except RuntimeError:  # no more threads: the limit of the system, or Python is ending
            break
        others.append(other)
    pieces.run()
    for other in others:
        other.join()
    if pieces.errors:
        raise pieces.errors[min(pieces.errors)]
    return [pieces.answers[place] for place in range(len(pieces.answers))]


class _Pieces(Generic[T]):
    """Pieces of work, what became of them, and who takes the next one."""

    def __init__(self, next_piece: Callable[[], Callable[[], T] | None]) -> None:
        self.answers: dict[int, T] = {}
        self.errors: dict[int, BaseException] = {}
        self._next_piece = next_piece
        self._lock = threading.Lock()
        self._taken = 0
        self._ended = False

    def run(self) -> None:
        """Work until nothing is left."""
        while True:
            place = self._taken
            try:
                with self._lock:
                    place = self._taken
                    piece = None if self._ended or self.errors else self._next_piece()
                    self._ended = piece is None
                    self._taken += 1
                if piece is None:
                    return
                self.answers[place] = piece()
            except BaseException as error:  # noqa: BLE001 (raised again by the thread that waits)
                self.errors[place] = error
                return


def joined(parts: list[Decoded], cuts: list[int]) -> Decoded:
    """Return pieces as one; ``cuts`` says where in the whole each of them begins and ends."""
    frames = [p.frame for p in parts]
    frame = pl.concat(frames) if frames[0].width else pl.DataFrame(height=sum(map(len, frames)))
    good = None
    if any(p.good is not None for p in parts):
        good = np.concatenate(
            [
                np.arange(a, b) if p.good is None else p.good + a
                for p, (a, b) in zip(parts, pairwise(cuts), strict=True)
            ]
        )
    assert len(parts) == len(cuts) - 1, "every piece was decoded"
    return Decoded(
        frame=frame,
        good=good,
        bad=np.concatenate([p.bad + a for p, a in zip(parts, cuts, strict=False)]),
        reasons=[reason for p in parts for reason in p.reasons],
        skipped=sum(p.skipped for p in parts),
    )
