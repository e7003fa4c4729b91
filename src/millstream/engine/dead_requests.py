"""Which letters are to be put through again, and how far that has come: blobs beside the letters.

``requests/000003.json``  which letters, in which order; never changed once it is there
``taken/000003.json``     how many of them are through, and which did not fit (and why)

state   of a letter: *new*, *asked* (in a request that has not come to it), *replayed* (through;
        where it failed again it is a new letter with ``attempt`` one higher). One that did not fit
        is new
order   a request's letters are counted in the order of its picks: that count is the position in a
        checkpoint and the offset of the split ``$letters:3``
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from millstream.engine.letter_store import EPOCHS, REFUSED, Head, LetterStore, PartHead
from millstream.errors import PlanError
from millstream.ports.store import NotThere

REQUESTS, TAKEN = "requests/", "taken/"
FORMAT = 1
NEW, ASKED, REPLAYED = range(3)
STATES = ("new", "asked", "replayed")
FAILED_AGAIN = "failed again"
"""How a new letter is shown that was put through before."""
Ranges = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Filter:
    """Which letters; None = whatever. ``reason`` is a part of it, in any case of letters.

    ``ids`` are those of :func:`letter_ids`.
    """

    operator: str | None = None
    kind: str | None = None
    reason: str | None = None
    since_ms: int | None = None
    epoch: int | None = None
    ids: frozenset[str] | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """What :meth:`mask` reads of a part."""
        return ("time", "reason") if self.ids is None else ("time", "reason", "ordinal")

    def parts(self, head: Head) -> Iterator[tuple[int, PartHead]]:
        """Yield the parts of a blob in which there may be some, with their numbers."""
        if self.epoch is not None and head.epoch != self.epoch:
            return
        for number, part in enumerate(head.parts):
            wanted = (
                self.operator in (None, part.operator, part.table)
                and self.kind in (None, part.kind.value)
                and (self.since_ms is None or part.last_ms >= self.since_ms)
            )
            if wanted:
                yield number, part

    def mask(self, frame: pl.DataFrame, blob: str) -> np.ndarray:
        """Tell of each letter of such a part of a blob whether it is one."""
        keep = np.ones(frame.height, dtype=bool)
        if self.ids is not None:
            keep &= letter_ids(blob, frame["ordinal"]).is_in(list(self.ids)).to_numpy()
        if self.since_ms is not None:
            keep &= frame["time"].to_numpy() >= self.since_ms
        if self.reason is not None:
            folded = frame["reason"].str.to_lowercase()
            keep &= folded.str.contains(self.reason.lower(), literal=True).to_numpy()
        return keep


@dataclass(frozen=True, slots=True)
class Pick:
    """Letters of one part: rows from one number up to another."""

    blob: str
    part: int
    rows: Ranges

    @property
    def count(self) -> int:
        return sum(end - start for start, end in self.rows)

    def at(self) -> np.ndarray:
        """Return the numbers of the rows."""
        return np.concatenate([np.arange(start, end) for start, end in self.rows])


@dataclass(frozen=True, slots=True)
class Request:
    """What somebody asked for."""

    number: int
    made_at_ms: int
    picks: tuple[Pick, ...]

    @property
    def count(self) -> int:
        """How many letters."""
        return sum(pick.count for pick in self.picks)


@dataclass(frozen=True, slots=True)
class Taken:
    """How far a request has come: ``done`` of its letters; those that did not fit, by reason."""

    done: int = 0
    unfit: Mapping[str, Ranges] = field(default_factory=dict)

    def with_unfit(self, reason: str, places: np.ndarray) -> Taken:
        """Return it with more letters that did not fit."""
        known = {**self.unfit, reason: (*self.unfit.get(reason, ()), *ranges(places))}
        return Taken(self.done, known)

    def to_json(self) -> dict[str, Any]:
        """Return it for a checkpoint."""
        return {"done": self.done, "unfit": {why: list(r) for why, r in self.unfit.items()}}

    @classmethod
    def of_json(cls, said: Mapping[str, Any]) -> Taken:
        """Take it from a checkpoint."""
        unfit = {why: tuple((int(a), int(b)) for a, b in r) for why, r in said["unfit"].items()}
        return cls(int(said["done"]), unfit)


class Requests:
    """The requests of one store of letters."""

    def __init__(self, letters: LetterStore) -> None:
        self._letters = letters
        self._store = letters.store

    def numbers(self) -> list[int]:
        """Return the numbers of all requests."""
        names = self._store.names(REQUESTS)
        return [int(n.removeprefix(REQUESTS).removesuffix(".json")) for n in names]

    def read(self, number: int) -> Request:
        """Read a request."""
        said = json.loads(self._store.get(_name(REQUESTS, number)))
        if said["format"] != FORMAT:
            raise PlanError(
                f"Request {number} has format {said['format']}, this version reads {FORMAT}.",
                where=self._letters.place,
                hint="Run the version that wrote it.",
            )
        picks = tuple(
            Pick(blob, part, tuple((int(a), int(b)) for a, b in rows))
            for blob, part, rows in said["picks"]
        )
        return Request(number, said["made_at_ms"], picks)

    def taken(self, number: int) -> Taken:
        """Tell how far a request has come, as far as its letters' store knows."""
        try:
            return Taken.of_json(json.loads(self._store.get(_name(TAKEN, number))))
        except NotThere:
            return Taken()

    def note(self, number: int, taken: Taken) -> None:
        """Write down how far a request has come; again is no matter."""
        self._store.put(_name(TAKEN, number), json.dumps(taken.to_json()).encode())

    def ask(self, wanted: Filter, now_ms: int) -> Request | None:
        """Ask for the letters that are new and pass a filter; None where there are none."""
        while True:
            states = self.states()
            picks: list[Pick] = []
            for head in self._letters.heads():
                for number, part in wanted.parts(head):
                    frame = self._letters.frame(head.blob, part, wanted.columns)
                    of_part = states.of(head.blob, number, part.rows)
                    at = np.flatnonzero(wanted.mask(frame, head.blob) & (of_part == NEW))
                    if at.size:
                        picks.append(Pick(head.blob, number, ranges(at)))
            if not picks:
                return None
            request = Request(max(self.numbers(), default=0) + 1, now_ms, tuple(picks))
            said = {
                "format": FORMAT,
                "made_at_ms": now_ms,
                "picks": [[p.blob, p.part, p.rows] for p in picks],
            }
            # Of two that ask at once one comes second, and looks again at what is new then.
            if self._store.put_new(_name(REQUESTS, request.number), json.dumps(said).encode()):
                return request

    def states(self) -> States:
        """Return what is known of each letter."""
        found = States()
        for number in self.numbers():
            request, taken = self.read(number), self.taken(number)
            state = np.full(request.count, ASKED, dtype=np.int8)
            state[: taken.done] = REPLAYED
            for reason, places in taken.unfit.items():
                for start, end in places:
                    state[start:end] = NEW
                    found.notes[reason] = found.notes.get(reason, 0) + end - start
            first = 0
            for pick in request.picks:
                of_pick = state[first : first + pick.count]
                found.said.setdefault((pick.blob, pick.part), []).append((pick.at(), of_pick))
                first += pick.count
        return found


