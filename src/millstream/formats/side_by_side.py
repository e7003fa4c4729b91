"""Decodes one chunk on several cores: in pieces, side by side, joined in order.

in      a decoder that may run in several threads (``Decoder.several_threads``), and its payloads
out     what the decoder gives for the whole: the same rows, places and reasons in the same order,
        so that it never shows how many cores there are
state   none; the threads live as long as the call. To start one takes some 0.1 ms, a piece takes
        several ms: a pool would save nothing that can be measured, and outlives what it is for
bad     what a piece raises is raised here, once all pieces are done
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np
import polars as pl

from millstream.formats.coerce import Ints
from millstream.ports.format import Decoded, Decoder

PIECE_PAYLOADS_MIN = 4_096
PIECES_MAX = 4


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
        pieces = [_Piece(partial(decode, payloads[a:b])) for a, b in pairwise(cuts)]
        return joined([p for p in _all(pieces) if p is not None], cuts)

    def decode_in(self, data: np.ndarray, begins: Ints, stops: Ints) -> Decoded | None:
        """Decode payloads where they lie in a buffer."""
        decode = self._inner.decode_in
        cuts = self._cuts(len(begins))
        if len(cuts) <= 2:
            return decode(data, begins, stops)
        pieces = [_Piece(partial(decode, data, begins[a:b], stops[a:b])) for a, b in pairwise(cuts)]
        found = [p for p in _all(pieces) if p is not None]
        return joined(found, cuts) if found else None

    def _cuts(self, count: int) -> list[int]:
        """Return where pieces begin, and the end of the last one."""
        most = usable_cores() if self._pieces_max is None else self._pieces_max
        pieces = max(1, min(most, count // self._piece_payloads_min))
        return [count * i // pieces for i in range(pieces + 1)]


def usable_cores() -> int:
    """Return how many cores a chunk is shared among."""
    if hasattr(os, "sched_getaffinity"):
        return min(PIECES_MAX, len(os.sched_getaffinity(0)))
    return min(PIECES_MAX, os.cpu_count() or 1)


@dataclass(slots=True)
class _Piece:
    """One piece and what became of it."""

    decode: Callable[[], Decoded | None]
    decoded: Decoded | None = None
    error: BaseException | None = None

    def run(self) -> None:
        try:
            self.decoded = self.decode()
        except BaseException as error:  # noqa: BLE001 (raised again by the thread that waits)
            self.error = error


def _all(pieces: list[_Piece]) -> list[Decoded | None]:
    """Run every piece, the first one in this thread."""
    threads = []
    here = pieces[:1]
    for piece in pieces[1:]:
        thread = threading.Thread(target=piece.run, name="decoding", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # no more threads: the limit of the system, or Python is ending
            here.append(piece)
        else:
            threads.append(thread)
    for piece in here:
        piece.run()
    for thread in threads:
        thread.join()
    for piece in pieces:
        if piece.error is not None:
            raise piece.error
    return [piece.decoded for piece in pieces]


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
