"""Decoded documents as the chunks of a split: rows, rejected documents, places.

in      what a decoder gave for some payloads, and the place of each payload
out     a part; several parts become one chunk
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from millstream.formats.lines import KEPT_OF_LONG_LINE, Lines
from millstream.ports.connector import Chunk
from millstream.ports.format import Decoded, Decoder


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Some documents of one place: their rows with places, the rejected and the skipped ones."""

    frame: pl.DataFrame
    places: np.ndarray
    rejected: pl.DataFrame | None = None
    bytes: int = 0
    documents: int
    skipped: int = 0

    def with_frame(self, frame: pl.DataFrame) -> Part:
        """Return the part with other columns of the same rows."""
        return replace(self, frame=frame)


def part_of_lines(decoder: Decoder, lines: Lines, bytes_max: int) -> Part:
    """Decode lines; one that is too long is rejected with its first bytes."""
    if not lines.long.any():
        decoded = decoder.decode_in(lines.data, lines.begins, lines.stops)
        if decoded is None:
            decoded = decoder.decode(lines.payloads)
        return _part(decoded, lines.places, lines.size_bytes, lines.some)
    payloads = lines.payloads
    shown = payloads.bin.head(KEPT_OF_LONG_LINE)
    decoded = decoder.decode(payloads.set(pl.Series(lines.long), None))
    reason = f"the line is longer than {bytes_max} bytes"
    reasons = [
        reason if lines.long[i] else said
        for i, said in zip(decoded.bad, decoded.reasons, strict=True)
    ]
    assert set(np.flatnonzero(lines.long)) <= set(decoded.bad), "no payload is no row"
    return part_of(replace(decoded, reasons=reasons), shown, lines.places)


def part_of(decoded: Decoded, payloads: pl.Series, places: np.ndarray) -> Part:
    """Return a decoder's answer as a part."""
    size = int(payloads.bin.size().sum() or 0)
    return _part(decoded, places, size, lambda bad: payloads.gather(pl.Series(bad)))


def _part(
    decoded: Decoded,
    places: np.ndarray,
    size_bytes: int,
    raw_of: Callable[[np.ndarray], pl.Series],
) -> Part:
    """Return a decoder's answer; ``raw_of`` gives the bytes of some documents."""
    rejected = None
    if len(decoded.bad):
        rejected = pl.DataFrame(
            {
                "reason": pl.Series(decoded.reasons, dtype=pl.String),
                "offset": pl.Series(places[decoded.bad].astype(np.int64)),
                "raw": raw_of(decoded.bad),
            }
        )
    return Part(
        frame=decoded.frame,
        places=places if decoded.good is None else places[decoded.good],
        rejected=rejected,
        bytes=size_bytes,
        documents=len(places),
        skipped=decoded.skipped,
    )


def decoded_again(decoder: Decoder, documents: pl.DataFrame, columns: Mapping[str, Any]) -> Chunk:
    """Return kept documents as a chunk; ``columns`` are those that no document holds, as NULL."""
    part = part_of(decoder.decode(documents["raw"]), documents["raw"], np.arange(documents.height))
    hidden = [name for name in part.frame.columns if name.startswith("$")]
    data = [name for name in part.frame.columns if name not in hidden]
    nothing = (pl.lit(None, dtype=dtype).alias(name) for name, dtype in columns.items())
    frame = part.frame.with_columns(*nothing).select(*data, *columns, *hidden)
    return one_chunk([part.with_frame(frame)], resume=None)


def one_chunk(parts: Sequence[Part], *, resume: Any, pending: int | None = None) -> Chunk:
    """Return parts as one chunk."""
    assert parts, "a chunk has documents"
    rejected = [p.rejected for p in parts if p.rejected is not None]
    if len(parts) == 1:
        frame, places = parts[0].frame, parts[0].places
    elif not parts[0].frame.width:
        frame = pl.DataFrame(height=sum(p.frame.height for p in parts))
        places = np.concatenate([p.places for p in parts])
    else:
        frame = pl.concat([p.frame for p in parts])
        places = np.concatenate([p.places for p in parts])
    return Chunk(
        frame=frame,
        resume=resume,
        rejected=pl.concat(rejected) if rejected else None,
        offsets=pl.Series(np.ascontiguousarray(places, np.int64)),
        bytes=sum(p.bytes for p in parts),
        pending=pending,
        skipped=sum(p.skipped for p in parts),
    )
