"""Epochs run again: the same rows to the last bit, or a clear word why not."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as tuned
from hypothesis import strategies as st

from millstream.engine.replay import Replayed, opened, replay
from millstream.errors import CheckpointError, DataError
from millstream.frame.sqls import script_of
from millstream.job import Job
from millstream.plan.nodes import Plan

SETTINGS = {
    "engine.chunk-rows-max": "7",
    "engine.split-quantum-rows": "3",
    "engine.epoch-bytes-max": "1",
    "execution.checkpointing.interval": "50ms",
    "execution.checkpointing.num-retained": "10000",
}
EVENTS = """
CREATE TABLE events (
  id BIGINT, k STRING, v DOUBLE, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '2' SECOND
) WITH ('connector' = 'filesystem', 'path' = '{folder}/in', 'format' = 'json');
"""
SINK = (
    "CREATE TABLE {name} ({columns}) WITH ('connector' = 'filesystem', 'path' = '{folder}/{name}', "
    "'format' = 'json');\n"
)
TUMBLE = (
    "SELECT k, COUNT(*), SUM(v), window_start FROM TUMBLE(TABLE events, DESCRIPTOR(ts), "
    "INTERVAL '10' SECOND) GROUP BY window_start, window_end, k"
)
SESSION = (
    "SELECT k, COUNT(*), window_end FROM SESSION(TABLE events PARTITION BY k, DESCRIPTOR(ts), "
    "INTERVAL '3' SECOND) GROUP BY window_start, window_end, k"
)
QUERIES = {
    "tumble": (
        "k STRING, n BIGINT, s DOUBLE, w TIMESTAMP(3)",
        TUMBLE,
    ),
    "chance": ("id BIGINT, r DOUBLE, u STRING", "SELECT id, RAND(), UUID() FROM events"),
    "clock": (
        "id BIGINT, at TIMESTAMP(3)",
        "SELECT id, CAST(PROCTIME() AS TIMESTAMP(3)) FROM events WHERE v > 1",
    ),
    "session": (
        "k STRING, n BIGINT, w TIMESTAMP(3)",
        SESSION,
    ),
}


def lay_out(folder: Path, seed: int, *, files: int = 3, rows: int = 40) -> None:
    """Write the input: several files, times out of order."""
    chance = random.Random(seed)
    (folder / "in").mkdir(exist_ok=True)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    for file in range(files):
        lines = []
        for number in range(rows):
            at = start + timedelta(seconds=number * 0.7 + chance.uniform(-4, 4))
            row = {"id": file * 1000 + number, "k": chance.choice("abc"), "v": chance.random() * 9}
            lines.append(json.dumps({**row, "ts": at.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]}))
        (folder / "in" / f"{file}.json").write_text("\n".join(lines) + "\n")


def job(folder: Path, *queries: str, extra: str = "", **settings: str) -> Job:
    """Return the job of some queries over the input."""
    text = EVENTS.format(folder=folder) + extra
    for name in queries:
        columns, query = QUERIES[name]
        text += SINK.format(name=name, columns=columns, folder=folder)
        text += f"INSERT INTO {name} {query};\n"
    options = {**SETTINGS, "execution.checkpointing.dir": str(folder / "checkpoints"), **settings}
    sinks, chosen = script_of(text, "test.sql", options)
    return Job(Plan(tuple(s.node for s in sinks)), chosen)


def again(made: Job, first: int | None = None, last: int | None = None) -> list[Replayed]:
    folder = opened(str(made.settings.checkpoint_dir), made.settings)
    epochs = folder.epochs()
    return list(replay(made.derived, made.settings, folder, first or epochs[0], last or epochs[-1]))


@tuned(max_examples=6, deadline=None)
@given(seed=st.integers(0, 10_000), names=st.sets(st.sampled_from(sorted(QUERIES)), min_size=1))
def test_every_epoch_gives_its_rows_again(
    seed: int, names: set[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """What a run gave can be shown again: chance, clocks and the order of splits are recorded."""
    folder = tmp_path_factory.mktemp("run")
    lay_out(folder, seed)
    made = job(folder, *sorted(names))
    made.run()
    found = again(made)
    assert len(found) > 3
    assert [e.epoch for e in found if not e.same] == []
    assert sum(e.documents for e in found) == 120
    assert sum(s.rows for e in found for s in e.sinks.values()) > 0


def test_each_epoch_can_be_run_alone(tmp_path: Path) -> None:
    """A single epoch begins with the state of the one before."""
    lay_out(tmp_path, 1)
    made = job(tmp_path, "tumble", "chance")
    made.run()
    whole = {e.epoch: e for e in again(made)}
    for number, epoch in whole.items():
        (alone,) = again(made, number, number)
        assert alone.same
        rows = {name: s.rows for name, s in epoch.sinks.items()}
        assert {name: s.rows for name, s in alone.sinks.items()} == rows


def test_nothing_is_written(tmp_path: Path) -> None:
    """A look back must not disturb the pipeline: no lock, no file, no sink."""
    lay_out(tmp_path, 2)
    made = job(tmp_path, "tumble")
    made.run()
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")}
    again(made)
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")} == before


def test_a_changed_input_is_told(tmp_path: Path) -> None:
    """Other rows would give another output; that must not look like a fault of the engine."""
    lay_out(tmp_path, 3)
    made = job(tmp_path, "tumble")
    made.run()
    file = tmp_path / "in" / "0.json"
    file.write_text(file.read_text().replace('"k": "a"', '"k": "c"'))
    assert [e for e in again(made) if not e.same]
    file.write_text("\n".join(file.read_text().splitlines()[:5]) + "\n")
    with pytest.raises((DataError, CheckpointError), match=r"changed|rows then"):
        again(made)


def test_what_is_not_kept_is_named(tmp_path: Path) -> None:
    """The message says which epochs there are."""
    lay_out(tmp_path, 4)
    made = job(tmp_path, "tumble", **{"execution.checkpointing.num-retained": "3"})
    made.run()
    folder = opened(str(made.settings.checkpoint_dir), made.settings)
    kept = folder.epochs()
    with pytest.raises(CheckpointError, match=f"There: {kept[0]}, "):
        again(made, 1, 1)
    with pytest.raises(CheckpointError, match=f"the first that can be run again is {kept[1]}"):
        again(made, kept[0], kept[0])
    assert all(e.same for e in again(made, kept[1], kept[-1]))


def test_another_program_is_refused(tmp_path: Path) -> None:
    """Its output would differ for a good reason, which is not the question."""
    lay_out(tmp_path, 5)
    job(tmp_path, "tumble").run()
    with pytest.raises(CheckpointError, match="another program"):
        again(job(tmp_path, "session"))


def test_after_a_restart_the_journal_goes_on(tmp_path: Path) -> None:
    """Epochs of a second start are run again from the state of the first."""
    lay_out(tmp_path, 6)
    made = job(tmp_path, "tumble", "chance", **{"pipeline.name": "x"})
    running = made.start()
    running.stop()
    made = job(tmp_path, "tumble", "chance", **{"pipeline.name": "x"})
    made.run()
    found = again(made)
    assert all(e.same for e in found)
    assert sum(e.documents for e in found) == 120
