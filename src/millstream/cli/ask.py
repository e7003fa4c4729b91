"""``millstream query SQL --from HOST:PORT``: asks a running server about its live views.

in      one SELECT over the views of a server; a shape for rows
out     the answer on standard output: a table, JSON (one object a line) or CSV; with ``--watch``
        the whole answer again whenever it has changed, until Ctrl-C
told    on standard error where there are more rows than asked for
bad     the server's own words: a wrong name with the near ones, a place in the text; exit 1
"""

from __future__ import annotations

import csv
import json
import sys
import time
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from millstream.cli.failure import Exit, leave, told

if TYPE_CHECKING:
    from millstream.cli.asking_server import Server

EVERY_S = 1.0
SLACK_S = 10.0
"""So much longer than the query the answer may take to come."""
_NUMBERS = ("TINYINT", "SMALLINT", "INT", "BIGINT", "DECIMAL", "FLOAT", "DOUBLE")


class Shape(str, Enum):  # noqa: UP042 (typer shows the values of a str Enum)
    """How rows are printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


class LookAt(str, Enum):  # noqa: UP042 (typer shows the values of a str Enum)
    """Which rows are seen."""

    NEWEST = "newest"
    COMMITTED = "committed"


def query(
    sql: Annotated[str, typer.Argument(metavar="SQL", help="One SELECT over live views.")],
    address: Annotated[
        str | None, typer.Option("--from", metavar="HOST:PORT", help="A server; 127.0.0.1:8042.")
    ] = None,
    shape: Annotated[Shape, typer.Option("--format", help="How rows are printed.")] = Shape.TABLE,
    watch: Annotated[
        bool, typer.Option("--watch", help="Print the answer again when it has changed.")
    ] = False,
    every_s: Annotated[
        float, typer.Option("--every", metavar="SECONDS", min=0.1, help="How often it is asked.")
    ] = EVERY_S,
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=100_000, help="Print no more rows.")
    ] = 1_000,
    timeout_s: Annotated[
        float, typer.Option("--timeout", metavar="SECONDS", min=0.1, max=60, help="Give up then.")
    ] = 10.0,
    at: Annotated[
        LookAt, typer.Option("--at", help="The newest rows, or those of the last checkpoint.")
    ] = LookAt.NEWEST,
) -> None:
    """Ask a running server about its live views, in SQL."""
    with told():
        from millstream.cli.asking_server import Server

        server = Server.at(address, timeout_s + SLACK_S)
        ask = {"sql": sql, "limit": limit, "timeout_s": timeout_s, "at": at.value}
        if not watch:
            _say(_asked(server, ask), shape)
            leave(Exit.OK)
        leave(_follow(server, ask, shape, every_s))


def register(app: typer.Typer) -> None:
    """Make it a command."""
    app.command()(query)


def _follow(server: Server, ask: dict[str, Any], shape: Shape, every_s: float) -> Exit:
    said: Any = None
    try:
        while True:
            answer = _asked(server, ask)
            if (shown := (answer["columns"], answer["rows"])) != said:
                said = shown
                _say(answer, shape, again=True)
            time.sleep(every_s)
    except KeyboardInterrupt:
        return Exit.OK


def _asked(server: Server, ask: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = server.post("v1", "query", body=ask)
    return found


def _say(answer: dict[str, Any], shape: Shape, *, again: bool = False) -> None:
    names = [column["name"] for column in answer["columns"]]
    rows = answer["rows"]
    if shape is Shape.JSON:
        for row in rows:
            print(json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False))
    elif shape is Shape.CSV:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(names)
        writer.writerows([_text(value) for value in row] for row in rows)
    else:
        from millstream.frame.screen import print_rows

        if again and sys.stdout.isatty():
            print("\033[H\033[2J", end="")
        numeric = [column["type"].startswith(_NUMBERS) for column in answer["columns"]]
        print_rows(names, [[_text(value) for value in row] for row in rows], numeric)
    sys.stdout.flush()
    if answer["truncated"]:
        print(f"There are more rows than these {len(rows)}: --limit", file=sys.stderr)


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)
