"""What is known of a step's output, and the words for it: modes, bounds, keys.

in      the facts of a step's inputs
out     :class:`Facts` of its output; each node class says how (``Node.facts``)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from itertools import islice, product
from typing import TYPE_CHECKING

from millstream.expr.tree import Call, Column, Named

if TYPE_CHECKING:
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
    clocks   the columns that carry the processing time of each row
    bounds   the columns that carry the start and end of each row's window
    by_clock those windows are of processing time
    updates  rows given before may be changed
    before   the old row of a change can be given too (not so behind an upsert source)
    keys     the upsert keys: at most one row per key stands; () is a single row. Where changes are
             told by key (mode ``Upsert``) it is the first, and only its old values are told
    """

    bounded: bool
    times: tuple[str, ...] = ()
    marks: bool = False
    clocks: tuple[str, ...] = ()
    bounds: tuple[str, str] | None = None
    by_clock: bool = False
    updates: bool = False
    before: bool = True
    keys: tuple[Key, ...] = ()

    @property
    def time(self) -> str | None:
        """The time attribute."""
        return self.times[0] if self.times else None


def same_key(key: Key, keys: tuple[Key, ...]) -> bool:
    """Tell whether ``key`` is one of ``keys``, in any order of columns."""
    return any(set(key) == set(k) for k in keys)


def covers_key(key: Key, keys: tuple[Key, ...]) -> bool:
    """Tell whether no two standing rows can agree on ``key``."""
    return any(set(key) >= set(k) for k in keys)


def projected(columns: tuple[Named, ...], below: Facts) -> Facts:
    """Return the facts of a projection over ``below``: what is passed on keeps its meaning."""
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
    stamps = tuple(c.name for c in columns if is_clock(c.expr))
    return replace(
        below,
        times=tuple(name for t in below.times for name in spellings.get(t, ())),
        clocks=tuple(name for t in below.clocks for name in spellings.get(t, ())) + stamps,
        bounds=bounds,
        keys=tuple(islice(keys, KEY_SPELLINGS_MAX)),
    )


def passes_key(columns: tuple[Named, ...], below: Facts) -> bool:
    """Tell whether a projection keeps the key by which the changes below are told."""
    kept = {c.expr.name for c in columns if isinstance(c.expr, Column)}
    return bool(below.keys) and set(below.keys[0]) <= kept


def is_clock(expr: object) -> bool:
    """Tell whether an expression is PROCTIME(), a row's processing time."""
    return isinstance(expr, Call) and expr.function == "PROCTIME"
