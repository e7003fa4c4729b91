"""Which rows a batch takes: where it ends while more of them come."""

from __future__ import annotations

import polars as pl
import pytest

from millstream.connect.memory import Collected
from millstream.engine.harness import Harness
from millstream.engine.reading import Reading
from millstream.engine.taking import Taken, Taking
from millstream.engine.world import Inbox, RealWorld
from millstream.job import Job
from millstream.plan.nodes import Plan, Scan, Write
from millstream.plan.table import Physical, Table
from millstream.settings import Settings
from millstream.types import Schema
from tests.unit.engine.scripted import Script, ScriptedSource

NUMBERS = Schema.of({"v": "INT"})
CHUNKS = 8


def taking_of(*, bounded: bool, row_bytes: int = 1 << 17) -> tuple[Taking, Reading]:
    """Return the choice of rows over a source of one split, which gives a row a chunk."""
    frame = pl.DataFrame({"v": range(CHUNKS)}, schema={"v": pl.Int32})
    script = Script({"0": frame}, bounded=bounded, chunk_rows=1, row_bytes=row_bytes)
    columns = tuple(Physical(f.name, f.type) for f in NUMBERS)
    scan = Scan(table=Table("numbers", columns, "scripted", {"script": script}))
    target = Table("out", columns, "memory", {"target": Collected()})
    job = Job(Plan((Write(input=scan, table=target),)), Settings())
    reading = Reading(
        ScriptedSource(script), {}, Inbox(RealWorld()), bytes_max=1 << 20, quantum_rows=10,
        discovery_interval_s=60.0, name="numbers",
    )  # fmt: skip
    reading.discover()
    reading.step(0)
    taking = Taking(Harness(job.derived).graph, [reading], {}, Settings(), RealWorld())
    taking.start()
    return taking, reading


def batch(taking: Taking, reading: Reading) -> list[int]:
    """Take a batch; whenever a chunk of it is scanned, the next one has just been read."""
    found: list[int] = []
    for block in taking.blocks(0, Taken()):
        found += block.frame["v"].to_list()
        reading.step(0)
    return found


@pytest.fixture(autouse=True)
def _scripted(monkeypatch: pytest.MonkeyPatch) -> None:
    from millstream.ports import registry

    monkeypatch.setitem(registry.CONNECTORS, "scripted", "tests.unit.engine.scripted")
    registry.connector.cache_clear()


def test_a_live_batch_does_not_wait_for_what_comes_while_it_is_scanned() -> None:
    """Small chunks that come as fast as they are scanned would hold results back until it is full:
    at 10 000 events a second and 8 192 rows for most of a second."""
    taking, reading = taking_of(bounded=False)
    assert [batch(taking, reading) for _ in range(3)] == [[0], [1], [2]]
    while len(reading.splits["0"].queue) < 4:
        reading.step(0)
    assert batch(taking, reading) == [3, 4, 5, 6], "what waits goes together"


def test_nothing_is_read_behind_a_small_chunk_until_it_is_taken() -> None:
    """Decoded one by one, small chunks of a busy source took the processor from the results."""
    taking, reading = taking_of(bounded=False, row_bytes=100)
    for _ in range(3):
        reading.step(0)
    assert [len(split.queue) for split in reading.splits.values()] == [1]
    assert [batch(taking, reading) for _ in range(3)] == [[0], [1], [2]], "then the next one"


def test_a_bounded_batch_goes_on_as_long_as_there_are_rows() -> None:
    """Nobody waits for the first results of a bounded run; large batches are cheaper."""
    taking, reading = taking_of(bounded=True)
    assert batch(taking, reading) == list(range(CHUNKS))
