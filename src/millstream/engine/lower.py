"""A finished plan as a graph of running steps.

in      a plan after :func:`millstream.plan.derive.complete`, ids and rewriting
out     :class:`~millstream.engine.graph.Graph`: fused programs, operators, taps and sinks
"""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import import_module

from millstream.engine.functions import Context
from millstream.engine.graph import Graph, Step
from millstream.engine.operator import Asking, Lowering, Operator, operator_for
from millstream.engine.places import want_places
from millstream.engine.program import Program
from millstream.engine.scan import ScanStage
from millstream.engine.stages import Compute, Keep, Stage
from millstream.plan import (
    alert,
    async_call,
    changelog,
    expand,
    joins,
    match,
    materialize,
    process,
    ranks,
    table_function,
)
from millstream.plan import nodes as n
from millstream.plan.derive import Derived, StateBound, Upsert, late_node
from millstream.plan.stages import chains

OPERATOR_MODULES: dict[type[n.Node], str] = {
    n.Aggregate: "group_aggregate",
    n.WindowAggregate: "window",
    n.WindowTable: "window_table",
    n.Sort: "sort",
    n.Limit: "limit",
    n.MapBatches: "map_batches",
    n.Normalize: "normalize",
    n.Union: "union",
    n.Values: "values",
    joins.Join: "join",
    joins.IntervalJoin: "interval_join",
    joins.WindowJoin: "window_join",
    joins.TemporalJoin: "temporal_join",
    joins.LookupJoin: "lookup_join",
    ranks.Rank: "rank",
    ranks.WindowRank: "window_rank",
    ranks.Over: "over",
    ranks.SetOperation: "set_operation",
    match.Match: "match",
    changelog.ToChanges: "changelog",
    changelog.FromChanges: "changelog",
    expand.Expand: "expand",
    materialize.Materialize: "materialize",
    table_function.CallTable: "table_function",
    process.Process: "process",
    async_call.AsyncCall: "async_call",
    alert.Alert: "alert",
}
"""Which file of ``engine/operators`` runs a node; loaded when a plan needs it."""


_PASS_MARKS = (
    n.Scan, n.Filter, n.Project, n.Union, n.MapBatches, expand.Expand, table_function.CallTable,
    async_call.AsyncCall,
)  # fmt: skip
"""Steps whose rows come under the marks of the rows they are made of."""


@dataclass
class _Builder:
    derived: Derived
    ctx: Context
    seed: int
    ttl_ms: int
    chains: dict[int, tuple[n.Node, ...]]
    told: set[int]
    marked: dict[int, bool]
    """The scans whose rows say their marks; True: their batches are cut by them."""
    steps: list[Step] = field(default_factory=list)
    stages: list[ScanStage] = field(default_factory=list)
    scans: list[int] = field(default_factory=list)
    at: dict[int, int] = field(default_factory=dict)
    """Node → index of the step that runs it."""


def lower(derived: Derived, ctx: Context, *, seed: int, ttl_ms: int = 0) -> Graph:
    """Build the running graph of a plan."""
    order = derived.plan.walk()
    runs = chains(order)
    inner = {id(link) for run in runs.values() for link in run[:-1]}
    builder = _Builder(
        derived, ctx, seed, ttl_ms, runs, _told(derived, order), _marked(derived, order)
    )
    for node in order:
        if id(node) not in inner:
            _add(builder, node)
    sinks = [builder.at[id(sink)] for sink in derived.plan.sinks]
    cut = frozenset(
        i for i, at in enumerate(builder.scans) if builder.marked.get(id(builder.steps[at].node))
    )
    graph = Graph(builder.steps, builder.stages, builder.scans, sinks, cut_scans=cut)
    want_places(graph)
    return graph


