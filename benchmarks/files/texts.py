"""The SQL of a case, as ours and Flink are given it.

in      a case (``q5``, ``tumble``), the options of source and sink
out     one script: CREATE statements, then one INSERT INTO
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.nexmark import run as nexmark

PLAIN = ("filter", "tumble", "group")
QUERIES = (0, 1, 2, 3, 4, 5, 7, 8, 9, 11, 15, 16, 17, 18, 19, 20, 21, 22)
"""Of Nexmark; left out: q10 (writes files), q12 (by the clock), q13 (a side input), q6 (Flink does
not run it), q14 (a function of one's own), q23."""
_FOLDER = Path(__file__).resolve().parent / "queries"


def kind(case: str) -> str:
    """Return which input a case reads."""
    return "plain" if case in PLAIN else "nexmark"


def number(case: str) -> int:
    """Return the number of a Nexmark query."""
    assert case.startswith("q"), f"{case} is no query of Nexmark"
    return int(case[1:])


def script(case: str, *, source: str, sink: str) -> str:
    """Return the whole script."""
    if kind(case) == "nexmark":
        return nexmark.script(number(case), source=source, sink=sink, folder=Path())
    text = (_FOLDER / "plain.sql").read_text() + (_FOLDER / f"{case}.sql").read_text()
    return text.replace("${source}", source).replace("${sink}", sink)


def json_file(path: Path | str) -> str:
    """Return the options of a table of JSON lines."""
    return f"'connector' = 'filesystem', 'path' = '{path}', 'format' = 'json'"
