"""Reads statements: our own descent over tokens; queries inside go to the query reader.

in      a cursor in front of a statement
out     one value of :mod:`millstream.sql.statements`
bad     SqlError and Unsupported with the place
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from millstream.errors import Place
from millstream.expr.tree import Expr, Function
from millstream.sql import statements as s
from millstream.sql.expressions import ExpressionReader
from millstream.sql.query import QueryReader
from millstream.sql.tokens import Cursor, Token
from millstream.sql.type_text import read_type

_STARTS = (
    "CREATE, DROP, INSERT INTO, EXECUTE STATEMENT SET, SELECT, WITH, VALUES, EXPLAIN, DESCRIBE, "
    "SHOW, SET or RESET"
)
_LATER = {
    "ALTER": "Drop the table and create it anew.",
    "USE": "There is one catalog and one database.",
    "LOAD": "Functions are built in; add yours with CREATE FUNCTION.",
    "UNLOAD": "Functions are built in.",
    "ANALYZE": "There is nothing to analyse in a stream.",
    "UPDATE": "A stream is changed by its source; write INSERT INTO a table with a PRIMARY KEY.",
    "DELETE": "A stream is changed by its source; a sink with a PRIMARY KEY takes deletes.",
    "TRUNCATE": "Empty the table in its own system.",
    "COMPILE": "Use EXPLAIN to see the plan.",
    "ADD": "Install Python packages with pip; there are no JARs.",
    "REMOVE": "Install Python packages with pip; there are no JARs.",
    "CALL": "There are no procedures.",
    "MERGE": "Write INSERT INTO a table with a PRIMARY KEY.",
}


class StatementReader:
    """Reads one statement after another; ``udfs`` may grow between two of them."""

    def __init__(self, cursor: Cursor, udfs: Mapping[str, Function]) -> None:
        self.cursor = cursor
        self._udfs = udfs

    def next(self) -> s.Statement | None:
        """Return the next statement, or None at the end."""
        cursor = self.cursor
        while cursor.accept(";"):
            pass
        if cursor.ended:
            return None
        found = self._statement()
        if not cursor.accept(";"):
            self._expect_end()
        return found

    def _expect_end(self) -> None:
        if not self.cursor.ended:
            raise self.cursor.expected("';' or the end of the statement")

    def _statement(self) -> s.Statement:
        cursor, start = self.cursor, self.cursor.here
        word = start.upper
        if cursor.sees("BEGIN", "STATEMENT", "SET"):
            return self._statement_set(start, ("BEGIN", "STATEMENT", "SET"))
        if word in _LATER:
            raise cursor.unsupported(f"{word} is not run", hint=_LATER[word])
        if self._queries().starts():
            return s.SelectStatement(
                query=self._queries().query(), place=cursor.place(start, start)
            )
        read = self._readers().get(word)
        if read is None:
            raise cursor.expected(_STARTS)
        return read(start)

    def _readers(self) -> dict[str, Callable[[Token], s.Statement]]:
        return {
            "CREATE": self._create,
            "DROP": self._drop,
            "INSERT": self._insert,
            "EXECUTE": self._execute,
            "EXPLAIN": self._explain,
            "DESCRIBE": self._describe,
            "DESC": self._describe,
            "SHOW": self._show,
            "SET": self._set,
            "RESET": self._reset,
        }

    def _queries(self) -> QueryReader:
        return QueryReader(self.cursor, self._udfs)

    def _expression(self) -> tuple[Expr, str]:
        """Read an expression; returns it and its text."""
        first = self.cursor.here
        found = ExpressionReader(self.cursor, self._udfs).expression()
        return found, self.cursor.text_between(first, self.cursor.tokens[self.cursor.at - 1])

    # ---- CREATE, DROP

    def _create(self, start: Token) -> s.Statement:
        cursor = self.cursor
        cursor.expect("CREATE")
        if cursor.sees("OR", "REPLACE"):
            raise cursor.unsupported("CREATE OR REPLACE", hint="DROP it first.")
        cursor.accept("TEMPORARY")
        cursor.accept("SYSTEM")
        word = cursor.here.upper
        if word in ("CATALOG", "DATABASE", "MODEL", "CONNECTION", "MATERIALIZED"):
            raise cursor.unsupported(
                f"CREATE {word}", hint="There is one catalog; CREATE TABLE, VIEW or FUNCTION."
            )
        if word not in ("TABLE", "VIEW", "FUNCTION"):
            raise cursor.expected("TABLE, VIEW or FUNCTION")
        cursor.take()
        careful = cursor.accept("IF", "NOT", "EXISTS")
        name, _, last = cursor.path(f"the name of the {word.lower()}")
        if word == "VIEW":
            return self._view(start, name, careful)
        if word == "FUNCTION":
            return self._function(start, name, careful)
        return self._table(start, name, careful, last)

    def _table(self, start: Token, name: str, careful: bool, last: Token) -> s.CreateTable:
        cursor = self.cursor
        columns: list[s.ColumnSpec] = []
        keys: list[str] = []
        watermark: s.ComputedColumn | None = None
        if cursor.accept("("):
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
                if not cursor.accept(","):
                    break
            cursor.expect(")", after="to close the columns")
        comment = cursor.string("the comment").text if cursor.accept("COMMENT") else None
        for words in (("PARTITIONED", "BY"), ("DISTRIBUTED",)):
            if cursor.sees(*words):
                raise cursor.unsupported(
                    " ".join(words), hint="Leave it out; one process reads every partition."
                )
        options, places = self._options() if cursor.accept("WITH") else ({}, {})
        like = None
        if cursor.accept("LIKE"):
            like = cursor.path("a table")[0]
            if cursor.sees("("):
                raise cursor.unsupported("The options of LIKE", hint="Leave them out.")
        if cursor.sees("AS"):
            raise cursor.unsupported(
                "CREATE TABLE … AS", hint="Write CREATE TABLE with columns, then INSERT INTO."
            )
        return s.CreateTable(
            name=name,
            if_not_exists=careful,
            columns=tuple(columns),
            watermark=watermark,
            primary_key=tuple(keys),
            options=options,
            option_places=places,
            comment=comment,
            like=like,
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
        cursor.expect("(")
        names = [cursor.name("a key column").text]
        while cursor.accept(","):
            names.append(cursor.name("a key column").text)
        cursor.expect(")")
        self._not_enforced()
        return names

    def _not_enforced(self) -> None:
        if not self.cursor.accept("NOT", "ENFORCED"):
            raise self.cursor.error(
                "A primary key is declared, not enforced.",
                hint="Write PRIMARY KEY (…) NOT ENFORCED.",
            )

    def _options(self) -> tuple[dict[str, str], dict[str, Place]]:
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

    def _view(self, start: Token, name: str, careful: bool) -> s.CreateView:
        cursor = self.cursor
        columns: list[str] = []
        if cursor.accept("("):
            columns.append(cursor.name("a column").text)
            while cursor.accept(","):
                columns.append(cursor.name("a column").text)
            cursor.expect(")")
        if cursor.accept("COMMENT"):
            cursor.string("the comment")
        cursor.expect("AS", after="and a query")
        first = cursor.here
        query = self._queries().query()
        text = cursor.text_between(first, cursor.tokens[cursor.at - 1])
        return s.CreateView(
            name=name,
            if_not_exists=careful,
            columns=tuple(columns),
            query=query,
            text=text,
            place=cursor.place(start, start),
        )

    def _function(self, start: Token, name: str, careful: bool) -> s.CreateFunction:
        cursor = self.cursor
        cursor.expect("AS", after="'package.module.function'")
        path = cursor.string("the path of the function")
        language = "JAVA"
        if cursor.accept("LANGUAGE"):
            language = cursor.take().upper
        if language != "PYTHON":
            raise cursor.unsupported(
                f"A function in {language}", first=path,
                hint="Write it in Python: … AS 'package.module.function' LANGUAGE PYTHON.",
            )  # fmt: skip
        if cursor.sees("USING"):
            raise cursor.unsupported("USING", hint="Put the module on PYTHONPATH.")
        return s.CreateFunction(
            name=name, if_not_exists=careful, path=path.text, place=cursor.place(start, path)
        )

    def _drop(self, start: Token) -> s.Drop:
        cursor = self.cursor
        cursor.expect("DROP")
        cursor.accept("TEMPORARY")
        cursor.accept("SYSTEM")
        kind = cursor.here.upper
        if kind not in ("TABLE", "VIEW", "FUNCTION"):
            raise cursor.expected("TABLE, VIEW or FUNCTION after DROP")
        cursor.take()
        careful = cursor.accept("IF", "EXISTS")
        name, _, last = cursor.path(f"the name of the {kind.lower()}")
        return s.Drop(kind=kind, name=name, if_exists=careful, place=cursor.place(start, last))

    # ---- INSERT and sets

    def _insert(self, start: Token) -> s.Insert:
        cursor = self.cursor
        cursor.expect("INSERT")
        if cursor.sees("OVERWRITE"):
            raise cursor.unsupported("INSERT OVERWRITE", hint="Write INSERT INTO.")
        cursor.expect("INTO", after="after INSERT")
        name, _, last = cursor.path("the table to write")
        place = cursor.place(start, last)
        if cursor.sees("PARTITION"):
            raise cursor.unsupported("PARTITION", hint="Leave it out.")
        columns: list[str] | None = None
        if cursor.sees("(") and cursor.ahead(1).upper not in ("SELECT", "WITH", "VALUES", "("):
            cursor.take()
            columns = [cursor.name("a column").text]
            while cursor.accept(","):
                columns.append(cursor.name("a column").text)
            cursor.expect(")", after="to close the columns")
        query = self._queries().query()
        named = None if columns is None else tuple(columns)
        return s.Insert(table=name, columns=named, query=query, place=place)

    def _execute(self, start: Token) -> s.Statement:
        cursor = self.cursor
        if cursor.sees("EXECUTE", "STATEMENT", "SET"):
            return self._statement_set(start, ("EXECUTE", "STATEMENT", "SET", "BEGIN"))
        cursor.expect("EXECUTE")
        if cursor.sees("INSERT"):
            return self._insert(cursor.here)
        if self._queries().starts():
            return s.SelectStatement(
                query=self._queries().query(), place=cursor.place(start, start)
            )
        raise cursor.expected("STATEMENT SET, INSERT or a query after EXECUTE")

    def _statement_set(self, start: Token, words: tuple[str, ...]) -> s.StatementSet:
        cursor = self.cursor
        cursor.expect(*words)
        cursor.accept(";")
        place = cursor.place(start)
        inserts: list[s.Insert] = []
        while not cursor.accept("END"):
            inserts.append(self._insert(cursor.here))
            cursor.expect(";", after="after each INSERT of a statement set")
        if not inserts:
            raise cursor.error("The statement set is empty.", first=start)
        return s.StatementSet(inserts=tuple(inserts), place=place)

    # ---- looking

    def _explain(self, start: Token) -> s.Explain:
        cursor = self.cursor
        cursor.expect("EXPLAIN")
        cursor.accept("PLAN", "FOR")
        if cursor.sees("STATEMENT", "SET"):
            found = self._statement_set(cursor.here, ("STATEMENT", "SET", "BEGIN"))
            return s.Explain(of=found, place=cursor.place(start, start))
        while cursor.sees_any("ESTIMATED_COST", "CHANGELOG_MODE", "JSON_EXECUTION_PLAN"):
            raise cursor.unsupported(
                f"EXPLAIN {cursor.here.upper}",
                hint="EXPLAIN says changes, keys and state as it is.",
            )
        inner = None if cursor.sees("EXPLAIN") else self._statement()
        if not isinstance(inner, s.SelectStatement | s.Insert | s.StatementSet):
            raise cursor.error("EXPLAIN takes a query or an INSERT.", first=start)
        return s.Explain(of=inner, place=cursor.place(start, start))

    def _describe(self, start: Token) -> s.Describe:
        cursor = self.cursor
        cursor.take()
        cursor.accept("EXTENDED")
        name, _, last = cursor.path("a table or view")
        return s.Describe(name=name, place=cursor.place(start, last))

    def _show(self, start: Token) -> s.Show:
        cursor = self.cursor
        cursor.expect("SHOW")
        cursor.accept("USER")
        for what in ("TABLES", "VIEWS", "FUNCTIONS"):
            if cursor.accept(what):
                return s.Show(what=what, place=cursor.place(start))
        for words in (
            ("CREATE", "TABLE"),
            ("CREATE", "VIEW"),
            ("COLUMNS", "FROM"),
            ("COLUMNS", "IN"),
        ):
            if cursor.accept(*words):
                name, _, last = cursor.path("a table or view")
                what = " ".join(words) if words[0] == "CREATE" else "COLUMNS"
                return s.Show(what=what, name=name, place=cursor.place(start, last))
        raise cursor.expected("TABLES, VIEWS, FUNCTIONS, CREATE TABLE, CREATE VIEW or COLUMNS FROM")

    def _set(self, start: Token) -> s.Set:
        cursor = self.cursor
        cursor.expect("SET")
        if cursor.ended or cursor.sees(";"):
            return s.Set(key=None, value=None, place=cursor.place(start, start))
        key = cursor.string("a setting")
        cursor.expect("=", after="between setting and value")
        value = cursor.string("the value")
        return s.Set(key=key.text, value=value.text, place=cursor.place(key, key))

    def _reset(self, start: Token) -> s.Reset:
        cursor = self.cursor
        cursor.expect("RESET")
        key = None if cursor.ended or cursor.sees(";") else cursor.string("a setting").text
        return s.Reset(key=key, place=cursor.place(start))
