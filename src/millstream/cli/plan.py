"""``millstream plan FILE --from DIR``: what of a checkpoint a changed program would go on with.

in      a program, the checkpoint folder of the one that runs, perhaps an epoch
out     a table: each step with state, each source, each sink, and what becomes of it; a verdict
exit    0 everything is kept, 3 something starts empty or would be given up
law     nothing is touched: the folder is read only, no lock, no sink and no source is opened
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from millstream.cli.failure import Exit
from millstream.cli.program import execute, kind_of, settings_of, text_of
from millstream.errors import PlanError
from millstream.frame import context

if TYPE_CHECKING:
    from millstream.job import Job
    from millstream.plan.compare import Comparison, StepFate


def plan_file(file: Path, place: str, epoch: int | None, shape: str, pairs: list[str]) -> Exit:
    """Compare a program with a checkpoint; returns the exit code."""
    from millstream.engine.adopting import compared, said_by
    from millstream.engine.replay import fresh_graph, opened

    job = job_of(file, place, pairs)
    folder = opened(place, job.settings)
    found = folder.read(folder.epochs()[-1] if epoch is None else epoch)
    said = said_by(job.derived, fresh_graph(job.derived, job.settings, found))
    comparison = compared(found, job.derived, said)
    allowed = job.settings.allow_lost_state
    if shape == "json":
        print(json.dumps(_json(comparison, allowed), indent=2, ensure_ascii=False))
    else:
        from millstream.frame.screen import print_rows

        print_rows(("", "what", "becomes", "rows", "why"), _rows(comparison))
        print(verdict(comparison, allowed=allowed))
    return Exit.OK if comparison.all_kept else Exit.CHANGED


def job_of(file: Path, place: str, pairs: list[str]) -> Job:
    """Return the one job of a program, looked at and not run."""
    from millstream.job import Job
    from millstream.plan.nodes import Plan
    from millstream.ports.options import with_options
    from millstream.settings import Settings

    options = {
        "pipeline.name": file.stem,
        **settings_of(pairs),
        "execution.checkpointing.dir": place,
    }
    if kind_of(file) == "sql":
        from millstream.frame.sqls import script_of

        sinks, settings = script_of(text_of(file), str(file), options)
        plans = [Plan(tuple(s.node for s in sinks))] if sinks else []
    else:
        around = context.Surroundings(context.Purpose.LOOK, options=options)
        left = execute(file, around)
        plans = around.plans + ([Plan(tuple(s.node for s in left))] if left else [])
        settings = with_options(Settings(), options, owner="settings")
    if len(plans) != 1:
        raise PlanError(
            f"'{file}' runs {len(plans)} pipelines, a checkpoint belongs to one.",
            hint="Give a program that runs one pipeline.",
        )
    return Job(plans[0], settings)


def verdict(found: Comparison, *, allowed: bool) -> str:
    """Return what ``run`` would do."""
    if found.gone and not allowed:
        return (
            f"'millstream run' would refuse: {_count(len(found.gone), 'part')} of epoch "
            f"{found.epoch} would be given up. Undo the change, or run with --allow-lost-state."
        )
    given_up = f", giving {_count(len(found.gone), 'part')} of it up" if found.gone else ""
    new = f"; {_count(len(found.new), 'step')} would start empty" if found.new else ""
    return f"'millstream run' would go on from epoch {found.epoch}{given_up}{new}."


def _rows(found: Comparison) -> list[tuple[str, ...]]:
    groups = (("step", found.steps), ("source", found.sources), ("sink", found.sinks))
    return [
        (kind, fate.uid, fate.fate.value, str(fate.rows) if kind == "step" else "", fate.why)
        for kind, fates in groups
        for fate in fates
    ]


def _json(found: Comparison, allowed: bool) -> dict[str, object]:
    def told(fates: tuple[StepFate, ...]) -> list[dict[str, object]]:
        return [
            {"id": f.uid, "fate": f.fate.value, "why": f.why, "was": f.was, "rows": f.rows}
            for f in fates
        ]

    return {
        "epoch": found.epoch,
        "runs": allowed or not found.gone,
        "all_kept": found.all_kept,
        "steps": told(found.steps),
        "sources": told(found.sources),
        "sinks": told(found.sinks),
    }


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
