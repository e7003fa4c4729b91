"""Dead letters: what becomes one, how it is kept, and how it goes through again."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import millstream as ms
from millstream.engine.dead_requests import Filter, Requests, ranges
from millstream.engine.letter_store import Kind, LetterStore, Part, letters_frame
from millstream.engine.letter_views import export, groups, purge, single
from millstream.engine.letters import Letters
from millstream.engine.reject_policy import Threshold
from millstream.engine.rejects import rejected_rows, shown
from millstream.errors import CheckpointError, DataError, OptionError, UnknownName
from millstream.ports.store import StoreError
from millstream.settings import WhenFull
from millstream.stores.memory import MemoryStore

SCHEMA = {"id": "BIGINT", "v": "INT", "b": "BYTES"}
DIVIDED = "SELECT id, 6 / v AS q FROM t"
ROWS = [{"id": i, "v": i % 3, "b": b"\x00%d" % i} for i in range(9)]


def _part(rows: int, *, first: int = 0, kind: Kind = Kind.REJECTED, time_ms: int = 1_000) -> Part:
    frame = pl.DataFrame({"id": range(first, first + rows), "$split": "s", "$offset": range(rows)})
    aside = rejected_rows(frame, "no good", "step", port=0)
    return Part("step", kind, None, letters_frame(aside, pl.Series(range(rows)), time_ms))


def _orders(**options: object) -> ms.Stream:
    return ms.read_memory(ROWS, schema=SCHEMA, **options)


def _run(folder: Path, *sinks: ms.Sink, **settings: object) -> object:
    given = {"pipeline.dead-letters.dir": str(folder), **settings}
    return ms.run(*sinks, settings=given)


def _letters(folder: Path) -> LetterStore:
    from millstream.engine.letter_views import open_letters

    return open_letters(folder)


def test_a_letter_keeps_its_columns_natively_and_as_the_row_came(tmp_path: Path) -> None:
    """A fused chain fails in the middle; what can go through again is the row before it."""
    made = ms.sql(
        "SELECT id, b, 6 / v AS q FROM (SELECT id, b, v + 0 AS v FROM t WHERE id > 0)", t=_orders()
    )
    summary = _run(tmp_path, made.write_memory("kept"))
    (head,) = _letters(tmp_path).heads()
    (part,) = head.parts
    frame = _letters(tmp_path).frame(head.blob, part)
    assert (part.kind, part.rows) == (Kind.REJECTED, 2)
    assert frame["row"].to_list() == [
        {"id": 3, "v": 0, "b": b"\x003"},
        {"id": 6, "v": 0, "b": b"\x006"},
    ]
    assert frame["offset"].to_list() == [3, 6]
    assert summary.letters == 2
    assert summary.letters_place == str(tmp_path)
    assert summary.rows_lost_sight_of == 2


def test_rows_that_the_program_reads_are_no_letters(tmp_path: Path) -> None:
    """Who reads .rejected has taken care; another copy would be work for nobody."""
    made = ms.sql(DIVIDED, t=_orders())
    summary = _run(tmp_path, made.write_memory("kept"), made.rejected.write_memory("bad"))
    assert summary.letters == 0
    assert not list(tmp_path.iterdir())


def test_without_a_place_letters_are_counted() -> None:
    """Python without checkpoints keeps nothing on the disk of its own accord."""
    summary = ms.run(ms.sql(DIVIDED, t=_orders()).write_memory("kept"))
    assert (summary.letters, summary.letters_place) == (3, None)


def test_the_text_of_rejected_rows_is_made_for_readers() -> None:
    """The columns of a .rejected stream stay as they were: JSON, with bytes in base64."""
    aside = rejected_rows(pl.DataFrame({"a": [1], "b": [b"\xff"]}), "why", "step")
    assert shown(aside).rows() == [("why", "step", None, None, None, '{"a":1,"b":"/w=="}')]
    bare = rejected_rows(pl.DataFrame({"$offset": [1, 2]}), "why", "step")
    assert shown(bare)["row"].to_list() == ["{}", "{}"]


def test_an_epoch_is_kept_once_however_often_it_is_delivered() -> None:
    """A crash between the manifest and the letters gives the same delivery again."""
    blobs: dict[str, bytes] = {}
    letters = LetterStore(MemoryStore(blobs=blobs))
    letters.deliver(4, [_part(3)], 0)
    before = dict(blobs)
    letters.deliver(4, [_part(3)], 0)
    assert blobs == before
    assert list(blobs) == ["epochs/000000004"]


def test_rows_refused_again_take_the_place_of_those_before() -> None:
    """An epoch that is delivered anew says anew what was refused, in calls of its own."""
    store = MemoryStore()
    write = ms.read_memory(ROWS, schema=SCHEMA).write_memory("sink").node

    def started() -> Letters:
        graph = type("NoGraph", (), {"now_ms": 0, "on_aside": None})()
        return Letters(graph, LetterStore(store), now_ms=lambda: 7, bytes_max=1 << 20)

    told: list[int] = []
    for _ in range(2):
        keep = started().keeper(write, lambda _, rows: told.append(rows.height))
        keep(5, pl.DataFrame({"id": [1, 2], "$reason": ["x", "y"]}))
        keep(5, pl.DataFrame({"id": [3], "$reason": ["z"]}))
    found = groups(LetterStore(store), Filter())
    assert sorted((g.reason, g.letters, g.kind) for g in found) == [
        ("x", 1, "refused"), ("y", 1, "refused"), ("z", 1, "refused"),
    ]  # fmt: skip
    assert told == [2, 1, 2, 1]


def test_a_damaged_blob_is_refused() -> None:
    """Letters are evidence: half of one is worse than none."""
    blobs: dict[str, bytes] = {}
    letters = LetterStore(MemoryStore(blobs=blobs))
    letters.deliver(1, [_part(3)], 0)
    blobs["epochs/000000001"] = blobs["epochs/000000001"][:-9] + b"\x00" * 9
    (head,) = letters.heads()
    with pytest.raises(CheckpointError, match="damaged"):
        letters.frame(head.blob, head.parts[0])


def test_a_full_store_stops_the_pipeline_or_forgets_the_oldest() -> None:
    """Everything has a limit and a stated behaviour."""
    size = len(LetterStoreBytes().of(_part(50)))
    strict = LetterStore(MemoryStore(), bytes_max=size * 5 // 2)
    loose = LetterStore(MemoryStore(), bytes_max=size * 5 // 2, when_full=WhenFull.DROP_OLDEST)
    for epoch in (1, 2):
        strict.deliver(epoch, [_part(50)], 0)
        loose.deliver(epoch, [_part(50)], 0)
    loose.deliver(3, [_part(50)], 0)
    assert [h.epoch for h in loose.heads()] == [2, 3]
    with pytest.raises(StoreError, match="more than"):
        strict.deliver(3, [_part(50)], 0)


class LetterStoreBytes:
    """How large one blob is."""

    def of(self, part: Part) -> bytes:
        blobs: dict[str, bytes] = {}
        LetterStore(MemoryStore(blobs=blobs)).deliver(1, [part], 0)
        return blobs["epochs/000000001"]


def test_old_letters_go_after_the_retention() -> None:
    """A store that only grows is a disk that fills."""
    letters = LetterStore(MemoryStore(), retention_ms=1_000)
    letters.deliver(1, [_part(3, time_ms=0)], 0)
    letters.deliver(2, [_part(3, time_ms=100_000)], 100_000)
    assert [h.epoch for h in letters.heads()] == [2]


@given(st.sets(st.integers(0, 60)))
def test_ranges_say_the_same_numbers(numbers: set[int]) -> None:
    """A request lists its letters as ranges; one off by one is a letter lost."""
    import numpy as np

    said = ranges(np.array(sorted(numbers), dtype=np.int64))
    assert [i for start, end in said for i in range(start, end)] == sorted(numbers)
    assert all(b[0] > a[1] for a, b in pairwise(said))


def test_no_letter_is_asked_for_twice() -> None:
    """Two who ask at once, or one who asks again, must not put a row through twice."""
    letters = LetterStore(MemoryStore())
    letters.deliver(1, [_part(3), _part(2, kind=Kind.LATE)], 0)
    requests = Requests(letters)
    first = requests.ask(Filter(kind="late"), 0)
    second = requests.ask(Filter(), 0)
    assert first is not None
    assert second is not None
    assert (first.count, second.count) == (2, 3)
    assert requests.ask(Filter(), 0) is None


def test_letters_are_exported_and_removed_by_whole_epochs(tmp_path: Path) -> None:
    """What somebody saved may go; what shares its epoch with other letters stays, and is told."""
    letters = LetterStore(MemoryStore())
    letters.deliver(1, [_part(3)], 0)
    letters.deliver(2, [_part(3), _part(2, kind=Kind.LATE)], 0)
    for name in ("a.parquet", "a.jsonl", "a.csv"):
        assert export(letters, Filter(kind="rejected"), None, tmp_path / name) == 6
    assert pl.read_ndjson(tmp_path / "a.jsonl")["id"].to_list()[:4] == ["1:0", "1:1", "1:2", "2:0"]
    assert purge(letters, Filter(kind="rejected"), None) == (3, 3)
    assert [s["id"] for s in single(letters, Filter(kind="late"), None, [], 9)] == ["2:0", "2:1"]


def test_the_policy_of_one_step_or_table(tmp_path: Path) -> None:
    """A feed one trusts stops at the first bad row, whatever the others do."""
    failing = {"pipeline.on-reject.bad": "fail"}
    made = ms.sql(DIVIDED, t=_orders())
    with pytest.raises(UnknownName, match="bad"):
        _run(tmp_path, made.write_memory("a"), **failing)
    failing = {"pipeline.on-reject.a/project": "fail"}
    with pytest.raises(DataError, match="division by zero"):
        _run(tmp_path, made.write_memory("a"), **failing)


def test_the_threshold_counts_what_came_lately() -> None:
    """Five bad rows a day are life, five in a hundred are a broken feed."""
    threshold = Threshold.parse("5 % in 1 min of 100 rows")
    threshold.note(0, 99, 50)  # too few to tell
    threshold.note(120_000, 1_099, 60)  # those are forgotten, and 10 of 1000 are fine
    with pytest.raises(DataError, match="110 of 2000 rows"):
        threshold.note(130_000, 2_099, 160)
    with pytest.raises(OptionError, match="threshold"):
        Threshold.parse("often")


def test_letters_go_through_the_mended_program_once(tmp_path: Path) -> None:
    """A fix brings the row back at the step that dropped it; what fails again knows what it was."""
    place = str(tmp_path / "letters")
    settings = {"pipeline.dead-letters.dir": place}
    checkpoint = tmp_path / "ck"

    def run(divisor: str) -> list[tuple[int, int]]:
        text = f"SELECT id, 6 / ({divisor}) AS q FROM t"
        sink = ms.sql(text, t=_orders()).write_memory("out")
        ms.run(sink, checkpoint=checkpoint, settings=settings)
        return sorted(sink.frame().select("id", "q").rows())

    first = run("v")
    assert [i for i, _ in first] == [1, 2, 4, 5, 7, 8]
    letters = _letters(Path(place))
    assert Requests(letters).ask(Filter(), 0) is not None
    # The sink is a new one, and is given the epoch of the first run once more.
    assert [i for i, _ in run("CAST(id - 3 AS INT)")] == [0, 1, 2, 4, 5, 6, 7, 8]
    states = {(g.state, g.letters) for g in groups(letters, Filter())}
    assert states == {("replayed", 3), ("failed again", 1)}
    (again,) = single(letters, Filter(), "failed again", [], 9)
    assert (again["was"], again["attempt"], again["offset"]) == ("1:1", 1, 3)
