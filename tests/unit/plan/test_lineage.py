"""Which input rows made an output row: all of them, and where it says so exactly them.

The twin: the program run again over the explained rows alone gives the same output row, and
without any one of them it gives another (COUNT and SUM are among what is asked).
"""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import settings as tuned
from hypothesis import strategies as st

from millstream.cli.explain_row import values_of
from millstream.engine.explain_row import Explained, asked_of, explain
from millstream.engine.harness import Harness
from millstream.engine.replay import fresh_graph, opened, scans_of
from millstream.errors import PlanError, UnknownName
from millstream.frame.sqls import script_of
from millstream.job import Job
from millstream.plan.lineage import trace
from millstream.plan.nodes import Plan

START = datetime(2026, 1, 1, tzinfo=UTC)
TABLE = """
CREATE TABLE {name} (id BIGINT, k STRING, v BIGINT, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '2' SECOND)
WITH ('connector' = 'filesystem', 'path' = '{folder}/{name}', 'format' = 'json');
"""
SINK = (
    "CREATE TABLE result ({columns}) WITH ('connector' = 'filesystem', 'path' = '{folder}/out', "
    "'format' = 'json');\n"
)
HOP = "HOP(TABLE a, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '10' SECOND)"
TUMBLE = "TUMBLE(TABLE a, DESCRIPTOR(ts), INTERVAL '10' SECOND)"
SESSION = "SESSION(TABLE a PARTITION BY k, DESCRIPTOR(ts), INTERVAL '2' SECOND)"
BOUNDS = "window_start, window_end"
JOIN = (
    "SELECT a.id, b.id, a.v + b.v FROM a JOIN b ON a.k = b.k "
    "AND b.ts BETWEEN a.ts - INTERVAL '1' SECOND AND a.ts + INTERVAL '1' SECOND"
)
UNION = (
    "SELECT FLOOR(ts TO MINUTE), UPPER(k), v, id FROM (SELECT * FROM a UNION ALL "
    "SELECT * FROM b) WHERE v > 3"
)
QUERIES: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "tumble": (
        "w TIMESTAMP(3), k STRING, n BIGINT, s BIGINT",
        f"SELECT window_start, k, COUNT(*), SUM(v) FROM {TUMBLE} WHERE v > 2 GROUP BY {BOUNDS}, k",
        ("w", "k"),
    ),
    "hop": (
        "w TIMESTAMP(3), k STRING, n BIGINT, s BIGINT",
        f"SELECT window_end, k, COUNT(*), SUM(v) FROM {HOP} GROUP BY {BOUNDS}, k",
        ("w", "k"),
    ),
    "session": (
        "w TIMESTAMP(3), k STRING, n BIGINT, s BIGINT",
        f"SELECT window_start, k, COUNT(*), SUM(v) FROM {SESSION} GROUP BY {BOUNDS}, k",
        ("w", "k"),
    ),
    "interval join": (
        "a_id BIGINT, b_id BIGINT, v BIGINT",
        JOIN,
        ("a_id", "b_id"),
    ),
    "union": (
        "w TIMESTAMP(3), k STRING, n BIGINT, s BIGINT",
        UNION,
        ("s", "k", "n"),
    ),
}


def lay_out(folder: Path, seed: int, spread_s: float = 1.5) -> dict[str, pl.DataFrame]:
    """Write the inputs; times are out of order, here and there by more than the watermark waits."""
    chance = random.Random(seed)
    found: dict[str, pl.DataFrame] = {}
    for name in ("a", "b"):
        rows = [
            {
                "id": number + 1000 * (name == "b"),
                "k": chance.choice("xyz"),
                "v": chance.randrange(9),
                "ts": (START + timedelta(seconds=number * 0.6 + chance.uniform(0, spread_s))),
            }
            for number in range(40)
        ]
        frame = pl.DataFrame(rows).with_columns(
            pl.col("ts").dt.replace_time_zone(None).dt.cast_time_unit("ms")
        )
        (folder / name).mkdir()
        frame.with_columns(pl.col("ts").dt.strftime("%Y-%m-%d %H:%M:%S%.3f")).write_ndjson(
            folder / name / "0.json"
        )
        found[name] = frame
    return found


def job(folder: Path, name: str) -> Job:
    columns, query, _ = QUERIES[name]
    text = "".join(TABLE.format(name=t, folder=folder) for t in ("a", "b"))
    text += SINK.format(columns=columns, folder=folder) + f"INSERT INTO result {query};"
    options = {"execution.checkpointing.dir": str(folder / "checkpoints")}
    sinks, settings = script_of(text, None, options)
    return Job(Plan(tuple(s.node for s in sinks)), settings)


def results(made: Job, inputs: dict[str, pl.DataFrame]) -> pl.DataFrame:
    """Run the program by hand over some rows, which come in order of their ids' places."""
    harness = Harness(made.derived)
    wanted = {scan.table.name: scan.schema.names for scan in scans_of(harness.graph)}
    for table, frame in inputs.items():
        if table in wanted and frame.height:
            harness.feed(table, frame.select(wanted[table]))
    harness.finish()
    return pl.concat(harness.out["result"]) if harness.out["result"] else pl.DataFrame()


