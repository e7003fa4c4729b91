"""Reads statements: our own descent over tokens; queries inside go to the query reader.

in      a cursor in front of a statement
out     one value of :mod:`millstream.sql.statements`
bad     SqlError and Unsupported with the place
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from millstream.errors import Place
from millstream.expr.tree import Function
from millstream.sql import statements as s
from millstream.sql.alerts import read_alert
from millstream.sql.query import QueryReader
from millstream.sql.tables import TableReader
from millstream.sql.tokens import HOME_NAMES, Cursor, Token

_STARTS = (
    "CREATE, ALTER, DROP, INSERT INTO, EXECUTE STATEMENT SET, SELECT, WITH, VALUES, EXPLAIN, "
    "DESCRIBE, SHOW, USE, SET or RESET"
)
_LATER = {
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
            "ALTER": self._alter,
            "USE": self._use,
        }

    def _queries(self) -> QueryReader:
        return QueryReader(self.cursor, self._udfs)

    def _tables(self) -> TableReader:
        return TableReader(self.cursor, self._udfs)

    # ---- CREATE, DROP

    def _create(self, start: Token) -> s.Statement:
        cursor = self.cursor
        cursor.expect("CREATE")
        replaces = cursor.accept("OR", "REPLACE")
        cursor.accept("TEMPORARY")
        cursor.accept("SYSTEM")
        if cursor.accept("MATERIALIZED"):
            return self._materialized(start, replaces=replaces)
        if cursor.sees("ALERT"):
            if replaces:
                raise cursor.unsupported("OR REPLACE of an alert", hint="Leave it out.")
            return read_alert(cursor, self._queries(), start)
        word = cursor.here.upper
        if word in ("CATALOG", "DATABASE", "MODEL", "CONNECTION"):
            raise cursor.unsupported(
                f"CREATE {word}", hint="There is one catalog; CREATE TABLE, VIEW or FUNCTION."
            )
        if word not in ("TABLE", "VIEW", "FUNCTION"):
            raise cursor.expected("TABLE, VIEW or FUNCTION")
        cursor.take()
        careful = cursor.accept("IF", "NOT", "EXISTS")
        name, _, last = cursor.path(f"the name of the {word.lower()}")
        rule = s.IfTaken.of(replaces=replaces, careful=careful)
        if word == "VIEW":
            return self._view(start, name, rule)
        if word == "FUNCTION":
            return self._function(start, name, rule)
        return self._tables().create(start, name, rule, last)

    def _materialized(self, start: Token, *, replaces: bool) -> s.CreateView:
        cursor = self.cursor
        if cursor.sees("TABLE"):
            raise cursor.unsupported(
                "CREATE MATERIALIZED TABLE",
                hint="CREATE MATERIALIZED VIEW keeps the result of a query in this process; write "
                "it to a system with CREATE TABLE … AS SELECT.",
            )
        cursor.expect("VIEW", after="after MATERIALIZED")
        careful = cursor.accept("IF", "NOT", "EXISTS")
        name = cursor.path("the name of the view")[0]
        rule = s.IfTaken.of(replaces=replaces, careful=careful)
        return self._view(start, name, rule, kept=True)

    def _view(
        self, start: Token, name: str, rule: s.IfTaken, *, kept: bool = False
    ) -> s.CreateView:
        cursor = self.cursor
        columns: list[str] = []
        options: dict[str, str] = {}
        places: dict[str, Place] = {}
        if cursor.accept("("):
            columns.append(cursor.name("a column").text)
            while cursor.accept(","):
                columns.append(cursor.name("a column").text)
            cursor.expect(")")
        if cursor.accept("COMMENT"):
            cursor.string("the comment")
        if kept and cursor.accept("WITH"):
            options, places = self._tables().options()
        cursor.expect("AS", after="and a query")
        first = cursor.here
        query = self._queries().query()
        text = cursor.text_between(first, cursor.tokens[cursor.at - 1])
        place = cursor.place(start, start)
        if kept:
            return s.CreateMaterializedView(
                name=name,
                if_taken=rule,
                columns=tuple(columns),
                query=query,
                text=text,
                options=options,
                option_places=places,
                place=place,
            )
        return s.CreateView(
            name=name, if_taken=rule, columns=tuple(columns), query=query, text=text, place=place
        )

    def _function(self, start: Token, name: str, rule: s.IfTaken) -> s.CreateFunction:
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
            name=name, if_taken=rule, path=path.text, place=cursor.place(start, path)
        )

    def _alter(self, start: Token) -> s.Statement:
        cursor = self.cursor
        cursor.expect("ALTER")
        kind = cursor.here.upper
        if kind not in ("TABLE", "VIEW"):
            raise cursor.expected("TABLE or VIEW after ALTER")
        cursor.take()
        careful = cursor.accept("IF", "EXISTS")
        name, _, last = cursor.path(f"the name of the {kind.lower()}")
        place = cursor.place(start, last)
        if kind == "TABLE":
            change = self._tables().change()
            return s.AlterTable(name=name, if_exists=careful, change=change, place=place)
        if cursor.accept("RENAME", "TO"):
            to = cursor.path("the new name")[0]
            return s.AlterView(name=name, if_exists=careful, to=to, place=place)
        cursor.expect("AS", after="or RENAME TO")
        first = cursor.here
        query = self._queries().query()
        text = cursor.text_between(first, cursor.tokens[cursor.at - 1])
        return s.AlterView(name=name, if_exists=careful, query=query, text=text, place=place)

    def _use(self, start: Token) -> s.Use:
        cursor = self.cursor
        cursor.expect("USE")
        if cursor.sees("MODULES"):
            raise cursor.unsupported("USE MODULES", hint="Functions are built in.")
        cursor.accept("CATALOG")
        parts = [cursor.name("a catalog or database").text]
        while cursor.accept("."):
            parts.append(cursor.name("a database").text)
        place = cursor.place(start)
        if not set(parts) <= HOME_NAMES:
            raise cursor.unsupported(
                "There is one catalog and one database",
                hint=f"Leave it out, or name {' or '.join(sorted(HOME_NAMES))}.",
                first=start,
            )
        return s.Use(name=".".join(parts), place=place)

    def _drop(self, start: Token) -> s.Drop:
        cursor = self.cursor
        cursor.expect("DROP")
        cursor.accept("TEMPORARY")
        cursor.accept("SYSTEM")
        if cursor.accept("MATERIALIZED") and not cursor.sees("VIEW"):
            raise cursor.expected("VIEW after DROP MATERIALIZED")
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
