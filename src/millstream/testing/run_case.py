"""Runs a SQL case in every way that must not matter.

in      a :class:`~millstream.testing.cases.Case`
out     nothing: the case holds
bad     AssertionError naming the mode, with what was expected and what came

Modes: the plan as written in one batch; the rewritten plan in one batch, row by row, in random
cuts, and with a crash and restore after each chunk. Appended results are compared as multisets,
updating ones as the table they fold to (SEMANTICS §1); floats to nine digits with what the file
says, and bit for bit with what the first mode gave. A sink with a primary key takes upserts.
A materialized view is compared as the rows it holds at the end.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import polars as pl

from millstream.columns.changes import OP, Op
from millstream.columns.physical import polars_schema
from millstream.connect.live_view import LiveView
from millstream.engine.functions import Context
from millstream.engine.harness import Harness
from millstream.errors import MillstreamError, Place
from millstream.frame.live_views import viewed
from millstream.job import connected_tables
from millstream.plan import derive, ids
from millstream.plan import nodes as n
from millstream.plan.emitting import emitting
from millstream.plan.joins import LookupJoin
from millstream.plan.table import Physical, Table
from millstream.ports.options import with_options
from millstream.rewrite import rewrite
from millstream.settings import Settings
from millstream.sql.script import Inserted, Materialized, Selected, Session
from millstream.testing.cases import Tick, read_case
from millstream.testing.cells import comparable, parse_cell, split_row
from millstream.testing.compare import Row, difference, folded, listed, same, shown
from millstream.types.time import duration_ms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from millstream.testing.cases import Case, Expected, Fed, Input
    from millstream.types import Schema

RESULT, LATE, REJECTED = "result", "late", "rejected"
RANDOM_CUTS = 3
"""How many random ways to cut each case."""

Chunk = tuple["Fed | Tick", int, int]


@dataclass(frozen=True, slots=True)
class Mode:
    """One way to run a case; ``size`` gives the rows of the next chunk."""

    name: str
    size: Callable[[], int]
    crash: bool = False
    rewritten: bool = True


def modes(seed: str) -> Iterator[Mode]:
    """Yield every way to run a case; the random ones depend on ``seed`` alone."""
    yield Mode("one batch, as written", lambda: 1 << 30, rewritten=False)
    yield Mode("one batch", lambda: 1 << 30)
    yield Mode("row by row", lambda: 1)
    for turn in range(RANDOM_CUTS):
        # Cutting a test's rows needs no secret randomness.
        chance = random.Random(f"{seed} {turn}")  # noqa: S311
        crash = turn > 0
        name = f"random cuts {turn}" + (", crash after each" if crash else "")
        yield Mode(name, lambda chance=chance: chance.randint(1, 4), crash=crash)  # type: ignore[misc]
    yield Mode("row by row, crash after each", lambda: 1, crash=True)


def run_case(path: Path) -> None:
    """Read a case file and check it in every mode.

    Raises:
        CaseError: if the file is no case.
        AssertionError: if the case does not hold, with the mode, the rows expected and the rows
            that came.
    """
    check_case(read_case(path))


def check_case(case: Case, mode: Mode | None = None) -> None:
    """Run a case in one mode, or in all; raises AssertionError where it does not hold."""
    if case.error:
        _check_error(case)
        return
    plan, tables, settings = planned(case)
    every = list(modes(case.name))
    first = _run(case, plan, tables, settings, every[0])
    for each in every if mode is None else [mode]:
        try:
            harness = first if each.name == every[0].name else None
            harness = harness or _run(case, plan, tables, settings, each)
            _check_mode(case, plan, each, harness)
            _check_same_bits(plan, first, harness)
        except AssertionError as error:
            raise AssertionError(f"{case.name} ({each.name}): {error}") from None


def planned(case: Case) -> tuple[n.Plan, derive.Tables, Settings]:
    """Return the case's plan, with sinks for its query, its late and its rejected rows."""
    settings = with_options(Settings(), case.settings, owner=f"case '{case.name}'")
    session = Session(settings=settings)
    for table in case.inputs.values():
        if not re.search(rf"CREATE\s+TABLE\s+`?{table.name}\b", case.sql):
            list(session.execute(_create(table)))
    sinks: list[n.Write] = []
    for outcome in session.execute(case.sql):
        if isinstance(outcome, Selected):
            sinks.append(_sink(outcome.node, RESULT))
        elif isinstance(outcome, Inserted):
            sinks.extend(outcome.sinks)
        elif isinstance(outcome, Materialized):
            sinks.append(viewed(outcome.node, outcome.name, outcome.options).node)
    assert sinks, f"{case.name}: the SQL neither selects nor inserts"
    first = sinks[0].input
    if case.late:
        sinks.append(_sink(n.LateRows(input=derive.late_node(first)), LATE))
    if case.rejected:
        sinks.append(_sink(n.RejectedRows(input=first), REJECTED))
    plan = emitting(n.Plan(tuple(sinks)), session.settings)
    return _with_asked(plan, case), _tables(case), session.settings


