"""The half of the catalogue these tests own: complete, lowered, and with cases."""

from __future__ import annotations

from pathlib import Path

import pytest

from millstream.engine.functions import lowering_of
from millstream.expr.catalogue import functions
from millstream.expr.function import Function

FAMILIES = ("comparison", "logical", "arithmetic", "conditional", "temporal")
CASES = Path(__file__).parents[2] / "cases" / "functions"
SPELLED = {
    "NEGATE": "- ", "%": "MOD(", "IS DISTINCT FROM": "IS DISTINCT FROM", "E": "E()", "+": " + ",
}  # fmt: skip


def owned() -> list[Function]:
    """Return the functions of these families."""
    return [f for f in functions().values() if f.family in FAMILIES]


def test_every_function_has_a_lowering() -> None:
    """A function that resolves and cannot run would fail only in front of the user."""
    for function in owned():
        assert lowering_of(function.name) is not None, function.name


@pytest.mark.parametrize("family", FAMILIES)
def test_every_function_has_a_case(family: str) -> None:
    """What has no case is not promised."""
    lines = (CASES / f"{family}.cases").read_text(encoding="utf-8").splitlines()
    text = "\n".join(line for line in lines if not line.startswith("#"))
    missing = [
        name
        for function in owned()
        if function.family == family
        for name in (function.name, *function.aliases)
        if SPELLED.get(name, name) not in text and name not in ("!=", "NVL")
    ]
    assert missing == []
