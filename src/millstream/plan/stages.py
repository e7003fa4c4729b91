"""Which steps of a plan run as one: the physical plan, before an engine makes it run.

in      a plan
out     :class:`Stage` values in the order they run: a scan, a sink, an operator, or a run of
        filters and projections that is fused into one program
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from millstream.plan import nodes as n

if TYPE_CHECKING:
    from millstream.plan.derive import Derived


@dataclass(frozen=True, slots=True)
class Stage:
    """Steps that run as one, lowest first, and the numbers of the stages they read."""

    number: int
    steps: tuple[n.Node, ...]
    inputs: tuple[int, ...]

    @property
    def top(self) -> n.Node:
        """The step whose output is the stage's."""
        return self.steps[-1]


def chains(order: list[n.Node]) -> dict[int, tuple[n.Node, ...]]:
    """Return, for the last of each run of filters and projections, the whole run in order."""
    readers: dict[int, list[n.Node]] = {}
    for node in order:
        for child in node.inputs:
            readers.setdefault(id(child), []).append(node)
    runs: dict[int, tuple[n.Node, ...]] = {}
    for node in order:
        if not isinstance(node, n.Filter | n.Project):
            continue
        below = runs.get(id(node.input))
        alone = len(readers[id(node.input)]) == 1
        if below is not None and alone:
            del runs[id(node.input)]
            runs[id(node)] = (*below, node)
        else:
            runs[id(node)] = (node,)
    return runs


def stages(plan: n.Plan) -> list[Stage]:
    """Return the stages of a plan in the order they run."""
    order = plan.walk()
    runs = chains(order)
    inner = {id(step) for run in runs.values() for step in run[:-1]}
    at: dict[int, int] = {}
    found: list[Stage] = []
    for node in order:
        if id(node) in inner:
            continue
        steps = runs.get(id(node), (node,))
        number = len(found) + 1
        found.append(Stage(number, steps, tuple(at[id(child)] for child in steps[0].inputs)))
        for step in steps:
            at[id(step)] = number
    return found


def describe_stage(stage: Stage, derived: Derived) -> str:
    """Return one line: what runs, what it reads, and by which time."""
    if len(stage.steps) > 1 or isinstance(stage.top, n.Filter | n.Project):
        what = "Program: " + " → ".join(type(step).__name__ for step in stage.steps)
    else:
        what = stage.top.label()
    reads = "".join(f" ← {number}" for number in stage.inputs[:1])
    reads += "".join(f", {number}" for number in stage.inputs[1:])
    clock = " · by processing time" if derived.by_clock(stage.top) else ""
    delay = f" · watermark {stage.top.delay_ms} ms behind" if stage.top.delay_ms else ""
    return f"{stage.number:>3}  {what}{reads}{clock}{delay}"
