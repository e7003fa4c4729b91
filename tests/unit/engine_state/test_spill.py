"""State that is put on the disk is the same state, at the same address."""

from __future__ import annotations

import resource
import signal
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from millstream.engine import spill
from millstream.engine.harness import Harness
from millstream.engine.state.arena import Arena, collecting
from millstream.engine.state.heap import ByteHeap
from millstream.engine.state.key_index import KeyIndex
from millstream.plan.derive import derive
from millstream.testing.cases import parse_case
from millstream.testing.run_case import RESULT, planned

pytestmark = pytest.mark.skipif(not spill.can_spill(), reason="only Linux maps over memory")


@pytest.fixture
def folder(tmp_path: Path) -> spill.SpillFolder:
    return spill.SpillFolder(str(tmp_path))


def test_views_stay_valid_and_go_on_growing(folder: spill.SpillFolder, tmp_path: Path) -> None:
    """A kernel's view from before must see, and make, every change from after."""
    items = 300_000
    arena = Arena()
    used = [items]
    region = arena.region(np.int64, lambda: used[0])
    before = region.ensure(items)
    before[:items] = np.arange(items)
    region.spill(folder)
    assert region.is_spilled
    assert region.array is before
    assert before.ctypes.data == region.array.ctypes.data
    assert (before[:items] == np.arange(items)).all()
    before[5] = -7
    assert region.array[5] == -7
    used[0] = 40 * items
    grown = region.ensure(used[0])
    assert grown is before, "growing a spilled region moves nothing"
    assert not grown[items : used[0]].any(), "new room is zeroed"
    grown[items : used[0]] = 9
    assert int(grown[: used[0]].sum()) == items * (items - 1) // 2 - 5 - 7 + 9 * 39 * items
    assert arena.bytes_spilled == arena.bytes_used == 8 * used[0]
    assert not list(tmp_path.iterdir()), "nothing is left behind, whatever happens"


