"""The contract of an operator: columns in, columns out, no I/O, no clock.

An operator is a *spec* (what the plan decided, never changes) and a *state* (what moves). The
driver calls, in this order for every batch it pushes::

    on_batch(batch, port)      rows; ``batch.mark_ms`` is NOT yet in force while they are folded
    on_mark(mark_ms)           the mark after the batch; called once per batch, after on_batch of
                               all inputs; fires timers. FINAL_MARK_MS ends bounded input.

``on_batch`` must equal row by row: any cut of the input gives the same results (SEMANTICS §1).
An operator that needs an answer from outside is :class:`Asking` as well: it does no I/O itself.
``snapshot`` returns everything that moves as named frames plus small JSON facts, ``restore`` takes
it back into a fresh operator. Hash tables are never part of it. The frames of a snapshot own their
memory: the operator goes on changing while another thread encodes them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import polars as pl

from millstream.engine.batch import Batch
from millstream.engine.state.arena import Arena, collecting
from millstream.plan.nodes import Node

if TYPE_CHECKING:
    import numpy as np

    from millstream.engine.functions import Context
    from millstream.plan.facts import Facts

NO_OUTPUT: tuple[pl.DataFrame, ...] = ()


@dataclass(frozen=True, slots=True)
class Outputs:
    """What one call gave. Frames may carry ``$op`` and ``$mark`` as in :mod:`.batch`.

    out       result rows, in order
    late      rows too late for this operator, with its input columns
    rejected  rows that could not be computed, as :mod:`millstream.engine.rejects` makes them
    """

    out: tuple[pl.DataFrame, ...] = NO_OUTPUT
    late: tuple[pl.DataFrame, ...] = NO_OUTPUT
    rejected: tuple[pl.DataFrame, ...] = NO_OUTPUT


NOTHING = Outputs()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An operator's state: frames by name, small facts as JSON values, and a version."""

    tables: dict[str, pl.DataFrame] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    version: int = 1


class Operator(ABC):
    """One running step."""

    uid: str = ""
    arenas: tuple[Arena, ...] = ()
    """The memory of its state that can be put on the disk."""
    timed: bool = False
    """Whether a step by event time also gives results by the clock (:meth:`on_clock`)."""
    rows_dropped: int = 0
    """Rows that went in this run because it keeps only so many."""
    recalls: bool = False
    """Whether its reader starts anew from :meth:`recall`: a sink that keeps nothing itself."""

    @property
    def may_reject(self) -> bool:
        """Whether a row of its input may be rejected, so that the row's place is wanted."""
        return False

    @abstractmethod
    def on_batch(self, batch: Batch, port: int = 0) -> Outputs:
        """Fold rows of input ``port``."""

    def on_mark(self, mark_ms: int) -> Outputs:
        """Fire what ``mark_ms`` allows; marks never go back."""
        return NOTHING

    def on_clock(self, now_ms: int) -> Outputs:
        """Give what is due by the clock where no rows come; asked if :attr:`timed`."""
        return NOTHING

    def recall(self) -> Outputs:
        """Give out again all that stands, at the start of each run; asked if :attr:`recalls`."""
        return NOTHING

    def clock_times(self, frame: pl.DataFrame, port: int) -> np.ndarray | None:
        """Return the processing time (ms) of rows given to a step that runs by the clock.

        Rows of a window that a step below fired by this turn's stamp are of an earlier time and
        come before ``on_mark``. None: all rows are of the turn's stamp.
        """
        return None

    def snapshot(self) -> Snapshot:
        """Return a copy of the state."""
        return Snapshot()

    def restore(self, snapshot: Snapshot) -> None:
        """Take a snapshot of the same version and shape back."""
        assert not snapshot.tables, f"{type(self).__name__} has no state to restore"

    @property
    def state_bytes(self) -> int:
        """Bytes of memory this state holds."""
        return 0

    @property
    def state_rows(self) -> int:
        """Entries this state holds (keys, panes or rows)."""
        return 0


