"""The shape of the code: lengths, docstrings, words that have no place in finished work."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
TESTS = sorted(p for p in (ROOT / "tests").rglob("test_*.py"))
LINES_MAX, FUNCTION_LINES_MAX = 800, 70
# Split so that this file does not find itself.
UNFINISHED = re.compile(
    r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK|NotImplemented" r"Error|place" r"holder)\b"
)
OF_THIS_MACHINE = re.compile(r"/wo" r"rk/|/ho" r"me/[a-z]|/ro" r"ot/")


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), filename=str(path))


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_files_and_functions_have_a_size(path):
    """A file one can read and a function that fits a screen."""
    text = path.read_text()
    assert text.count("\n") <= LINES_MAX
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            docstring = ast.get_docstring(node, clean=False)
            said = 0 if docstring is None else docstring.count("\n") + 1
            lines = (node.end_lineno or node.lineno) - node.lineno + 1 - said
            assert lines <= FUNCTION_LINES_MAX, f"{node.name} has {lines} lines of code"


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_modules_say_their_contract(path):
    """Every module opens with a docstring and lazy annotations."""
    module = tree_of(path)
    if not module.body:
        return
    assert ast.get_docstring(module), "no module docstring"
    if len(module.body) > 1:
        future = [
            n for n in module.body if isinstance(n, ast.ImportFrom) and n.module == "__future__"
        ]
        assert future, "no `from __future__ import annotations`"


@pytest.mark.parametrize("path", SOURCES + TESTS, ids=named)
def test_nothing_unfinished_is_left_behind(path):
    """What is committed is finished, and names no machine."""
    text = path.read_text()
    for number, line in enumerate(text.splitlines(), 1):
        assert not UNFINISHED.search(line), f"line {number}: {line.strip()}"
        assert not OF_THIS_MACHINE.search(line), f"line {number}: {line.strip()}"


@pytest.mark.parametrize("path", TESTS, ids=named)
def test_tests_say_why_they_exist(path):
    """The first line of a test's docstring says why it is there."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            assert ast.get_docstring(node), f"{node.name} says nothing"


def test_no_junk_drawer():
    """A helper that two rooms need lives beside the type it speaks about."""
    names = {p.name for p in SOURCES}
    assert not names & {"utils.py", "helpers.py", "misc.py", "common.py"}
