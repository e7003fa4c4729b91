"""Every function of the catalogue is whole: a lowering, a case, a line in the docs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from millstream.engine.functions import lowering_of
from millstream.errors import PlanError
from millstream.expr import catalogue
from millstream.expr.resolve import resolve
from millstream.expr.tree import Call
from millstream.sql.read import expression
from millstream.types import Schema

ROOT = Path(__file__).resolve().parents[2]
COUNT_MIN = 150


def called_in_cases() -> frozenset[str]:
    """Return the canonical names of all functions that a case runs."""
    found: set[str] = set()
    for path in (ROOT / "tests" / "cases" / "functions").glob("*.cases"):
        for line in path.read_text(encoding="utf-8").splitlines():
            text, arrow, wanted = line.partition(" → ")
            if not arrow or line.startswith("#") or wanted.startswith("ERR"):
                continue
            try:
                expr = resolve(expression(text.strip()), Schema(()))
            except PlanError:
                continue  # the line's own test tells
            found |= {node.function for node in expr.walk() if isinstance(node, Call)}
    return frozenset(found)


CALLED = called_in_cases()


@pytest.mark.parametrize("name", sorted(catalogue.functions()))
def test_every_function_is_whole(name: str) -> None:
    """Without a lowering a function fails only when a user calls it, without a case in silence."""
    assert lowering_of(name) is not None
    assert name in CALLED, f"{name} has no line in tests/cases/functions/*.cases"


def test_there_are_as_many_functions_as_promised() -> None:
    """The promise is at least 150 of Flink's built-in scalar functions."""
    assert len(catalogue.functions()) >= COUNT_MIN


def test_the_page_of_functions_is_fresh() -> None:
    """docs/functions.md is generated; a stale page tells users of functions that are not so."""
    command = [sys.executable, str(ROOT / "tools" / "function_docs.py"), "--check"]
    environment = {"PYTHONPATH": str(ROOT / "src")}
    result = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("function", catalogue.functions().values(), ids=lambda f: f.name)
def test_every_function_says_what_it_is(function: catalogue.Function) -> None:
    """The signature and the sentence are what users see in errors and docs."""
    assert function.name.upper() == function.name
    assert function.says
    assert function.doc.rstrip().endswith(".")
    assert function.family in catalogue.FAMILIES
