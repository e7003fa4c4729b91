"""Scalar and aggregate expressions as plain, frozen values.

Before :func:`millstream.expr.resolve.resolve` a node may have ``type = None``; after it every
node has its type and every coercion is an explicit :class:`Cast`, so that an engine never guesses.
Operators are calls too: ``a + b`` is ``Call("+", (a, b))``, ``CASE`` is
``Call("CASE", (when1, then1, when2, then2, …, else))``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Self

from millstream.errors import Place
from millstream.types import LogicalType, Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Expr:
    """Any expression; ``place`` is where the user wrote it and takes no part in equality."""

    type: LogicalType | None = None
    place: Place | None = field(default=None, compare=False, repr=False)

    @property
    def typed(self) -> LogicalType:
        """The type of a resolved expression."""
        assert self.type is not None, f"not resolved yet: {self}"
        return self.type

    def children(self) -> tuple[Expr, ...]:
        """Return the direct sub-expressions, in order."""
        return ()

    def with_children(self, children: tuple[Expr, ...]) -> Self:
        """Return the same node over other sub-expressions."""
        assert not children, f"{type(self).__name__} has no children"
        return self

    def walk(self) -> Iterator[Expr]:
        """Yield this node and all below it, parents first."""
        yield self
        for child in self.children():
            yield from child.walk()

    def rewrite(self, change: Callable[[Expr], Expr]) -> Expr:
        """Return the tree with ``change`` applied to every node, children first."""
        children = self.children()
        new = tuple(child.rewrite(change) for child in children)
        same = all(a is b for a, b in zip(children, new, strict=True))
        return change(self if same else self.with_children(new))


@dataclass(frozen=True, slots=True)
class Column(Expr):
    """A column of the input, by name."""

    name: str = ""

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Literal(Expr):
    """A constant: None, bool, int, float, str, bytes, ``decimal.Decimal``, ``datetime`` values.

    INTERVAL DAY is an int of milliseconds, INTERVAL YEAR an int of months, both told by ``type``.
    """

    value: Any = None

    def __str__(self) -> str:
        if self.value is None:
            return "NULL"
        return f"'{self.value}'" if isinstance(self.value, str) else str(self.value)


@dataclass(frozen=True, slots=True)
class Call(Expr):
    """A function of the catalogue; ``function`` is its canonical upper-case name or symbol."""

    function: str = ""
    args: tuple[Expr, ...] = ()

    def children(self) -> tuple[Expr, ...]:
        return self.args

    def with_children(self, children: tuple[Expr, ...]) -> Call:
        return replace(self, args=children)

    def __str__(self) -> str:
        if len(self.args) == 2 and (
            not self.function[0].isalpha() or self.function in ("AND", "OR")
        ):
            return f"({self.args[0]} {self.function} {self.args[1]})"
        return f"{self.function}({', '.join(map(str, self.args))})"


@dataclass(frozen=True, slots=True)
class Cast(Expr):
    """CAST (``safe=False``: a failing row is rejected) or TRY_CAST (``safe=True``: NULL)."""

    arg: Expr = field(default_factory=lambda: Literal(None))
    to: LogicalType = field(default_factory=LogicalType)
    safe: bool = False

    def children(self) -> tuple[Expr, ...]:
        return (self.arg,)

    def with_children(self, children: tuple[Expr, ...]) -> Cast:
        return replace(self, arg=children[0])

    def __str__(self) -> str:
        return f"{'TRY_CAST' if self.safe else 'CAST'}({self.arg} AS {self.to.name()})"


@dataclass(frozen=True, slots=True)
class Waits:
    """How a function that waits for the outside is called: so many at a time, tried so often."""

    timeout_ms: int = 10_000
    tries_max: int = 3
    retry_ms: int = 100
    calls_max: int = 100


@dataclass(frozen=True, slots=True)
class Udf:
    """A user's function: ``vectorised`` takes and gives Polars Series, else one row at a time.

    ``waits``: it is a coroutine function, called for many rows at a time.
    """

    name: str
    fn: Callable[..., Any]
    args: tuple[LogicalType, ...] | None
    result: LogicalType
    vectorised: bool = False
    deterministic: bool = True
    nulls_call: bool = True
    """False: a NULL argument gives NULL without a call."""
    waits: Waits | None = None


@dataclass(frozen=True, slots=True)
class UdfCall(Expr):
    """A call of a user's scalar function."""

    udf: Udf
    args: tuple[Expr, ...] = ()

    def children(self) -> tuple[Expr, ...]:
        return self.args

    def with_children(self, children: tuple[Expr, ...]) -> UdfCall:
        return replace(self, args=children)

    def __str__(self) -> str:
        return f"{self.udf.name}({', '.join(map(str, self.args))})"


@dataclass(frozen=True, slots=True)
class TableUdf:
    """A user's function that gives none, one or several rows for each row it is called for.

    ``vectorised``: it takes Polars Series and gives a frame whose column ``row`` says which row
    each row was made of; else it is called row by row.
    """

    name: str
    fn: Callable[..., Any]
    args: tuple[LogicalType, ...] | None
    result: Row
    vectorised: bool = False
    deterministic: bool = True
    nulls_call: bool = True
    """False: a NULL argument gives no rows without a call."""


