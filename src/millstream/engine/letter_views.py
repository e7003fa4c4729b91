"""Looks into a store of dead letters, for people: groups, single letters, files, removal.

in      the folder of a checkpoint or of dead letters, or its address; a filter
out     plain values: groups with counts, letters as dicts, how many were written or removed
bad     PlanError where there are no dead letters, or no such format of file
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from millstream.engine.dead_requests import (
    FAILED_AGAIN,
    NEW,
    STATES,
    Filter,
    Requests,
    States,
    letter_ids,
)
from millstream.engine.letter_store import EPOCHS, REFUSED, Head, LetterStore, PartHead, in_order
from millstream.engine.letters import FOLDER
from millstream.engine.rejects import ROW, as_json
from millstream.errors import PlanError
from millstream.settings import Settings
from millstream.stores.open import open_store

Place = tuple[str, int, int]
"""Where a letter is, for as long as it is: its blob, the part of it, its number there."""
ALL_STATES = (*STATES, FAILED_AGAIN)


@dataclass(frozen=True, slots=True)
class Group:
    """Letters that are alike."""

    operator: str
    kind: str
    table: str | None
    reason: str
    state: str
    letters: int
    first_ms: int
    last_ms: int


def open_letters(place: str | os.PathLike[str], settings: Settings | None = None) -> LetterStore:
    """Return the letters at a place: a checkpoint's, or a folder of their own."""
    text = os.fspath(place).rstrip("/")
    for address in (f"{text}/{FOLDER}", text):
        store = open_store(address, settings)
        if any(store.names(prefix) for prefix in (EPOCHS, REFUSED)) and not store.names("manif"):
            return LetterStore(store)
    raise PlanError(
        "There are no dead letters.",
        where=text,
        hint="Give the folder of the checkpoints or of the dead letters; the summary of a run "
        "names it.",
    )


def groups(letters: LetterStore, wanted: Filter, state: str | None = None) -> list[Group]:
    """Return letters grouped by operator, kind, reason and state, the most first."""
    states = Requests(letters).states()
    counted: list[pl.DataFrame] = []
    columns = ("time", "reason", "attempt")
    for _, part, frame in _rows(letters, wanted, state, states, columns):
        by_reason = frame.group_by("reason", "state", maintain_order=True).agg(
            pl.len().alias("letters"),
            pl.col("time").min().alias("first"),
            pl.col("time").max().alias("last"),
        )
        counted.append(
            by_reason.with_columns(
                pl.lit(part.operator).alias("operator"),
                pl.lit(part.kind.value).alias("kind"),
                pl.lit(part.table, dtype=pl.String).alias("table"),
            )
        )
    if not counted:
        return []
    keys = ["operator", "kind", "table", "reason", "state"]
    total = (
        pl.concat(counted)
        .group_by(keys, maintain_order=True)
        .agg(pl.col("letters").sum(), pl.col("first").min(), pl.col("last").max())
        .sort("letters", descending=True, maintain_order=True)
    )
    return [Group(*row) for row in total.select(*keys, "letters", "first", "last").iter_rows()]


def single(
    letters: LetterStore, wanted: Filter, state: str | None, ids: list[str], limit: int
) -> list[dict[str, Any]]:
    """Return letters with their bytes and columns; ``ids`` picks some of them."""
    found: list[dict[str, Any]] = []
    states = Requests(letters).states()
    for head, part, frame in _rows(letters, wanted, state, states, None):
        rows = _readable(head, part, frame)
        if ids:
            rows = rows.filter(pl.col("id").is_in(ids))
        found += rows.head(limit - len(found)).to_dicts()
        if len(found) >= limit:
            break
    return found


def page(
    letters: LetterStore, wanted: Filter, state: str | None, after: Place | None, limit: int
) -> tuple[list[dict[str, Any]], Place | None]:
    """Return letters behind a place, oldest first, and the place of the last if there are more."""
    found: list[dict[str, Any]] = []
    last: Place | None = None
    states = Requests(letters).states()
    for head, number, part, frame in _parts(letters, wanted, state, states, None, after):
        if frame.height and len(found) == limit:
            return found, last
        some = frame.head(limit - len(found))
        found += _readable(head, part, some).to_dicts()
        if some.height:
            last = (head.blob, number, int(some["ordinal"][-1]))
        if some.height < frame.height:
            return found, last
    return found, None


