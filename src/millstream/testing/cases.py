"""SQL scenario cases: one file says input, query and result, and why it exists.

in      the text of a case file: a header of ``--`` lines, then the SQL
out     :class:`Case`; :mod:`millstream.testing.run_case` runs it
bad     CaseError with the line

Header keys, each at the start of a ``-- key  text`` line; lines that begin with spaces after the
``--`` continue the key above::

    why       one or more lines
    input     name [at time]: columns[; watermark col - 5s][; key a, b]
              [; changes | upsert][; endless]
              then rows; ``+`` or ``-`` before a row of a changing input
    input     name[@split] [at time] more rows of a table, read after those above, at that time
    tick      time                   the clock comes so far without rows
    set       option = value
    expect    [sink:] columns, then rows (any order; the folded table of an updating result)
    ordered   like expect, in this order
    changes   the first sink's changes row by row: ``+I a,1``
    late      rows too late, with the columns of the window's input
    rejected  reason [| part of the row as JSON]
    error     parts of the message, one a line;   at  line:column of the place it names
    targets   which other engines run it, and ``flink gap: reason`` where one cannot, or is wrong
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from millstream.errors import PlanError
from millstream.testing.cells import CaseError, parse_cell, split_row
from millstream.types import Schema, Timestamp, parse_type

if TYPE_CHECKING:
    from pathlib import Path

KEYS = (
    *("why", "input", "tick", "set", "expect", "ordered", "changes"),
    *("late", "rejected", "error", "at", "targets"),
)
_KEY = re.compile(rf"-- ({'|'.join(KEYS)})(?:\s+(.*))?$")
_NAME = re.compile(r"(\w+)(?:@(\w+))?\s*(?::\s*(.*))?$")
_READ_AT = re.compile(r"(\w+)(?:@(\w+))?\s+at\s+(\S.*?)(?::\s+(.*))?$")
_WATERMARK = re.compile(r"watermark\s+(\w+)\s*-\s*(.+)$")
_GAP = re.compile(r"\b(flink|spark)\s+gap:")


@dataclass(frozen=True, slots=True)
class Input:
    """A table the case feeds, as its header declares it."""

    name: str
    schema: Schema
    watermark: tuple[str, str] | None = None
    key: tuple[str, ...] = ()
    changes: bool = False
    upsert: bool = False
    endless: bool = False


@dataclass(frozen=True, slots=True)
class Fed:
    """Rows of one table, read in a row; ``ops`` are ``+`` and ``-`` for changing inputs."""

    table: str
    split: str
    rows: tuple[tuple[object, ...], ...]
    ops: tuple[str, ...]
    read_at_ms: int = 0


@dataclass(frozen=True, slots=True)
class Tick:
    """The clock comes so far without rows."""

    at_ms: int
    table: str = ""
    """None: the clock is everyone's."""


@dataclass(frozen=True, slots=True)
class Expected:
    """Rows a sink must hold; ``sink`` is None for the query itself."""

    sink: str | None
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    ordered: bool


@dataclass(slots=True)
class Case:
    """One scenario."""

    name: str
    sql: str
    why: str = ""
    inputs: dict[str, Input] = field(default_factory=dict)
    feed: list[Fed | Tick] = field(default_factory=list)
    settings: dict[str, str] = field(default_factory=dict)
    expect: list[Expected] = field(default_factory=list)
    changes: tuple[str, ...] | None = None
    late: tuple[tuple[str, ...], ...] = ()
    rejected: tuple[str, ...] = ()
    error: tuple[str, ...] = ()
    at: str | None = None
    targets: tuple[str, ...] = ()
    gaps: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Section:
    """One key of the header: what stands beside it, and the lines below."""

    key: str
    head: str
    lines: list[str]
    number: int


def read_case(path: Path) -> Case:
    """Read one case file."""
    return parse_case(path.read_text(encoding="utf-8"), path.stem)


def parse_case(text: str, name: str) -> Case:
    """Read the text of one case."""
    sections, sql = _sections(text, name)
    case = Case(name, sql)
    for section in sections:
        try:
            _take(case, section)
        except (CaseError, PlanError) as error:
            where = f"case '{name}', line {section.number} ({section.key})"
            raise CaseError(str(error), where=where) from None
    if not case.why:
        raise CaseError("A case says why it exists.", where=f"case '{name}'", hint="-- why  …")
    if not (case.expect or case.error):
        raise CaseError("A case expects something.", where=f"case '{name}'", hint="-- expect  …")
    return case


