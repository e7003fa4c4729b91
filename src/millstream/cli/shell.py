r"""``millstream sql`` alone: an interactive shell.

in      statements that end with ``;``, over as many lines as they need; commands that start with a
        backslash
out     results; an endless query is a table that follows it until Ctrl-C ends the query
state   one session: tables, views, functions and settings; the history is kept in a file
bad     an error is printed and the shell goes on
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from millstream.cli.conductor import Conductor
from millstream.cli.failure import Exit, say_error
from millstream.cli.program import settings_of, text_of
from millstream.cli.query import Printer
from millstream.errors import MillstreamError, MissingExtra, PlanError, UnknownName

if TYPE_CHECKING:
    from prompt_toolkit import PromptSession
    from prompt_toolkit.completion import CompleteEvent, Completion
    from prompt_toolkit.document import Document

    from millstream.sql.script import Session

HELP = r"""statements end with ;     an endless query ends with Ctrl-C
\d            tables and views          \d NAME       columns of one
\f [TEXT]     functions, by name        \c [NAME]     connectors, options of one
\i FILE       execute a file            \set          settings
\format F     table, json or csv        \changelog    each change, or results (switch)
\?            this help                 \q            leave (also Ctrl-D)"""
KEYWORDS = (
    "SELECT", "FROM", "WHERE", "GROUP BY", "HAVING", "ORDER BY", "LIMIT", "UNION ALL", "DISTINCT",
    "WITH", "AS", "AND", "OR", "NOT", "NULL", "IS", "IN", "LIKE", "BETWEEN", "CASE", "WHEN", "THEN",
    "ELSE", "END", "CAST", "TRY_CAST", "CREATE TABLE", "CREATE VIEW", "CREATE FUNCTION",
    "LANGUAGE PYTHON", "DROP TABLE", "DROP VIEW", "INSERT INTO", "VALUES", "WATERMARK FOR",
    "PRIMARY KEY", "NOT ENFORCED", "EXPLAIN", "DESCRIBE", "SHOW TABLES", "SHOW FUNCTIONS", "SET",
    "RESET", "EXECUTE STATEMENT SET BEGIN", "TUMBLE", "HOP", "CUMULATE", "TABLE", "DESCRIPTOR",
    "INTERVAL", "SECOND", "MINUTE", "HOUR", "DAY", "TIMESTAMP(3)", "STRING", "BIGINT", "DOUBLE",
    "BOOLEAN", "INT", "DECIMAL",
)  # fmt: skip
PROMPT, MORE = "millstream> ", "         -> "


def open_shell(pairs: list[str]) -> Exit:
    """Read and execute statements until the user leaves; returns the exit code."""
    from millstream.frame.sqls import session_of

    session = session_of({}, settings_of(pairs))
    shell = Shell(session)
    reader = _reader(session)
    print("Millstream SQL. \\? helps, \\q leaves.", file=sys.stderr)
    while not shell.left:
        try:
            line = reader.prompt(PROMPT)
        except KeyboardInterrupt:
            continue  # the line is thrown away, as in every shell
        except EOFError:
            break
        shell.take(line)
    return Exit.OK


class Shell:
    """Executes what was typed; nothing typed ends it but the wish to leave."""

    def __init__(self, session: Session) -> None:
        self.left = False
        self._session = session
        self._shape = "table"
        self._changelog = False
        self._commands: dict[str, Callable[[str], None]] = {
            "?": lambda _: print(HELP),
            "q": self._leave,
            "d": self._describe,
            "f": self._functions,
            "c": self._connectors,
            "i": self._file,
            "set": lambda _: self._execute("SET;"),
            "format": self._format,
            "changelog": self._switch_changelog,
        }

    def take(self, text: str) -> None:
        """Execute a command or statements; errors are printed."""
        said = text.strip()
        try:
            if said.startswith("\\"):
                self._command(said[1:])
            elif said.rstrip(";").lower() in ("quit", "exit"):
                self._leave("")
            elif said:
                self._execute(said)
        except KeyboardInterrupt:
            print("stopped", file=sys.stderr)
        except MillstreamError as error:
            say_error(error)

    def _command(self, said: str) -> None:
        name, _, rest = said.partition(" ")
        found = self._commands.get(name.rstrip(";"))
        if found is None:
            raise UnknownName("command", "\\" + name, available=["\\" + c for c in self._commands])
        found(rest.strip().rstrip(";").strip())

    def _execute(self, text: str, file: str | None = None) -> None:
        conductor = Conductor(quiet=False)
        printer = Printer(self._session, conductor, self._shape, changelog=self._changelog)
        for outcome in self._session.execute(text, file=file):
            # The exit code of a query that was ended is none of the shell's.
            printer.show(outcome)

    def _leave(self, _: str) -> None:
        self.left = True

    def _describe(self, name: str) -> None:
        self._execute(f"DESCRIBE `{name}`;" if name else "SHOW TABLES;")

    def _functions(self, part: str) -> None:
        from millstream.expr.catalogue import functions
        from millstream.frame.screen import print_rows

        found = [f for name, f in sorted(functions().items()) if part.upper() in name]
        if not found:
            raise UnknownName("function", part, available=functions())
        print_rows(("function", "about"), [(f.says, f.doc) for f in found])

    def _connectors(self, name: str) -> None:
        from millstream.cli.listing import list_connectors

        list_connectors(name or None, "table")

    def _file(self, path: str) -> None:
        if not Path(path).is_file():
            raise PlanError(f"There is no file '{path}'.", hint="\\i path/to/script.sql")
        self._execute(text_of(Path(path)), file=path)

    def _format(self, shape: str) -> None:
        if shape not in ("table", "json", "csv"):
            raise PlanError(f"There is no format '{shape}'.", hint="\\format table, json or csv")
        self._shape = shape

    def _switch_changelog(self, _: str) -> None:
        self._changelog = not self._changelog
        print(f"each change: {'on' if self._changelog else 'off'}", file=sys.stderr)


def complete(text: str) -> bool:
    r"""Tell whether what was typed can be executed: a command, or statements up to ``;``.

    >>> [complete(t) for t in ("SELECT 1", "SELECT 1;", r"\\d", "SELECT ';'", "", "-- ;")]
    [False, True, True, False, True, False]
    """
    said = text.strip()
    if not said or said.startswith("\\") or said.lower() in ("quit", "exit"):
        return True
    return _without_quoted(said).rstrip().endswith(";")


def _without_quoted(text: str) -> str:
    """Return the text with quoted parts and comments left out."""
    kept: list[str] = []
    at = 0
    while at < len(text):
        sign = text[at]
        if text.startswith("--", at):
            end = text.find("\n", at) if "\n" in text[at:] else len(text)
        elif text.startswith("/*", at):
            end = text.find("*/", at) + 1
        elif sign in "'`":
            end = text.find(sign, at + 1)
        else:
            kept.append(sign)
            at += 1
            continue
        if end <= 0:
            return ""  # what was opened is not closed yet: nothing behind it counts
        at = end + 1
    return "".join(kept)


def words_of(session: Session) -> Iterable[tuple[str, str]]:
    """Yield every word that may stand in a statement, and what it is."""
    from millstream.expr.catalogue import functions

    for name in session.catalog.relation_names():
        yield name, "table"
        node = session.catalog.relation(name)
        assert node is not None, "a name of the catalog has a relation"
        for column in node.schema.names:
            yield column, f"column of {name}"
    for name in (*functions(), *session.catalog.functions):
        if name[0].isalpha() and " " not in name:
            yield name, "function"
    for word in KEYWORDS:
        yield word, ""


def _reader(session: Session) -> PromptSession[str]:
    try:
        from prompt_toolkit import PromptSession
        from prompt_toolkit.completion import Completer, Completion
        from prompt_toolkit.history import FileHistory, InMemoryHistory
        from prompt_toolkit.key_binding import KeyBindings
        from prompt_toolkit.lexers import PygmentsLexer
        from pygments.lexers.sql import SqlLexer  # type: ignore[import-untyped]
    except ImportError:
        raise MissingExtra("prompt_toolkit", "shell", where="the SQL shell") from None

    class Words(Completer):
        """Completes the word before the cursor."""

        def get_completions(
            self, document: Document, complete_event: CompleteEvent
        ) -> Iterable[Completion]:
            typed = document.get_word_before_cursor()
            if not typed:
                return
            seen: set[str] = set()
            for word, what in words_of(session):
                if word.upper().startswith(typed.upper()) and word not in seen:
                    seen.add(word)
                    yield Completion(word, start_position=-len(typed), display_meta=what)

    keys = KeyBindings()

    @keys.add("enter")
    def _(event: Any) -> None:
        buffer = event.current_buffer
        if complete(buffer.text):
            buffer.validate_and_handle()
        else:
            buffer.insert_text("\n")

    path = _history_file()
    return PromptSession(
        history=InMemoryHistory() if path is None else FileHistory(str(path)),
        completer=Words(),
        complete_while_typing=False,
        lexer=PygmentsLexer(SqlLexer),
        multiline=True,
        key_bindings=keys,
        prompt_continuation=MORE,
    )


def _history_file() -> Path | None:
    """Return where the history is kept; None where no folder can be written."""
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    folder = Path(base) / "millstream"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return folder / "history"
