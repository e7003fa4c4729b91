"""A pattern as states: which variables may take the next row, and when a match is complete.

in      the variables of a pattern with their quantifiers, in order
out     :class:`Automaton`: for each state the ways a row can be taken, first choice first
greedy  a row that a greedy variable's condition accepts is not offered to what follows it, whether
        that variable still wants rows or not: nothing is tried a second time (as in Flink)
source  Agrawal et al., "Efficient Pattern Matching over Event Streams", SIGMOD 2008
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from millstream.plan.match import Variable

FINAL = -1
"""The state behind the last variable."""


@dataclass(frozen=True, slots=True)
class Take:
    """``variable`` takes the row if its condition holds and none of ``unless`` does."""

    variable: int
    unless: tuple[int, ...]
    target: int


@dataclass(frozen=True, slots=True)
class State:
    """One state. ``complete``: reached by a row, it ends the match; one entry per way to the end.

    An entry holds the variables whose conditions the row must not meet.
    """

    takes: tuple[Take, ...]
    complete: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class Automaton:
    """The states of a pattern; a match begins in ``start``."""

    states: tuple[State, ...]
    start: int

    def ends(self, take: Take) -> tuple[tuple[int, ...], ...]:
        """Return the ways in which taking a row ends the match; () = it goes on."""
        return ((),) if take.target == FINAL else self.states[take.target].complete

    def asks(self, state: int) -> tuple[int, ...]:
        """Return the variables whose conditions decide what a row does in a state."""
        found: dict[int, None] = {}
        for take in self.states[state].takes:
            ends = (v for way in self.ends(take) for v in way)
            found |= dict.fromkeys((take.variable, *take.unless, *ends))
        return tuple(found)


@dataclass(slots=True)
class _Node:
    """A state while it is built: what it takes itself, and the state it may step on to for free."""

    variable: int
    target: int
    on_to: int | None
    take_unless: list[int] = field(default_factory=list)
    step_unless: list[int] = field(default_factory=list)


def automaton(pattern: tuple[Variable, ...]) -> Automaton:
    """Return the states of a pattern, built from its end."""
    nodes: list[_Node] = []

    def add(variable: int, target: int, on_to: int | None) -> int:
        nodes.append(_Node(variable, target, on_to))
        return len(nodes) - 1

    after = FINAL
    for place in range(len(pattern) - 1, -1, -1):
        said = pattern[place]
        if said.swallows and after != FINAL:
            nodes[after].take_unless.append(place)
            nodes[after].step_unless.append(place)
        last = after
        if said.most is None:
            last = add(place, len(nodes), after)  # takes rows for as long as it likes
        else:
            for _ in range(said.most - max(said.least, 1)):
                last = add(place, last, after)
        for _ in range(said.least - 1):
            last = add(place, last, None)
        after = add(place, last, after if said.least == 0 else None)
    states = tuple(
        State(tuple(_takes(nodes, i)), tuple(_ways(nodes, i))) for i in range(len(nodes))
    )
    return Automaton(states, after)


def _takes(nodes: list[_Node], at: int) -> Iterator[Take]:
    """Yield what can be taken from a state: by itself first, then further on."""
    unless: tuple[int, ...] = ()
    step: int | None = at
    while step is not None and step != FINAL:
        node = nodes[step]
        own = tuple(dict.fromkeys((*unless, *node.take_unless)))
        yield Take(node.variable, own, node.target)
        unless = tuple(dict.fromkeys((*unless, *node.step_unless)))
        step = node.on_to


def _ways(nodes: list[_Node], at: int) -> Iterator[tuple[int, ...]]:
    """Yield the way from a state to the end for free, if there is one."""
    unless: tuple[int, ...] = ()
    step: int | None = at
    while step is not None and step != FINAL:
        unless = tuple(dict.fromkeys((*unless, *nodes[step].step_unless)))
        step = nodes[step].on_to
    if step == FINAL:
        yield unless