@dataclass(frozen=True, slots=True)
class Ask:
    """A question to the outside: what is asked is between the operator and its resolver."""

    number: int
    payload: pl.DataFrame


class Resolver(ABC):
    """Answers the asks of one operator; the driver calls it from threads of its own.

    A resolver holds what costs time or memory to have: connections, caches. None of it is state.
    """

    waits_itself = False
    """Whether it ends what takes too long by itself, so that the driver need not."""

    @property
    def asks_max(self) -> int | None:
        """How many asks may be under way at a time; None = as many as the settings allow."""
        return None

    def at_once(self, payload: pl.DataFrame, now_ms: int) -> pl.DataFrame | None:
        """Return the answer where it is known without I/O; called in the compute thread."""
        return None

    @abstractmethod
    def answer(self, payload: pl.DataFrame, now_ms: int) -> pl.DataFrame:
        """Return the answer; raises what is to stop the pipeline."""

    def close(self) -> None:  # noqa: B027 (not every resolver holds something)
        """Free everything; calls under way may fail then."""


class Asking(Operator):
    """An operator in which rows wait for answers from outside.

    Rows that wait are part of its snapshot; after a restore they are asked for again. Marks wait
    behind the rows that came before them: the graph holds them back by the numbers of asks, which
    grow one by one.
    """

    @abstractmethod
    def resolver(self) -> Resolver:
        """Return what answers; opened by the driver, never by the operator itself."""

    @abstractmethod
    def asks(self) -> list[Ask]:
        """Return the asks made since the last call; after a restore all that are open."""

    @abstractmethod
    def on_reply(self, number: int, reply: pl.DataFrame, read_at_ms: int) -> Outputs:
        """Go on with the rows that waited for an answer; asks may be answered in any order."""

    @property
    @abstractmethod
    def asks_made(self) -> int:
        """The number of the newest ask, 0 before the first."""

    @property
    @abstractmethod
    def asks_open(self) -> Collection[int]:
        """The numbers of the asks that wait for an answer."""


@dataclass(frozen=True, slots=True)
class Lowering:
    """What the lowering of one node may know.

    ``changes_in``: per input, whether its rows carry ``$op`` retractions. ``upsert_out``: the
    consumers take the newest row or a tombstone per key, so −U rows may be left out.
    ``facts_in``: what the inputs are like. ``by_clock``: ``on_mark`` gives the processing time,
    and the batch's rows come after ``batch.mark_ms``. ``ttl_ms``: an entry of unbounded state
    not written for so long (by ``batch.read_at_ms``) is forgotten; 0 = never.
    """

    ctx: Context
    changes_in: tuple[bool, ...]
    upsert_out: bool
    seed: int
    bounded: bool
    facts_in: tuple[Facts, ...] = ()
    by_clock: bool = False
    ttl_ms: int = 0


AnyNode = TypeVar("AnyNode", bound=Node)
_LOWER: dict[type[Node], Callable[[Any, Lowering], Operator]] = {}


def lowers(
    kind: type[AnyNode],
) -> Callable[[Callable[[AnyNode, Lowering], Operator]], Callable[[AnyNode, Lowering], Operator]]:
    """Register the function that makes a running operator of a plan node."""

    def register(
        fn: Callable[[AnyNode, Lowering], Operator],
    ) -> Callable[[AnyNode, Lowering], Operator]:
        assert kind not in _LOWER, f"two lowerings for {kind.__name__}"
        _LOWER[kind] = fn
        return fn

    return register


def operator_for(node: Node, lowering: Lowering) -> Operator:
    """Return the running operator of a node; its module must have been imported."""
    make = _LOWER.get(type(node))
    assert make is not None, f"the embedded engine has no operator for {type(node).__name__}"
    with collecting() as arenas:
        operator = make(node, lowering)
    operator.uid = node.uid
    operator.arenas = tuple(arenas)
    return operator
