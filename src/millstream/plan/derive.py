"""What follows from a plan: time, change, keys, bounds; and the plan made complete by it.

in      a plan, and :class:`Tables`: what the connectors say of the tables it names
out     :class:`Facts` of each node (upwards, from its inputs), the :data:`Mode` of each node's
        output (downwards, from what its readers need), its :class:`StateBound`
bad     :func:`complete` raises PlanError for what cannot run (:mod:`millstream.plan.legality`)

Modes: ``Append`` rows only come; ``Retract`` a changed row is taken back before the new one comes;
``Upsert(key)`` the newest row, or a tombstone, per key, so that old rows are never sent. A node
gives Upsert where all its readers can live with it. A keyed sink reading Retract takes a -U or -D
as a delete of its key, in order.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum
from itertools import islice, product
from typing import TYPE_CHECKING

from millstream.expr.tree import AggCall, Column, Named, columns_of
from millstream.plan import nodes as n

if TYPE_CHECKING:
    from collections.abc import Callable

    from millstream.plan.table import Table

KEY_SPELLINGS_MAX = 16
"""A key whose columns stand in a projection under several names has at most so many spellings."""

Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Append:
    """Rows only come; none is ever changed."""

    def __str__(self) -> str:
        return "append"


@dataclass(frozen=True, slots=True)
class Retract:
    """A change takes the old row back, then gives the new one."""

    def __str__(self) -> str:
        return "retract"


@dataclass(frozen=True, slots=True)
class Upsert:
    """The newest row per key, or a tombstone; old rows are not sent."""

    key: Key

    def __str__(self) -> str:
        return f"upsert by ({', '.join(self.key)})"


Mode = Append | Retract | Upsert


class Takes(Enum):
    """What a sink can be given; UPSERT needs a primary key, without one it is APPEND."""

    APPEND = "append"
    UPSERT = "upsert"
    CHANGES = "changes"


class StateBound(Enum):
    """What limits the state of a step."""

    STATELESS = "stateless"
    TIME = "bounded by time"
    COUNT = "bounded by the limit"
    KEYS = "grows with keys"
    ROWS = "grows with rows"


@dataclass(frozen=True, slots=True)
class Tables:
    """What connectors say of tables; the defaults are those of an endless append-only log."""

    bounded: Callable[[Table], bool] = lambda _: False
    gives: Callable[[Table], Mode] = lambda _: Append()
    takes: Callable[[Table], Takes] = lambda _: Takes.CHANGES

    def sink_takes(self, table: Table) -> Takes:
        """Return what a sink takes, its primary key considered."""
        takes = self.takes(table)
        return Takes.APPEND if takes is Takes.UPSERT and not table.primary_key else takes


@dataclass(frozen=True, slots=True)
class Facts:
    """What a node's output is like, whoever reads it.

    bounded  it ends
    times    the columns that carry the event time unchanged; the first is the time attribute
    marks    a watermark flows with it
    bounds   the columns that carry the start and end of each row's window
    updates  rows given before may be changed
    before   the old row of a change can be given too (not so behind an upsert source)
    keys     the upsert keys: at most one row per key stands; () is a single row
    """

    bounded: bool
    times: tuple[str, ...] = ()
    marks: bool = False
    bounds: tuple[str, str] | None = None
    updates: bool = False
    before: bool = True
    keys: tuple[Key, ...] = ()

    @property
    def time(self) -> str | None:
        """The time attribute."""
        return self.times[0] if self.times else None


@dataclass
class Upwards:
    """Facts of nodes, computed when asked and remembered; works without a whole plan."""

    tables: Tables
    _done: dict[int, tuple[n.Node, Facts]] = field(default_factory=dict)

    def of(self, node: n.Node) -> Facts:
        """Return the facts of a node."""
        found = self._done.get(id(node))
        if found is None:
            # The node is kept beside its facts: an id is only unique while its object lives.
            found = (node, _facts(node, tuple(self.of(i) for i in node.inputs), self.tables))
            self._done[id(node)] = found
        return found[1]


class Derived:
    """Everything derived of one plan."""

    def __init__(self, plan: n.Plan, tables: Tables) -> None:
        self.plan = plan
        self.tables = tables
        self._up = Upwards(tables)
        self._old_rows_wanted: set[int] = set()
        for node in reversed(plan.walk()):
            for child in node.inputs:
                if self._up.of(child).updates and self._wants_old_rows(node, child):
                    self._old_rows_wanted.add(id(child))

    def facts(self, node: n.Node) -> Facts:
        """Return what the node's output is like."""
        return self._up.of(node)

    def wants_old_rows(self, node: n.Node) -> bool:
        """Tell whether some reader of an updating node needs the old row of a change."""
        return id(node) in self._old_rows_wanted

    def mode(self, node: n.Node) -> Mode:
        """Return the changelog mode of the edges that leave the node."""
        facts = self.facts(node)
        if not facts.updates:
            return Append()
        if self.wants_old_rows(node) or not facts.keys:
            return Retract()
        return Upsert(facts.keys[0])

    def changes_in(self, node: n.Node) -> tuple[bool, ...]:
        """Tell for each input whether its rows carry change kinds."""
        return tuple(self.facts(i).updates for i in node.inputs)

    def state(self, node: n.Node) -> StateBound:
        """Return what limits the state of the node."""
        return state_bound(node, tuple(self.facts(i) for i in node.inputs))

    def _wants_old_rows(self, node: n.Node, child: n.Node) -> bool:
        keys = self.facts(child).keys
        match node:
            case n.Write():
                return self._sink_wants_old_rows(node, keys)
            case n.Project():
                return self.wants_old_rows(node) or not self.facts(node).keys
            case n.Filter(predicate=predicate):
                read = columns_of(predicate)
                return self.wants_old_rows(node) or not any(read <= set(k) for k in keys)
            case n.Normalize(key=key):
                return not same_key(key, keys)
            case n.LateRows() | n.RejectedRows():
                return False  # they read what the node drops, not what it gives
            case _:
                return True

    def _sink_wants_old_rows(self, node: n.Write, keys: tuple[Key, ...]) -> bool:
        if self.tables.sink_takes(node.table) is not Takes.UPSERT:
            return True
        return not same_key(sink_key(node), keys)


