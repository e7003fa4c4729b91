"""Runs epochs of a checkpoint folder again, from what they read, and compares what comes out.

in      a plan, and the folder read only: the state of the epoch before, the journal of each epoch
out     :class:`Replayed` per epoch: the rows each sink was given, and whether they are the recorded
        ones (as a multiset, to the last bit)
law     no sink is opened, nothing is written; sources are read at the recorded places with the
        recorded cuts, under the recorded clock stamps
bad     CheckpointError for an epoch that is not there or cannot be run again, and for a program
        that is not the one that ran; DataError where a source no longer gives what it gave
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from millstream.engine.adopting import adopted, compared, said_by
from millstream.engine.batch import OP
from millstream.engine.checkpoint import Epoch, restored
from millstream.engine.checkpoint_folder import CheckpointFolder
from millstream.engine.functions import Context
from millstream.engine.graph import Delivery, Graph
from millstream.engine.journal import VERSION, RowsHash
from millstream.engine.lower import lower
from millstream.engine.scan import Block
from millstream.errors import CheckpointError, DataError, PlanError
from millstream.plan.compare import Fate
from millstream.plan.derive import Derived
from millstream.plan.nodes import Scan
from millstream.ports.connector import Delivery as Guarantee
from millstream.ports.connector import End, Reader, Source
from millstream.ports.registry import home_of, source_for
from millstream.settings import Settings
from millstream.stores.open import open_store

POLL_S = 0.2
QUIET_MAX_S = 10.0
"""A source that gives none of the rows it gave then, for so long, has them no longer."""


@dataclass(frozen=True, slots=True)
class SinkRows:
    """What one sink was given: again, and then. ``recorded`` is None where nobody noted it."""

    frame: pl.DataFrame
    rows: int
    same: bool | None
    difference: str = ""

    def texts(self) -> list[tuple[str, ...]]:
        """Return the rows as texts, for people."""
        return [tuple("NULL" if v is None else str(v) for v in row) for row in self.frame.rows()]


@dataclass(frozen=True, slots=True)
class Replayed:
    """One epoch, run again."""

    epoch: int
    documents: int
    sinks: dict[str, SinkRows]

    @property
    def same(self) -> bool:
        """Whether every sink got the same rows."""
        return all(s.same is not False for s in self.sinks.values())


def opened(place: str, settings: Settings) -> CheckpointFolder:
    """Return a folder for reading; raises CheckpointError where there is no checkpoint."""
    folder = CheckpointFolder(open_store(place, settings))
    if not folder.epochs():
        folder.identity()
        raise CheckpointError("There is no epoch in the checkpoint folder yet.", where=place)
    return folder


def replay(
    derived: Derived, settings: Settings, folder: CheckpointFolder, first: int, last: int
) -> Iterator[Replayed]:
    """Run the epochs ``first`` to ``last`` again, one after the other."""
    retained = folder.epochs()
    for number in range(first, last + 1):
        _check_there(number, retained, folder.store.place)
    if first > 1:
        _check_there(first - 1, retained, folder.store.place, before=first)
    run: _Run | None = None
    try:
        for number in range(first, last + 1):
            epoch = folder.read(number)
            if run is None:
                run = _Run(derived, settings, epoch, folder.read(first - 1) if first > 1 else None)
            yield run.epoch(epoch)
    finally:
        if run is not None:
            run.close()


def _check_there(number: int, retained: list[int], place: str, before: int | None = None) -> None:
    if number in retained:
        return
    have = ", ".join(map(str, retained))
    if before is None:
        raise CheckpointError(
            f"Epoch {number} is not in the folder any more.",
            where=place,
            hint=f"There: {have}. 'execution.checkpointing.num-retained' says how many are kept.",
        )
    raise CheckpointError(
        f"Epoch {before} begins with the state of epoch {number}, which is not kept any more.",
        where=place,
        hint=f"There: {have}, so the first that can be run again is {retained[0] + 1}. Keep more "
        "with 'execution.checkpointing.num-retained'.",
    )


@dataclass
class _Run:
    """A graph in the state of an epoch, and readers at its places."""

    derived: Derived
    settings: Settings
    first: Epoch
    before: Epoch | None
    readers: dict[tuple[int, str], Reader] = field(default_factory=dict)
    left: dict[tuple[int, str], list[Block]] = field(default_factory=dict)
    places: dict[tuple[int, str], Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.graph = fresh_graph(self.derived, self.settings, self.first)
        said = said_by(self.derived, self.graph)
        _check_program(self.first, self.derived, said)
        self.positions: dict[str, dict[str, Any]] = {}
        if self.before is not None:
            before = adopted(self.before, compared(self.before, self.derived, said), said)
            self.graph = restored(self.graph, before.state)
            self.positions = before.positions
        self.sources = [again(node, self.settings) for node in scans_of(self.graph)]
        self.names = [sink.uid for sink in self.derived.plan.sinks]
        self.out: dict[str, list[pl.DataFrame]] = {}

    def epoch(self, epoch: Epoch) -> Replayed:
        """Run the turns of one epoch."""
        journal = _journal(epoch)
        self.out = {name: [] for name in self.names}
        stages = self.graph.stages
        for stage, splits, idle, final in zip(
            stages, journal["splits"], journal["idle"], journal["final"], strict=True
        ):
            assert isinstance(splits, list), "the splits of a journal are a list"
            stage.final = final
            for split in idle:
                stage.marks.set_idle(split)
        if journal["fresh"]:
            self._keep(self.graph.start())
        now_ms, documents = 0, 0
        for scan, passed_ms, final, cuts, events in journal["turns"]:
            now_ms += passed_ms
            if scan < 0:
                self._keep(self.graph.tick(now_ms))
                continue
            stage = stages[scan]
            if final:
                stage.finish()
            blocks = self._blocks(scan, journal["splits"][scan], cuts, events)
            scanned = stage.turn(blocks, now_ms)
            self._keep(self.graph.turn(scan, scanned.batch, scanned.rejected))
            documents += sum(cuts[1::2])
        self._check_places(epoch)
        return Replayed(epoch.number, documents, self._compared(epoch, journal))

    def close(self) -> None:
        """Free the sources."""
        for reader in self.readers.values():
            reader.close()
        for source in self.sources:
            source.close()

    def _blocks(
        self, scan: int, names: list[str], cuts: list[int], events: list[list[Any]]
    ) -> Iterator[Block]:
        marks, done = self.graph.stages[scan].marks, 0

        def until(number: int) -> None:
            nonlocal done
            while done < len(events) and events[done][0] <= number:
                _, kind, split, mark_ms = events[done]
                done += 1
                match kind:
                    case "n":
                        marks.add(names[split])
                    case "i":
                        marks.set_idle(names[split])
                    case "e":
                        marks.end(names[split])
                    case "r":
                        marks.raise_to(mark_ms)

        for number, (split, documents) in enumerate(zip(cuts[::2], cuts[1::2], strict=True)):
            until(number)
            yield from self._read(scan, names[split], documents)
        until(len(cuts))

    def _read(self, scan: int, split: str, documents: int) -> Iterator[Block]:
        """Read so many documents of a split: rows and undecodable ones."""
        key = (scan, split)
        if key not in self.readers:
            resume = self.positions.get(self.graph.stages[scan].uid, {}).get(split)
            self.readers[key] = self.sources[scan].open(split, resume=resume)
        parts: list[Block] = []
        have, quiet_since_s = 0, time.monotonic()
        while have < documents:
            try:
                chunk = self.readers[key].poll(max_rows=documents - have, timeout_s=POLL_S)
            except End:
                chunk = None
                quiet_since_s = float("-inf")
            if chunk is None:
                if time.monotonic() - quiet_since_s > QUIET_MAX_S:
                    raise _changed(self.graph.stages[scan].table.name, split, documents, have)
                continue
            quiet_since_s = time.monotonic()
            bad = 0 if chunk.rejected is None else chunk.rejected.height
            have += chunk.frame.height + bad
            self.places[key] = chunk.resume
            parts.append(Block(split, chunk.frame, chunk.rejected, chunk.offsets))
        yield from parts

    def _check_places(self, epoch: Epoch) -> None:
        """Tell where a source has other rows than then: the same number ends at another place."""
        for (scan, split), place in self.places.items():
            stage = self.graph.stages[scan]
            was = epoch.positions.get(stage.uid, {}).get(split)
            if was is not None and was != place:
                raise DataError(
                    f"The input of epoch {epoch.number} has changed: split '{split}' ended at "
                    f"{was}, the same rows end at {place} now.",
                    where=f"table '{stage.table.name}'",
                    hint="Replay needs the input as it was read.",
                )

    def _keep(self, delivered: list[Delivery]) -> None:
        for item in delivered:
            self.out[self.names[item.sink]].append(item.frame)

    def _compared(self, epoch: Epoch, journal: dict[str, Any]) -> dict[str, SinkRows]:
        found: dict[str, SinkRows] = {}
        comparable = journal["hashed_by"] == f"polars {pl.__version__}"
        for name, frames in self.out.items():
            now, frame = RowsHash(), _together(frames)
            for part in frames:
                now.add(part)
            then = journal["outputs"].get(name, RowsHash().to_json())
            same: bool | None = now.to_json() == then if comparable else now.rows == then[0] or None
            told = "" if same is not False else _difference(frame, epoch.outputs.get(name), then[0])
            found[name] = SinkRows(frame, now.rows, same, told)
        return found


def write_rows(done: list[Replayed], output: Path) -> None:
    """Write the rows of epochs: of one sink into a file by its ending, of several into a folder."""
    parts: dict[str, list[pl.DataFrame]] = {}
    for epoch in done:
        for name, rows in epoch.sinks.items():
            if rows.rows:
                parts.setdefault(name, []).append(rows.frame)
    frames = {name: _together(found) for name, found in parts.items()}
    if output.suffix in (".parquet", ".json", ".jsonl", ".ndjson"):
        if len(frames) > 1:
            raise PlanError(
                f"{len(frames)} sinks have rows, '{output}' is one file.",
                hint="Give a folder: it gets a Parquet file per sink.",
            )
        for frame in frames.values():
            if output.suffix == ".parquet":
                frame.write_parquet(output)
            else:
                frame.write_ndjson(output)
        return
    output.mkdir(parents=True, exist_ok=True)
    for name, frame in frames.items():
        frame.write_parquet(output / f"{name.replace('/', '_')}.parquet")


def fresh_graph(derived: Derived, settings: Settings, epoch: Epoch) -> Graph:
    """Return the plan's graph with the seed of the run that wrote an epoch."""
    return lower(
        derived,
        Context(time_zone=settings.time_zone),
        seed=int(epoch.facts["seed"]),
        ttl_ms=settings.state_ttl_ms,
    )


