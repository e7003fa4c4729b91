"""Every error of the outside world says what kind of trouble it is."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "millstream"
FILES = sorted(p for p in SOURCE.rglob("*.py") if "ConnectorError(" in p.read_text())


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_every_connector_error_names_its_domain(path: Path) -> None:
    """Restarts, metrics and alerts go by domain and retry; a default would be a guess."""
    calls = [
        node
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "ConnectorError"
    ]
    silent = [c.lineno for c in calls if not {k.arg for k in c.keywords} & {"domain", None}]
    assert not silent, f"no domain in lines {silent}"
