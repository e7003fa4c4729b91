"""The programs of the golden checkpoints: small, each with another kind of state."""

from __future__ import annotations

import json
import random
import sqlite3
from dataclasses import dataclass
from pathlib import Path

START_S = 1_767_225_600  # 2026-01-01 00:00:00
SETTINGS = """
SET 'engine.chunk-rows-max' = '64';
SET 'engine.split-quantum-rows' = '64';
SET 'engine.epoch-bytes-max' = '1';
SET 'execution.checkpointing.interval' = '50ms';
"""
EVENTS = """
CREATE TABLE {name} (
  id BIGINT, k STRING, v INT, d DECIMAL(12, 2), ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'in/{name}.json', 'format' = 'json');
"""
TUMBLE = """
CREATE TABLE result (window_start TIMESTAMP(3), k STRING, n BIGINT, total DECIMAL(38, 2), top INT)
WITH ('connector' = 'filesystem', 'path' = 'out', 'format' = 'json');
INSERT INTO result
SELECT window_start, k, COUNT(*), SUM(d), MAX(v)
FROM TUMBLE(TABLE a, DESCRIPTOR(ts), INTERVAL '20' SECOND)
GROUP BY window_start, window_end, k;
"""
GROUP_BY = """
CREATE TABLE result (k STRING, n BIGINT, total DECIMAL(38, 2), distinct_v BIGINT,
  PRIMARY KEY (k) NOT ENFORCED)
WITH ('connector' = 'sqlite', 'path' = 'out.sqlite', 'table' = 'result');
INSERT INTO result SELECT k, COUNT(*), SUM(d), COUNT(DISTINCT v) FROM a
WHERE k IS NOT NULL GROUP BY k;
"""
INTERVAL_JOIN = """
CREATE TABLE result (a_id BIGINT, b_id BIGINT, k STRING, v INT)
WITH ('connector' = 'filesystem', 'path' = 'out', 'format' = 'json');
INSERT INTO result
SELECT a.id, b.id, a.k, b.v FROM a JOIN b
ON a.k = b.k AND b.ts BETWEEN a.ts - INTERVAL '1' SECOND AND a.ts + INTERVAL '1' SECOND;
"""


@dataclass(frozen=True, slots=True)
class Program:
    """A script, its inputs, and the epoch it dies in."""

    script: str
    inputs: tuple[str, ...]
    dies_at: int
    in_sqlite: bool = False

    def lay_out(self, folder: Path) -> None:
        """Write the script and its input into a folder."""
        tables = "".join(EVENTS.format(name=name) for name in self.inputs)
        (folder / "program.sql").write_text(SETTINGS + tables + self.script)
        (folder / "in").mkdir()
        for name in self.inputs:
            (folder / "in" / f"{name}.json").write_text(_events(name))
        if self.in_sqlite:
            with sqlite3.connect(folder / "out.sqlite") as made:
                made.execute(
                    "CREATE TABLE result (k TEXT PRIMARY KEY, n BIGINT, total TEXT, "
                    "distinct_v BIGINT)"
                )

    def rows(self, folder: Path) -> list[str]:
        """Return what the sink shows, as sorted lines."""
        if self.in_sqlite:
            with sqlite3.connect(folder / "out.sqlite") as read:
                found = read.execute("SELECT * FROM result").fetchall()
            return sorted(json.dumps(row) for row in found)
        files = [f for f in (folder / "out").iterdir() if not f.name.startswith((".", "_"))]
        return sorted(line for f in files for line in f.read_text().splitlines())


PROGRAMS = {
    "tumble": Program(TUMBLE, ("a",), dies_at=3),
    "group_by": Program(GROUP_BY, ("a",), dies_at=2, in_sqlite=True),
    "interval_join": Program(INTERVAL_JOIN, ("a", "b"), dies_at=3),
}


def _events(name: str) -> str:
    chance = random.Random(name)
    lines = []
    for number in range(600):
        seconds = START_S % 86_400 + number // 4 + chance.randrange(4)
        row = {
            "id": number,
            "k": chance.choice(["ab", "ç", "a long key that lies outside of a view", None]),
            "v": chance.randrange(40),
            "d": f"{chance.randrange(100_000) / 100:.2f}",
            "ts": f"2026-01-01 00:{seconds // 60:02d}:{seconds % 60:02d}.000",
        }
        lines.append(json.dumps(row))
    return "\n".join(lines) + "\n"
