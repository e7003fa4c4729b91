"""The interactive shell, typed at through a pipe: statements, commands, mistakes, leaving."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from millstream.cli import shell
from millstream.cli.failure import Exit

pytest.importorskip("prompt_toolkit")

Type = Callable[[str], Exit]
CTRL_C, CTRL_D = "\x03", "\x04"


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, tmp_path) -> Type:
    """Type keys into a shell of its own; it ends with what they say, or with Ctrl-D."""
    from prompt_toolkit.application import create_app_session
    from prompt_toolkit.input import create_pipe_input
    from prompt_toolkit.output import DummyOutput

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("NO_COLOR", "1")

    def type_keys(keys: str) -> Exit:
        with create_pipe_input() as given, create_app_session(input=given, output=DummyOutput()):
            given.send_text(keys + CTRL_D)
            return shell.open_shell([])

    return type_keys


def test_a_statement_may_take_several_lines(
    typed: Type, capsys: pytest.CaptureFixture[str]
) -> None:
    """Enter ends a statement only behind a semicolon."""
    assert typed("SELECT 1 + 1\rAS two;\r") is Exit.OK
    assert capsys.readouterr().out.split() == ["two", "─" * 3, "2"]


def test_a_session_remembers_what_was_declared(
    typed: Type, capsys: pytest.CaptureFixture[str]
) -> None:
    """Views and settings live as long as the shell."""
    typed("CREATE VIEW v AS SELECT 7 AS n;\r\\format json\rSELECT n * 6 AS x FROM v;\r\\d\r")
    printed = capsys.readouterr().out
    assert '{"x":42}' in printed
    assert '{"table name": "v"}' in printed


def test_a_mistake_is_told_and_the_shell_goes_on(
    typed: Type, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing typed ends the shell but the wish to leave."""
    typed("SELECT nope;\r\\nope\r\\i no/such/file\r\\format xml\rSELECT 3 AS x;\r")
    said = capsys.readouterr()
    assert "Unknown column 'nope'" in said.err
    assert "Unknown command '\\nope'" in said.err
    assert "There is no file 'no/such/file'" in said.err
    assert "There is no format 'xml'" in said.err
    assert "3" in said.out


def test_ctrl_c_throws_the_line_away(typed: Type, capsys: pytest.CaptureFixture[str]) -> None:
    """As in every shell; the next line starts anew."""
    typed(f"SELECT 1 AS\r{CTRL_C}SELECT 2 AS x;\r")
    assert "2" in capsys.readouterr().out


@pytest.mark.parametrize("keys", ["\\q\r", "quit;\r", "exit\r", ""])
def test_every_wish_to_leave_is_understood(typed: Type, keys: str) -> None:
    """\\q, quit, exit and Ctrl-D."""
    assert typed(keys) is Exit.OK


def test_help_names_every_command(typed: Type, capsys: pytest.CaptureFixture[str]) -> None:
    """A command nobody is told of is not there."""
    typed("\\?\r")
    printed = capsys.readouterr().out
    from millstream.frame.sqls import session_of

    for name in shell.Shell(session_of({}))._commands:
        assert "\\" + name in printed


def test_completion_knows_what_the_session_knows() -> None:
    """Tables, columns and functions are completed, not only keywords."""
    from millstream.frame.sqls import session_of

    session = session_of({})
    list(session.execute("CREATE VIEW prices AS SELECT 1 AS amount"))
    words = dict(shell.words_of(session))
    assert words["prices"] == "table"
    assert words["amount"] == "column of prices"
    assert words["UPPER"] == "function"
    assert words["SELECT"] == ""


@pytest.mark.parametrize(
    ("text", "done"),
    [
        ("SELECT ';", False),
        ("SELECT ';' ;", True),
        ("SELECT 1; -- and more", True),
        ("SELECT 1 /* ; */", False),
        ("SELECT `a;b`", False),
        ("SELECT 'it''s';", True),
        ("  \\d", True),
    ],
)
def test_a_semicolon_in_quotes_ends_nothing(text: str, done: bool) -> None:
    """Enter must not send half a statement."""
    assert shell.complete(text) is done