def derive(plan: n.Plan, tables: Tables) -> Derived:
    """Return the derived properties of a plan."""
    return Derived(plan, tables)


def complete(plan: n.Plan, tables: Tables) -> n.Plan:
    """Check the plan and return it with Normalize wherever old rows are missing but needed."""
    from millstream.plan.legality import check

    derived = Derived(plan, tables)
    check(derived)
    missing = {
        id(node)
        for node in plan.walk()
        if isinstance(node, n.Scan)
        and derived.wants_old_rows(node)
        and not derived.facts(node).before
    }

    def normalized(node: n.Node, was: n.Node) -> n.Node:
        if id(was) not in missing:
            return node
        uid = f"{node.uid}/normalize" if node.uid else ""
        return n.Normalize(input=node, key=derived.facts(was).keys[0], uid=uid)

    return plan.rewrite_from(normalized) if missing else plan


def late_node(node: n.Node) -> n.Node:
    """Return the step whose late rows a user means by ``node.late``: the nearest one below.

    Steps that can drop nothing for being late are passed: the late rows of a Project or Filter
    above a WindowAggregate are those of the aggregate. Without one below, ``node`` itself.
    """
    at = node
    while not isinstance(at, n.WindowAggregate):
        if not isinstance(at, n.Project | n.Filter | n.Sort | n.Limit | n.MapBatches | n.Normalize):
            return node
        at = at.input
    return at


def sink_key(node: n.Write) -> Key:
    """Return the sink's primary key as column names of its input, which fits by position."""
    given = dict(zip(node.table.writable.names, node.input.schema.names, strict=True))
    return tuple(given[column] for column in node.table.primary_key if column in given)


def same_key(key: Key, keys: tuple[Key, ...]) -> bool:
    """Tell whether ``key`` is one of ``keys``, in any order of columns."""
    return any(set(key) == set(k) for k in keys)


def covers_key(key: Key, keys: tuple[Key, ...]) -> bool:
    """Tell whether no two standing rows can agree on ``key``."""
    return any(set(key) >= set(k) for k in keys)


def state_bound(node: n.Node, inputs: tuple[Facts, ...]) -> StateBound:
    """Return what limits the state of a node over such inputs."""
    match node:
        case n.WindowAggregate():
            return StateBound.TIME if inputs[0].marks else StateBound.KEYS
        case n.Aggregate(aggs=aggs):
            keeps_rows = any(_keeps_rows(a, inputs[0].updates) for a in aggs)
            return StateBound.ROWS if keeps_rows else StateBound.KEYS
        case n.Normalize():
            return StateBound.KEYS
        case n.Sort(limit=limit):
            few = limit is not None and not inputs[0].updates
            return StateBound.COUNT if few else StateBound.ROWS
        case _:
            return StateBound.STATELESS


