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

from dataclasses import dataclass, field

from millstream.plan import nodes as n
from millstream.plan.facts import (
    Append,
    Facts,
    Key,
    Mode,
    Retract,
    StateBound,
    Tables,
    Takes,
    Upsert,
    covers_key,
    same_key,
)


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
            found = (node, node.facts(tuple(self.of(i) for i in node.inputs), self.tables))
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
            own, above = self._up.of(node), self.wants_old_rows(node)
            for port, child in enumerate(node.inputs):
                below = self._up.of(child)
                if below.updates and node.wants_old_rows(port, below, own, above, tables):
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
        return node.state(tuple(self.facts(i) for i in node.inputs))

    def by_clock(self, node: n.Node) -> bool:
        """Tell whether a step runs by processing time instead of watermarks."""
        if node.by_clock_alone:
            return True
        used = [(self.facts(node.inputs[port]), column) for port, column in node.time_columns]
        return bool(used) and all(
            column in f.clocks or (f.by_clock and f.bounds is not None and column in f.bounds)
            for f, column in used
        )


def derive(plan: n.Plan, tables: Tables) -> Derived:
    """Return the derived properties of a plan."""
    return Derived(plan, tables)


def complete(plan: n.Plan, tables: Tables) -> n.Plan:
    """Check the plan and return it with Normalize wherever old rows are missing but needed."""
    from millstream.plan.async_call import separated
    from millstream.plan.legality import check

    plan = separated(plan)
    derived = Derived(plan, tables)
    check(derived)
    missing = {
        id(node)
        for node in plan.walk()
        if derived.wants_old_rows(node)
        and not derived.facts(node).before
        and all(derived.facts(child).before for child in node.inputs)
    }

    def normalized(node: n.Node, was: n.Node) -> n.Node:
        if id(was) not in missing:
            return node
        uid = f"{node.uid}/normalize" if node.uid else ""
        return n.Normalize(input=node, key=derived.facts(was).keys[0], uid=uid)

    return plan.rewrite_from(normalized) if missing else plan


def late_node(node: n.Node) -> n.Node:
    """Return the step whose late rows a user means by ``node.late``: the nearest one below.

    Steps with one input that can drop nothing for being late are passed: the late rows of a
    Project or Filter above a WindowAggregate are those of the aggregate. Without one below,
    ``node`` itself.
    """
    at = node
    while not at.drops_late:
        if len(at.inputs) != 1 or isinstance(at, n.LateRows | n.RejectedRows):
            return node
        at = at.inputs[0]
    return at


__all__ = [
    "Append",
    "Derived",
    "Facts",
    "Key",
    "Mode",
    "Retract",
    "StateBound",
    "Tables",
    "Takes",
    "Upsert",
    "Upwards",
    "complete",
    "covers_key",
    "derive",
    "late_node",
    "same_key",
]
