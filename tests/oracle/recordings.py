"""Flink's answers as they lie beside the cases: one small text file each.

in      an :class:`~tests.oracle.ask.Answer` and the case it answers
out     ``recorded/<case>.txt``: Flink's version and mode, a hash of what it was asked, then either
        why it refused or failed, or the rows of each sink, folded, one JSON list a line (sorted;
        in batch mode as they came)
bad     a recording whose hash is another was made of an older case: `make oracle` renews it
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from millstream.testing.cases import Case
from tests.oracle.ask import Answer, Told, question
from tests.oracle.environment import VERSION

FOLDER = Path(__file__).parent / "recorded"


@dataclass(slots=True)
class Recording:
    """What one file says; ``error`` is "" where there are rows."""

    mode: str
    hash: str
    outcome: str
    error: str = ""
    columns: dict[str, tuple[str, ...]] = field(default_factory=dict)
    rows: dict[str, list[list[Any]]] = field(default_factory=dict)


def hash_of(case: Case) -> str:
    """Return the hash of everything that Flink is told about a case."""
    said = json.dumps(question(case), sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def text_of(answer: Answer, case: Case, keys: dict[str, tuple[str, ...]]) -> str:
    """Return the file's text; ``keys`` are the primary keys of the sinks that have one."""
    lines = [f"flink {VERSION} {answer.mode}", f"asked {hash_of(case)}"]
    if answer.outcome != "rows":
        return "\n".join([*lines, f"{answer.outcome} {answer.error}"]) + "\n"
    for name, told in sorted(answer.results.items()):
        lines.append(f"rows {name}: {','.join(told.columns)}")
        rows = folded(told, keys.get(name, ()))
        lines.extend(rows if answer.mode == "batch" else sorted(rows))
    return "\n".join(lines) + "\n"


def read(name: str) -> Recording | None:
    """Return the recording of a case, or None where there is none."""
    file = FOLDER / f"{name}.txt"
    return parse(file.read_text(encoding="utf-8")) if file.exists() else None


def parse(text: str) -> Recording:
    """Read the text of one recording."""
    first, second, *rest = text.splitlines()
    recording = Recording(first.split()[-1], second.split()[-1], "rows")
    name = ""
    for line in rest:
        word, _, said = line.partition(" ")
        if line.startswith("["):
            recording.rows[name].append(json.loads(line))
        elif word == "rows":
            name, _, columns = said.partition(": ")
            recording.columns[name] = tuple(columns.split(","))
            recording.rows[name] = []
        else:
            recording.outcome, recording.error = word, said
    return recording


def folded(told: Told, key: tuple[str, ...]) -> list[str]:
    """Fold changes to the rows they leave: the newest of each key, where there is one."""
    at = [told.columns.index(column) for column in key]
    newest: dict[str, str] = {}
    table: Counter[str] = Counter()
    for op, cells in told.changes:
        row = json.dumps(cells, ensure_ascii=False)
        place = json.dumps([cells[i] for i in at])
        gone = op in ("-U", "-D")
        if key and gone:
            newest.pop(place, None)
        elif key:
            newest[place] = row
        else:
            table[row] += -1 if gone else 1
    assert key or min(table.values(), default=0) >= 0, f"Flink took back too often: {table}"
    return list(newest.values()) if key else list(table.elements())
