"""Reads what CREATE TABLE and ALTER TABLE say of a table.

in      a cursor behind the table's name
out     :class:`~millstream.sql.statements.CreateTable`, or one change of a table
bad     SqlError and Unsupported with the place
"""

from __future__ import annotations

from collections.abc import Mapping

from millstream.errors import Place
from millstream.expr.tree import Expr, Function
from millstream.sql import statements as s
from millstream.sql.expressions import ExpressionReader
from millstream.sql.query import QueryReader
from millstream.sql.tokens import Cursor, Token
from millstream.sql.type_text import read_type

_LIKE_WORDS = ("INCLUDING", "EXCLUDING", "OVERWRITING")


class TableReader:
    """Reads declarations of tables; ``udfs`` are the user's functions."""

    def __init__(self, cursor: Cursor, udfs: Mapping[str, Function]) -> None:
        self.cursor = cursor
        self._udfs = udfs

    def create(self, start: Token, name: str, rule: s.IfTaken, last: Token) -> s.CreateTable:
        """Read what follows CREATE TABLE name."""
        cursor = self.cursor
        said = self._declared() if cursor.accept("(") else s.Declared()
        comment = cursor.string("the comment").text if cursor.accept("COMMENT") else None
        if cursor.sees("DISTRIBUTED"):
            raise cursor.unsupported("DISTRIBUTED", hint="Leave it out; there are no buckets.")
        partitions = self._names() if cursor.accept("PARTITIONED", "BY") else ()
        options, places = self.options() if cursor.accept("WITH") else ({}, {})
        like, kept = None, s.LikeOptions()
        if cursor.accept("LIKE"):
            like = cursor.path("a table")[0]
            if cursor.accept("("):
                kept = self._like_options()
        query = QueryReader(cursor, self._udfs).query() if cursor.accept("AS") else None
        return s.CreateTable(
            name=name,
            if_taken=rule,
            declared=said,
            partitions=partitions,
            options=options,
            option_places=places,
            comment=comment,
            like=like,
            like_options=kept,
            query=query,
            place=cursor.place(start, last),
        )

    def _column(self, keys: list[str]) -> s.ColumnSpec:
        cursor = self.cursor
        name = cursor.name("a column").text
        found: s.ColumnSpec
        if cursor.accept("AS"):
            found = s.ComputedColumn(name, *self._expression())
        else:
            kind = read_type(cursor)
            if cursor.accept("METADATA"):
                key = cursor.string("the metadata key").text if cursor.accept("FROM") else name
                found = s.MetadataColumn(name, kind, key, cursor.accept("VIRTUAL"))
            else:
                found = s.PhysicalColumn(name, kind)
            if cursor.accept("PRIMARY", "KEY"):
                self._not_enforced()
                keys.append(name)
        if cursor.accept("COMMENT"):
            cursor.string("the comment")
        return found

    def _primary_key(self) -> list[str]:
        cursor = self.cursor
        if cursor.accept("CONSTRAINT"):
            cursor.name("the name of the constraint")
        cursor.expect("PRIMARY", "KEY")
        names = self._names()
        self._not_enforced()
        return list(names)

    def _not_enforced(self) -> None:
        if not self.cursor.accept("NOT", "ENFORCED"):
            raise self.cursor.error(
                "A primary key is declared, not enforced.",
                hint="Write PRIMARY KEY (…) NOT ENFORCED.",
            )

    def options(self) -> tuple[dict[str, str], dict[str, Place]]:
        """Read WITH's options, and where each is written."""
        cursor = self.cursor
        cursor.expect("(", after="after WITH")
        found: dict[str, str] = {}
        places: dict[str, Place] = {}
        while True:
            key = cursor.string("an option")
            if key.text in found:
                raise cursor.error(f"The option '{key.text}' is given twice.", first=key)
            cursor.expect("=", after="between option and value")
            value = cursor.string("the value")
            found[key.text] = value.text
            places[key.text] = cursor.place(key, value)
            if not cursor.accept(","):
                break
        cursor.expect(")", after="to close WITH (")
        return found, places

    def change(self) -> s.TableChange:
        """Read what follows ALTER TABLE name."""
        cursor = self.cursor
        if cursor.accept("RENAME"):
            if cursor.accept("TO"):
                return s.RenameTable(cursor.path("the new name")[0])
            old = cursor.name("a column").text
            cursor.expect("TO", after="between the old and the new name")
            return s.RenameColumn(old, cursor.name("the new name").text)
        if cursor.accept("SET"):
            return s.SetOptions(*self.options())
        if cursor.accept("RESET"):
            cursor.expect("(", after="after RESET")
            keys = [cursor.string("an option").text]
            while cursor.accept(","):
                keys.append(cursor.string("an option").text)
            cursor.expect(")")
            return s.ResetOptions(tuple(keys))
        if cursor.sees_any("ADD", "MODIFY"):
            modifies = cursor.take().upper == "MODIFY"
            if cursor.accept("("):
                return s.Redeclare(self._declared(), modifies)
            return s.Redeclare(self._declared(single=True), modifies)
        if cursor.accept("DROP"):
            return self._dropped()
        raise cursor.expected("RENAME, SET, RESET, ADD, MODIFY or DROP")

    def _dropped(self) -> s.TableChange:
        cursor = self.cursor
        if cursor.accept("WATERMARK"):
            return s.DropParts(watermark=True)
        if cursor.accept("PRIMARY", "KEY"):
            return s.DropParts(primary_key=True)
        if cursor.accept("CONSTRAINT"):
            cursor.name("the name of the constraint")
            return s.DropParts(primary_key=True)
        if cursor.sees("("):
            return s.DropParts(columns=self._names())
        return s.DropParts(columns=(cursor.name("a column").text,))

    def _declared(self, *, single: bool = False) -> s.Declared:
        """Read columns, watermark and key up to the closing parenthesis, or just one of them."""
        cursor = self.cursor
        columns: list[s.ColumnSpec] = []
        spots: list[s.Spot | None] = []
        keys: list[str] = []
        watermark: s.ComputedColumn | None = None
        while True:
            if cursor.accept("WATERMARK"):
                if watermark is not None:
                    word = cursor.tokens[cursor.at - 1]
                    raise cursor.error("A table has one watermark.", first=word)
                cursor.expect("FOR", after="after WATERMARK")
                column = cursor.name("the event-time column").text
                cursor.expect("AS", after="in WATERMARK FOR column AS expression")
                watermark = s.ComputedColumn(column, *self._expression())
            elif cursor.sees("PRIMARY") or cursor.sees("CONSTRAINT"):
                keys.extend(self._primary_key())
            else:
                columns.append(self._column(keys))
                spots.append(self._spot())
            if single:
                break
            if not cursor.accept(","):
                cursor.expect(")", after="to close the columns")
                break
        return s.Declared(tuple(columns), watermark, tuple(keys), tuple(spots))

    def _spot(self) -> s.Spot | None:
        if self.cursor.accept("FIRST"):
            return s.Spot(None)
        if self.cursor.accept("AFTER"):
            return s.Spot(self.cursor.name("a column").text)
        return None

    def _names(self) -> tuple[str, ...]:
        cursor = self.cursor
        cursor.expect("(")
        names = [cursor.name("a column").text]
        while cursor.accept(","):
            names.append(cursor.name("a column").text)
        cursor.expect(")", after="to close the columns")
        return tuple(names)

    def _like_options(self) -> s.LikeOptions:
        cursor = self.cursor
        said: list[tuple[str, str]] = []
        while not cursor.accept(")"):
            if not cursor.sees_any(*_LIKE_WORDS):
                raise cursor.expected(", ".join(_LIKE_WORDS))
            verb = cursor.take().upper
            if not cursor.sees_any("ALL", *s.LikeOptions.PARTS):
                raise cursor.expected("ALL, " + ", ".join(s.LikeOptions.PARTS))
            said.append((verb, cursor.take().upper))
        return s.LikeOptions(tuple(said))

    def _expression(self) -> tuple[Expr, str]:
        """Read an expression; returns it and its text."""
        first = self.cursor.here
        found = ExpressionReader(self.cursor, self._udfs).expression()
        return found, self.cursor.text_between(first, self.cursor.tokens[self.cursor.at - 1])
