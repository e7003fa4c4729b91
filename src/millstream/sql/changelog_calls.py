"""Reads TO_CHANGELOG(TABLE t, …) and FROM_CHANGELOG(TABLE t, …) in FROM.

in      a cursor in front of the function's name
out     :class:`ChangelogFn`: what was written; :func:`changelog_node` makes the plan's step of it
bad     SqlError with the place and an example of how it is written
source  Flink 2.3's built-in process table functions: arguments ``input``, ``op``, ``op_mapping`` by
        place or name, and ``uid``
differs the row whose kind of change is unknown is rejected, where Flink's job fails
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from millstream.errors import Place, SqlError
from millstream.expr.tree import Call, Literal
from millstream.plan import changelog

if TYPE_CHECKING:
    from millstream.plan.nodes import Node
    from millstream.sql.expressions import ExpressionReader
    from millstream.sql.query import Relation
    from millstream.sql.tokens import Cursor, Token

FUNCTIONS = ("TO_CHANGELOG", "FROM_CHANGELOG")
_ARGUMENTS = ("INPUT", "OP", "OP_MAPPING", "UID")
_EXAMPLE = {
    "TO_CHANGELOG": "TO_CHANGELOG(TABLE t, DESCRIPTOR(op), MAP['INSERT', 'c', 'DELETE', 'd'])",
    "FROM_CHANGELOG": "FROM_CHANGELOG(TABLE t, DESCRIPTOR(op), MAP['c, r', 'INSERT', …])",
}


@dataclass(frozen=True, slots=True)
class ChangelogFn:
    """TO_CHANGELOG or FROM_CHANGELOG over a relation; no mapping means the names of the kinds."""

    kind: str
    data: Relation
    column: str
    mapping: Mapping[str, str] | None
    uid: str | None
    alias: str | None
    place: Place


class ChangelogReader:
    """Reads the functions; ``data`` reads the relation they stand over."""

    def __init__(
        self, cursor: Cursor, scalar: ExpressionReader, data: Callable[[], Relation]
    ) -> None:
        self.cursor = cursor
        self.scalar = scalar
        self._data = data

    def starts(self) -> bool:
        """Tell whether one of the functions comes next."""
        return self.cursor.here.upper in FUNCTIONS and self.cursor.ahead(1).upper == "("

    def function(self, start: Token) -> ChangelogFn:
        """Read the function, from its name to its closing parenthesis."""
        cursor = self.cursor
        kind = cursor.take().upper
        cursor.expect("(")
        found: dict[str, Any] = {}
        left = list(_ARGUMENTS)
        while True:
            word = self._argument(kind, left)
            left.remove(word)
            if not cursor.accept("DEFAULT"):
                found[word] = self._value(kind, word)
            if not cursor.accept(","):
                break
        cursor.expect(")", after=f"to close {kind}(")
        if "INPUT" not in found:
            raise cursor.error(
                f"{kind} needs a table.", first=start, hint=f"Write {_EXAMPLE[kind]}."
            )
        return ChangelogFn(
            kind,
            found["INPUT"],
            found.get("OP", changelog.DEFAULT_COLUMN),
            found.get("OP_MAPPING"),
            found.get("UID"),
            None,
            cursor.place(start),
        )

    def _argument(self, kind: str, left: list[str]) -> str:
        """Return which of the arguments left comes next, by its name or its place."""
        cursor = self.cursor
        if cursor.ahead(1).upper != "=>":
            if left[:1] in ([], ["UID"]):
                raise cursor.error(f"{kind} takes no more arguments.")
            return left[0]
        token = cursor.take()
        if token.upper == "ON_TIME":
            raise cursor.unsupported(
                f"on_time in {kind}",
                first=token,
                hint="Leave it out: FROM_CHANGELOG passes the event time on as it is.",
            )
        if token.upper not in _ARGUMENTS:
            raise cursor.error(
                f"{kind} has no argument {token.text}.",
                first=token,
                hint=f"It has {', '.join(word.lower() for word in _ARGUMENTS)}.",
            )
        if token.upper not in left:
            raise cursor.error(f"{kind} is given {token.text} twice.", first=token)
        cursor.take()
        return token.upper

    def _value(self, kind: str, word: str) -> Any:
        match word:
            case "INPUT":
                data = self._data()
                if self.cursor.sees("PARTITION"):
                    raise self.cursor.unsupported(
                        f"PARTITION BY in {kind}",
                        hint="Leave it out: each row is taken alone, in the order they come.",
                    )
                return data
            case "OP":
                return self._descriptor()
            case "OP_MAPPING":
                return self._mapping(kind)
            case _:
                return self.cursor.string("an id").text

    def _descriptor(self) -> str:
        cursor = self.cursor
        cursor.expect("DESCRIPTOR", after="( column of the kind )")
        cursor.expect("(")
        name = cursor.name("the column that says the kind of change").text
        if cursor.sees(","):
            raise cursor.error("The kind of change is said in one column.")
        cursor.expect(")", after="to close DESCRIPTOR(")
        return name

    def _mapping(self, kind: str) -> Mapping[str, str]:
        start = self.cursor.here
        found = self.scalar.expression()
        texts = [p.value for p in found.children() if isinstance(p, Literal)]
        plain = isinstance(found, Call) and found.function == "MAP"
        if not plain or len(texts) != len(found.children()) or not all(map(_is_text, texts)):
            raise SqlError(
                f"The mapping of {kind} is not a MAP of constant texts.",
                where=found.place or self.cursor.place(start),
                hint=f"Write {_EXAMPLE[kind]}.",
            )
        keys = [str(text) for text in texts[::2]]
        if len(set(keys)) < len(keys):
            raise SqlError("A key of the mapping comes twice.", where=self.cursor.place(start))
        return dict(zip(keys, map(str, texts[1::2]), strict=True))


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def changelog_node(fn: ChangelogFn, data: Node) -> Node:
    """Return the plan's step over ``data``; what cannot be raises without a place."""
    if fn.kind == "TO_CHANGELOG":
        codes = changelog.SAME_NAMES
        if fn.mapping is not None:
            codes = changelog.codes_of_kinds(fn.mapping)
        return changelog.ToChanges(input=data, column=fn.column, codes=codes, name=fn.uid)
    kinds = changelog.SAME_NAMES if fn.mapping is None else changelog.kinds_of_codes(fn.mapping)
    return changelog.FromChanges(input=data, column=fn.column, kinds=kinds, name=fn.uid)