def asked(made: Job, key: dict[str, Any]) -> Explained:
    folder = opened(str(made.settings.checkpoint_dir), made.settings)
    epoch = folder.read(folder.epochs()[-1])
    texts = {c: "NULL" if v is None else str(v) for c, v in key.items()}
    write, values = asked_of(made.completed, None, texts)
    scans = {s.uid: s for s in scans_of(fresh_graph(made.derived, made.settings, epoch))}
    return explain(write, values, scans, epoch, made.settings)


def only(inputs: dict[str, pl.DataFrame], found: Explained) -> dict[str, pl.DataFrame]:
    ids = {t.table: set(t.frame.filter(~pl.col("$late"))["id"]) for t in found.tables}
    return {t: f.filter(pl.col("id").is_in(list(ids.get(t, ())))) for t, f in inputs.items()}


def of_key(frame: pl.DataFrame, key: dict[str, Any]) -> list[tuple[Any, ...]]:
    if not frame.height:
        return []
    return frame.filter(pl.all_horizontal(pl.col(c) == v for c, v in key.items())).rows()


@tuned(max_examples=8, deadline=None)
@given(name=st.sampled_from(sorted(QUERIES)), seed=st.integers(0, 999), late=st.booleans())
def test_the_explained_rows_make_the_row_and_none_is_too_many(
    name: str, seed: int, late: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The definition of lineage, tried on programs of every kind."""
    folder = tmp_path_factory.mktemp("lineage")
    inputs = lay_out(folder, seed, 6.0 if late else 1.5)
    made = job(folder, name)
    made.run()
    files = [p for p in (folder / "out").rglob("*") if p.is_file() and p.stat().st_size]
    shown = [p for p in files if not any(part[0] in "._" for part in p.relative_to(folder).parts)]
    given_rows = pl.concat([pl.read_ndjson(p) for p in sorted(shown)])
    columns, key_names = made.derived.plan.sinks[0].table.writable.names, QUERIES[name][2]
    assert given_rows.columns == list(columns)
    row = random.Random(seed).choice(given_rows.with_columns(
        pl.col("w").str.to_datetime(time_unit="ms") if "w" in columns else []
    ).rows(named=True))  # fmt: skip
    key = {c: row[c] for c in key_names}
    found = asked(made, key)
    taken = only(inputs, found)
    if name == "session" and found.at_most:
        return  # late rows of sessions are not told apart, and it says so
    assert not found.at_most
    assert of_key(results(made, taken), key) == [tuple(row.values())]
    for table, frame in taken.items():
        for left_out in frame["id"]:
            fewer = {**taken, table: frame.filter(pl.col("id") != left_out)}
            assert of_key(results(made, fewer), key) != [tuple(row.values())]


def test_a_window_is_pushed_down_as_a_range_of_time(tmp_path: Path) -> None:
    """What is known of a window is known of its rows' times."""
    made = job(tmp_path, "tumble")
    write, values = asked_of(made.completed, "result", {"w": "2026-01-01 00:00:10", "k": "x"})
    (outer,) = trace(write.input, values)
    (inner,) = outer.below[0]
    where = " AND ".join(map(str, inner.where))
    assert "(#1.k = 'x')" in where
    assert "(#1.v > CAST(2 AS BIGINT))" in where
    assert "(#1.ts >= 2026-01-01 00:00:10)" in where
    assert not outer.at_most


def test_what_is_not_exact_says_so(tmp_path: Path) -> None:
    """An answer by the value of an aggregate cannot be pushed below it."""
    lay_out(tmp_path, 4)
    made = job(tmp_path, "tumble")
    made.run()
    found = asked(made, {"n": 2})
    assert found.at_most
    assert found.tables[0].frame.height > 2


def test_wrong_questions_are_answered_with_what_there_is(tmp_path: Path) -> None:
    """Column, sink, value: each has its message."""
    made = job(tmp_path, "tumble")
    with pytest.raises(UnknownName, match="'kk'"):
        asked_of(made.completed, None, {"kk": "1"})
    with pytest.raises(UnknownName, match="'nowhere'"):
        asked_of(made.completed, "nowhere", {"k": "1"})
    with pytest.raises(PlanError, match="'soon' is no TIMESTAMP"):
        asked_of(made.completed, None, {"w": "soon"})


def test_how_a_key_is_written() -> None:
    """Commas and quotes stand inside quotes."""
    assert values_of("a=1,b='x, ''y'''") == {"a": "1", "b": "x, 'y'"}
    assert values_of("w=2026-01-01 00:00:00, k = DE") == {"w": "2026-01-01 00:00:00", "k": "DE"}
    with pytest.raises(PlanError, match="COLUMN=VALUE"):
        values_of("just text")


def test_late_rows_are_shown_as_late(tmp_path: Path) -> None:
    """A row that would have counted and came too late is what people look for."""
    inputs = lay_out(tmp_path, 3)
    late = inputs["a"].head(1).with_columns(pl.lit(999).alias("id"), pl.lit(8).alias("v"))
    text = late.with_columns(pl.col("ts").dt.strftime("%Y-%m-%d %H:%M:%S%.3f")).write_ndjson()
    with (tmp_path / "a" / "0.json").open("a") as file:
        file.write(text)
    made = job(tmp_path, "tumble")
    made.run()
    found = asked(made, {"w": "2026-01-01 00:00:00", "k": late["k"][0]})
    (table,) = found.tables
    assert table.frame.filter(pl.col("$late"))["id"].to_list() == [999]
    assert table.frame["$split"].null_count() == 0
    assert table.frame["$offset"].null_count() == 0
