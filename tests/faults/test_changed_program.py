"""A pipeline is stopped, its program changed, and started again from its checkpoint.

Whatever the change: the result is that of the new program over all rows, or the start is refused,
or a step is said to start empty. State is never read as something it is not.
"""

from __future__ import annotations

import json
import random
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from millstream.cli.plan import plan_file
from millstream.errors import CheckpointError
from millstream.frame.sqls import script_of
from millstream.job import Job, Running
from millstream.plan.nodes import Plan

ROWS = 60
PATIENCE_S = 300.0
TABLE = """
CREATE TABLE {name} (id BIGINT, k STRING, c STRING, v {v}, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)
WITH ('connector' = 'filesystem', 'path' = '{folder}/{name}', 'format' = 'json'{live});
"""
OUT = (
    "CREATE TABLE {sink} ({columns}, PRIMARY KEY ({key}) NOT ENFORCED) WITH ("
    "'connector' = 'sqlite', 'path' = '{folder}/out.sqlite', 'table' = '{sink}');\n"
)


def windowed(
    aggs: str = "COUNT(*) AS n, SUM(v) AS s", keys: str = "k", size: str = "1' HOUR",
    where: str = "", table: str = "a",
) -> str:  # fmt: skip
    source = f"TUMBLE(TABLE {table}, DESCRIPTOR(ts), INTERVAL '{size})"
    return f"SELECT {keys}, {aggs} FROM {source} {where} GROUP BY window_start, window_end, {keys}"


def grouped(
    aggs: str = "COUNT(*) AS n, SUM(v) AS s", keys: str = "k", where: str = "", table: str = "a"
) -> str:
    return f"SELECT {keys}, {aggs} FROM {table} {where} GROUP BY {keys}"


JOIN = "SELECT a.id, b.v AS s FROM a JOIN b ON a.id = b.id"
N_S = "k STRING, n BIGINT, s BIGINT"
N_S_M = "k STRING, n BIGINT, s BIGINT, m BIGINT"
Program = tuple[str, str, str]
"""(columns of the sink, its key, the query)"""
PROGRAMS: dict[str, Program] = {
    "window": (N_S, "k", windowed()),
    "window two more": (N_S_M, "k", windowed("COUNT(*) AS n, SUM(v) AS s, MAX(v) AS m")),
    "window one less": ("k STRING, n BIGINT", "k", windowed("COUNT(*) AS n")),
    "window longer": (N_S, "k", windowed(size="2' HOUR")),
    "window other key": ("c STRING, n BIGINT, s BIGINT", "c", windowed(keys="c")),
    "window distinct": (N_S, "k", windowed("COUNT(DISTINCT v) AS n, SUM(v) AS s")),
    "window order": (N_S, "k", f"SELECT k, n, s FROM ({windowed('SUM(v) AS s, COUNT(*) AS n')})"),
    "window above": (N_S, "k", f"SELECT k, n + 1, s FROM ({windowed()})"),
    "window other argument": (N_S, "k", windowed("COUNT(*) AS n, SUM(v + 1) AS s")),
    "window filtered call": (N_S, "k", windowed("COUNT(*) FILTER (WHERE v > 3) AS n, SUM(v) AS s")),
    "group": (N_S, "k", grouped()),
    "group two more": (N_S_M, "k", grouped("COUNT(*) AS n, SUM(v) AS s, MAX(v) AS m")),
    "group swapped": (N_S, "k", f"SELECT k, n, s FROM ({grouped('SUM(v) AS s, COUNT(*) AS n')})"),
    "group finer": ("k STRING, c STRING, n BIGINT, s BIGINT", "k, c", grouped(keys="k, c")),
    "group of a double": (
        "k STRING, n BIGINT, s DOUBLE", "k", grouped("COUNT(*) AS n, SUM(CAST(v AS DOUBLE)) AS s"),
    ),
    "group above": (N_S, "k", f"SELECT k, n, s * 2 FROM ({grouped()})"),
    "join": ("id BIGINT, s BIGINT", "id", JOIN),
    "join one more column": (
        "id BIGINT, s BIGINT, c STRING", "id", JOIN.replace("AS s", "AS s, b.c"),
    ),
    "join by more": ("id BIGINT, s BIGINT", "id", f"{JOIN} AND a.ts = b.ts"),
    "join above": ("id BIGINT, s BIGINT", "id", JOIN.replace("b.v AS s", "b.v + 1 AS s")),
}  # fmt: skip


def lay_out(folder: Path, part: int) -> None:
    """Write one file of each table: all rows are of one hour, so that no window closes early."""
    chance = random.Random(part)
    for name in ("a", "b"):
        (folder / name).mkdir(parents=True, exist_ok=True)
        lines = [
            json.dumps({
                "id": part * ROWS + number, "k": chance.choice("xyz"), "c": chance.choice("uv"),
                "v": chance.randrange(9), "ts": f"2026-01-01 00:{part * 20 + number // 10:02}:00",
            })
            for number in range(ROWS)
        ]  # fmt: skip
        (folder / name / f"{part}.json").write_text("\n".join(lines) + "\n")


def script(folder: Path, program: Program, *, live: bool, sink: str = "result") -> str:
    columns, key, query = program
    more = ", 'source.monitor-interval' = '50 ms'" if live else ""
    tables = [
        TABLE.format(name=n, v="BIGINT", folder=folder, live=more)
        for n in ("a", "b")
        if n == "a" or " b " in query
    ]
    made = OUT.format(sink=sink, columns=columns, key=key, folder=folder)
    return "".join(tables) + made + f"INSERT INTO {sink} {query};\n"


