"""What a plan may not do, told before anything runs.

in      the derived properties of a plan
out     nothing: a legal plan passes
bad     PlanError with the step, its place in the text where one is known, and what to write instead
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from millstream.errors import Place, PlanError
from millstream.expr import catalogue
from millstream.expr.tree import Call, Expr, TableCall, UdfCall
from millstream.plan import nodes as n
from millstream.plan.facts import Retract, Takes, covers_key
from millstream.plan.joins import Join
from millstream.plan.legality_functions import check_functions
from millstream.plan.materialize import COLUMNS_MAX, Materialize

if TYPE_CHECKING:
    from millstream.plan.derive import Derived
    from millstream.plan.facts import Facts

DECLARE_TIME = (
    "Declare one in CREATE TABLE: WATERMARK FOR {column} AS {column} - INTERVAL '5' SECOND."
)


def check(derived: Derived) -> None:
    """Raise for the first step that cannot run."""
    for node in derived.plan.walk():
        if node.append_only is not None:
            _check_updates(derived, node, node.append_only)
        for port, column in node.time_columns:
            _check_time(derived.facts(node.inputs[port]), node, column)
        if not isinstance(node, n.Write) and node.inputs:
            _check_chance(derived, node)
        check_functions(derived, node)
        match node:
            case n.Sort():
                _check_sort(derived.facts(node.input), node)
            case n.MapBatches():
                _check_map(derived, node)
            case n.LateRows():
                _check_late(node)
            case n.Write():
                _check_sink(derived, node)
            case Materialize():
                _check_view(derived.facts(node.input), node)
            case _:
                pass


def is_deterministic(expr: Expr) -> bool:
    """Tell whether the same row always gives the same value."""
    return not any(_depends_on_chance(part) for part in expr.walk())


def _depends_on_chance(expr: Expr) -> bool:
    if isinstance(expr, UdfCall | TableCall):
        return not expr.udf.deterministic
    return isinstance(expr, Call) and not catalogue.find(expr.function).deterministic


def _place(node: n.Node) -> Place | str:
    for expr in node.expressions:
        for part in expr.walk():
            if part.place is not None:
                return part.place
    return f"step '{node.label()}'"


def _origin(derived: Derived, node: n.Node) -> n.Node:
    """Return the step where changes begin, at or below an updating node."""
    for child in node.inputs:
        if derived.facts(child).updates:
            return _origin(derived, child)
    return node


def _check_updates(derived: Derived, node: n.Node, what: str) -> None:
    needed = [node.inputs[port] for port in node.append_only_ports]
    changing = [child for child in needed if derived.facts(child).updates]
    if not changing:
        return
    origin = _origin(derived, changing[0])
    raise PlanError(
        f"{what} needs rows that never change, but '{origin.label()}' below it changes rows "
        "it gave before.",
        where=_place(origin),
        hint="Do it before that step, or group by a window there, so that each of its results "
        "is given once.",
    )


def _check_time(below: Facts, node: n.Node, column: str) -> None:
    if column in (*below.times, *below.clocks, *(below.bounds or ())):
        return
    if below.bounded and not below.marks:
        return  # no watermark anywhere: every window closes when the input ends
    if below.times:
        raise PlanError(
            f"The window is over '{column}', but the event time here is '{below.time}'.",
            where=_place(node),
            hint=f"Use '{below.time}', or declare the watermark on '{column}' where the table "
            "is created.",
        )
    if below.marks and (lost := _regular_join(node)) is not None:
        raise PlanError(
            f"The window is over '{column}', which no longer is the event time: the regular join "
            f"'{lost.label()}' below gives rows whenever a partner comes, however old they are.",
            where=_place(node),
            hint="Bound the times of both sides in ON (a.ts BETWEEN b.ts - INTERVAL '1' HOUR AND "
            "b.ts), join within windows, or put the window below the join.",
        )
    if below.marks:
        raise PlanError(
            f"The window is over '{column}', which no longer is the event time: a step below "
            "computed it anew or dropped the original.",
            where=_place(node),
            hint="Pass the event-time column (after a window: window_time) through unchanged.",
        )
    raise PlanError(
        f"The window is over '{column}', but there is no event time here.",
        where=_place(node),
        hint=DECLARE_TIME.format(column=column),
    )


def _regular_join(node: n.Node) -> Join | None:
    """Return the regular join by which the event time was lost, below steps of one input."""
    while len(node.inputs) == 1:
        node = node.inputs[0]
    return node if isinstance(node, Join) else None


def _check_sort(below: Facts, node: n.Sort) -> None:
    if below.bounded or node.in_time(below):
        return
    by = ", ".join(map(str, node.by))
    what = f"ORDER BY {by}" if by else "LIMIT over results that change"
    raise PlanError(
        f"{what} needs input that ends, this input is endless.",
        where=_place(node),
        hint="Leave it out and sort or cut where the results are read, read a bounded part of the "
        "source, or order by the event time, ascending, first.",
    )


def _check_map(derived: Derived, node: n.MapBatches) -> None:
    if node.accepts_changes or not derived.facts(node.input).updates:
        return
    origin = _origin(derived, node.input)
    raise PlanError(
        f"{node.label()} would see changed rows as new ones: '{origin.label()}' below it changes "
        "rows it gave before.",
        where=_place(origin),
        hint="Say accepts_changes=True if the function treats each row alone and always gives the "
        "same result for the same row; else call it before that step.",
    )


def _check_chance(derived: Derived, node: n.Node) -> None:
    changing = [c for c in node.inputs if isinstance(derived.mode(c), Retract)]
    if not changing:
        return
    for expr in node.expressions:
        for part in expr.walk():
            if not _depends_on_chance(part):
                continue
            origin = _origin(derived, changing[0])
            raise PlanError(
                f"{part} gives another value each time it is computed, but '{origin.label()}' "
                "takes rows back, and what is taken back must equal what was given.",
                where=part.place or _place(node),
                hint="Compute it before the rows change (below that step), or leave it out.",
            )


def _check_late(node: n.LateRows) -> None:
    if node.input.drops_late:
        return
    raise PlanError(
        f"'{node.input.label()}' never drops a row for being late.",
        hint="Ask a windowed aggregation for its late rows.",
    )


def _check_sink(derived: Derived, node: n.Write) -> None:
    facts = derived.facts(node.input)
    takes = derived.tables.sink_takes(node.table)
    if not facts.updates or takes is Takes.CHANGES:
        return
    origin = _origin(derived, node.input)
    sink = f"The table '{node.table.name}' (connector '{node.table.connector}')"
    key = node.key
    if takes is Takes.APPEND:
        raise PlanError(
            f"{sink} takes only new rows, but '{origin.label()}' changes rows it gave before.",
            where=_place(origin),
            hint=_append_hint(derived, node, facts),
        )
    if covers_key(key, facts.keys):
        return
    if facts.keys:
        by = f"({', '.join(facts.keys[0])})" if facts.keys[0] else "a single row"
        raise PlanError(
            f"{sink} keeps one row per ({', '.join(node.table.primary_key)}), but the results "
            f"change by {by}: several of them would fight for one row.",
            where=_place(origin),
            hint=f"Give the table the primary key {by}, or group by exactly its key.",
        )
    raise PlanError(
        f"{sink} keeps one row per ({', '.join(node.table.primary_key)}), but nothing says that "
        "the changing results have one row per key.",
        where=_place(origin),
        hint=f"Group the results by ({', '.join(key)}) once more, or keep the columns that the "
        f"rows of '{origin.label()}' are grouped by.",
    )


def _check_view(below: Facts, node: Materialize) -> None:
    columns = len(node.input.schema)
    if not below.updates:
        return
    if node.key is None and columns > COLUMNS_MAX:
        raise PlanError(
            f"The rows of a view change, nothing says by which key, and {columns} columns are too "
            "many to know them by.",
            where=_place(node),
            hint=f"Name the key: 'key' = '…', or key=…; or keep at most {COLUMNS_MAX} columns.",
        )
    if node.key is None or covers_key(node.key, below.keys):
        return
    said = f"one row per ({', '.join(node.key)})"
    by = f"({', '.join(below.keys[0])})" if below.keys else ""
    known = f"change by {by}" if by else "have no key that is known"
    raise PlanError(
        f"The view is to keep {said}, but its results {known}: several of them would fight for "
        "one row.",
        where=_place(node),
        hint="Leave the key out, or group by exactly these columns.",
    )


def _append_hint(derived: Derived, node: n.Write, facts: Facts) -> str:
    once = "Group by a window (TUMBLE, HOP, CUMULATE) as well, so that each result is given once"
    if derived.tables.takes(node.table) is not Takes.UPSERT:
        return f"{once}, or write to a table that takes changes by key (upsert-kafka, postgres …)."
    stored = dict(zip(node.input.schema.names, node.table.writable.names, strict=True))
    if facts.keys and facts.keys[0]:
        columns = ", ".join(stored[c] for c in facts.keys[0])
        return f"Add PRIMARY KEY ({columns}) NOT ENFORCED to '{node.table.name}'."
    return f"{once}, or give '{node.table.name}' a PRIMARY KEY that the results have."