def scans_of(graph: Graph) -> list[Scan]:
    """Return the scans of a graph, in order."""
    nodes = [graph.steps[index].node for index in graph.scans]
    assert all(isinstance(node, Scan) for node in nodes), "the head of a graph is a scan"
    return [node for node in nodes if isinstance(node, Scan)]


def again(node: Scan, settings: Settings) -> Source:
    """Return a source that can be read again; raises CheckpointError for one that cannot."""
    source = source_for(node.table, node.wanted, node.conditions, home_of(settings))
    if source.acknowledging or source.delivery is not Guarantee.EXACTLY_ONCE:
        source.close()
        why = "forgets what was acknowledged" if source.acknowledging else "keeps no rows"
        raise CheckpointError(
            f"The table '{node.table.name}' cannot be read again: '{node.table.connector}' {why}.",
            hint="Only pipelines over files, Kafka and the like can be replayed.",
        )
    return source


def _journal(epoch: Epoch) -> dict[str, Any]:
    journal = epoch.journal
    if journal is None:
        raise CheckpointError(
            f"Epoch {epoch.number} has no journal: an earlier version wrote it, or none was kept.",
            hint="Epochs written from now on can be run again.",
        )
    if journal["v"] != VERSION:
        raise CheckpointError(
            f"The journal of epoch {epoch.number} has version {journal['v']}, this program reads "
            f"{VERSION}.",
        )
    if journal["why"]:
        raise CheckpointError(f"Epoch {epoch.number} cannot be run again: {journal['why']}.")
    found: dict[str, Any] = journal
    return found


