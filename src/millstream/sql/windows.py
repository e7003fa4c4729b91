"""Reads window table functions: ``TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE)``.

in      a cursor in front of the function's name
out     :class:`WindowFn`: what was written; :func:`window_of` makes the plan's window of it
bad     SqlError with the place and an example of how it is written
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from millstream.errors import Place, SqlError
from millstream.expr.tree import Literal
from millstream.plan.windows import Cumulate, Hop, Session, Tumble, Window
from millstream.sql.expressions import ExpressionReader
from millstream.sql.phrases import descriptor, partition_columns
from millstream.sql.tokens import Cursor, Token
from millstream.types import IntervalDay

if TYPE_CHECKING:
    from millstream.sql.query import Relation

WINDOWS: dict[str, tuple[str, ...]] = {
    "TUMBLE": ("SIZE", "OFFSET"),
    "HOP": ("SLIDE", "SIZE", "OFFSET"),
    "CUMULATE": ("STEP", "SIZE", "OFFSET"),
    "SESSION": ("GAP",),
}
"""The lengths each window table function takes, in Flink's order; OFFSET may be left out."""

_SAID = {"DATA": "table", "TIMECOL": "time column"}


@dataclass(frozen=True, slots=True)
class WindowFn:
    """TUMBLE, HOP, CUMULATE or SESSION over a relation; lengths in milliseconds."""

    kind: str
    data: Relation
    time: str
    lengths_ms: Mapping[str, int]
    alias: str | None
    place: Place
    partition: tuple[str, ...] = ()


@dataclass
class _Read:
    """The arguments found so far."""

    data: Relation | None = None
    time: str = ""
    partition: tuple[str, ...] = ()
    lengths: dict[str, int] = field(default_factory=dict)


class WindowReader:
    """Reads window functions; ``data`` reads the relation they stand over."""

    def __init__(
        self, cursor: Cursor, scalar: ExpressionReader, data: Callable[[], Relation]
    ) -> None:
        self.cursor = cursor
        self.scalar = scalar
        self._data = data

    def starts(self) -> bool:
        """Tell whether a window function comes next."""
        return self.cursor.here.upper in WINDOWS and self.cursor.ahead(1).upper == "("

    def window(self, start: Token) -> WindowFn:
        """Read the function, from its name to its closing parenthesis."""
        cursor = self.cursor
        kind = cursor.take().upper
        cursor.expect("(")
        read = _Read()
        order = ["DATA", "TIMECOL", *WINDOWS[kind]]
        self._one(kind, order, read)
        while cursor.accept(","):
            self._one(kind, order, read)
        missing = [word for word in order if word != "OFFSET"]
        if missing:
            raise cursor.error(
                f"{kind} needs its {_SAID.get(missing[0], missing[0].lower())}.",
                first=start,
                hint=f"Write {_example(kind)}.",
            )
        cursor.expect(")", after=f"to close {kind}(")
        assert read.data is not None, "no argument is missing"
        return WindowFn(
            kind, read.data, read.time, read.lengths, None, cursor.place(start), read.partition
        )

    def _one(self, kind: str, order: list[str], read: _Read) -> None:
        """Read one argument; ``order`` loses what was read."""
        cursor, token = self.cursor, self.cursor.here
        if cursor.ahead(1).upper == "=>":
            word = cursor.take().upper
            cursor.take()
            if word not in order:
                raise cursor.error(
                    f"{kind} has no argument {word}.", first=token,
                    hint=f"It has {', '.join(('DATA', 'TIMECOL', *WINDOWS[kind]))}.",
                )  # fmt: skip
            order.remove(word)
        elif order:
            word = order.pop(0)
        else:
            raise cursor.error(f"{kind} takes no more arguments.")
        if word == "DATA":
            read.data = self._data()
            read.partition = self._partition(kind)
        elif word == "TIMECOL":
            read.time = descriptor(self.cursor)
        else:
            read.lengths[word] = self._length(kind, word)

    def _partition(self, kind: str) -> tuple[str, ...]:
        cursor, first = self.cursor, self.cursor.here
        if not cursor.accept("PARTITION"):
            return ()
        cursor.expect("BY", after="after PARTITION")
        if kind != "SESSION":
            raise cursor.unsupported(
                "PARTITION BY in this window",
                first=first,
                hint="It belongs to SESSION; group by the keys.",
            )
        return partition_columns(cursor)

    def _length(self, kind: str, word: str) -> int:
        value = self.scalar.expression()
        if not isinstance(value, Literal) or not isinstance(value.type, IntervalDay):
            raise SqlError(
                f"The {word.lower()} of {kind} is not an interval of days or less.",
                where=value.place,
                hint="Write INTERVAL '10' MINUTE.",
            )
        return int(value.value)


def _example(kind: str) -> str:
    lengths = ", ".join("INTERVAL '…' MINUTE" for word in WINDOWS[kind] if word != "OFFSET")
    data = "TABLE t PARTITION BY k" if kind == "SESSION" else "TABLE t"
    return f"{kind}({data}, DESCRIPTOR(ts), {lengths})"


def window_of(fn: WindowFn) -> Window:
    """Return the plan's window; a length that cannot be raises."""
    lengths, offset = fn.lengths_ms, fn.lengths_ms.get("OFFSET", 0)
    if fn.kind == "SESSION":
        return Session(lengths["GAP"])
    size = lengths["SIZE"]
    if fn.kind == "TUMBLE":
        return Tumble(size, offset)
    if fn.kind == "HOP":
        return Hop(size_ms=size, slide_ms=lengths["SLIDE"], offset_ms=offset)
    return Cumulate(size_ms=size, step_ms=lengths["STEP"], offset_ms=offset)