_ROWS_ALWAYS = frozenset({"LISTAGG", "COLLECT", "ARRAY_AGG", "JSON_ARRAYAGG", "JSON_OBJECTAGG"})
_ROWS_UNDER_CHANGE = frozenset({"MIN", "MAX", "FIRST_VALUE", "LAST_VALUE"})


def _keeps_rows(agg: Named, updates: bool) -> bool:
    call = agg.expr
    assert isinstance(call, AggCall), "only AggCall below Aggregate"
    if call.distinct or call.function in _ROWS_ALWAYS:
        return True
    return updates and call.function in _ROWS_UNDER_CHANGE


def _facts(node: n.Node, inputs: tuple[Facts, ...], tables: Tables) -> Facts:
    match node:
        case n.Scan(table=table):
            return _scan(table, tables)
        case n.Values():
            return Facts(bounded=True)
        case n.Project(columns=columns):
            return _project(columns, inputs[0])
        case n.Union():
            return _union(node, inputs)
        case n.WindowTable():
            return replace(
                inputs[0], times=("window_time",), bounds=("window_start", "window_end"), keys=()
            )
        case n.Aggregate(keys=keys, aggs=aggs):
            # Without functions each key is given once, when first seen, unless rows can go away.
            updates = bool(aggs) or inputs[0].updates
            return Facts(
                bounded=inputs[0].bounded, marks=inputs[0].marks, updates=updates, keys=(keys,)
            )
        case n.WindowAggregate(window_start=start, window_end=end, window_time=time):
            return Facts(
                bounded=inputs[0].bounded,
                marks=inputs[0].marks,
                times=() if time is None else (time,),
                bounds=None if start is None or end is None else (start, end),
            )
        case n.Normalize(key=key):
            return replace(inputs[0], before=True, keys=(key,))
        case n.MapBatches(gives=gives):
            # A row-wise function that leaves the column there leaves the time there; a type it
            # changed is a column it made.
            kept = tuple(t for t in inputs[0].times if gives.get(t) == node.input.schema.get(t))
            return replace(inputs[0], times=kept, bounds=None, keys=())
        case n.Sort() | n.LateRows() | n.RejectedRows():
            # What comes at the end, or comes late, has no time of its own any more.
            return Facts(bounded=inputs[0].bounded, marks=inputs[0].marks)
        case _:
            return inputs[0]


def _scan(table: Table, tables: Tables) -> Facts:
    gives = tables.gives(table)
    own_key = (table.primary_key,) if table.primary_key else ()
    return Facts(
        bounded=tables.bounded(table),
        times=() if table.watermark is None else (table.watermark.column,),
        marks=table.watermark is not None,
        updates=not isinstance(gives, Append),
        before=not isinstance(gives, Upsert),
        keys=(gives.key,) if isinstance(gives, Upsert) else own_key,
    )


def _project(columns: tuple[Named, ...], below: Facts) -> Facts:
    spellings: dict[str, list[str]] = {}
    for column in columns:
        if isinstance(column.expr, Column):
            spellings.setdefault(column.expr.name, []).append(column.name)
    bounds = below.bounds
    if bounds is not None:
        start, end = (spellings.get(b) for b in bounds)
        bounds = None if start is None or end is None else (start[0], end[0])
    keys = (
        key
        for known in below.keys
        if all(column in spellings for column in known)
        for key in product(*(spellings[column] for column in known))
    )
    return replace(
        below,
        times=tuple(name for t in below.times for name in spellings.get(t, ())),
        bounds=bounds,
        keys=tuple(islice(keys, KEY_SPELLINGS_MAX)),
    )


def _union(node: n.Union, inputs: tuple[Facts, ...]) -> Facts:
    names = node.schema.names

    def at(part: n.Node, columns: tuple[str, ...]) -> tuple[int, ...]:
        return tuple(part.schema.names.index(c) for c in columns)

    times = [at(p, f.times) for p, f in zip(node.parts, inputs, strict=True)]
    common = [i for i in times[0] if all(i in other for other in times[1:])]
    bounds = {
        None if f.bounds is None else at(p, f.bounds)
        for p, f in zip(node.parts, inputs, strict=True)
    }
    shared = next(iter(bounds)) if len(bounds) == 1 else None
    return Facts(
        bounded=all(f.bounded for f in inputs),
        times=tuple(names[i] for i in common),
        marks=any(f.marks for f in inputs),
        bounds=None if shared is None else (names[shared[0]], names[shared[1]]),
        updates=any(f.updates for f in inputs),
        before=all(f.before for f in inputs),
    )
