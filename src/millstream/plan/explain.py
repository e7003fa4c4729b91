"""A plan as text: a tree of steps with what is known of each.

in      a plan, its derived properties where they are known, notes from outside (delivery …)
out     text, the same for the same plan; a step that several read is shown once and then named

Each step has one line saying what it does and one saying what follows: what changes, which
column is the event time, what its state grows with.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from millstream.plan import nodes as n
from millstream.plan.facts import StateBound, Upsert
from millstream.plan.stages import describe_stage, stages
from millstream.types.time import duration_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from millstream.plan.derive import Derived
    from millstream.plan.table import Table
    from millstream.types import Schema

LINE_MAX = 110
"""A longer line of a step is cut; the whole of it is in the text the user wrote."""


@dataclass
class _Tree:
    """The text being made."""

    derived: Derived | None
    notes: Mapping[str, tuple[str, ...]]
    lines: list[str] = field(default_factory=list)
    readers: dict[int, int] = field(default_factory=dict)
    numbers: dict[int, int] = field(default_factory=dict)


def explain(
    plan: n.Plan,
    derived: Derived | None = None,
    *,
    notes: Mapping[str, tuple[str, ...]] | None = None,
) -> str:
    """Return the plan as a tree, sinks first; ``notes`` are lines to add below a step, by uid."""
    tree = _Tree(derived, notes or {})
    for node in plan.walk():
        for child in node.inputs:
            tree.readers[id(child)] = tree.readers.get(id(child), 0) + 1
    for sink in plan.sinks:
        if tree.lines:
            tree.lines.append("")
        _add(tree, sink, "", "")
    return "\n".join(tree.lines)


def explain_all(
    logical: n.Plan,
    derived: Derived,
    *,
    notes: Mapping[str, tuple[str, ...]],
    state_ttl_ms: int = 0,
) -> str:
    """Return the plan as written, rewritten, as the stages that run, and what to be wary of."""
    parts = [
        ("As written", explain(logical)),
        ("Rewritten", explain(derived.plan, derived, notes=notes)),
        ("As it runs", "\n".join(_cut(describe_stage(s, derived)) for s in stages(derived.plan))),
        ("Beware", "\n".join(warnings(derived, state_ttl_ms))),
    ]
    return "\n\n".join(f"== {title} ==\n{text}" for title, text in parts if text)


def warnings(derived: Derived, state_ttl_ms: int = 0) -> list[str]:
    """Return a line for each step whose state nothing bounds, and how a TTL changes results."""
    found: list[str] = []
    for node in derived.plan.walk():
        bound = derived.state(node)
        if bound not in (StateBound.KEYS, StateBound.ROWS):
            continue
        what = _cut(f"{_head(node)} [{', '.join(node.id_keys)}]")
        if state_ttl_ms:
            found.append(
                f"{what}: entries not written for {duration_text(state_ttl_ms)} are forgotten "
                "(table.exec.state.ttl): a row that comes later finds nothing, results may differ"
            )
        elif not all(derived.facts(child).bounded for child in node.inputs):
            found.append(
                f"{what}: its state {bound.value} and nothing bounds it; group or join by a "
                "window or an interval of time, or SET 'table.exec.state.ttl'"
            )
    return found


def describe(table: Table) -> list[tuple[str, str, str, str, str]]:
    """Return DESCRIBE's rows: name, type, null, key, and what else is said of the column."""
    rows: list[tuple[str, str, str, str, str]] = []
    metadata = {m.name: m for m in table.metadata}
    computed = {c.name: c for c in table.computed}
    for column in table.schema:
        extras: list[str] = []
        if column.name in metadata:
            virtual = " VIRTUAL" if metadata[column.name].virtual else ""
            extras.append(f"METADATA FROM '{metadata[column.name].key}'{virtual}")
        if column.name in computed:
            extras.append(f"AS {computed[column.name].expr}")
        if table.watermark is not None and table.watermark.column == column.name:
            extras.append(f"WATERMARK AS {table.watermark.expr}")
        rows.append(
            (
                column.name,
                column.type.name(),
                "TRUE" if column.type.nullable else "FALSE",
                f"PRI({', '.join(table.primary_key)})" if column.name in table.primary_key else "",
                ", ".join(extras),
            )
        )
    return rows


def schema_text(schema: Schema) -> str:
    """Return a schema as aligned lines of name and type."""
    width = max((len(f.name) for f in schema), default=0)
    return "\n".join(f"{f.name:<{width}}  {f.type}" for f in schema)


def _add(tree: _Tree, node: n.Node, lead: str, under: str) -> None:
    shared = tree.readers.get(id(node), 0) > 1
    if id(node) in tree.numbers:
        tree.lines.append(_cut(f"{lead}{_head(node)} (see [{tree.numbers[id(node)]}])"))
        return
    mark = ""
    if shared:
        tree.numbers[id(node)] = len(tree.numbers) + 1
        mark = f" [{tree.numbers[id(node)]}]"
    tree.lines.append(_cut(f"{lead}{node.label()}", mark))
    stem = "│  " if node.inputs else "   "
    for line in _about(tree, node):
        tree.lines.append(_cut(f"{under}{stem}· {line}"))
    last = len(node.inputs) - 1
    for i, child in enumerate(node.inputs):
        turn, below = ("└─ ", "   ") if i == last else ("├─ ", "│  ")
        _add(tree, child, under + turn, under + below)


def _head(node: n.Node) -> str:
    """Return the first word of a step, and what it reads where that is short."""
    return node.label() if isinstance(node, n.Scan) else node.label().split(" ", 1)[0]


def _about(tree: _Tree, node: n.Node) -> list[str]:
    lines: list[str] = []
    if isinstance(node, n.Scan | n.Write | n.MapBatches):
        lines.append(f"columns {_columns(node)}")
    if tree.derived is not None:
        lines.append(" · ".join(_facts(tree.derived, node)))
    lines.extend(tree.notes.get(node.uid, ()))
    return lines


def _columns(node: n.Node) -> str:
    if not isinstance(node, n.Write):
        return str(node.schema)
    names = list(node.table.writable)
    key = node.table.primary_key
    return ", ".join(map(str, names)) + (f", key ({', '.join(key)})" if key else "")


def _facts(derived: Derived, node: n.Node) -> list[str]:
    if isinstance(node, n.Write):
        return [f"takes {derived.mode(node.input)}"]
    facts, mode, state = derived.facts(node), derived.mode(node), derived.state(node)
    parts = [str(mode)]
    if facts.updates and facts.keys and not isinstance(mode, Upsert):
        key = facts.keys[0]
        parts.append(f"one row per ({', '.join(key)})" if key else "a single row")
    if facts.time is not None:
        parts.append(f"event time {facts.time}")
    if isinstance(node, n.Scan | n.Values):
        parts.append("bounded" if facts.bounded else "endless")
    if state is not StateBound.STATELESS:
        parts.append(f"state {state.value}")
    return parts


def _cut(line: str, tail: str = "") -> str:
    room = LINE_MAX - len(tail)
    return (line if len(line) <= room else line[: room - 1] + "…") + tail
