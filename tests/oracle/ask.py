"""Puts cases to a real Apache Flink: the same statements, the same rows in the same order.

in      cases (:class:`~millstream.testing.cases.Case`)
out     one :class:`Answer` each, in their order
bad     NoFlink where it cannot be run; a case that Flink refuses is an answer too
"""

from __future__ import annotations

import datetime as dt
import json
import re
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from millstream import types as t
from millstream.testing.cases import Case, Fed
from millstream.testing.run_case import _create
from tests.oracle.environment import NoFlink, command

RUN_LIMIT_S = 1800.0
_STATEMENT = re.compile(
    r"""
    (?P<skip> --[^\n]* | /\*.*?\*/ | \s+ )
    | (?P<text> '(?:[^']|'')*' | `[^`]*` | [^\s;'`/-]+ | [/-] )
    | (?P<end> ; )
    """,
    re.VERBOSE | re.DOTALL,
)
_COMMENTS = re.compile(r"^(\s*(--[^\n]*|/\*.*?\*/))*\s*", re.DOTALL)
_LONG = re.compile(r"INTERVAL '(\d{3,})\.(\d{3})' SECOND")
_SET = re.compile(r"SET\s+'([^']*)'\s*=\s*'([^']*)'\s*$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Told:
    """What Flink gave one sink: its columns, their types and each change as JSON cells."""

    columns: tuple[str, ...]
    types: tuple[str, ...]
    changes: tuple[tuple[str, tuple[Any, ...]], ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """Flink's answer; ``outcome`` is rows, refused (it has no plan) or failed (while running)."""

    name: str
    outcome: str
    mode: str
    error: str
    results: dict[str, Told]


def ask(cases: Iterable[Case]) -> list[Answer]:
    """Run the cases one after another in one Java process."""
    with tempfile.TemporaryDirectory(prefix="millstream-oracle-") as folder:
        asked, told = Path(folder) / "cases", Path(folder) / "answers"
        asked.write_text("".join(json.dumps(question(case)) + "\n" for case in cases))
        done = subprocess.run(
            [*command(), str(asked), str(told)],
            capture_output=True,
            text=True,
            timeout=RUN_LIMIT_S,
            check=False,
        )
        if done.returncode != 0:
            raise NoFlink(f"the runner ended with {done.returncode}: {done.stderr[-800:]}")
        return [_answer(json.loads(line)) for line in told.read_text().splitlines()]


def question(case: Case) -> dict[str, Any]:
    """Return what the runner is told; the hash of a recording is taken of this."""
    return {
        "name": case.name,
        "settings": {k: v for k, v in case.settings.items() if k.startswith("table.")},
        "tables": {
            name: {
                "columns": list(table.schema.names),
                "changes": table.changes,
                "upsert": table.upsert,
            }
            for name, table in case.inputs.items()
        },
        "events": [
            [
                fed.table,
                fed.split,
                fed.ops[i] if fed.ops else "+",
                [_cell(v, f.type) for v, f in zip(row, case.inputs[fed.table].schema, strict=True)],
            ]
            for fed in case.feed
            if isinstance(fed, Fed)
            for i, row in enumerate(fed.rows)
        ],
        "statements": list(_all_statements(case)),
    }


def _all_statements(case: Case) -> Iterator[dict[str, str]]:
    for table in case.inputs.values():
        if not re.search(rf"CREATE\s+TABLE\s+`?{table.name}\b", case.sql):
            yield {"kind": "ddl", "sql": _LONG.sub(_with_days, _create(table))}
    for text in split_statements(case.sql):
        word = _COMMENTS.sub("", text).split(None, 1)[0].upper().rstrip("(")
        said = _SET.match(_COMMENTS.sub("", text))
        if said is not None:
            yield {"kind": "set", "key": said[1], "value": said[2], "sql": text}
        elif word in ("SELECT", "WITH", "VALUES", ""):
            yield {"kind": "select", "sql": text}
        elif word == "INSERT":
            yield {"kind": "insert", "sql": text}
        else:
            yield {"kind": "ddl", "sql": text}


def _with_days(interval: re.Match[str]) -> str:
    """Spell what is too long for seconds, of which Flink takes two digits."""
    minutes, seconds = divmod(int(interval[1]), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    clock = f"{hours:02}:{minutes:02}:{seconds:02}.{interval[2]}"
    return f"INTERVAL '{days} {clock}' DAY TO SECOND(3)"


def split_statements(sql: str) -> list[str]:
    """Split a script at its semicolons; the inserts of a statement set are statements too.

    >>> split_statements("SELECT 'a;b'; EXECUTE STATEMENT SET BEGIN INSERT 1; INSERT 2; END;")
    ["SELECT 'a;b'", 'INSERT 1', 'INSERT 2']
    """
    texts: list[str] = []
    start = end = 0
    for found in _STATEMENT.finditer(sql):
        if found.lastgroup == "end":
            texts.append(sql[start : found.start()].strip())
            start = found.end()
        end = found.end()
    assert end == len(sql), f"a token of the script was not understood at {end}"
    texts.append(sql[start:].strip())
    plain = (
        re.sub(r"^(EXECUTE\s+STATEMENT\s+SET\s+BEGIN|END$)\s*", "", text, flags=re.IGNORECASE)
        for text in texts
    )
    return [text for text in plain if text]


def _cell(value: Any, kind: t.LogicalType) -> Any:
    if value is None or isinstance(value, bool):
        return value
    match kind:
        case t.Array(element=element):
            return [_cell(v, element) for v in value]
        case t.Map(key=key, value=inner):
            return [[_cell(p["key"], key), _cell(p["value"], inner)] for p in value]
        case t.Multiset(element=element):
            return [[_cell(p["key"], element), str(p["value"])] for p in value]
        case t.Row(fields=fields):
            return [_cell(value[name], inner) for name, inner in fields]
        case t.IntervalDay():
            return str(value // dt.timedelta(milliseconds=1))
        case _:
            return _text(value)


def _text(value: Any) -> str:
    if isinstance(value, dt.datetime):
        return value.replace(tzinfo=None).isoformat()
    return value.hex() if isinstance(value, bytes) else str(value)


def _answer(said: dict[str, Any]) -> Answer:
    return Answer(
        said["name"],
        said["outcome"],
        said["mode"],
        said.get("error", ""),
        {
            name: Told(
                tuple(kept["columns"]),
                tuple(kept["types"]),
                tuple((change[0], tuple(change[1:])) for change in kept["changes"]),
            )
            for name, kept in said.get("results", {}).items()
        },
    )