def _check_error(case: Case) -> None:
    try:
        plan, tables, settings = planned(case)
        for mode in list(modes(case.name))[1:3]:
            _run(case, plan, tables, settings, mode)
    except MillstreamError as error:
        text = str(error)
        for fragment in case.error:
            assert fragment in text, f"{case.name}: '{fragment}' is not in this message:\n{text}"
        if case.at is not None:
            where = error.where
            assert isinstance(where, Place), f"{case.name}: no place in the text:\n{text}"
            at = f"{where.line}:{where.column}"
            assert at == case.at, f"{case.name}: the place is {at}, not {case.at}:\n{text}"
        return
    raise AssertionError(f"{case.name}: expected an error with {case.error}")


def _check_mode(case: Case, plan: n.Plan, mode: Mode, harness: Harness) -> None:
    schemas = {sink.table.name: _schema_of(sink) for sink in plan.sinks}
    keys = {sink.table.name: _key_of(sink) for sink in plan.sinks}
    for expected in case.expect:
        name = expected.sink or plan.sinks[0].table.name
        assert name in schemas, f"no sink '{name}' is written to, only {list(schemas)}"
        _check_rows(expected, schemas[name], harness.out[name], keys[name])
    if case.changes is not None and mode.name == "row by row":
        name = plan.sinks[0].table.name
        _check_changes(case.changes, schemas[name], harness.out[name])
    if case.late:
        wanted = [_parsed(cells, schemas[LATE]) for cells in case.late]
        found = folded(harness.out[LATE], schemas[LATE])
        same(Counter(wanted), found, schemas[LATE], "late rows")
    elif not mode.crash:
        late = sum(step.count.rows_late for step in harness.graph.steps)
        assert late == 0, f"{late} rows were late, none was expected to be"
    _check_rejected(case.rejected, harness.rejected)


def _run(
    case: Case, plan: n.Plan, tables: derive.Tables, settings: Settings, mode: Mode
) -> Harness:
    finished = derive.complete(ids.assign(plan), tables)
    if mode.rewritten:
        finished = rewrite(finished)
    harness = Harness(
        derive.derive(finished, tables),
        Context(settings.time_zone),
        ttl_ms=settings.state_ttl_ms,
        answers=not mode.crash,
    )
    harness.start()
    read = {node.table.name for node in finished.walk() if isinstance(node, n.Scan)}
    for fed, start, end in _chunks(case.feed, mode):
        if isinstance(fed, Tick):
            harness.tick(fed.at_ms)
        elif fed.table in read:
            harness.feed(
                fed.table,
                _frame(case.inputs[fed.table], fed, start, end),
                split=fed.split,
                read_at_ms=fed.read_at_ms,
            )
        if mode.crash:
            # The crash comes between the questions to tables outside and their answers.
            harness = harness.restarted()
            harness.answer()
    harness.finish()
    harness.answer()
    for sink in plan.sinks:
        if _is_view(sink):
            harness.out[sink.table.name] = [_rows_of_view(sink, harness.out[sink.table.name])]
    return harness


def _chunks(feed: Iterable[Fed | Tick], mode: Mode) -> Iterator[Chunk]:
    for fed in feed:
        if isinstance(fed, Tick):
            yield fed, 0, 0
            continue
        start = 0
        while start < len(fed.rows):
            end = min(start + mode.size(), len(fed.rows))
            yield fed, start, end
            start = end


def _frame(table: Input, fed: Fed, start: int, end: int) -> pl.DataFrame:
    frame = pl.DataFrame(
        list(fed.rows[start:end]), schema=polars_schema(table.schema), orient="row"
    )
    if not (table.changes or table.upsert):
        return frame
    ops = [int(Op.INSERT if op == "+" else Op.DELETE) for op in fed.ops[start:end]]
    return frame.with_columns(pl.Series(OP, ops, dtype=pl.Int8))


# ------------------------------------------------------------------------------ comparing


def _check_same_bits(plan: n.Plan, first: Harness, harness: Harness) -> None:
    """A cut, a crash or a rewriting is an accident; not one bit of a result may show it."""
    for sink in plan.sinks:
        name, schema = sink.table.name, _schema_of(sink)
        if name == REJECTED:
            continue
        tables = [folded(h.out[name], schema, _key_of(sink), exact=True) for h in (first, harness)]
        assert tables[0] == tables[1], (
            f"not the same bits in '{name}': {tables[0] - tables[1]} became {tables[1] - tables[0]}"
        )