def _add(builder: _Builder, node: n.Node) -> None:
    index = len(builder.steps)
    chain = builder.chains.get(id(node), (node,))
    inputs = chain[0].inputs
    label = " → ".join(link.label() for link in chain)
    for link in chain:
        builder.at[id(link)] = index
    if isinstance(node, n.Scan):
        own = {len(builder.stages): 0}
        builder.scans.append(index)
        builder.stages.append(
            ScanStage(
                node,
                builder.ctx,
                seed=builder.seed,
                marks=id(node) in builder.marked,
            )
        )
        builder.steps.append(Step(node.uid, node, label, None, own, frozenset(own)))
        return
    scans: dict[int, int] = {}
    reach: frozenset[int] = frozenset()
    for child in inputs:
        at = builder.at[id(child)]
        read = builder.steps[at]
        reach |= read.reach
        # Behind a step that asks, marks come from it: they wait there for answers.
        own = {~at: 0} if isinstance(read.operator, Asking) else read.scans
        for scan, delay in own.items():
            scans[scan] = max(scans.get(scan, 0), delay + read.delay_ms)
    step = Step(node.uid, node, label, _operator(builder, node, chain), scans, reach)
    step.delay_ms = node.delay_ms
    step.by_clock = builder.derived.by_clock(node)
    step.uids = tuple(link.uid for link in chain)
    step.takes = tuple(child.schema for child in inputs)
    builder.steps.append(step)
    match node:
        case n.LateRows(input=below):
            builder.steps[builder.at[id(late_node(below))]].late.append((index, 0))
        case n.RejectedRows(input=below):
            for source in sorted({builder.at[id(b)] for b in _closure(below)}):
                builder.steps[source].rejected.append((index, 0))
        case _:
            for port, child in enumerate(inputs):
                builder.steps[builder.at[id(child)]].out.append((index, port))


def _closure(node: n.Node) -> list[n.Node]:
    found = [node]
    for child in node.inputs:
        found.extend(_closure(child))
    return found


def _operator(builder: _Builder, node: n.Node, chain: tuple[n.Node, ...]) -> Operator | None:
    if isinstance(node, n.Write | n.LateRows | n.RejectedRows):
        return None
    if id(node) in builder.chains:
        stages = tuple(_stage(link) for link in chain)
        return Program(stages, builder.ctx, seed=builder.seed, uid=node.uid, port=0)
    import_module(f"millstream.engine.operators.{OPERATOR_MODULES[type(node)]}")
    derived = builder.derived
    made = operator_for(
        node,
        Lowering(
            ctx=builder.ctx,
            changes_in=derived.changes_in(node),
            upsert_out=isinstance(derived.mode(node), Upsert),
            seed=builder.seed,
            bounded=derived.facts(node).bounded,
            facts_in=tuple(map(derived.facts, node.inputs)),
            by_clock=derived.by_clock(node),
            ttl_ms=builder.ttl_ms,
        ),
    )
    return _one_by_one(node, made) if id(node) in builder.told else made


def _marked(derived: Derived, order: list[n.Node]) -> dict[int, bool]:
    """Return the scans below steps that ask for the marks of rows.

    True where what is between gives rows of its own, which do not say under which mark they came.
    """
    found: dict[int, bool] = {}

    def visit(node: n.Node, passed: bool) -> None:
        if isinstance(node, n.Scan):
            found[id(node)] = found.get(id(node), False) or not passed
        for child in node.inputs:
            visit(child, passed and isinstance(node, _PASS_MARKS))

    for node in order:
        if node.wants_marks and not derived.by_clock(node):
            visit(node.inputs[0], passed=True)
    return found


def _told(derived: Derived, order: list[n.Node]) -> set[int]:
    """Return the steps of whose changes none may be merged with another.

    A ToChanges tells them one by one; for a TemporalJoin each is a version that held for a while.
    """
    told: set[int] = set()
    for node in reversed(order):
        if isinstance(node, joins.TemporalJoin) and derived.facts(node.right).updates:
            told.add(id(node.right))
        if isinstance(node, changelog.ToChanges) or id(node) in told:
            told |= {id(child) for child in node.inputs if derived.facts(child).updates}
    return {id(m) for m in order if id(m) in told and derived.state(m) is not StateBound.STATELESS}


def _one_by_one(node: n.Node, made: Operator) -> Operator:
    from millstream.engine.operators.each_change import EachChange

    match node:
        case n.Aggregate(keys=keys) | n.Normalize(key=keys):
            return EachChange(made, keys)
        case ranks.Rank(partition=keys) if keys:
            return EachChange(made, keys)
        case _:
            return EachChange(made, None)


def _stage(node: n.Node) -> Stage:
    if isinstance(node, n.Filter):
        return Keep(node.predicate)
    assert isinstance(node, n.Project), "only filters and projections fuse"
    return Compute(node.columns)
