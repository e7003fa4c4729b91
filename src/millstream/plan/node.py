"""What every step of a plan is.

A node checks itself where it is built and knows its ``schema``. Its class says everything that is
particular to it; what follows for a whole plan is derived in :mod:`millstream.plan.derive`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Self

from millstream.expr.tree import Expr, Named, columns_of
from millstream.plan.facts import Facts, StateBound, Tables
from millstream.types import Schema


@dataclass(frozen=True, kw_only=True, eq=False)
class Node:
    """A step of the plan. ``uid`` is the stable state id, ``name`` the one the user gave.

    ``owner`` is the view whose last step it is: ids of the steps inside begin with it.
    """

    uid: str = ""
    name: str | None = None
    owner: str | None = None

    @property
    def inputs(self) -> tuple[Node, ...]:
        """The nodes this one reads."""
        return ()

    @property
    def schema(self) -> Schema:
        """The columns this node gives."""
        raise AssertionError(f"{type(self).__name__} has no schema")

    def with_inputs(self, inputs: tuple[Node, ...]) -> Self:
        """Return the same node over other inputs."""
        assert not inputs, f"{type(self).__name__} has no inputs"
        return self

    def label(self) -> str:
        """Return one line for ``explain``."""
        return type(self).__name__

    # ---- what follows from the inputs; :mod:`millstream.plan.derive` asks

    def facts(self, inputs: tuple[Facts, ...], tables: Tables) -> Facts:
        """Return what the output is like."""
        return inputs[0]

    def wants_old_rows(
        self, port: int, below: Facts, own: Facts, above: bool, tables: Tables
    ) -> bool:
        """Tell whether the old row of a change of an updating input ``port`` is needed.

        ``above``: some reader of this node needs the old rows of its changes.
        """
        return True

    def state(self, inputs: tuple[Facts, ...]) -> StateBound:
        """Return what limits the state."""
        return StateBound.STATELESS

    # ---- what is particular to the class

    @property
    def expressions(self) -> tuple[Expr, ...]:
        """The expressions, in the order they were written."""
        return ()

    @property
    def id_keys(self) -> tuple[str, ...]:
        """What tells the step from others of its kind below one owner: its key columns."""
        return ()

    @property
    def append_only(self) -> str | None:
        """What to call the step where it refuses input that changes; None = it takes changes."""
        return None

    @property
    def append_only_ports(self) -> tuple[int, ...]:
        """Which inputs must not change, where ``append_only`` says something."""
        return tuple(range(len(self.inputs)))

    @property
    def time_columns(self) -> tuple[tuple[int, str], ...]:
        """(port, column) of the event or processing time the step runs by."""
        return ()

    @property
    def by_clock_alone(self) -> bool:
        """Whether the step runs by processing time though no column says it."""
        return False

    @property
    def wants_marks(self) -> bool:
        """Whether the step asks under which mark each row came, also where none is late."""
        return False

    @property
    def drops_late(self) -> bool:
        """Whether rows can come too late for the step."""
        return False

    @property
    def late_schema(self) -> Schema:
        """The columns of the rows that came too late: those of the first input."""
        return self.inputs[0].schema

    @property
    def delay_ms(self) -> int:
        """How far the output's watermark stays behind the input's."""
        return 0

    def reads(self, port: int, kept: set[str]) -> set[str]:
        """Return the columns of input ``port`` that are read to give the columns ``kept``."""
        return set(self.inputs[port].schema.names)

    def narrowed(self, kept: set[str]) -> Node:
        """Return the step without the columns that nobody reads; it may keep any."""
        return self


@dataclass(frozen=True, kw_only=True, eq=False)
class Unary(Node):
    """A step with one input."""

    input: Node

    @property
    def inputs(self) -> tuple[Node, ...]:
        return (self.input,)

    @property
    def schema(self) -> Schema:
        return self.input.schema

    def with_inputs(self, inputs: tuple[Node, ...]) -> Self:
        return replace(self, input=inputs[0])


def read_by(named: Iterable[Named]) -> set[str]:
    """Return the columns that expressions read."""
    return {name for n_ in named for name in columns_of(n_.expr)}
