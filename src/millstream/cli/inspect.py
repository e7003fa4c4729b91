"""``millstream check FILE`` and ``explain FILE``: a program is looked at, nothing is touched."""

from __future__ import annotations

import sys
from pathlib import Path

from millstream.cli.failure import Exit
from millstream.cli.program import execute, kind_of, settings_of, text_of
from millstream.errors import PlanError
from millstream.frame import context
from millstream.plan.nodes import Plan


def check_file(file: Path, pairs: list[str]) -> Exit:
    """Validate every plan of a program."""
    plans = _plans(file, pairs)
    sinks = sum(len(plan.sinks) for plan in plans)
    print(f"{file}: ok ({sinks} sink{'' if sinks == 1 else 's'})", file=sys.stderr)
    return Exit.OK


def explain_file(file: Path, pairs: list[str]) -> Exit:
    """Print every plan of a program."""
    from millstream.job import Job

    print("\n\n".join(Job(plan).explain() for plan in _plans(file, pairs)))
    return Exit.OK


def _plans(file: Path, pairs: list[str]) -> list[Plan]:
    from millstream.job import Job

    around = context.Surroundings(context.Purpose.LOOK, options=settings_of(pairs))
    if kind_of(file) == "sql":
        from millstream.frame.sqls import plans_of

        plans = plans_of(text_of(file), str(file), around.options)
    else:
        left = execute(file, around)
        plans = around.plans + ([Plan(tuple(s.node for s in left))] if left else [])
    if not plans:
        raise PlanError(
            f"'{file}' declares nothing to run.",
            hint="Write INSERT INTO … in SQL; .write_…(…) or .show() in Python.",
        )
    for plan in plans:
        Job(plan).check()
    return plans