def job(folder: Path, text: str, *, allow: bool = False) -> Job:
    options = {
        "execution.checkpointing.dir": str(folder / "checkpoints"),
        "execution.checkpointing.interval": "50ms",
        "execution.savepoint.ignore-unclaimed-state": str(allow).lower(),
    }
    sinks, settings = script_of(text, "test.sql", options)
    return Job(Plan(tuple(s.node for s in sinks)), settings)


def rows_of(folder: Path, sink: str = "result") -> list[tuple[Any, ...]]:
    with sqlite3.connect(folder / "out.sqlite") as opened:
        return sorted(opened.execute(f"SELECT * FROM {sink}").fetchall(), key=str)


def stopped_midway(folder: Path, text: str, tables: int) -> None:
    """Run a program over the first half, stop it, and put the second half there."""
    lay_out(folder, 0)
    _read(job(folder, text).start(), ROWS * tables).stop()
    lay_out(folder, 1)


def go_on(folder: Path, text: str, tables: int, *, allow: bool = False) -> None:
    """Run a program over what has come since, and close its windows."""
    _read(job(folder, text, allow=allow).start(), ROWS * tables).stop(drain=True)


def _read(running: Running, rows: int) -> Running:
    deadline_s = time.monotonic() + PATIENCE_S
    while running.progress().rows_in < rows and not running.done:
        assert time.monotonic() < deadline_s, "the input was not read"
        time.sleep(0.01)
    return running


def whole(folder: Path, program: Program) -> list[tuple[Any, ...]]:
    """Return what a program gives over all rows."""
    folder.mkdir()
    lay_out(folder, 0)
    lay_out(folder, 1)
    job(folder, script(folder, program, live=False)).run()
    return rows_of(folder)


def family(name: str) -> str:
    return name.split(maxsplit=1)[0]


CHANGES = [
    (old, new)
    for old in PROGRAMS
    for new in PROGRAMS
    if family(old) == family(new) and family(old) in (old, new)
]


@pytest.mark.parametrize(("old", "new"), CHANGES, ids=lambda name: name.replace(" ", "-"))
def test_a_change_is_right_or_refused(old: str, new: str, tmp_path: Path) -> None:
    """Adding an aggregate, changing a key, a type or a window must never misread state."""
    run, program = tmp_path / "run", PROGRAMS[new]
    tables = 2 if "join" in old else 1
    stopped_midway(run, script(run, PROGRAMS[old], live=True), tables)
    try:
        go_on(run, script(run, program, live=True), tables)
    except CheckpointError as refused:
        assert "program changed" in str(refused)  # noqa: PT017 (either is right)
        assert old != new
        return
    expected, found = whole(tmp_path / "whole", program), rows_of(run)
    if family(old) == "join":  # pairs of the first half were given before the change
        expected, found = ([r for r in rows if r[0] >= ROWS] for rows in (expected, found))
        assert len(found) == ROWS
    assert found == expected


MOVES: dict[str, tuple[str, Callable[[str], str]]] = {
    "the sink is renamed": ("window", lambda s: s.replace("result", "revenue")),
    "it becomes a view": (
        "window",
        lambda s: (
            s.replace("INSERT INTO result", "CREATE VIEW w AS")
            + "INSERT INTO result SELECT * FROM w;\n"
        ),
    ),
    "the sum is filtered below": (
        "group",
        lambda s: s.replace(" GROUP BY", "WHERE v >= 0 GROUP BY"),
    ),
    "another sink stands before it": (
        "group",
        lambda s: s.replace(
            "INSERT INTO result",
            "CREATE TABLE more (id BIGINT) WITH ('connector' = 'blackhole');\n"
            "INSERT INTO more SELECT id FROM a; INSERT INTO result",
        ),
    ),
}


@pytest.mark.parametrize("move", MOVES)
def test_a_moved_step_keeps_its_state(move: str, tmp_path: Path) -> None:
    """Names around a step are not what it computes."""
    name, change = MOVES[move]
    run, program = tmp_path / "run", PROGRAMS[name]
    stopped_midway(run, script(run, program, live=True), 1)
    text = change(script(run, program, live=True))
    go_on(run, text, 1)
    sink = "revenue" if "revenue" in text else "result"
    assert rows_of(run, sink) == whole(tmp_path / "whole", program)


def test_lost_state_is_given_up_only_with_consent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The plan says so before, touches nothing, and the run refuses until told."""
    old, new = PROGRAMS["window"], PROGRAMS["window longer"]
    stopped_midway(tmp_path, script(tmp_path, old, live=True), 1)
    text = script(tmp_path, new, live=True)
    (tmp_path / "new.sql").write_text(text)
    place = tmp_path / "checkpoints"
    before = {p: p.stat().st_mtime_ns for p in place.rglob("*")}
    assert plan_file(tmp_path / "new.sql", str(place), None, "table", []) == 3
    told = " ".join(capsys.readouterr().out.split())
    assert "does not fit" in told
    assert "window changed: TUMBLE(1h) → TUMBLE(2h)" in told
    assert "would refuse" in told
    assert {p: p.stat().st_mtime_ns for p in place.rglob("*")} == before
    with pytest.raises(CheckpointError, match=r"window changed(.|\n)*--allow-lost-state"):
        job(tmp_path, text).run()
    go_on(tmp_path, text, 1, allow=True)
    assert sum(row[1] for row in rows_of(tmp_path)) == ROWS  # the second half alone


def test_an_unchanged_program_keeps_everything(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 0 is what a deployment script waits for."""
    text = script(tmp_path, PROGRAMS["join"], live=True)
    stopped_midway(tmp_path, text, 2)
    (tmp_path / "same.sql").write_text(text)
    place = str(tmp_path / "checkpoints")
    assert plan_file(tmp_path / "same.sql", place, None, "json", []) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["runs"]
    assert {step["fate"] for step in told["steps"]} == {"keeps"}