@dataclass
class States:
    """What requests say of letters, and why some did not fit (how many of each reason)."""

    said: dict[tuple[str, int], list[tuple[np.ndarray, np.ndarray]]] = field(default_factory=dict)
    notes: dict[str, int] = field(default_factory=dict)

    def of(self, blob: str, part: int, rows: int) -> np.ndarray:
        """Return the state of each letter of a part."""
        state = np.full(rows, NEW, dtype=np.int8)
        for at, said in self.said.get((blob, part), ()):
            state[at] = np.maximum(state[at], said)
        return state


def letter_ids(blob: str, ordinals: pl.Series) -> pl.Series:
    """Return the ids of letters for people: ``12:5`` is the letter 5 of epoch 12."""
    name = blob.removeprefix(EPOCHS).removeprefix(REFUSED).lstrip("0")
    return pl.select((pl.lit(name + ":") + pl.lit(ordinals).cast(pl.String)).alias("id"))["id"]


def ranges(places: np.ndarray) -> Ranges:
    """Return ascending numbers as ranges."""
    if not places.size:
        return ()
    cuts = np.flatnonzero(np.diff(places) != 1) + 1
    starts, ends = places[[0, *cuts]], places[[*(cuts - 1), places.size - 1]] + 1
    return tuple(zip(starts.tolist(), ends.tolist(), strict=True))


def _name(folder: str, number: int) -> str:
    return f"{folder}{number:06d}.json"
