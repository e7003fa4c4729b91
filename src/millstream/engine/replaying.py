"""Puts letters through again, as ``millstream dlq replay`` asked for.

in      the requests beside the letters, looked for at the start and now and then
state   how far each request has come: part of the positions of an epoch, under ``$letters``: a
        crash neither loses a letter nor puts one through twice. Written beside the request once
        the epoch is durable, for people and for pipelines without checkpoints
out     documents go through the decoder of their table and enter at its scan; rows rejected there
        enter there; rows that a step dropped enter that step; refused rows go to their sink
marks   a row comes under the mark of now: it moves none, and may be late where windows are closed
again   rows say ``$letters:3`` for their split and their number in the request for their offset:
        one that fails again is a letter of its own, which knows what it was
unfit   a letter whose step is gone, or whose columns are not those of the step any more, stays a
        new letter; the reason is written down
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from millstream.columns.changes import Op
from millstream.columns.physical import polars_schema, polars_type
from millstream.engine.batch import OFFSET, OP, SPLIT
from millstream.engine.dead_requests import Pick, Request, Requests, Taken, letter_ids
from millstream.engine.graph import Delivery, Graph, Step
from millstream.engine.letter_store import Kind, PartHead
from millstream.engine.letters import AGAIN, LETTERS, Letters
from millstream.engine.rejects import PORT, ROW
from millstream.engine.scan import Block
from millstream.plan.nodes import Scan, Write
from millstream.ports.connector import Source
from millstream.ports.registry import connector, metadata_type
from millstream.ports.store import NotThere

ROWS_MAX = 8_192


@dataclass(frozen=True, slots=True)
class Pushed:
    """Letters that went through in one turn."""

    delivered: list[Delivery]
    rows: int


class _Unfit(Exception):
    """Letters that cannot be put through, and why."""


class Replaying:
    """The requests of one run; called by the compute thread."""

    def __init__(
        self,
        graph: Graph,
        sources: Mapping[str, Source],
        letters: Letters,
        positions: dict[str, dict[str, Any]],
        *,
        look_every_ms: int,
    ) -> None:
        self._graph = graph
        self._sources = sources
        self._store = letters.store
        self._positions = positions
        self._look_every_ms = look_every_ms
        self._looked_ms: int | None = None
        self._open: list[Request] = []
        self._known: set[int] = set()
        self._origins: dict[int, pl.DataFrame] = {}
        letters.origins = self._origin_of
        self._requests = None if letters.store is None else Requests(letters.store)
        letters.on_delivered = self.note
        self.note(positions)

    @property
    def busy(self) -> bool:
        """Whether letters wait to be put through, as far as was looked."""
        return bool(self._open)

    def look(self, now_ms: int) -> None:
        """See whether somebody asked for letters, not more often than wanted."""
        if self._requests is None:
            return
        if self._looked_ms is not None and now_ms - self._looked_ms < self._look_every_ms:
            return
        self._looked_ms = now_ms
        for number in self._requests.numbers():
            if number not in self._known:
                self._known.add(number)
                request = self._requests.read(number)
                if self._taken(number).done < request.count:
                    self._open.append(request)

    def push(self, now_ms: int) -> Pushed:
        """Put the next letters through, some thousands of one part at most."""
        request = self._open[0]
        taken = self._taken(request.number)
        pick, first = _pick_at(request, taken.done)
        rows = pick.at()[taken.done - first : taken.done - first + ROWS_MAX]
        places = np.arange(taken.done, taken.done + rows.size)
        delivered: list[Delivery] = []
        for reason, unfit in self._put(pick, rows, places, request.number, now_ms, delivered):
            taken = taken.with_unfit(reason, unfit)
        taken = Taken(int(places[-1]) + 1, taken.unfit)
        self._positions.setdefault(LETTERS, {})[str(request.number)] = taken.to_json()
        if taken.done >= request.count:
            self._open.pop(0)
        return Pushed(delivered, int(rows.size))

    def note(self, positions: Mapping[str, Mapping[str, Any]]) -> None:
        """Write down how far requests have come in an epoch that is durable."""
        if self._requests is not None:
            for number, resume in positions.get(LETTERS, {}).items():
                said = Taken.of_json(resume)
                if said != self._requests.taken(int(number)):
                    self._requests.note(int(number), said)

    def _taken(self, number: int) -> Taken:
        """Tell how far a request has come: the checkpoint knows better than the store."""
        assert self._requests is not None, "without letters there are no requests"
        said = self._positions.get(LETTERS, {}).get(str(number))
        return self._requests.taken(number) if said is None else Taken.of_json(said)

    def _put(
        self,
        pick: Pick,
        rows: np.ndarray,
        places: np.ndarray,
        number: int,
        now_ms: int,
        delivered: list[Delivery],
    ) -> Iterator[tuple[str, np.ndarray]]:
        """Put rows of a part through; yield those that do not fit, with the reason."""
        assert self._store is not None, "without letters there are no requests"
        try:
            part = self._store.head(pick.blob).parts[pick.part]
            letters = self._store.frame(pick.blob, part)[rows]
        except NotThere:
            yield "the letters were removed from the store", places
            return
        letters = letters.with_columns(
            pl.lit(f"{AGAIN}{number}").alias("split"), pl.Series("offset", places, dtype=pl.Int64)
        )
        # Of one part the letters are of one step, but they may have come by several inputs.
        for _, some in letters.group_by(PORT, maintain_order=True):
            try:
                yield from self._entered(part, some, now_ms, delivered)
            except _Unfit as unfit:
                yield str(unfit), some["offset"].to_numpy()

    def _entered(
        self, part: PartHead, letters: pl.DataFrame, now_ms: int, delivered: list[Delivery]
    ) -> Iterator[tuple[str, np.ndarray]]:
        step, index = self._step(part.operator)
        if isinstance(step.node, Scan):
            scan = self._graph.scans.index(index)
            if part.kind is Kind.UNDECODABLE:
                block = self._decoded(step, letters)
            else:
                wanted = _given_by_reader(step.node)
                columns, bad = _fitting(letters, wanted)
                yield from bad
                block = Block(
                    str(letters["split"][0]), _bare(columns, wanted), None, columns[OFFSET]
                )
            scanned = self._graph.stages[scan].again(block, now_ms)
            delivered += self._graph.turn(scan, scanned.batch, scanned.rejected)
            return
        if letters[PORT][0] is None:
            raise _Unfit("they are no rows of an input: pairs, or what other steps have counted")
        wanted = (
            polars_schema(step.node.table.writable)
            if isinstance(step.node, Write)
            else polars_schema(step.takes[letters[PORT][0]])
        )
        columns, bad = _fitting(letters, wanted)
        yield from bad
        if columns.height:
            hidden = [OP] if OP in columns.columns else []
            hidden += [SPLIT, OFFSET] if step.places else []
            frame = columns.select(*wanted, *hidden)
            delivered += self._graph.inject(index, int(letters[PORT][0]), frame, now_ms)

    def _step(self, uid: str) -> tuple[Step, int]:
        for index, step in enumerate(self._graph.steps):
            if step.uid == uid:
                return step, index
        raise _Unfit(f"the program has no step '{uid}' any more")

    def _decoded(self, step: Step, letters: pl.DataFrame) -> Block:
        source = self._sources[step.uid]
        known = self._origin_of(str(letters["split"][0]).removeprefix(AGAIN), letters["offset"])
        chunk = source.decode(pl.DataFrame([letters["raw"], known["split"], known["offset"]]))
        if chunk is None:
            raise _Unfit("the connector decodes no documents of their own")
        assert chunk.offsets is not None, "decoded rows say which documents they are"
        rejected = chunk.rejected
        places = letters["offset"]
        if rejected is not None:
            rejected = rejected.with_columns(places.gather(rejected["offset"]).alias("offset"))
        offsets = places.gather(chunk.offsets)
        return Block(str(letters["split"][0]), chunk.frame, rejected, offsets)

    def _origin_of(self, number: str, places: pl.Series) -> pl.DataFrame:
        """Return what letters of a request were: id, attempts, split and offset."""
        found = self._origins.get(int(number))
        if found is None:
            self._origins = {int(number): (found := self._read_origins(int(number)))}
        return found[places.cast(pl.Int64)]

    def _read_origins(self, number: int) -> pl.DataFrame:
        assert self._requests is not None, "without letters there are no requests"
        assert self._store is not None, "without letters there are no requests"
        known: list[pl.DataFrame] = []
        for pick in self._requests.read(number).picks:
            try:
                part = self._store.head(pick.blob).parts[pick.part]
                columns = ("ordinal", "attempt", "split", "offset")
                frame = self._store.frame(pick.blob, part, columns)[pick.at()]
            except NotThere:
                frame = pl.DataFrame(schema=_ORIGIN).clear(pick.count)
                frame = frame.rename({"was": "ordinal"}).cast({"ordinal": pl.Int64})
            known.append(
                frame.select(
                    letter_ids(pick.blob, frame["ordinal"]).alias("was"),
                    pl.col("attempt") + 1,
                    "split",
                    "offset",
                )
            )
        return pl.concat(known)


_ORIGIN = {"was": pl.String, "attempt": pl.Int32, "split": pl.String, "offset": pl.Int64}


def _pick_at(request: Request, place: int) -> tuple[Pick, int]:
    """Return the pick that a letter of a request is in, and the number of the pick's first."""
    first = 0
    for pick in request.picks:
        if place < first + pick.count:
            return pick, first
        first += pick.count
    raise AssertionError("a request that is through is not open")


