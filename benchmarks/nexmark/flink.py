"""Asks a real Apache Flink the same queries over the same events, and keeps what it answers.

in      the events of our generator, as a file of JSON documents
out     answers.json: per query how many rows its result has, and a hash of them in sorted order
run     python -m benchmarks.nexmark.flink [N ...] (from the repository; a JDK 17, Flink's jars
        through pip); with numbers of queries, the answers to the others stay as they are
asked   all but q13 (Flink cannot look up a file) and q12 (by the clock); of q10 the rows, not the
        files; q6 in batch mode, for Flink refuses it as a stream; q14's own function is said as an
        expression there
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from benchmarks.nexmark.run import FOLDER, QUERIES, generator, script

import millstream as ms
from tests.oracle.environment import command

EVENTS, RATE = 100_000, 400
"""250 seconds of event time: windows close, and bidders meet the persons they will be."""
ASKED = tuple(q for q in QUERIES if q not in (12, 13))
ANSWERS = FOLDER / "answers.json"
FILE_BYTES_MAX = 32 << 20
"""Flink reads a larger file in several splits, and not in their order."""
_LIMIT_S = 1800
_HOW = {6: "batch", 9: "0"}
"""In batch mode, or the column that is the key of a result; else changes name their old rows."""
_CREATE_FUNCTION = "CREATE FUNCTION count_char AS 'benchmarks.nexmark.functions.count_char'"
_COUNTED = "CAST(CHAR_LENGTH(extra) - CHAR_LENGTH(REPLACE(extra, 'c', '')) AS BIGINT)"


def digest(lines: Iterable[str]) -> tuple[int, str]:
    """Return how many rows there are and a hash that does not depend on their order."""
    ordered = sorted(lines)
    return len(ordered), hashlib.sha256("\n".join(ordered).encode()).hexdigest()[:32]


def line(row: Iterable[Any]) -> str:
    """Return a row as one line, as ``Ask.java`` writes it."""
    return "\x01".join(map(_cell, row))


def _cell(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds")
    return format(value, "f") if isinstance(value, Decimal) else str(value)


def _write_events(folder: Path) -> Path:
    """Write the events with our own JSON, in a folder, and return the one file there."""
    table = (FOLDER / "ddl.sql").read_text().split("CREATE VIEW")[0]
    table = table.replace("${source}", generator(EVENTS, RATE))
    columns = table[table.index("event_type INT") : table.index("`dateTime` AS CASE")]
    options = f"'connector' = 'filesystem', 'path' = '{folder}', 'format' = 'json', "
    options += "'json.encode.ignore-null-fields' = 'true'"
    table += f"CREATE TABLE file ({columns.strip().rstrip(',')}) WITH ({options});"
    table += "INSERT INTO file SELECT event_type, person, auction, bid FROM nexmark;"
    ms.run(*ms.script(table))
    (file,) = folder.glob("part-*")
    assert file.stat().st_size < FILE_BYTES_MAX, f"{file.stat().st_size} bytes are several splits"
    return file


def main() -> None:
    """Ask, and write the answers."""
    queries = tuple(map(int, sys.argv[1:])) or ASKED
    flink = command()
    classpath = flink[flink.index("-cp") + 1]
    options = flink[1 : flink.index("-cp")]
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        file = _write_events(folder / "events")
        source = f"'connector' = 'filesystem', 'path' = '{file}', 'format' = 'json'"
        asked: list[str] = []
        for query in queries:
            text = script(query, source=source, sink="'connector' = 'blackhole'", folder=folder)
            text = text.replace(_CREATE_FUNCTION + " LANGUAGE PYTHON;", "")
            text = text.replace("count_char(extra, 'c')", _COUNTED)
            (folder / f"q{query}.sql").write_text(text)
            asked += [str(folder / f"q{query}.sql"), _HOW.get(query, "-1")]
        program = ["java", *options, "-cp", classpath, str(FOLDER / "Ask.java")]
        subprocess.run([*program, *asked], check=True, timeout=_LIMIT_S)
        answers = {
            f"q{query}": digest((folder / f"q{query}.rows").read_text().split("\n")[:-1])
            for query in queries
        }
    if queries != ASKED:
        answers = json.loads(ANSWERS.read_text())["answers"] | answers
        answers = {f"q{query}": answers[f"q{query}"] for query in ASKED}
    whole = {"events": EVENTS, "rate": RATE, "answers": answers}
    lines = json.dumps(whole, indent=1).replace("[\n   ", "[").replace(",\n   ", ", ")
    ANSWERS.write_text(lines.replace("\n  ]", "]") + "\n")
    for name, (rows, _) in answers.items():
        print(f"{name:>4} {rows:>9,} rows")


if __name__ == "__main__":
    main()
