"""The pipeline that is watched, and the tiles of the wall that watches it.

views    ``wide`` one row for each of 100 000 keys, changed by every event; ``totals`` one row;
         ``groups`` twenty; ``seconds`` rows that only come
tiles    what the dashboard asks for each kind of tile (``serve/static/tiles``)
"""

from __future__ import annotations

from dataclasses import dataclass

from millstream.frame.sqls import script_of
from millstream.job import Job
from millstream.plan.nodes import Plan

KEYS = 100_000
PACED_PER_S = 200_000
SQL = """
SET 'pipeline.name' = 'watched';
CREATE TABLE ticks (k BIGINT, v DOUBLE, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH (
  'connector' = 'datagen', 'rows-per-second' = '{per_s}', 'seed' = '7',
  'fields.k.min' = '0', 'fields.k.max' = '{last}', 'fields.v.min' = '0', 'fields.v.max' = '100');
CREATE MATERIALIZED VIEW wide AS
  SELECT k, COUNT(*) AS n, SUM(v) AS total, MAX(v) AS top FROM ticks GROUP BY k;
CREATE MATERIALIZED VIEW totals AS SELECT COUNT(*) AS n, SUM(v) AS total FROM ticks;
CREATE MATERIALIZED VIEW groups AS
  SELECT MOD(k, 20) AS g, COUNT(*) AS n, AVG(v) AS mean FROM ticks GROUP BY MOD(k, 20);
CREATE MATERIALIZED VIEW seconds AS
  SELECT window_start, COUNT(*) AS n FROM TUMBLE(TABLE ticks, DESCRIPTOR(ts), INTERVAL '1' SECOND)
  GROUP BY window_start, window_end;
"""


@dataclass(frozen=True, slots=True)
class Tile:
    """One tile: a view, and what of it is shown; ``moves``: it changes all the time."""

    name: str
    view: str
    limit: int
    order: str | None = None
    moves: bool = True


TILES = (
    Tile("number", "totals", 1),
    Tile("bar", "groups", 48, "g"),
    Tile("top", "wide", 10, "-total"),
    Tile("table", "wide", 100),
    Tile("heat", "wide", 1_000, "-n"),
    Tile("line", "seconds", 1_000, "-window_start", moves=False),
)


def job_of(per_s: int) -> Job:
    """Return the pipeline; 0 events a second: as fast as they can be made."""
    sinks, settings = script_of(SQL.format(per_s=per_s, last=KEYS - 1), "watched", {})
    return Job(Plan(tuple(sink.node for sink in sinks)), settings)