def _given_by_reader(node: Scan) -> pl.Schema:
    """Return the columns that the reader of a scan gives."""
    own = connector(node.table.connector)
    wanted = None if node.wanted is None else set(node.wanted)
    physical = {f.name: polars_type(f.type) for f in node.table.physical}
    metadata = {m.name: polars_type(metadata_type(own, m.key)) for m in node.table.metadata}
    every = {**physical, **metadata}
    return pl.Schema({n: d for n, d in every.items() if wanted is None or n in wanted})


def _bare(columns: pl.DataFrame, wanted: pl.Schema) -> pl.DataFrame:
    return columns.select(*wanted, *([OP] if OP in columns.columns else []))


def _fitting(
    letters: pl.DataFrame, wanted: pl.Schema
) -> tuple[pl.DataFrame, list[tuple[str, np.ndarray]]]:
    """Return the letters whose columns are those wanted, with hidden ones, and the others.

    A column of another type fits where its values are the same in both.
    """
    fields = letters.schema[ROW]
    have = {f.name: f.dtype for f in fields.fields} if isinstance(fields, pl.Struct) else {}
    missing = [name for name in wanted if name not in have]
    if missing:
        raise _Unfit(f"they have no column '{missing[0]}', which the step reads now")
    frame = letters.select(
        *(pl.col(ROW).struct.field(name).alias(name) for name in wanted),
        pl.col("split").alias(SPLIT),
        pl.col("offset").alias(OFFSET),
        pl.col("op").alias(OP),
    )
    bad: list[tuple[str, np.ndarray]] = []
    for name, dtype in wanted.items():
        was = frame[name]
        if was.dtype == dtype:
            continue
        try:
            now = was.cast(dtype, strict=False)
            same = now.cast(was.dtype, strict=False).eq_missing(was)
        except pl.exceptions.PolarsError:
            raise _Unfit(f"their column '{name}' is {was.dtype}, the step reads {dtype}") from None
        if not same.all():
            reason = f"their column '{name}' is {was.dtype} and not all values are {dtype}"
            bad.append((reason, frame.filter(~same)[OFFSET].to_numpy()))
            frame, now = frame.filter(same), now.filter(same)
        frame = frame.with_columns(now.alias(name))
    if frame[OP].null_count() == frame.height:
        return frame.drop(OP), bad
    return frame.with_columns(pl.col(OP).fill_null(int(Op.INSERT))), bad
