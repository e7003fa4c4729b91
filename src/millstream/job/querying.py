"""SQL over live views, answered once by the same engine that keeps them: one dialect.

in      views by name, one SELECT
out     a frame with its SQL types, the version of each view it saw; several views of one query
        are seen as they stood at one moment: as they are now, or as the last checkpoint has them
state   what was made of the newest SQL texts, so that asking again costs the computing alone
limit   rows and seconds
bad     anything but one SELECT over these views is refused before it is looked into: no INSERT, no
        declaration, no table of another system, no Python function
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from millstream.errors import Unsupported
from millstream.plan import derive, ids
from millstream.plan.joins import LookupJoin
from millstream.plan.materialize import ROW, Materialize
from millstream.plan.nodes import Node, Plan, Scan, Write
from millstream.plan.table import Physical, Table
from millstream.rewrite import rewrite

if TYPE_CHECKING:
    import polars as pl

    from millstream.connect.live_view import At, LiveView
    from millstream.types import Schema

TIMEOUT_S = 10.0
ROWS_MAX = 100_000_000
"""So many rows of an answer that changes while it is made are kept."""
_TABLES = derive.Tables(bounded=lambda _: True, takes=lambda _: derive.Takes.UPSERT)
_Said = tuple[str, "Schema", tuple[str, ...] | None]


@dataclass(frozen=True, slots=True)
class Answered:
    """The rows of an answer; ``truncated``: there are more than were asked for."""

    frame: pl.DataFrame
    schema: Schema
    versions: Mapping[str, int]
    truncated: bool
    took_ms: float


def query(
    views: Mapping[str, LiveView],
    sql: str,
    *,
    limit: int | None = None,
    timeout_s: float = TIMEOUT_S,
    zone: str = "UTC",
    at: At = "newest",
) -> Answered:
    """Answer one SELECT; ``zone`` is ``table.local-time-zone``, ``at`` which rows it sees.

    Raises:
        PlanError: for a text that is no query over these views, with the place.
        DataError: where a row cannot be computed.
        CheckpointError: for committed rows of a job that keeps no checkpoints.
        JobError: if it takes too long.
    """
    from millstream.connect.live_view import snapshots
    from millstream.engine.functions import Context
    from millstream.engine.once import Once

    began_s = time.perf_counter()
    planned = _planned(sql, _said(views))
    names = planned.reads
    seen = dict(zip(names, snapshots([views[name].at(at) for name in names]), strict=True))
    tables = {name: found.frame for name, found in seen.items()}
    frame, truncated = Once(planned.derived, tables, Context(zone), limit, timeout_s).run()
    return Answered(
        frame,
        planned.schema,
        {name: found.version for name, found in seen.items()},
        truncated,
        (time.perf_counter() - began_s) * 1000,
    )


def reads(sql: str, views: Mapping[str, LiveView]) -> Collection[str]:
    """Return the names of the views that a query reads; raises as :func:`query` does."""
    return _planned(sql, _said(views)).reads


@dataclass(frozen=True, slots=True)
class _Planned:
    derived: derive.Derived
    reads: tuple[str, ...]
    schema: Schema


def _said(views: Mapping[str, LiveView]) -> tuple[_Said, ...]:
    return tuple((name, view.schema, view.key) for name, view in views.items())


@lru_cache(maxsize=256)
def _planned(sql: str, views: tuple[_Said, ...]) -> _Planned:
    """Return what is run for a text; nothing of it remembers a run."""
    from millstream.sql.catalog import Catalog
    from millstream.sql.script import Session

    catalog = Catalog()
    for name, schema, key in views:
        columns = tuple(Physical(f.name, f.type) for f in schema)
        catalog.add_table(Table(name, columns, "view", primary_key=key or ()))
    node = Session(catalog).select(sql)
    for step in Plan((_written(node, node.schema),)).walk():
        if isinstance(step, LookupJoin):
            raise Unsupported(
                "A live view is not looked up FOR SYSTEM_TIME AS OF PROCTIME().",
                hint="Join it: a query sees its views as they stand at one moment.",
            )
    plan = Plan((_written(_standing(node), node.schema),))
    derived = derive.derive(rewrite(derive.complete(ids.assign(plan), _TABLES)), _TABLES)
    scans = {step.table.name: None for step in derived.plan.walk() if isinstance(step, Scan)}
    return _Planned(derived, tuple(scans), node.schema)


def _standing(node: Node) -> Node:
    """Return a step that keeps what stands of results that change."""
    facts = derive.Upwards(_TABLES).of(node)
    if not facts.updates:
        return node
    key = facts.keys[0] if facts.keys else None
    return Materialize(input=node, key=key, rows_max=ROWS_MAX)


def _written(node: Node, schema: Schema) -> Write:
    columns = tuple(Physical(f.name, f.type) for f in node.schema)
    key = (ROW,) if ROW in node.schema and ROW not in schema else ()
    return Write(input=node, table=Table("answer", columns, "memory", primary_key=key))