def _sections(text: str, name: str) -> tuple[list[_Section], str]:
    sections: list[_Section] = []
    lines = text.splitlines()
    for number, line in enumerate(lines, start=1):
        if not line.startswith("--"):
            return sections, "\n".join(lines[number - 1 :]).strip()
        found = _KEY.match(line)
        if found:
            sections.append(_Section(found[1], (found[2] or "").strip(), [], number))
        elif line[2:].strip() and sections and line.startswith("--   "):
            sections[-1].lines.append(line[2:].strip())
        elif line[2:].strip():
            raise CaseError(
                f"'{line}' is no part of a case.",
                where=f"case '{name}', line {number}",
                hint=f"Keys: {', '.join(KEYS)}; other lines begin with spaces after the --.",
            )
    raise CaseError("There is no SQL.", where=f"case '{name}'")


def _take(case: Case, section: _Section) -> None:
    beside = [section.head] if section.head else []
    everything = (*beside, *section.lines)
    match section.key:
        case "why":
            case.why = " ".join(everything)
        case "input":
            _take_input(case, section)
        case "tick":
            case.feed.append(Tick(_instant(section.head)))
        case "set":
            for line in everything:
                option, _, value = line.partition("=")
                case.settings[option.strip()] = value.strip()
        case "expect" | "ordered":
            case.expect.append(_expected(section))
        case "changes":
            case.changes = everything
        case "late":
            case.late = tuple(tuple(split_row(line)) for line in everything)
        case "rejected":
            case.rejected = everything
        case "error":
            case.error = everything
        case "at":
            case.at = section.head
        case _:
            names, *gaps = _GAP.split(" ".join(everything))
            case.targets = tuple(part.strip() for part in names.split(",") if part.strip())
            case.gaps = {
                engine: reason.strip(" ;")
                for engine, reason in zip(gaps[::2], gaps[1::2], strict=True)
            }


def _expected(section: _Section) -> Expected:
    sink, colon, columns = section.head.partition(":")
    if not colon:
        sink, columns = "", section.head
    return Expected(
        sink=sink.strip() or None,
        columns=tuple(split_row(columns)),
        rows=tuple(tuple(split_row(line)) for line in section.lines),
        ordered=section.key == "ordered",
    )


def _take_input(case: Case, section: _Section) -> None:
    clocked = _READ_AT.match(section.head)
    found = clocked or _NAME.match(section.head)
    if found is None:
        raise CaseError(f"'{section.head}' names no table.", hint="-- input  name: columns")
    name, split, said = found[1], found[2] or "0", found[4] if clocked else found[3]
    read_at_ms = 0 if clocked is None else _instant(clocked[3])
    if said is not None:
        case.inputs[name] = _input(name, said)
    elif name not in case.inputs:
        raise CaseError(f"The columns of '{name}' are not said.", hint="-- input  name: columns")
    table = case.inputs[name]
    rows: list[tuple[object, ...]] = []
    ops: list[str] = []
    for line in section.lines:
        cells = line
        if table.changes or table.upsert:
            ops.append(line[0])
            cells = line[1:].strip()
            if line[0] not in "+-":
                raise CaseError(f"'{line}' of a changing input begins with + or -.")
        rows.append(_row(cells, table.schema))
    case.feed.append(Fed(name, split, tuple(rows), tuple(ops), read_at_ms))


def _instant(text: str) -> int:
    """Return the epoch milliseconds of a time of the clock, in UTC."""
    moment = parse_cell(text, Timestamp(3, nullable=False))
    assert isinstance(moment, dt.datetime), f"'{text}' is no time"
    return (moment - dt.datetime(1970, 1, 1)) // dt.timedelta(milliseconds=1)  # noqa: DTZ001


def _row(line: str, schema: Schema) -> tuple[object, ...]:
    cells = split_row(line)
    if len(cells) != len(schema):
        raise CaseError(f"'{line}' has {len(cells)} cells, the table has {len(schema)} columns.")
    return tuple(parse_cell(cell, f.type) for cell, f in zip(cells, schema, strict=True))


def _input(name: str, said: str) -> Input:
    columns, *rest = (part.strip() for part in said.split(";"))
    # A type may hold commas itself (DECIMAL(10, 2)); a column begins where brackets are closed.
    types: dict[str, str] = {}
    for column in re.split(r",(?![^(<]*[)>])", columns):
        column_name, _, type_text = column.strip().partition(" ")
        types[column_name] = type_text
    schema = Schema.of({n: parse_type(text) for n, text in types.items()})
    watermark: tuple[str, str] | None = None
    key: tuple[str, ...] = ()
    flags: set[str] = set()
    for part in rest:
        mark = _WATERMARK.match(part)
        if mark is not None:
            watermark = (mark[1], mark[2].strip())
        elif part.startswith("key "):
            key = tuple(k.strip() for k in part.removeprefix("key ").split(","))
        elif part in ("changes", "upsert", "endless"):
            flags.add(part)
        else:
            raise CaseError(f"'{part}' is nothing an input can be.", hint="watermark, key, …")
    return Input(
        name,
        schema,
        watermark,
        key,
        changes="changes" in flags,
        upsert="upsert" in flags,
        endless="endless" in flags,
    )