def _check_rows(
    expected: Expected, schema: Schema, frames: list[pl.DataFrame], key: tuple[str, ...]
) -> None:
    have = schema.names
    assert have == expected.columns, f"the columns are {have}, expected {expected.columns}"
    wanted = [_parsed(cells, schema) for cells in expected.rows]
    what = f"rows of {expected.sink}" if expected.sink else "rows"
    if expected.ordered:
        found = [row for _, row in listed(frames, schema)]
        assert found == wanted, difference(what, wanted, found, schema)
        return
    same(Counter(wanted), folded(frames, schema, key), schema, what)


def _check_changes(lines: tuple[str, ...], schema: Schema, frames: list[pl.DataFrame]) -> None:
    wanted = [(line[:2], _parsed(split_row(line[2:]), schema)) for line in lines]
    found = listed(frames, schema)
    text = "\n".join(f"  {op} {shown(row, schema)}" for op, row in found)
    assert found == wanted, f"the changes were\n{text}"


def _check_rejected(lines: tuple[str, ...], frames: list[pl.DataFrame]) -> None:
    found = [(r["reason"], r["row"] or "") for f in frames for r in f.to_dicts()]
    left = list(found)
    for line in lines:
        reason, _, part = (piece.strip() for piece in line.partition(" | "))
        hit = next((r for r in left if reason in r[0] and part in r[1]), None)
        assert hit is not None, f"no rejected row with '{line}' among {found}"
        left.remove(hit)
    assert not left, f"rejected, but not expected to be: {left}"


def _parsed(cells: Iterable[str], schema: Schema) -> Row:
    cells = list(cells)
    assert len(cells) == len(schema), f"{cells} are not {len(schema)} cells"
    return tuple(
        comparable(parse_cell(cell, f.type), f.type) for cell, f in zip(cells, schema, strict=True)
    )


# ------------------------------------------------------------------------------ tables


def _create(table: Input) -> str:
    columns = [f"`{f.name}` {f.type}" for f in table.schema]
    if table.watermark is not None:
        column, delay = table.watermark
        columns.append(f"WATERMARK FOR {column} AS {column} - {_interval(delay)}")
    if table.key:
        columns.append(f"PRIMARY KEY ({', '.join(table.key)}) NOT ENFORCED")
    return f"CREATE TABLE {table.name} ({', '.join(columns)}) WITH ('connector' = 'memory')"


def _interval(delay: str) -> str:
    return f"INTERVAL '{duration_ms(delay) / 1000:.3f}' SECOND"


def _is_view(sink: n.Write) -> bool:
    return sink.table.connector == "view"


def _schema_of(sink: n.Write) -> Schema:
    """Return the columns a sink's reader sees."""
    return sink.table.options["target"].schema if _is_view(sink) else sink.table.writable


def _key_of(sink: n.Write) -> tuple[str, ...]:
    return () if _is_view(sink) else sink.table.primary_key


def _rows_of_view(sink: n.Write, frames: list[pl.DataFrame]) -> pl.DataFrame:
    """Return what a view holds that took these frames in."""
    view = LiveView(sink.table.name, _schema_of(sink), key=sink.table.options["target"].key)
    for frame in frames:
        view.put(frame)
    return view.frame()


def _sink(node: n.Node, name: str) -> n.Write:
    columns = tuple(Physical(f.name, f.type) for f in node.schema)
    return n.Write(input=node, table=Table(name, columns, "memory"))


def _with_asked(plan: n.Plan, case: Case) -> n.Plan:
    """Give the tables that are looked up their rows: all there are, whenever they are asked."""

    def asked(node: n.Node, _: n.Node) -> n.Node:
        if not isinstance(node, LookupJoin) or node.table.name not in case.inputs:
            return node
        table = case.inputs[node.table.name]
        frames = [
            _frame(table, fed, 0, len(fed.rows))
            for fed in case.feed
            if not isinstance(fed, Tick) and fed.table == table.name
        ]
        frames.append(pl.DataFrame(schema=polars_schema(table.schema)))
        options = {**node.table.options, "frame": frames}
        return replace(node, table=replace(node.table, connector="memory", options=options))

    return plan.rewrite_from(asked)


def _tables(case: Case) -> derive.Tables:
    """Inputs are as the case says; other tables are as their connectors say."""
    known = connected_tables()

    def bounded(table: Table) -> bool:
        own = case.inputs.get(table.name)
        return known.bounded(table) if own is None else not own.endless

    def gives(table: Table) -> derive.Mode:
        own = case.inputs.get(table.name)
        if own is None:
            return known.gives(table)
        if own.upsert:
            return derive.Upsert(own.key)
        return derive.Retract() if own.changes else derive.Append()

    def takes(table: Table) -> derive.Takes:
        collected = table.name in (RESULT, LATE, REJECTED)
        if table.primary_key:
            return derive.Takes.UPSERT
        return derive.Takes.CHANGES if collected else known.takes(table)

    return derive.Tables(bounded=bounded, gives=gives, takes=takes)
