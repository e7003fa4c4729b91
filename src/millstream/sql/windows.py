"""Reads window table functions: ``TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE)``.

in      a cursor in front of the function's name
out     :class:`WindowFn`: what was written; :func:`window_of` makes the plan's window of it
bad     SqlError with the place and an example of how it is written
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from millstream.errors import Place, SqlError
from millstream.expr.tree import Literal
from millstream.plan.windows import Cumulate, Hop, Tumble, Window
from millstream.sql.expressions import ExpressionReader
from millstream.sql.tokens import Cursor, Token
from millstream.types import IntervalDay

if TYPE_CHECKING:
    from millstream.sql.query import Relation

WINDOWS: dict[str, tuple[str, ...]] = {
    "TUMBLE": ("SIZE", "OFFSET"),
    "HOP": ("SLIDE", "SIZE", "OFFSET"),
    "CUMULATE": ("STEP", "SIZE", "OFFSET"),
}
"""The lengths each window table function takes, in Flink's order; OFFSET may be left out."""

_Found = TypeVar("_Found")


@dataclass(frozen=True, slots=True)
class WindowFn:
    """TUMBLE, HOP or CUMULATE over a relation; lengths in milliseconds."""

    kind: str
    data: Relation
    time: str
    lengths_ms: Mapping[str, int]
    alias: str | None
    place: Place


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
        cursor = self.cursor
        if cursor.sees("SESSION", "("):
            raise cursor.unsupported(
                "SESSION windows",
                hint="They come with a later version; TUMBLE, HOP, CUMULATE work.",
            )
        return cursor.here.upper in WINDOWS and cursor.ahead(1).upper == "("

    def window(self, start: Token) -> WindowFn:
        """Read the function, from its name to its closing parenthesis."""
        cursor = self.cursor
        kind = cursor.take().upper
        cursor.expect("(")
        data = self._argument("DATA", self._data)
        cursor.expect(",", after=f"in {kind}(TABLE t, DESCRIPTOR(ts), …)")
        time = self._argument("TIMECOL", self._descriptor)
        lengths: dict[str, int] = {}
        order = list(WINDOWS[kind])
        while cursor.accept(","):
            self._length(kind, order, lengths)
        missing = [word for word in WINDOWS[kind] if word not in lengths and word != "OFFSET"]
        if missing:
            raise cursor.error(
                f"{kind} needs its {missing[0].lower()}.",
                first=start,
                hint=f"Write {kind}(TABLE t, DESCRIPTOR(ts), "
                + ", ".join("INTERVAL '…' MINUTE" for w in WINDOWS[kind] if w != "OFFSET")
                + ").",
            )
        cursor.expect(")", after=f"to close {kind}(")
        return WindowFn(kind, data, time, lengths, None, cursor.place(start))

    def _argument(self, word: str, read: Callable[[], _Found]) -> _Found:
        if self.cursor.sees(word) and self.cursor.ahead(1).upper == "=>":
            self.cursor.take()
            self.cursor.take()
        return read()

    def _descriptor(self) -> str:
        cursor = self.cursor
        cursor.expect("DESCRIPTOR", after="( time column )")
        cursor.expect("(")
        name = cursor.name("the time column").text
        cursor.expect(")", after="to close DESCRIPTOR(")
        return name

    def _length(self, kind: str, order: list[str], lengths: dict[str, int]) -> None:
        cursor, token = self.cursor, self.cursor.here
        if cursor.ahead(1).upper == "=>":
            word = cursor.take().upper
            cursor.take()
            if word not in order:
                raise cursor.error(
                    f"{kind} has no argument {word}.", first=token,
                    hint=f"It has {', '.join(WINDOWS[kind])}.",
                )  # fmt: skip
            order.remove(word)
        elif order:
            word = order.pop(0)
        else:
            raise cursor.error(f"{kind} takes no more arguments.")
        value = self.scalar.expression()
        if not isinstance(value, Literal) or not isinstance(value.type, IntervalDay):
            raise SqlError(
                f"The {word.lower()} of {kind} is not an interval of days or less.",
                where=value.place,
                hint="Write INTERVAL '10' MINUTE.",
            )
        lengths[word] = int(value.value)


def window_of(fn: WindowFn) -> Window:
    """Return the plan's window; a length that cannot be raises."""
    lengths, offset = fn.lengths_ms, fn.lengths_ms.get("OFFSET", 0)
    size = lengths["SIZE"]
    if fn.kind == "TUMBLE":
        return Tumble(size, offset)
    if fn.kind == "HOP":
        return Hop(size_ms=size, slide_ms=lengths["SLIDE"], offset_ms=offset)
    return Cumulate(size_ms=size, step_ms=lengths["STEP"], offset_ms=offset)
