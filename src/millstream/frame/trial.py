"""Tries a stream with rows from the test: no source, no sink, no clock.

in      a stream, and the rows each of its tables gives
out     the result, its changes, the late and the rejected rows
bad     PlanError where rows are given for a table that the stream does not read
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import polars as pl

from millstream.errors import PlanError, UnknownName
from millstream.frame.facts import facts_of
from millstream.frame.tables import sink_table
from millstream.frame.where import here
from millstream.plan import nodes as n
from millstream.plan.derive import late_node
from millstream.plan.table import Metadata, Physical
from millstream.settings import Settings
from millstream.types import Schema

if TYPE_CHECKING:
    from collections.abc import Mapping

    from millstream.frame.stream import Stream
    from millstream.plan.table import Table


@dataclass(frozen=True, slots=True)
class TestResult:
    """What a stream gave for the rows of a test."""

    __test__ = False  # pytest: the name is ours, not a test's

    frame: pl.DataFrame
    """The result at the end."""
    changes: list[tuple[Any, ...]]
    """Every row as it came: its change kind (``+I -U +U -D``), then its values."""
    late: pl.DataFrame
    """Rows too late for the nearest window, with its input columns."""
    rejected: pl.DataFrame
    """Rows that could not be computed: reason, operator, split, offset, raw, row."""

    @property
    def rows(self) -> list[tuple[Any, ...]]:
        """The result at the end, as tuples."""
        return self.frame.rows()


def test(
    stream: Stream,
    rows: Any = None,  # noqa: PT028 (not a test of pytest's)
    *,
    settings: Mapping[str, Any] | None = None,  # noqa: PT028 (not a test of pytest's)
    **tables: Any,
) -> TestResult:
    """Feed rows to a stream and return what it gives; nothing outside is touched.

    Args:
        stream: what to test; its sources are replaced by the rows.
        rows: the rows of its only table: list of dicts or a Polars frame.
        settings: as in ``ms.run``.
        tables: the rows of each table by its name, where there are several.

    Returns:
        the result, its changes, late and rejected rows.

    Raises:
        UnknownName: if the stream reads no table of a given name.
        PlanError: if rows do not fit a table's columns.

    >>> import millstream as ms
    >>> orders = ms.read_kafka(
    ...     "localhost:9092",
    ...     topic="orders",
    ...     event_time="ts",
    ...     schema={"id": "BIGINT", "ts": "TIMESTAMP(3)"},
    ... )
    >>> counted = orders.group_by(window=ms.tumble("1m")).agg(n=ms.count())
    >>> ms.test(counted.select("n"), [{"id": 1, "ts": "2026-01-01 00:00:01"}]).rows
    [(1,)]
    """
    from millstream.frame.view import View
    from millstream.job import Job
    from millstream.ports.options import with_options

    node = _with_rows(stream.node, rows, tables)
    facts = facts_of(node)
    key = facts.keys[0] if facts.updates and facts.keys else None
    log: list[pl.DataFrame] = []
    views = {
        "result": View(key=key, updating=facts.updates, rows_max=None, on_rows=log.append),
        "late": View(rows_max=None),
        "rejected": View(rows_max=None),
    }
    parts: dict[str, n.Node] = {"result": node, "rejected": n.RejectedRows(input=node)}
    nearest = late_node(node)
    if isinstance(nearest, n.WindowAggregate):
        parts["late"] = n.LateRows(input=nearest)
    sinks = tuple(
        n.Write(input=part, table=sink_table("memory", name, part.schema, {"target": views[name]}))
        for name, part in parts.items()
    )
    chosen = with_options(Settings(), settings or {}, owner="settings")
    Job(n.Plan(sinks), chosen).run()
    return TestResult(
        _typed(views["result"], node.schema),
        _changes(log),
        _typed(views["late"], nearest.inputs[0].schema if "late" in parts else Schema(())),
        _typed(views["rejected"], n.REJECTED_SCHEMA),
    )


def _changes(log: list[pl.DataFrame]) -> list[tuple[Any, ...]]:
    from millstream.connect.memory import Collected

    everything = Collected()
    everything.add(log)
    return [tuple(change) for change in everything.changes()]


def _typed(view: Any, schema: Schema) -> pl.DataFrame:
    from millstream.columns.physical import empty_frame

    frame: pl.DataFrame = view.frame()
    return frame if frame.height else empty_frame(schema)


def _with_rows(node: n.Node, rows: Any, tables: Mapping[str, Any]) -> n.Node:
    scans: dict[str, Table] = {}
    probe = n.Plan((n.Write(input=node, table=sink_table("blackhole", "probe", node.schema, {})),))
    for part in probe.walk():
        if isinstance(part, n.Scan):
            scans[part.table.name] = part.table
    given = dict(tables)
    if rows is not None:
        if len(scans) != 1:
            raise PlanError(
                f"The stream reads {len(scans)} tables: {', '.join(scans)}.",
                where=here(),
                hint="Give the rows by name: ms.test(stream, "
                + ", ".join(f"{name}=[…]" for name in scans)
                + ").",
            )
        given[next(iter(scans))] = rows
    for name in given:
        if name not in scans:
            raise UnknownName("table", name, available=scans, where=here())
    fed = {name: _fed(table, given.get(name, [])) for name, table in scans.items()}

    def change(part: n.Node) -> n.Node:
        return replace(part, table=fed[part.table.name]) if isinstance(part, n.Scan) else part

    return probe.rewrite(change).sinks[0].input


def _fed(table: Table, rows: Any) -> Table:
    """Return the table over rows of the test; what a connector would fill in is a plain column."""
    from millstream.frame.rows import frame_of

    columns = tuple(
        Physical(c.name, c.type) if isinstance(c, Metadata) else c for c in table.columns
    )
    plain = Schema.of({c.name: c.type for c in columns if isinstance(c, Physical)})
    frame = frame_of(rows, plain)
    return replace(table, columns=columns, connector="memory", options={"frame": frame})