def test_memory_is_given_back(folder: spill.SpillFolder) -> None:
    """Spilling that keeps the memory would be worse than none."""
    size = 64 << 20
    region = Arena().region(np.int64, lambda: size // 8)
    region.ensure(size // 8)[: size // 8] = 1
    held = _anonymous()
    region.spill(folder)
    assert held - _anonymous() > 0.9 * size


def test_a_full_disk_is_an_error_before_it_is_a_fault(folder: spill.SpillFolder) -> None:
    """Writing to a mapped page without room behind it kills the process; asking first does not."""
    region = Arena().region(np.int64, lambda: 1 << 18)
    region.ensure(1 << 18)[: 1 << 18] = 3
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
    try:
        with pytest.raises(spill.SpillFailed):
            region.spill(folder)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert not region.is_spilled
    assert (region.array[: 1 << 18] == 3).all(), "the memory is as it was"


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    """The limit may be met hours after the start: the message must name the folder."""
    region = Arena().region(np.int64, lambda: 1 << 18)
    with pytest.raises(spill.SpillFailed, match="no-such"):
        region.spill(spill.SpillFolder(str(tmp_path / "no-such")))


def test_a_folder_in_memory_is_warned_of(tmp_path: Path) -> None:
    """Spilling into a tmpfs frees nothing, and nobody would see why."""
    mounts = tmp_path / "mounts"
    mounts.write_text(
        "22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/root rw\n"
        "31 22 0:27 / /a\\040b rw,nosuid - tmpfs tmpfs rw\n"
        "32 31 0:28 / /a\\040b/disk rw - xfs /dev/sdb rw\n"
    )
    assert spill.filesystem_of(Path("/var"), str(mounts)) == "ext4"
    assert spill.filesystem_of(Path("/a b/c"), str(mounts)) == "tmpfs"
    assert spill.filesystem_of(Path("/a b/disk/d"), str(mounts)) == "xfs"
    assert spill.filesystem_of(Path("/a bc"), str(mounts)) == "ext4"


def test_keys_and_text_after_a_spill(folder: spill.SpillFolder) -> None:
    """All kinds of memory a step has: slots, hash tables while they grow, and text."""
    with collecting() as arenas:
        arena = Arena()
        heap = ByteHeap(arena)
        index = KeyIndex({"k": pl.String()}, 7, arena=arena, heap=heap, extra_words=1)
    assert arenas == [arena]
    known: dict[str, int] = {}
    for turn in range(12):
        names = [f"key {i % 4_000:07d} of {turn % 3}" for i in range(0, 9_000, 1 + turn % 5)]
        slots, _ = index.upsert(pl.DataFrame({"k": names}))
        for name, slot in zip(names, slots.tolist(), strict=True):
            assert known.setdefault(name, slot) == slot
        region = arena.largest_in_memory()
        if region is not None and turn % 2:
            region.spill(folder)
    assert arena.bytes_spilled
    slots = np.fromiter(known.values(), dtype=np.int64)
    assert index.keys(slots)["k"].to_list() == list(known)


def test_freed_regions_give_their_file_back(folder: spill.SpillFolder) -> None:
    """A run for weeks grows its hash tables again and again; handles must not pile up."""
    before = len(list(Path("/proc/self/fd").iterdir()))
    arena = Arena()
    for _ in range(20):
        region = arena.region(np.int64, lambda: 1_000)
        region.spill(folder)
        arena.drop(region)
        del region
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + 2


COLUMNS = "k BIGINT, v BIGINT, t STRING, ts TIMESTAMP(3)"
QUERIES = {
    "window": "SELECT k, window_end, COUNT(*) AS n, MAX(t) AS top FROM TUMBLE(TABLE a, "
    "DESCRIPTOR(ts), INTERVAL '1' SECOND) GROUP BY k, window_start, window_end",
    "hop": "SELECT k, window_end, SUM(v) AS n FROM HOP(TABLE a, DESCRIPTOR(ts), "
    "INTERVAL '1' SECOND, INTERVAL '3' SECOND) GROUP BY k, window_start, window_end",
    "group": "SELECT k, COUNT(DISTINCT v) AS n, LISTAGG(t) AS texts FROM a GROUP BY k",
    "join": "SELECT a.k, a.t, b.t AS u FROM a JOIN a AS b ON a.k = b.k AND a.v = b.v + 1",
    "rank": "SELECT k, v, t FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY v DESC, t) "
    "AS place FROM a) WHERE place <= 3",
}


@pytest.mark.parametrize("name", QUERIES)
def test_results_with_state_on_the_disk(name: str, folder: spill.SpillFolder) -> None:
    """Whatever is spilled between two batches, results are those of memory."""
    batches = [_rows(turn) for turn in range(12)]
    plain, spilled = (_harness(QUERIES[name]) for _ in range(2))
    count = 0
    for batch in batches:
        plain.feed("a", batch)
        spilled.feed("a", batch)
        for step in spilled.graph.steps:
            for arena in () if step.operator is None else step.operator.arenas:
                region = arena.largest_in_memory()
                if region is not None and region.bytes_used:
                    region.spill(folder)
                    count += 1
    assert count >= 2
    for harness in (plain, spilled):
        harness.finish()
    want, have = (pl.concat(h.out[RESULT], how="diagonal") for h in (plain, spilled))
    assert have.equals(want)
    assert want.height


def _rows(turn: int) -> pl.DataFrame:
    chance = np.random.default_rng(turn)
    return pl.DataFrame(
        {
            "k": chance.integers(0, 400, 1_500),
            "v": chance.integers(0, 50, 1_500),
            "t": [f"text {n}" * (1 + n % 3) for n in chance.integers(0, 900, 1_500)],
            "ts": pl.Series(turn * 400 + np.sort(chance.integers(0, 400, 1_500))).cast(
                pl.Datetime("ms")
            ),
        }
    )


def _harness(query: str) -> Harness:
    head = f"-- why     a law\n-- input   a: {COLUMNS}; watermark ts - 0s\n-- expect  k\n"
    plan, tables, _ = planned(parse_case(head + query, "law"))
    return Harness(derive(plan, tables), seed=11)


def _anonymous() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) << 10
    raise AssertionError("the system does not tell")
