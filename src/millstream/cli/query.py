"""``millstream sql``: statements are executed one by one; rows and nothing else on standard output.

in      SQL text or a file; a shape for rows
out     a query that ends: its final result; one that does not: rows as they come, or on a terminal
        a table that follows it; with ``changelog`` every change with its kind
bad     an updating query without end, without ``changelog`` and without a terminal is refused: its
        rows would never be final
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from millstream.cli.conductor import Conductor
from millstream.cli.failure import Exit, exit_of_signal
from millstream.cli.program import settings_of, text_of
from millstream.errors import PlanError
from millstream.frame import context

if TYPE_CHECKING:
    from millstream.plan.nodes import Node
    from millstream.sql.script import Listing, Outcome, Session


def query(
    text: str | None,
    file: Path | None,
    shape: str,
    checkpoint: str | None,
    pairs: list[str],
    *,
    changelog: bool,
    quiet: bool,
) -> Exit:
    """Run statements, or open the shell where there are none; returns the exit code."""
    if text is not None and file is not None:
        raise PlanError("Both SQL and a file are given.", hint="Give one of them.")
    if text is None and file is None:
        if sys.stdin.isatty():
            from millstream.cli.shell import open_shell

            return open_shell(pairs)
        text = sys.stdin.read()
    if file is not None and not file.is_file():
        raise PlanError(f"There is no file '{file}'.", hint="Check the path.")
    from millstream.frame.sqls import session_of

    options: dict[str, str] = settings_of(pairs)
    if checkpoint is not None:
        options["execution.checkpointing.dir"] = str(checkpoint)
    session = session_of({}, options)
    printer = Printer(session, Conductor(quiet=quiet), shape, changelog=changelog)
    said = text if text is not None else text_of(file or Path())
    worst = Exit.OK
    for outcome in session.execute(said, file=None if file is None else str(file)):
        code = printer.show(outcome)
        if code not in (Exit.OK, Exit.REJECTED):
            return code
        worst = max(worst, code)
    return worst


def run_script(text: str, file: str, around: context.Surroundings, conductor: Conductor) -> Exit:
    """Run everything a script writes as one job, for ``millstream run``."""
    from millstream.frame.sqls import script_of
    from millstream.job import Job
    from millstream.plan.nodes import Plan

    sinks, settings = script_of(text, file, around.options)
    if not sinks:
        raise PlanError(f"'{file}' declares nothing to run.", hint="Write INSERT INTO … SELECT …;")
    conductor.conduct(Job(Plan(tuple(s.node for s in sinks)), settings), sinks)
    return conductor.exit


class Printer:
    """Runs what statements ask for and prints it."""

    def __init__(
        self, session: Session, conductor: Conductor, shape: str, *, changelog: bool
    ) -> None:
        self._session = session
        self._conductor = conductor
        self._asking = Conductor(quiet=conductor.quiet, only_trouble=True)
        self._shape = shape
        self._changelog = changelog

    def show(self, outcome: Outcome) -> Exit:
        """Run or print one outcome."""
        from millstream.job import Job
        from millstream.plan.nodes import Plan
        from millstream.sql import script as s

        match outcome:
            case s.Done(message=message):
                self._say(message)
                return Exit.OK
            case s.Listing():
                self._list(outcome)
                return Exit.OK
            case s.Explained(of=of):
                print(Job(self._plan_of(of), self._session.settings).explain())
                return Exit.OK
            case s.Inserted(sinks=sinks):
                self._conductor.conduct(Job(Plan(sinks), self._session.settings))
                return self._conductor.exit
            case s.Materialized(message=message):
                self._say(f"{message} Here it is computed when it is read; a job keeps it current.")
                return Exit.OK
            case s.Selected(node=node):
                return self._select(node)

    def _say(self, message: str) -> None:
        if not self._conductor.quiet and sys.stderr.isatty():
            print(message, file=sys.stderr)

    def _plan_of(self, of: Any) -> Any:
        from millstream.frame.results import kept, view_of
        from millstream.plan.nodes import Plan
        from millstream.sql.script import Inserted

        if isinstance(of, Inserted):
            return Plan(of.sinks)
        return Plan((kept(of.node, view_of(of.node, rows_max=1)),))

    def _list(self, listing: Listing) -> None:
        if self._shape == "json":
            import json

            for row in listing.rows:
                named: Mapping[str, str] = dict(zip(listing.columns, row, strict=True))
                print(json.dumps(named, ensure_ascii=False))
        elif self._shape == "csv":
            import csv

            writer = csv.writer(sys.stdout, lineterminator="\n")
            writer.writerow(listing.columns)
            writer.writerows(listing.rows)
        else:
            from millstream.frame.screen import print_rows

            print_rows(listing.columns, listing.rows)

    def _select(self, node: Node) -> Exit:
        from millstream.frame.answers import answer

        code = exit_of_signal(
            answer(
                node,
                self._session.settings,
                self._asking,
                self._shape,
                changelog=self._changelog,
            )
        )
        return self._asking.exit if code is Exit.OK else code