def export(letters: LetterStore, wanted: Filter, state: str | None, path: Path) -> int:
    """Write letters to a file, by its extension; returns how many."""
    states = Requests(letters).states()
    frames = [_readable(h, p, f) for h, p, f in _rows(letters, wanted, state, states, None)]
    whole = pl.concat(frames) if frames else pl.DataFrame()
    text = whole.with_columns(pl.col("raw").bin.encode("base64")) if frames else whole
    match path.suffix.lower():
        case ".parquet":
            whole.write_parquet(path)
        case ".json" | ".jsonl" | ".ndjson":
            text.write_ndjson(path)
        case ".csv":
            text.write_csv(path)
        case other:
            raise PlanError(
                f"Letters are not written as '{other}'.",
                where=str(path),
                hint="Name a .parquet, .jsonl or .csv file.",
            )
    return whole.height


def purge(letters: LetterStore, wanted: Filter, state: str | None) -> tuple[int, int]:
    """Remove blobs all of whose letters pass; returns letters removed, and left beside others."""
    states = Requests(letters).states()
    removed = left = 0
    passing: dict[str, int] = {}
    for head, _, frame in _rows(letters, wanted, state, states, ("time", "reason", "attempt")):
        passing[head.blob] = passing.get(head.blob, 0) + frame.height
    for head in list(letters.heads()):
        if passing.get(head.blob, 0) == sum(p.rows for p in head.parts):
            removed += passing[head.blob]
            letters.remove(head.blob)
        else:
            left += passing.get(head.blob, 0)
    return removed, left


def unfit(letters: LetterStore) -> dict[str, int]:
    """Return why letters could not be put through again, and how many."""
    return Requests(letters).states().notes


def _rows(
    letters: LetterStore,
    wanted: Filter,
    state: str | None,
    states: States,
    columns: tuple[str, ...] | None,
) -> Iterator[tuple[Head, PartHead, pl.DataFrame]]:
    """Yield the letters that pass, part by part, with their ``state``."""
    for head, _, part, frame in _parts(letters, wanted, state, states, columns):
        yield head, part, frame


def _parts(
    letters: LetterStore,
    wanted: Filter,
    state: str | None,
    states: States,
    columns: tuple[str, ...] | None,
    after: Place | None = None,
) -> Iterator[tuple[Head, int, PartHead, pl.DataFrame]]:
    """Yield the letters that pass, behind a place, with the number of their part."""
    for head in letters.heads():
        if after is not None and in_order(head.blob) < in_order(after[0]):
            continue
        for number, part in wanted.parts(head):
            if after is not None and (head.blob, number) < after[:2] and head.blob == after[0]:
                continue
            frame = letters.frame(head.blob, part, columns)
            known = states.of(head.blob, number, part.rows)
            names = np.array(STATES)[known]
            again = (known == NEW) & (frame["attempt"].to_numpy() > 0)
            names = np.where(again, FAILED_AGAIN, names)
            keep = wanted.mask(frame, head.blob)
            if state is not None:
                keep &= names == state
            if after is not None and (head.blob, number) == after[:2]:
                keep &= frame["ordinal"].to_numpy() > after[2]
            if keep.any():
                said = pl.Series("state", names.tolist(), dtype=pl.String)
                yield head, number, part, frame.with_columns(said).filter(pl.Series(keep))


def _readable(head: Head, part: PartHead, frame: pl.DataFrame) -> pl.DataFrame:
    return frame.select(
        letter_ids(head.blob, frame["ordinal"]).alias("id"),
        pl.lit(part.kind.value).alias("kind"),
        "state",
        pl.lit(part.operator).alias("operator"),
        pl.lit(part.table, dtype=pl.String).alias("table"),
        "reason",
        pl.lit(head.epoch, dtype=pl.Int64).alias("epoch"),
        "time",
        "split",
        "offset",
        "mark",
        "attempt",
        "was",
        "raw",
        as_json(frame) if frame.schema[ROW] != pl.Null else pl.lit(None, pl.String).alias(ROW),
    )
