"""Reads a user's process function in FROM: f(TABLE t PARTITION BY k, on_time => DESCRIPTOR(ts)).

in      a cursor in front of the function's name; the functions there are
out     :class:`ProcessFn`: what was written; :func:`process_node` makes the plan's step of it
bad     SqlError with the place and an example of how it is written
source  Flink's process table functions: ``input``, ``on_time`` and ``uid`` by place or name, and
        the function's own arguments, which are constants; ``rowtime`` is given where there is an
        ``on_time``
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from millstream.errors import Place, SqlError
from millstream.expr.tree import Function, Literal, ProcessUdf
from millstream.plan.process import ROWTIME, Process, process
from millstream.sql.phrases import descriptor, partition_columns
from millstream.types import IntervalDay

if TYPE_CHECKING:
    from millstream.plan.nodes import Node
    from millstream.sql.expressions import ExpressionReader
    from millstream.sql.query import Relation
    from millstream.sql.tokens import Cursor, Token


@dataclass(frozen=True, slots=True)
class ProcessFn:
    """A process function over a relation."""

    udf: ProcessUdf
    data: Relation
    key: tuple[str, ...]
    time: str | None
    args: Mapping[str, Any]
    uid: str | None
    alias: str | None
    place: Place


class ProcessReader:
    """Reads the functions; ``data`` reads the relation one stands over."""

    def __init__(
        self,
        cursor: Cursor,
        scalar: ExpressionReader,
        data: Callable[[], Relation],
        functions: Mapping[str, Function],
    ) -> None:
        self.cursor = cursor
        self.scalar = scalar
        self._data = data
        self._functions = functions

    def starts(self) -> bool:
        """Tell whether a process function comes next."""
        return self._known() is not None and self.cursor.ahead(1).upper == "("

    def _known(self) -> ProcessUdf | None:
        token = self.cursor.here
        found = self._functions.get(token.upper or token.text.upper())
        return found if isinstance(found, ProcessUdf) else None

    def function(self, start: Token) -> ProcessFn:
        """Read the function, from its name to its closing parenthesis."""
        cursor, udf = self.cursor, self._known()
        assert udf is not None, "the caller looked"
        cursor.take()
        cursor.expect("(")
        found: dict[str, Any] = {}
        left = ["input", *udf.takes]
        while not cursor.sees(")"):
            word = self._argument(udf, left, found)
            if word in left:
                left.remove(word)
            if not cursor.accept("DEFAULT"):
                found[word] = self._value(udf, word, found)
            if not cursor.accept(","):
                break
        cursor.expect(")", after=f"to close {start.text}(")
        if "input" not in found:
            raise cursor.error(
                f"{start.text} needs a table.", first=start, hint=_example(udf, start.text)
            )
        args = {name: found[name] for name in udf.takes if name in found}
        return ProcessFn(
            udf,
            found["input"],
            found.get("partition", ()),
            found.get("on_time"),
            args,
            found.get("uid"),
            None,
            cursor.place(start),
        )

    def _argument(self, udf: ProcessUdf, left: list[str], found: Mapping[str, Any]) -> str:
        """Return which argument comes next, by its name or its place."""
        cursor = self.cursor
        if cursor.ahead(1).upper != "=>":
            if not left:
                raise cursor.error(f"{udf.name} takes no more arguments.")
            return left[0]
        token = cursor.take()
        word = next((w for w in udf.takes if w.upper() == token.text.upper()), token.text.lower())
        if word not in ("input", "on_time", "uid", *udf.takes):
            raise cursor.error(
                f"{udf.name} has no argument {token.text}.",
                first=token,
                hint=f"It has {', '.join(('input', 'on_time', 'uid', *udf.takes))}.",
            )
        if word in found:
            raise cursor.error(f"{udf.name} is given {token.text} twice.", first=token)
        cursor.take()
        return word

    def _value(self, udf: ProcessUdf, word: str, found: dict[str, Any]) -> Any:
        match word:
            case "input":
                if not self.cursor.sees_any("TABLE", "("):
                    raise self.cursor.error(
                        f"{udf.name} needs a table.", hint=_example(udf, udf.name)
                    )
                data = self._data()
                if self.cursor.accept("PARTITION", "BY"):
                    found["partition"] = partition_columns(self.cursor)
                return data
            case "on_time":
                return descriptor(self.cursor)
            case "uid":
                return self.cursor.string("an id").text
            case _:
                return self._constant(udf, word)

    def _constant(self, udf: ProcessUdf, word: str) -> Any:
        start = self.cursor.here
        said = self.scalar.expression()
        if not isinstance(said, Literal):
            raise SqlError(
                f"The argument {word} of {udf.name} is not a constant.",
                where=said.place or self.cursor.place(start),
                hint="Write a number, a text in single quotes, an INTERVAL …; what differs by row "
                "is a column of its table.",
            )
        if isinstance(said.type, IntervalDay):
            return dt.timedelta(milliseconds=said.value)
        return said.value


def process_node(fn: ProcessFn, data: Node) -> Process:
    """Return the plan's step over ``data``; what cannot be raises without a place."""
    made = process(
        data,
        fn.udf,
        fn.key,
        args=fn.args,
        time=fn.time,
        time_name=None if fn.time is None else ROWTIME,
        name=fn.uid,
    )
    for name in fn.key:
        data.schema.type_of(name)
    return made


def _example(udf: ProcessUdf, name: str) -> str:
    more = f", {udf.takes[0]} => …" if udf.takes else ""
    return f"Write {name}(TABLE t PARTITION BY k{more})."
