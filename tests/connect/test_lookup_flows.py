"""A script that looks rows up, from text to result, with each system that can be asked."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from millstream.connect.memory import collected
from millstream.errors import PlanError
from millstream.job import Job
from millstream.plan.nodes import Plan
from millstream.ports.registry import sink_for
from millstream.settings import Settings
from millstream.sql.script import Inserted, Session
from millstream.types import Schema
from tests.connect.contract import table_of
from tests.connect.test_lookups import Service, service

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["service"]

USERS = Schema.of({"id": "INT", "name": "STRING"})
NAMES = {1: "ann", 2: "bob"}
SCRIPT = """
CREATE TABLE orders (o INT, user_id INT, ts TIMESTAMP(3), pt AS PROCTIME(),
  WATERMARK FOR ts AS ts - INTERVAL '1' SECOND)
WITH ('connector' = 'filesystem', 'path' = '{orders}', 'format' = 'csv');
CREATE TABLE users (id INT, name STRING, loud AS UPPER(name)) WITH ({users});
CREATE TABLE found (o INT, name STRING, loud STRING)
WITH ('connector' = 'memory', 'target' = '{target}');
CREATE TABLE per_window (window_start TIMESTAMP(3), name STRING, n BIGINT)
WITH ('connector' = 'memory', 'target' = '{target} windows');
CREATE VIEW known AS SELECT o, u.name, u.loud, ts FROM orders
LEFT JOIN users FOR SYSTEM_TIME AS OF orders.pt AS u ON u.id = orders.user_id;
EXECUTE STATEMENT SET BEGIN
INSERT INTO found SELECT o, name, loud FROM known;
INSERT INTO per_window SELECT window_start, name, COUNT(*) FROM
  TABLE(TUMBLE(TABLE known, DESCRIPTOR(ts), INTERVAL '10' SECOND))
  GROUP BY window_start, window_end, name;
END;
"""


def stored(connector: str, options: dict[str, Any]) -> dict[str, Any]:
    """Write the users to a table, and return the options to read it with."""
    sink = sink_for(table_of(connector, options, USERS, name="users"), updating=False)
    sink.open("p", 0)
    sink.write(pl.DataFrame({"id": list(NAMES), "name": list(NAMES.values())}))
    sink.flush()
    sink.close()
    return {"connector": connector, **options}


@pytest.fixture(
    params=["csv", "sqlite", "duckdb", "http", pytest.param("postgres", marks=pytest.mark.postgres)]
)
def users(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    match request.param:
        case "csv":
            path = tmp_path / "users.csv"
            path.write_text("".join(f"{i},{name}\n" for i, name in NAMES.items()))
            return {"connector": "filesystem", "path": str(path), "format": "csv"}
        case "http":
            made: Service = request.getfixturevalue("service")
            made.answer = lambda path, _: (
                (200, json.dumps({"name": NAMES[int(path[1:])]}))
                if int(path[1:]) in NAMES
                else (404, "")
            )
            return {"connector": "http", "url": made.url + "/{id}"}
        case "postgres":
            url = request.getfixturevalue("database")
            made_here = {"sink.create-table": "true"}
            return stored("postgres", {"url": url, "table-name": "users", **made_here})
        case other:
            return stored(other, {"path": str(tmp_path / "users.db"), "table": "users"})


def plan_of(tmp_path: Path, users: dict[str, Any], target: str) -> Plan:
    rows = [(i, i % 4, f"2026-01-01 00:00:{i:02d}") for i in range(60)]
    orders = tmp_path / "orders.csv"
    orders.write_text("".join(f"{o},{user},{ts}\n" for o, user, ts in rows))
    said = ", ".join(f"'{name}' = '{value}'" for name, value in users.items())
    script = SCRIPT.format(orders=orders, users=said, target=target)
    outcomes = list(Session(settings=Settings()).execute(script))
    return Plan(tuple(s for o in outcomes if isinstance(o, Inserted) for s in o.sinks))


def test_a_script_looks_rows_up(tmp_path: Path, users: dict[str, Any]) -> None:
    """Every system that can be asked must give the same rows, in order, and complete windows."""
    target = str(tmp_path)
    settings = Settings(chunk_rows_max=7, checkpoint_dir=str(tmp_path / "checkpoints"))
    Job(plan_of(tmp_path, users, target), settings).run()
    assert collected(target).frame().rows() == [
        (i, NAMES.get(i % 4), None if i % 4 not in NAMES else NAMES[i % 4].upper())
        for i in range(60)
    ]
    windows = collected(f"{target} windows").frame()
    assert windows["n"].sum() == 60
    assert windows.group_by("window_start").agg(pl.col("n").sum())["n"].to_list() == [10] * 6


def test_what_cannot_be_asked_is_told_before_the_run(tmp_path: Path) -> None:
    """``millstream check`` must find what a run would stop at."""
    with pytest.raises(PlanError, match="no end"):
        _ = Job(plan_of(tmp_path, {"connector": "datagen"}, "t")).derived
    by_loud = plan_of(tmp_path, {"connector": "http", "url": "http://h/{id}"}, "t")
    with pytest.raises(PlanError, match="not stored"):
        _ = Job(Plan(tuple(_asked_by(by_loud, "loud")))).derived


def _asked_by(plan: Plan, column: str) -> Any:
    from dataclasses import replace

    from millstream.plan.joins import LookupJoin
    from millstream.plan.nodes import Node

    def asked(node: Node, _: Node) -> Node:
        if isinstance(node, LookupJoin):
            return replace(node, on=tuple((expr, column) for expr, _ in node.on))
        return node

    return plan.rewrite_from(asked).sinks