@dataclass(frozen=True, slots=True)
class TableCall(Expr):
    """A call of a user's table function; its type is the row it gives."""

    udf: TableUdf
    args: tuple[Expr, ...] = ()

    def children(self) -> tuple[Expr, ...]:
        return self.args

    def with_children(self, children: tuple[Expr, ...]) -> TableCall:
        return replace(self, args=children)

    def __str__(self) -> str:
        return f"{self.udf.name}({', '.join(map(str, self.args))})"


@dataclass(frozen=True, slots=True)
class AggUdf:
    """A user's aggregate function: ``make()`` gives the object whose methods fold rows.

    ``methods`` are those it has besides ``create`` and ``result``.
    """

    name: str
    make: Callable[[], Any]
    args: tuple[LogicalType, ...] | None
    result: LogicalType
    methods: frozenset[str]
    nulls_call: bool = True
    """False: a row with a NULL argument is passed over."""


@dataclass(frozen=True, slots=True)
class ProcessUdf:
    """A user's process function: ``make(**args)`` gives the object that is called per key.

    ``gives`` are its columns behind those of the key; ``methods`` those it has of ``open``,
    ``on_row`` and ``on_timer``; ``takes`` the names of its arguments, in order.
    """

    name: str
    make: Callable[..., Any]
    gives: Row
    methods: frozenset[str]
    takes: tuple[str, ...] = ()


Function = Udf | TableUdf | AggUdf | ProcessUdf
"""Whatever the user has registered under a name."""


@dataclass(frozen=True, slots=True)
class AggCall(Expr):
    """An aggregate function; COUNT(*) has no arguments. ``udf``: it is the user's."""

    function: str = ""
    args: tuple[Expr, ...] = ()
    distinct: bool = False
    filter: Expr | None = None
    udf: AggUdf | None = None

    def children(self) -> tuple[Expr, ...]:
        return self.args if self.filter is None else (*self.args, self.filter)

    def with_children(self, children: tuple[Expr, ...]) -> AggCall:
        if self.filter is None:
            return replace(self, args=children)
        return replace(self, args=children[:-1], filter=children[-1])

    def __str__(self) -> str:
        inner = ", ".join(map(str, self.args)) or "*"
        text = f"{self.function}({'DISTINCT ' if self.distinct else ''}{inner})"
        return text if self.filter is None else f"{text} FILTER (WHERE {self.filter})"


@dataclass(frozen=True, slots=True)
class OverCall(Expr):
    """A function before OVER: an aggregate, ROW_NUMBER, RANK, LAG …, and its window.

    ``order`` holds (expression, descending, nulls first or None). ``rows`` and ``preceding`` are
    the frame up to the current row: a number of rows, or milliseconds of RANGE, None = unbounded.
    Inside an ``Over`` node partition, order and frame are the node's and empty here.
    """

    function: str = ""
    args: tuple[Expr, ...] = ()
    distinct: bool = False
    filter: Expr | None = None
    partition: tuple[Expr, ...] = ()
    order: tuple[tuple[Expr, bool, bool | None], ...] = ()
    rows: bool = False
    preceding: int | None = None

    def children(self) -> tuple[Expr, ...]:
        kept = () if self.filter is None else (self.filter,)
        return (*self.args, *kept, *self.partition, *(expr for expr, _, _ in self.order))

    def with_children(self, children: tuple[Expr, ...]) -> OverCall:
        rest = list(children)
        args = tuple(rest.pop(0) for _ in self.args)
        kept = None if self.filter is None else rest.pop(0)
        partition = tuple(rest.pop(0) for _ in self.partition)
        order = tuple((rest.pop(0), down, nulls) for _, down, nulls in self.order)
        return replace(self, args=args, filter=kept, partition=partition, order=order)

    def __str__(self) -> str:
        inner = ", ".join(map(str, self.args))
        return f"{self.function}({'DISTINCT ' if self.distinct else ''}{inner}) OVER (…)"


@dataclass(frozen=True, slots=True)
class Named:
    """An expression and the name of the column it gives."""

    name: str
    expr: Expr

    def __str__(self) -> str:
        if isinstance(self.expr, Column) and self.expr.name == self.name:
            return self.name
        return f"{self.expr} AS {self.name}"


def columns_of(expr: Expr) -> frozenset[str]:
    """Return the names of the columns an expression reads."""
    return frozenset(node.name for node in expr.walk() if isinstance(node, Column))


def substitute(expr: Expr, by: dict[str, Expr]) -> Expr:
    """Return ``expr`` with columns replaced by other expressions."""
    return expr.rewrite(lambda node: by.get(node.name, node) if isinstance(node, Column) else node)


def has_aggregate(expr: Expr) -> bool:
    """Tell whether an aggregate call stands anywhere in ``expr``."""
    return any(isinstance(node, AggCall) for node in expr.walk())
