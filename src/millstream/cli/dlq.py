"""``millstream dlq``: what was done with the dead letters of a pipeline, and with which result.

in      the folder (or address) of a checkpoint or of dead letters, filters
out     tables or JSON on standard output; exit codes as of every command
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from millstream.cli.failure import Exit
from millstream.errors import PlanError
from millstream.frame.figures import count_text, instant_text, rows_text
from millstream.ports.options import with_options
from millstream.settings import Settings
from millstream.types.time import duration_ms

if TYPE_CHECKING:
    from millstream.engine.dead_requests import Filter

GROUPS_SHOWN_MAX = 100
TEXT_SHOWN_MAX = 2_000


def filter_of(
    operator: str | None, kind: str | None, reason: str | None, since: str | None, epoch: int | None
) -> Filter:
    """Read the filters of a command; ``since`` is an instant or a time back from now."""
    from millstream.engine.dead_requests import Filter
    from millstream.engine.letter_store import Kind

    kinds = [k.value for k in Kind]
    if kind is not None and kind not in kinds:
        raise PlanError(
            f"There are no letters of kind '{kind}'.", hint="One of " + ", ".join(kinds)
        )
    return Filter(operator, kind, reason, None if since is None else _instant_ms(since), epoch)


def list_letters(
    place: str, wanted: Filter, state: str | None, list_format: str, pairs: list[str]
) -> Exit:
    """Print letters grouped."""
    from millstream.engine.letter_views import groups, open_letters, unfit

    letters = open_letters(place, _settings(pairs))
    found, notes = groups(letters, wanted, _state(state)), unfit(letters)
    if list_format == "json":
        print(json.dumps({"groups": [asdict(g) for g in found], "unfit": notes}, indent=2))
        return Exit.OK
    rows = [
        (
            count_text(g.letters), g.kind, g.state, g.operator, _cut(g.reason, 70),
            instant_text(g.first_ms), instant_text(g.last_ms),
        )
        for g in found[:GROUPS_SHOWN_MAX]
    ]  # fmt: skip
    _print_table(("letters", "kind", "state", "operator", "reason", "first (UTC)", "last"), rows)
    if len(found) > GROUPS_SHOWN_MAX:
        print(f"… and {count_text(len(found) - GROUPS_SHOWN_MAX)} other groups: --format json")
    print(f"{count_text(sum(g.letters for g in found))} letters in {letters.place}")
    for reason, count in notes.items():
        print(f"{count_text(count)} could not be put through again: {reason}")
    return Exit.OK


def show_letters(
    place: str,
    ids: list[str],
    wanted: Filter,
    state: str | None,
    limit: int,
    list_format: str,
    pairs: list[str],
) -> Exit:
    """Print single letters."""
    from millstream.engine.letter_views import open_letters, single

    found = single(open_letters(place, _settings(pairs)), wanted, _state(state), ids, limit)
    if not found:
        raise PlanError("No letter is like that.", hint="See 'millstream dlq list'.")
    shown = [_readable(letter) for letter in found]
    if list_format == "json":
        print(json.dumps(shown, indent=2, ensure_ascii=False))
        return Exit.OK
    for letter in shown:
        print(f"{letter.pop('id')}  {letter.pop('kind')}, {letter.pop('state')}")
        for name, value in letter.items():
            if value is not None:
                print(f"  {name:<9} {value}")
    return Exit.OK


def export_letters(
    place: str, file: Path, wanted: Filter, state: str | None, pairs: list[str]
) -> Exit:
    """Write letters to a file."""
    from millstream.engine.letter_views import export, open_letters

    count = export(open_letters(place, _settings(pairs)), wanted, _state(state), file)
    print(f"{count_text(count)} letters written to {file}")
    return Exit.OK


def purge_letters(place: str, wanted: Filter, state: str | None, pairs: list[str]) -> Exit:
    """Remove letters, in whole blobs."""
    from millstream.engine.letter_views import open_letters, purge

    removed, left = purge(open_letters(place, _settings(pairs)), wanted, _state(state))
    print(f"{count_text(removed)} letters removed")
    if left:
        print(f"{count_text(left)} stay: they are of epochs that have other letters too")
    return Exit.OK


def replay_letters(
    place: str, file: Path, wanted: Filter, *, only: bool, pairs: list[str], quiet: bool
) -> Exit:
    """Ask for letters to be put through again, and run the pipeline unless it runs."""
    from millstream.cli.run import run_file
    from millstream.engine.dead_requests import Requests
    from millstream.engine.letter_views import open_letters
    from millstream.stores.open import open_store

    settings = _settings(pairs)
    letters = open_letters(place, settings)
    request = Requests(letters).ask(wanted, time.time_ns() // 1_000_000)
    if request is None:
        raise PlanError(
            "There is no letter to put through again.",
            where=letters.place,
            hint="Those that were put through already, or are asked for, are not taken twice: "
            "see 'millstream dlq list'.",
        )
    said = f"request {request.number}: {rows_text(request.count)}"
    is_checkpoint = bool(open_store(place, settings).names("identity"))
    free = open_store(place, settings).own() if is_checkpoint else (lambda: None)
    if free is None:
        print(f"{said}; the running pipeline takes them up (source.discovery-interval)")
        return Exit.OK
    free()
    print(said, file=sys.stderr)
    if only:
        pairs = [*pairs, "pipeline.dead-letters.replay-only=true"]
    if not is_checkpoint:
        pairs = [*pairs, f"pipeline.dead-letters.dir={place}"]
    return run_file(file, place if is_checkpoint else None, pairs, quiet=quiet)


def _settings(pairs: list[str]) -> Settings:
    from millstream.cli.program import settings_of

    return with_options(Settings(), settings_of(pairs), owner="--set")


def _state(state: str | None) -> str | None:
    from millstream.engine.letter_views import ALL_STATES

    if state is not None and state not in ALL_STATES:
        raise PlanError(
            f"There is no state '{state}'.",
            hint="One of " + ", ".join(f"'{s}'" for s in ALL_STATES),
        )
    return state


def _instant_ms(text: str) -> int:
    import datetime as dt

    try:
        at = dt.datetime.fromisoformat(text)
    except ValueError:
        return time.time_ns() // 1_000_000 - duration_ms(text)
    at = at if at.tzinfo is not None else at.replace(tzinfo=dt.UTC)
    return int(at.timestamp() * 1000)


def _readable(letter: dict[str, Any]) -> dict[str, Any]:
    """Return a letter with its bytes as text where they are text, else in hex."""
    raw: bytes | None = letter["raw"]
    shown = {**letter, "time": instant_text(letter["time"])}
    shown["mark"] = None if letter["mark"] is None else instant_text(letter["mark"])
    if raw is not None:
        shown["raw"] = _cut(_text_of(raw) or "0x" + raw.hex(), TEXT_SHOWN_MAX)
        shown["bytes"] = len(raw)
    return shown


def _text_of(raw: bytes) -> str | None:
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return None
    return text if all(c.isprintable() or c in "\t\r\n" for c in text) else None


def _cut(text: str, size: int) -> str:
    return text if len(text) <= size else text[: size - 1] + "…"


def _print_table(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    for row in (heads, *rows):
        cells = (
            cell.rjust(width) if i == 0 else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        print("  ".join(cells).rstrip())