def _check_program(epoch: Epoch, derived: Derived, said: Any) -> None:
    """Refuse a program that is not the one that wrote the epoch."""
    found = compared(epoch, derived, said)
    other = [f for f in (*found.gone, *found.new, *found.sinks) if f.fate is not Fate.KEEPS]
    if other:
        raise CheckpointError(
            f"Epoch {epoch.number} was written by another program.",
            where="\n     ".join(f"{f.uid}: {f.fate.value} ({f.why})" for f in other),
            hint="Replay needs the program, and the settings, that ran then.",
        )


def _changed(table: str, split: str, wanted: int, found: int) -> DataError:
    return DataError(
        f"The input has changed: split '{split}' gave {wanted} rows then, {found} now.",
        where=f"table '{table}'",
        hint="Replay needs the input as it was read.",
    )


def _together(frames: list[pl.DataFrame]) -> pl.DataFrame:
    if len({tuple(f.columns) for f in frames}) > 1:
        op = pl.lit(0, dtype=pl.Int8).alias(OP)
        frames = [f if OP in f.columns else f.with_columns(op) for f in frames]
    return pl.concat(frames) if frames else pl.DataFrame()


def _difference(now: pl.DataFrame, then: list[pl.DataFrame] | None, rows_then: int) -> str:
    """Tell the first row that is on one side alone, where the epoch has its rows still."""
    was = _together(then or [])
    if not was.height or not now.height:
        return f"{rows_then} rows then, {now.height} now"
    if (OP in was.columns) != (OP in now.columns):
        was, now = (_with_op(frame) for frame in (was, now))
    counted = (
        pl.concat(
            [now.with_columns(pl.lit(1).alias("$n")), was.with_columns(pl.lit(-1).alias("$n"))]
        )
        .group_by(now.columns, maintain_order=True)
        .agg(pl.col("$n").sum())
        .filter(pl.col("$n") != 0)
    )
    if not counted.height:
        return "the rows are equal as values, not to the last bit"
    row = counted.row(0, named=True)
    side = "only now" if row.pop("$n") > 0 else "only then"
    return f"{counted.height} rows differ, the first ({side}): {row}"


def _with_op(frame: pl.DataFrame) -> pl.DataFrame:
    return frame if OP in frame.columns else frame.with_columns(pl.lit(0, dtype=pl.Int8).alias(OP))


__all__ = [
    "Replayed",
    "SinkRows",
    "again",
    "fresh_graph",
    "opened",
    "replay",
    "scans_of",
    "write_rows",
]
